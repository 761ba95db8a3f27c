"""What can be had without context? Three ceilings beside the U-Net, on the same val frames at
quarter scale.

    python -m benchmarks.city_context [--root data/city320] [--frames 80]

position   the most frequent class at each place of the training frames
pixel      a small network that sees one pixel: its color and where it lies
window     a small network that sees 5 x 5 pixels
unet       the U-Net that the course ships
In a city in which every class had its own color, the second would do as well as the last.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from helpers import command
from helpers.checkpoints import load_model
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import dataset_for, evaluate, pixel_loss
from helpers.files import write_json
from helpers.labels import TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.windows import View

RESULT = ROOT / "benchmarks" / "results" / "city_context.json"
VIEW = View("frame", padding="same", height=256)


def read(root: Path, split: str, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 [n, 256, 512, 3] and train ids uint8 [n, 256, 512]; `limit` frames spread over
    the split.
    """
    dataset = CityscapesDataset(find_rows(root, split), root, VIEW)
    chosen = np.linspace(0, len(dataset) - 1, min(limit, len(dataset))).round().astype(int)
    pairs = [dataset.pair(int(i)) for i in chosen]
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])


def planes(images: np.ndarray, places: bool) -> torch.Tensor:
    """float32 [n, 3 or 5, H, W], about -1 to 1: the colors and, if asked for, column and row."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 60 - 1.3
    if places:
        n, _, h, w = x.shape
        v, u = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
        x = torch.cat([x, u.expand(n, 1, h, w), v.expand(n, 1, h, w)], 1)
    return x


def score(classes, truth: np.ndarray) -> dict:
    """mIoU and accuracy of predicted classes [n, H, W] (or [H, W], the same for every frame)."""
    matrix = ConfusionMatrix(19)
    for k, target in enumerate(truth):
        matrix.update(classes if classes.ndim == 2 else classes[k], target)
    return {
        "mean_iou": round(matrix.mean_iou(), 4),
        "pixel_accuracy": round(matrix.pixel_accuracy(), 4),
        "iou": {
            n: None if np.isnan(v) else round(float(v), 4)
            for n, v in zip(TRAIN_19.names, matrix.iou())
        },
    }


def small_network(size: int, channels: int, width: int = 48) -> nn.Sequential:
    """Sees size x size pixels: 1, or 5 by two convolutions of 3 x 3."""
    k, pad = (1, 0) if size == 1 else (3, 1)
    return nn.Sequential(
        nn.Conv2d(channels, width, k, padding=pad),
        nn.ReLU(),
        nn.Conv2d(width, width, k, padding=pad),
        nn.ReLU(),
        nn.Conv2d(width, width, 1),
        nn.ReLU(),
        nn.Conv2d(width, 19, 1),
    )


@torch.no_grad()
def predict(net, images, places: bool) -> np.ndarray:
    return np.concatenate(
        [net(planes(images[k : k + 1], places)).argmax(1).numpy() for k in range(len(images))]
    )


def fit(size: int, places: bool, images, labels, steps: int, seed: int) -> nn.Sequential:
    """Adam on random windows of 64 x 128 pixels, 8 frames a step."""
    torch.manual_seed(seed)
    net, random = small_network(size, 5 if places else 3), np.random.PCG64([seed, size])
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x, y = [], []
        for _ in range(8):
            k, v, u = (int(random.random_raw() % n) for n in (len(images), 193, 385))
            x.append(planes(images[k : k + 1], places)[:, :, v : v + 64, u : u + 128])
            y.append(torch.from_numpy(labels[k, v : v + 64, u : u + 128].astype(np.int64)))
        loss, pixels = pixel_loss(net(torch.cat(x)), torch.stack(y))
        optimizer.zero_grad()
        (loss / pixels.clamp(min=1)).backward()
        optimizer.step()
        schedule.step()
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT / "data" / "city320")
    parser.add_argument(
        "--checkpoint", type=Path, default=ROOT / "data" / "checkpoints" / "unet.pt"
    )
    for name, default in (("frames", 80), ("steps", 400), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = {name: getattr(options, name) for name in ("frames", "steps", "seed")}
    stored = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    scores = {
        k: v
        for k, v in stored.get("scores", {}).items()
        if k != "unet" and stored["settings"] == settings
    }
    if len(scores) < 3:  # the ceilings need not be made again when the checkpoint changes
        images, labels = read(options.root, "train", options.frames)
        val_images, val_labels = read(options.root, "val", 10**6)
        counts = np.stack([(labels == c).sum(0) for c in range(19)])
        scores["position"] = score(counts.argmax(0).astype(np.uint8), val_labels)
        for name, size, places in (("pixel", 1, True), ("window", 5, False)):
            net = fit(size, places, images, labels, options.steps, options.seed)
            scores[name] = score(predict(net, val_images, places).astype(np.uint8), val_labels)
            print(name, scores[name]["mean_iou"], flush=True)
    model, info = load_model(options.checkpoint, torch.device("cpu"))
    val = dataset_for(info, options.root, "val")
    found = evaluate(model, DataLoader(val), info["label_set"])
    scores["unet"] = {
        "mean_iou": round(found.mean_iou, 4),
        "pixel_accuracy": round(found.pixel_accuracy, 4),
        "iou": {
            n: None if np.isnan(v) else round(float(v), 4)
            for n, v in zip(found.label_set.names, found.iou)
        },
    }
    result = {
        "command": "python -m benchmarks.city_context",
        "data": "sample city 1, seed 1: 20 val frames",
        "settings": settings,
        "checkpoint": options.checkpoint.name,
        "hardware": f"one core, {platform.machine()}",
        "torch": torch.__version__,
        "scores": scores,
    }
    write_json(RESULT, result)
    for name, row in scores.items():
        print(f"{name:9s} mIoU {row['mean_iou']:.3f}  accuracy {row['pixel_accuracy']:.3f}")


if __name__ == "__main__":
    command.run(main)
