r"""How many frames of the sample city does a small network want? mIoU against 10, 20, 40, 80, 160,
320 of them.

    python -m sample_city --root data/city320 --train 320 --val 20 --test 0
    python -m benchmarks.city_curve              # 25 minutes of one core; resumes what is there
    python -m benchmarks.city_curve --steps 3000 --counts 80 320 \
        --result benchmarks/results/city_curve_long.json   # and with three times the steps?
    python -m benchmarks.city_curve --height 256 --steps 500 --counts 320 \
        --result benchmarks/results/city_learnable.json    # 500 steps at quarter scale

Every point has the same budget: the same number of steps, batch, learning rate and initial weights
(width 8, whole frames at an eighth of their size, flips, cross entropy plus twice Dice, Muon with
warm-up and cosine); only the number of frames that the batches are drawn from changes. Scored on
the 20 val frames, whose cities no training frame comes from.
"""

import argparse
import json
import math
import platform
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from extras.experiments.trials import dice_loss
from extras.training_tools.muon import Muon
from helpers import command
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import evaluate, pixel_loss
from helpers.files import write_json
from helpers.frame_cache import FrameCache
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import View
from sample_city.write import frame_plan

RESULT = ROOT / "benchmarks" / "results" / "city_curve.json"
WARMUP = 50  # steps
COUNTS = (10, 20, 40, 80, 160, 320)


def datasets(root: Path, count: int, view: View) -> tuple[CityscapesDataset, CityscapesDataset]:
    """The first `count` train frames in the order in which the city makes them, and all of val,
    both cached.
    """
    wanted = {frame_plan("train", index, 1)[1] for index in range(count)}
    train_rows = [
        row
        for row in find_rows(root, "train")
        if Path(row.image).name.removesuffix("_leftImg8bit.png") in wanted
    ]
    if len(train_rows) != count:
        raise ValueError(
            f"{root} has {len(train_rows)} of the first {count} train frames of the sample "
            f"city; build them: python -m sample_city --root {root} --train {count} --val 20 "
            "--test 0"
        )
    sets = []
    for rows, augment in ((train_rows, True), (find_rows(root, "val"), False)):
        cache = FrameCache(rows, root, view, TRAIN_19, progress=False)
        sets.append(CityscapesDataset(rows, root, view, augment=augment, cache=cache))
    return tuple(sets)


def point(root: Path, count: int, options) -> dict:
    """Train on `count` frames, score on val."""
    view = View("frame", padding="same", height=options.height)
    train, val = datasets(root, count, view)
    torch.manual_seed(options.seed)
    model = UNet(3, 19, options.width, 4, "same", "batch", 0.0).to(
        memory_format=torch.channels_last
    )
    optimizer = Muon(model, options.learning_rate)
    random, start, order = np.random.PCG64([options.seed, count]), time.process_time(), []
    for step in range(options.steps):
        for group in optimizer.param_groups:
            cosine = (1 + math.cos(math.pi * step / options.steps)) / 2
            group["lr"] = options.learning_rate * min(1, (step + 1) / WARMUP) * cosine
        while len(order) < options.batch:  # every frame once before any comes again
            keys = random.random_raw(count)
            order += np.argsort(keys, kind="stable").tolist()
            train.epoch += 1
        items, order = [train[i] for i in order[: options.batch]], order[options.batch :]
        images = torch.stack([image for image, _ in items]).contiguous(
            memory_format=torch.channels_last
        )
        logits, targets = model(images), torch.stack([target for _, target in items])
        loss, pixels = pixel_loss(logits, targets)
        optimizer.zero_grad(set_to_none=True)
        (loss / pixels.clamp(min=1) + 2 * dice_loss(logits, targets)).backward()
        optimizer.step()
    seconds = time.process_time() - start
    scores = evaluate(model, DataLoader(val, 2), TRAIN_19)
    iou = {name: round(float(v), 4) for name, v in zip(TRAIN_19.names, scores.iou)}
    return {
        "frames": count,
        "mean_iou": round(scores.mean_iou, 4),
        "pixel_accuracy": round(scores.pixel_accuracy, 4),
        "train_loss_last": round(float(loss.detach() / pixels), 4),
        "iou": iou,
        "cpu_seconds": round(seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT / "data" / "city320")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    for name, default in (
        ("steps", 1000),
        ("batch", 2),
        ("width", 8),
        ("seed", 0),
        ("height", 128),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--learning-rate", type=float, default=3e-2)
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {
        name: getattr(options, name)
        for name in ("steps", "batch", "width", "learning_rate", "seed", "height")
    }
    settings["optimizer"] = "Muon"
    result = {
        "command": shlex.join(["python", "-m", "benchmarks.city_curve", *sys.argv[1:]]),
        "settings": settings,
        "data": "sample city 1, seed 1",
        "hardware": f"one core, {platform.machine()}",
        "torch": torch.__version__,
        "points": [],
    }
    if options.result.is_file():
        stored = json.loads(options.result.read_text())
        if stored["settings"] == settings:
            result = stored  # the points that are there need not be made again
    for count in options.counts:
        if any(p["frames"] == count for p in result["points"]):
            continue
        made = point(options.root, count, options)
        result["points"].append(made)
        result["points"].sort(key=lambda p: p["frames"])
        write_json(options.result, result)
        print(f"{count:4d} frames: mIoU {made['mean_iou']:.3f}", flush=True)


if __name__ == "__main__":
    command.run(main)
