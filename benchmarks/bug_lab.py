"""One checkpoint under the bugs of chapter 11: its scores on all 20 validation frames.

    python -m benchmarks.bug_lab

Every line of the result is the shipped U-Net, evaluated by helpers that have the bug planted; the
network is in training mode when the evaluation begins, as it is right after an epoch.
"""

import argparse

import torch
from torch.utils.data import DataLoader

from extras.bug_lab.bugs import case
from helpers import command
from helpers.checkpoints import load_model
from helpers.evaluate import dataset_for, evaluate
from helpers.files import write_json
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from scripts.pinned import build_city

RESULT = ROOT / "benchmarks" / "results" / "bug_lab.json"
CHECKPOINT = ROOT / "data" / "checkpoints" / "unet.pt"

# (number of the case, frames in a batch)
TRIED = ((None, 1), (10, 1), (11, 1), (11, 4), (12, 1), (13, 1), (14, 1), (15, 1), (20, 1))


def score(root, number: int | None, batch_size: int) -> dict:
    """The scores of the shipped network while a bug is planted."""
    torch.manual_seed(0)
    with case(number):
        model, info = load_model(CHECKPOINT)
        model.train()
        dataset = dataset_for(info, root, "val")
        batches = DataLoader(dataset, batch_size)
        scores = evaluate(model, batches, dataset.label_set, per_frame=True)
        pole = scores.iou[TRAIN_19.names.index("pole")]
        result = {"mean_iou": scores.mean_iou, "pole": pole}
        result["pixel_accuracy"] = scores.pixel_accuracy
    numbers = {name: round(float(value), 4) for name, value in result.items()}
    return {"case": number, "batch_size": batch_size, **numbers}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    root = build_city()
    rows = [score(root, number, batch_size) for number, batch_size in TRIED]
    settings = {"checkpoint": "unet.pt", "frames": 20, "torch": torch.__version__}
    write_json(RESULT, {"settings": settings, "rows": rows})
    for row in rows:
        print(row)


if __name__ == "__main__":
    command.run(main)
