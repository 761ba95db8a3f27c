"""FCN-32s, FCN-16s and FCN-8s from scratch, thin, at one budget: what do the skips bring?

    python -m benchmarks.fcn_variants          # about 6 minutes of one core; resumes what is there
    python -m benchmarks.fcn_variants --steps 4 --seeds 0 --frames 2 --result trial.json

Whole frames of the sample city at quarter scale; every run has the same frames in the same order,
the same steps and learning rate, and the initial weights of its seed. Chapter 01 draws its figure
from the result file.
"""

import argparse
import json
import math
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from helpers import command
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import evaluate, pixel_loss
from helpers.fcn import FCN8s, FCN16s, FCN32s
from helpers.files import write_json
from helpers.frame_cache import FrameCache
from helpers.labels import TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.normalization import channel_statistics
from helpers.paths import ROOT
from helpers.windows import View

MODELS = {"FCN-32s": FCN32s, "FCN-16s": FCN16s, "FCN-8s": FCN8s}
RESULT = ROOT / "benchmarks" / "results" / "fcn_variants.json"


def plain(scores) -> dict:
    """Scores as numbers that JSON knows; None for a class that does not occur."""
    iou = [None if np.isnan(v) else round(float(v), 5) for v in scores.iou()]
    return {
        "mean_iou": round(scores.mean_iou(), 5),
        "pixel_accuracy": round(scores.pixel_accuracy(), 5),
        "iou": dict(zip(TRAIN_19.names, iou)),
    }


def datasets(root: Path, folder: Path, frames: int | None):
    """Training and validation set with their frames decoded once."""
    sets = {}
    for split in ("train", "val"):
        rows = find_rows(root, split)[:frames]
        view = View("frame", padding="same")
        cache = FrameCache(rows, root, view, folder=folder / f"{split}_cache", progress=False)
        augment = split == "train"
        sets[split] = CityscapesDataset(rows, root, view, augment=augment, cache=cache)
    statistics = channel_statistics([root / row.image for row in sets["train"].rows])
    for dataset in sets.values():
        dataset.mean, dataset.std = statistics.mean, statistics.std
    return sets["train"], sets["val"]


def ceilings(dataset) -> dict:
    """The scores of the truth itself after it was sampled at strides 8, 16 and 32: no coarser map
    can be better.
    """
    result = {}
    for stride in (8, 16, 32):
        matrix = ConfusionMatrix(19)
        for index in range(len(dataset)):
            truth = dataset.pair(index)[1]
            rows, columns = (
                np.minimum(np.arange(n) // stride * stride + stride // 2, n - 1)
                for n in truth.shape
            )
            matrix.update(truth[rows][:, columns], truth)
        result[str(stride)] = plain(matrix)
    return result


def train(name: str, seed: int, train_set, val_set, args) -> dict:
    """One network from scratch: Adam with a cosine schedule, random flips; scored on the whole
    validation set.
    """
    torch.manual_seed(seed)
    model = MODELS[name](num_classes=19, width=args.width, hidden=args.hidden, dropout=0.0)
    model.to(memory_format=torch.channels_last).train()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=args.learning_rate, fused=True)
    train_set.seed = seed
    order, losses, start = [], [], time.process_time()
    for step in range(args.steps):
        if len(order) < args.batch:
            train_set.epoch = step
            generator = torch.Generator().manual_seed(seed * 9973 + step)
            order += torch.randperm(len(train_set), generator=generator).tolist()
        picked, order = order[: args.batch], order[args.batch :]
        images, targets = map(torch.stack, zip(*(train_set[i] for i in picked)))
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * (1 + math.cos(math.pi * step / args.steps)) / 2
        loss, pixels = pixel_loss(model(images.to(memory_format=torch.channels_last)), targets)
        optimizer.zero_grad(set_to_none=True)
        (loss / pixels.clamp(min=1)).backward()
        optimizer.step()
        losses.append(float(loss.detach() / pixels))
    scores = evaluate(model, DataLoader(val_set), TRAIN_19)
    return {
        "model": name,
        "seed": seed,
        "parameters": sum(p.numel() for p in weights),
        **plain(scores.confusion),
        "first_loss": round(losses[0], 4),
        "last_loss": round(sum(losses[-10:]) / len(losses[-10:]), 4),
        "cpu_seconds": round(time.process_time() - start),
    }


def main(arguments=None) -> dict:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT / "data" / "test_city")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--frames", type=int, help="at most so many frames of each split")
    parser.add_argument("--result", type=Path, default=RESULT)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    settings = {
        k: v for k, v in vars(args).items() if k not in ("root", "result", "seeds", "models")
    }
    known = json.loads(args.result.read_text()) if args.result.is_file() else {}
    result = {
        "command": "python -m benchmarks.fcn_variants",
        "settings": settings,
        "data": args.root.name,
        "hardware": f"one core, {platform.machine()}",
        "torch": torch.__version__,
        "ceilings": {},
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        train_set, val_set = datasets(args.root, Path(folder), args.frames)
        result["frames"] = {"train": len(train_set), "val": len(val_set)}
        result["ceilings"] = ceilings(val_set)
        if all(known.get(key) == result[key] for key in ("settings", "ceilings", "frames")):
            result["runs"] = known["runs"]
        done = {(run["model"], run["seed"]) for run in result["runs"]}
        for seed in args.seeds:
            for name in args.models:
                if (name, seed) not in done:
                    result["runs"].append(train(name, seed, train_set, val_set, args))
                    print({k: v for k, v in result["runs"][-1].items() if k != "iou"}, flush=True)
                    write_json(args.result, result)
    return result


if __name__ == "__main__":
    command.run(main)
