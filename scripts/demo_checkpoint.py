"""Train the checkpoint that the chapters show, with the project's own commands, and write down what
it is.

    python -m scripts.demo_checkpoint     # about an hour of one core; goes on where it stopped

Builds the training city (320 frames, seed 1; its 20 val frames are those of the sample city),
trains, exports to data/checkpoints/demo.pt and writes data/checkpoints/demo.json: commands, data,
configuration, history, scores, hash.
"""

import argparse
import shlex
import subprocess
import sys

from torch.utils.data import DataLoader

from extras.reproduction.certificate import machine
from helpers import command
from helpers.checkpoints import load_model
from helpers.evaluate import dataset_for, evaluate
from helpers.files import write_json
from helpers.paths import ROOT
from sample_city import VERSION

CHECKPOINT = ROOT / "data" / "checkpoints" / "demo.pt"
CITY = ROOT / "data" / "city320"
COMMANDS = (
    "python -m sample_city --root data/city320 --train 320 --val 20 --test 0 --seed 1",
    "python -m helpers.training --preset demo --width 12 --epochs 22 --root data/city320 --compile "
    "--export data/checkpoints/demo.pt",
)


def main(arguments=None) -> None:
    argparse.ArgumentParser(
        prog="python -m scripts.demo_checkpoint", description="Train the shipped checkpoint."
    ).parse_args(arguments)
    CHECKPOINT.with_suffix(".json").unlink(missing_ok=True)  # it describes the file of before
    for line in COMMANDS:
        subprocess.run([sys.executable, *shlex.split(line)[1:]], cwd=ROOT, check=True)
    model, info = load_model(CHECKPOINT)
    frames = DataLoader(dataset_for(info, CITY, "val"))
    scores = evaluate(model, frames, info["label_set"], per_frame=True).as_dict()
    found = machine()
    record = {
        "file": CHECKPOINT.name,
        "sha256": info["sha256"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "commands": COMMANDS,
        "data": f"sample city version {VERSION}, seed 1: 320 train frames, 20 val frames of "
        "other cities, whole frames at quarter scale",
        "hardware": {
            name: found[name]
            for name in ("processor", "processors", "python", "torch")
            if name in found
        },
        "val": scores,
        "config": info["config"],
        "history": info["history"],
    }
    write_json(CHECKPOINT.with_suffix(".json"), record)
    print(
        f"{CHECKPOINT.name}: val mIoU {scores['mean_iou']:.3f}, pixel accuracy "
        f"{scores['pixel_accuracy']:.3f}"
    )


if __name__ == "__main__":
    command.run(main)
