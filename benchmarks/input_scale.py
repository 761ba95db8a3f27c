"""Does the scale of the input matter? The first training steps on bytes, on 0 to 1, and normalized.

    python -m benchmarks.input_scale

A U-Net of width 8 sees the frames of the sample city at 64x128 pixels; Adam 1e-3, 40 steps of 4
frames; with and without batch norm; the same seeds for all scales. Chapter 04 draws the result.
"""

import argparse

import torch
from torch.utils.data import DataLoader

from helpers import command
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import pixel_loss
from helpers.files import write_json
from helpers.normalization import channel_statistics
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import View
from scripts.pinned import build_city

RESULT = ROOT / "benchmarks" / "results" / "input_scale.json"
STEPS = 40
BATCH = 4
LEARNING_RATE = 1e-3


def read_frames(root) -> tuple[torch.Tensor, torch.Tensor, object]:
    """All training frames, scaled to 0..1, their targets, and their statistics."""
    rows = find_rows(root, "train")
    view = View("frame", padding="same", height=64)
    dataset = CityscapesDataset(rows, root, view, mean=(0, 0, 0), std=(1, 1, 1))
    images, targets = next(iter(DataLoader(dataset, batch_size=len(dataset))))
    statistics = channel_statistics([root / row.image for row in rows])
    return images, targets, statistics


def first_losses(images, targets, norm: str | None, seed: int) -> list[float]:
    """The losses of the first steps."""
    torch.manual_seed(seed)
    model = UNet(width=8, padding="same", norm=norm, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    losses = []
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,))
        loss, pixels = pixel_loss(model(images[chosen]), targets[chosen])
        loss = loss / pixels
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(round(loss.item(), 4))
    return losses


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.input_scale")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    images, targets, statistics = read_frames(build_city())
    mean = torch.tensor(statistics.mean).view(1, 3, 1, 1)
    std = torch.tensor(statistics.std).view(1, 3, 1, 1)
    inputs = {
        "bytes, 0 to 255": 255 * images,
        "0 to 1": images,
        "normalized": (images - mean) / std,
    }
    curves = {}
    for name, norm in (("without batch norm", None), ("with batch norm", "batch")):
        curves[name] = {}
        for scale, values in inputs.items():
            runs = [first_losses(values, targets, norm, seed) for seed in range(options.seeds)]
            curves[name][scale] = runs
            ends = ", ".join(f"{run[0]:.2f} to {sum(run[-5:]) / 5:.2f}" for run in runs)
            print(f"{name}, {scale}: {ends}", flush=True)
    result = {
        "command": "python -m benchmarks.input_scale",
        "steps": STEPS,
        "batch_size": BATCH,
        "learning_rate": LEARNING_RATE,
        "curves": curves,
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    command.run(main)
