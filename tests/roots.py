"""Small data sets in Cityscapes' layout, made by arithmetic."""

from pathlib import Path

import numpy as np
from PIL import Image

from helpers.csv_index import find_rows, write_csv


def small_root(root: Path, train: int = 10, val: int = 3, shape=(64, 96)) -> Path:
    """Frames whose brightness follows their label, so that there is something to learn; void is
    spread unevenly.
    """
    random = np.random.default_rng(5)
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            name = f"{split}ville/{split}ville_000000_{number:06d}"
            ids = np.array([7, 11, 21, 23, 26, 0])[
                random.integers(0, 6, (shape[0] // 16, shape[1] // 16))
            ]
            label = ids.repeat(16, 0).repeat(16, 1).astype(np.uint8)
            label[: 6 * (number % 8)] = 0
            noise = random.integers(0, 40, (*shape, 3))
            for folder, end, array in (
                ("leftImg8bit", "leftImg8bit", (label[..., None] * 7 + noise).astype(np.uint8)),
                ("gtFine", "gtFine_labelIds", label),
            ):
                path = root / folder / split / f"{name}_{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


def tiny_root(tmp_path):
    """Two cities with one frame each in train and val, 40x24, in Cityscapes' layout."""
    rng = np.random.default_rng(0)
    for split, city in (("train", "bdorf"), ("train", "astadt"), ("val", "cburg")):
        for kind in ("leftImg8bit", "gtFine"):
            (tmp_path / kind / split / city).mkdir(parents=True, exist_ok=True)
        stem = f"{city}_000000_000019"
        image = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
        Image.fromarray(image).save(
            tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
        )
        label = rng.integers(0, 34, (24, 40), dtype=np.uint8)
        Image.fromarray(label).save(
            tmp_path / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
        )
    return tmp_path


def indexed(root, split="train"):
    write_csv(root, split, root / f"{split}.csv")
    return root / f"{split}.csv"


def marked_root(tmp_path, height=700, width=900):
    """A root with one frame whose pixels know where they are."""
    for kind in ("leftImg8bit", "gtFine"):
        (tmp_path / kind / "train" / "a").mkdir(parents=True)
    y, x = np.mgrid[:height, :width]
    image = np.stack([y % 256, x % 256, (y + x) // 8 % 256], -1).astype(np.uint8)
    label = ((y * 3 + x) % 34).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "leftImg8bit/train/a/a_000000_000000_leftImg8bit.png")
    Image.fromarray(label).save(tmp_path / "gtFine/train/a/a_000000_000000_gtFine_labelIds.png")
    return image, label, find_rows(tmp_path, "train")
