"""What the live training of chapter 07 reaches: the row that chapter 08 shows where nobody has
trained yet. And what the longer one reaches that chapter 07 offers next.

    python -m benchmarks.first_network        # some minutes; writes results/first_network.json

The recipe is the chapter's: 40 frames of the sample city at 64 rows, width 8, batches of two, Adam
5e-3 with a cosine schedule, 20 epochs. Its answers are enlarged to 256 rows, as in chapter 08, and
scored there, pooled over all val frames.
"""

import argparse
import os
import shlex
import tempfile
import time
from pathlib import Path

import torch

from helpers import command
from helpers.checkpoints import load_model
from helpers.config import TrainConfig, parse
from helpers.evaluate import dataset_for
from helpers.files import write_json
from helpers.labels import TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.training import train
from sample_city import ensure_root

RESULT = ROOT / "benchmarks" / "results" / "first_network.json"
SHIPPED = ROOT / "data" / "checkpoints" / "unet.pt"
LONGER = "--preset demo --name longer --height 128 --epochs 100"


def score(model, info: dict, root) -> ConfusionMatrix:
    """The matrix of all val frames at the size of the shipped network's."""
    small = dataset_for(info, root, "val")
    _, info_of_shipped = load_model(SHIPPED)
    large = dataset_for(info_of_shipped, root, "val")
    confusion = ConfusionMatrix(len(TRAIN_19))
    for index in range(len(small)):
        image, _ = small[index]
        _, truth = large.pair(index)
        with torch.no_grad():
            classes = model(image[None])[0].argmax(0)
        factor = truth.shape[0] // classes.shape[0]
        enlarged = classes.repeat_interleave(factor, 0).repeat_interleave(factor, 1)
        confusion.update(enlarged, truth)
    return confusion


def best_epoch(history: list[dict]) -> dict:
    """The scores of the epoch with the best mIoU."""
    best = max(history, key=lambda row: row["val_mean_iou"])
    return {
        "mean_iou": round(best["val_mean_iou"], 4),
        "pixel_accuracy": round(best["val_pixel_accuracy"], 4),
    }


def main(arguments=None) -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args(arguments)
    torch.set_num_threads(1)
    root = ensure_root()
    config = TrainConfig.demo(
        name="first", height=64, train_limit=40, epochs=20, learning_rate=5e-3, pictures=0
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_RUNS"] = folder
        best = best_epoch(train(config, progress=False))
        model, info = load_model(Path(folder) / "first" / "best.pt")
        started = time.process_time()
        longer = best_epoch(train(parse(shlex.split(LONGER)), progress=False))
        minutes = (time.process_time() - started) / 60
    confusion = score(model, info, root)
    iou = {}
    for name, value in zip(TRAIN_19.names, confusion.iou()):
        iou[name] = round(float(value), 4)
    result = {
        "command": "python -m benchmarks.first_network",
        "at 64 rows": best,
        "at 256 rows": {
            "mean_iou": round(confusion.mean_iou(), 4),
            "pixel_accuracy": round(confusion.pixel_accuracy(), 4),
            "iou": iou,
        },
        "longer": {
            "command": f"python -m helpers.training {LONGER}",
            "minutes_of_one_core": round(minutes, 1),
            **longer,
        },
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    command.run(main)
