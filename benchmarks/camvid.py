r"""Training on photographs, CamVid in 11 classes, from scratch; results are numbers only.

    python -m benchmarks.camvid --root data/camvid       # a short run of a small network on a CPU
    python -m benchmarks.camvid --root data/camvid --config camvid12    # 90 minutes of a core
    python -m benchmarks.camvid --root data/camvid --config camvid64    # width 64, for a GPU
    python -m benchmarks.camvid --root data/camvid --config camvid16    # below 2 million weights
    python -m benchmarks.camvid --root data/camvid --config camvid16 --folds     # cross-validation

Results go to runs/, or with --store to benchmarks/results, which chapter 13 reads. Once, at last:

    python -m helpers.evaluate --checkpoint runs/camvid64/camvid64.pt \
        --root data/camvid --split test

Trained on train, scored on val at full size. Val is one clip out of a drive that is in train too
(chapter 13), so its score is optimistic. To choose between settings use --folds: every drive of
train and val in turn is left out and scored, so no film is on both sides. Nothing here reads the
test split.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from extras.experiments.trials import Trial, make_trial, plain
from helpers import command
from helpers.checkpoints import load_model, save_model
from helpers.config import TrainConfig
from helpers.csv_index import find_rows
from helpers.files import write_json
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT, runs_dir, shown
from helpers.progress import progress_bar
from helpers.training import train

# Frozen: a result names its config, so a change needs a new name. Whole frames, at full size where
# nothing else is said: 360x480.
FULL = Trial(
    name="camvid64",
    label_set="camvid11",
    view="frame",
    height=360,
    padding="same",
    norm="batch",
    width=64,
    epochs=240,
    batch_size=8,
    learning_rate=1e-3,
    optimizer="adamw",
    warmup=200,
    schedule="poly",
    augment=True,
    scale=(0.5, 2.0),
    color=True,
    dropout=0.2,
    ema=0.998,
    workers=8,
)
CONFIGS = {
    "camvid64": FULL,
    "camvid16": replace(FULL, name="camvid16", width=16, dropout=0.0, learning_rate=2e-3),
    # For one core of a CPU: thin, frames at half size, Muon, and class weights for the rare
    "camvid12": replace(
        FULL,
        name="camvid12",
        width=12,
        height=180,
        epochs=60,
        batch_size=4,
        learning_rate=2e-2,
        optimizer="muon",
        warmup=100,
        schedule="cosine",
        loss="weighted",
        dropout=0.0,
        workers=0,
    ),
}


def score(root, model, info, split: str = "val") -> ConfusionMatrix:
    """The confusion matrix of all frames of a split at full size."""
    total = ConfusionMatrix(len(info["label_set"]))
    for row in progress_bar(find_rows(root, split), split):
        truth = info["label_set"].encode(open_label(f"{root}/{row.label}"))
        total.update(predict_frame(model, open_image(f"{root}/{row.image}"), info), truth)
    return total


def always_the_commonest(root, info) -> float:
    """mIoU of calling every pixel the commonest class of train: the floor for a network."""
    classes = len(info["label_set"])
    counts = np.zeros(256, np.int64)
    for row in find_rows(root, "train"):
        counts += np.bincount(
            info["label_set"].encode(open_label(f"{root}/{row.label}")).ravel(), minlength=256
        )
    total = ConfusionMatrix(classes)
    for row in find_rows(root, "val"):
        truth = info["label_set"].encode(open_label(f"{root}/{row.label}"))
        total.update(np.full_like(truth, counts[:classes].argmax()), truth)
    return total.mean_iou()


def fold(root, drive: str, target) -> Path:
    """A data set at `target` whose val is one drive (a city) of `root`, whole, and whose train is
    all other drives.

    Takes train and val, never test; frames are linked where that is possible, else copied.
    """
    target = Path(target)
    for split in ("train", "val"):
        for row in find_rows(root, split):
            for name in (row.image, row.label):
                kind, _, city, file = name.split("/")
                path = target / kind / ("val" if city == drive else "train") / city / file
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(Path(root) / name, path)
                except OSError:  # another disk, or a file system without links
                    shutil.copyfile(Path(root) / name, path)
    return target


def scores_of(total: ConfusionMatrix, info) -> dict:
    return {
        "val_mean_iou": total.mean_iou(),
        "val_pixel_accuracy": total.pixel_accuracy(),
        "val_iou": {
            name: None if np.isnan(v) else float(v)
            for name, v in zip(info["label_set"].names, total.iou())
        },
    }


def run_config(config: Trial, root) -> dict:
    """Train as a frozen config says, write runs/<name>/<name>.pt (the averaged weights), and score
    val.
    """
    start, used = time.time(), time.process_time()
    run = make_trial(replace(config, root=str(root)))
    history = run.fit()
    path = runs_dir() / config.name / f"{config.name}.pt"
    save_model(path, run.average.module, run.info(), half=False)
    model, info = load_model(path, run.device)
    return {
        "train_loss": history[-1]["train_loss"],
        "seconds": round(time.time() - start),
        "processor_seconds": round(time.process_time() - used),
        "parameters": sum(p.numel() for p in model.parameters()),
        "frames": {split: len(find_rows(root, split)) for split in ("train", "val")},
        **scores_of(score(root, model, info), info),
    }


def run_named(name: str, root, folds: bool) -> dict:
    """The result of a frozen config: of train and val as they are, or of every drive left out in
    turn.
    """
    config = CONFIGS[name]
    result = {
        "command": f"python -m benchmarks.camvid --root data/camvid --config {name}"
        + " --folds" * folds,
        "config": plain(config),
        "hardware": f"{platform.machine()}, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"),
    }
    if not folds:
        return {**result, **run_config(config, root)}
    drives = sorted({row.city for split in ("train", "val") for row in find_rows(root, split)})
    result["drives"] = {}
    for drive in drives:
        with tempfile.TemporaryDirectory(dir=Path(root).parent) as folder:
            result["drives"][drive] = run_config(
                replace(config, name=f"{name}-without-{drive}", cache=None),
                fold(root, drive, folder),
            )
        print(
            f"without {drive}: mIoU there {result['drives'][drive]['val_mean_iou']:.4f}", flush=True
        )
    result["val_mean_iou"] = float(
        np.mean([scores["val_mean_iou"] for scores in result["drives"].values()])
    )
    return result


def run_short(root, epochs: int, height: int) -> dict:
    """The short run of a small network that chapter 13 shows."""
    config = TrainConfig.demo(
        name="photographs",
        root=root,
        label_set="camvid11",
        width=12,
        height=height,
        batch_size=4,
        epochs=epochs,
        pictures=1,
    )
    start = time.process_time()
    history = train(config)
    model, info = load_model(runs_dir() / "photographs" / "last.pt")
    return {
        "command": f"python -m benchmarks.camvid --root data/camvid --epochs {epochs} --height "
        f"{height}",
        "settings": f"frames reduced to about {height} rows, width 12, same padding, batch norm, "
        "batch 4, flips, Adam 3e-3, cosine schedule",
        "frames": {split: len(find_rows(root, split)) for split in ("train", "val")},
        "epochs": len(history),
        "parameters": sum(p.numel() for p in model.parameters()),
        "processor_seconds": round(time.process_time() - start),
        **scores_of(score(root, model, info), info),
        "commonest_class_mean_iou": always_the_commonest(root, info),
        "history": [
            {k: row[k] for k in ("epoch", "train_loss", "val_loss", "val_mean_iou")}
            for row in history
        ],
    }


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    parser.add_argument(
        "--config", choices=CONFIGS, help="a frozen config; without it the short run on a CPU"
    )
    parser.add_argument(
        "--folds", action="store_true", help="cross-validate the config over drives"
    )
    parser.add_argument("--epochs", type=int, default=8, help="of the short run")
    parser.add_argument(
        "--height", type=int, default=180, help="of its frames: 120 is a third, 180 half"
    )
    parser.add_argument(
        "--store", action="store_true", help="replace the result that chapter 13 shows"
    )
    args = parser.parse_args(arguments)
    if args.folds and not args.config:
        parser.error("--folds needs a --config")
    result = (
        run_named(args.config, args.root, args.folds)
        if args.config
        else run_short(args.root, args.epochs, args.height)
    )
    results = ROOT / "benchmarks" / "results" if args.store else runs_dir()
    file = results / ((args.config or "camvid") + "_folds" * args.folds + ".json")
    write_json(file, result)
    print(
        f"val mIoU {result['val_mean_iou']:.4f} over 11 classes at full size; {shown(file)} written"
    )


if __name__ == "__main__":
    command.run(main)
