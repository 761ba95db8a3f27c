"""A data set to try with, drawn: leaves on soil in four beds, and a color mask for each picture."""

from pathlib import Path

import numpy as np

from helpers.files import write_image, write_text

CLASSES = {"soil": (110, 80, 60), "leaf": (0, 160, 60), "vein": (220, 220, 120)}
SHAPE = (96, 128)


def draw_leaves(folder, beds: int = 4, pictures: int = 4) -> Path:
    """Write images/bed1/p1.jpg, masks/bed1/p1_mask.png, ... and classes.txt below `folder`.

    Every bed has a light of its own, as places have.
    """
    folder = Path(folder)
    random = np.random.default_rng(13)
    for bed in range(1, beds + 1):
        light = random.uniform(0.6, 1.1)
        for number in range(1, pictures + 1):
            picture, mask = draw_bed(random, light)
            name = f"bed{bed}/p{number}"
            write_image(folder / "images" / f"{name}.jpg", picture, quality=92)
            write_image(folder / "masks" / f"{name}_mask.png", mask)
    lines = [f"{name}, {red}, {green}, {blue}" for name, (red, green, blue) in CLASSES.items()]
    write_text(folder / "classes.txt", "\n".join(lines) + "\n")
    return folder


def draw_bed(random: np.random.Generator, light: float) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its color mask, uint8 [96, 128, 3]: four leaves, each an ellipse with a vein
    along its longer axis.
    """
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    picture = random.normal((96, 70, 52), 14, (*SHAPE, 3))
    mask = np.full((*SHAPE, 3), CLASSES["soil"], np.uint8)
    for _ in range(4):
        row = random.uniform(12, SHAPE[0] - 12)
        column = random.uniform(12, SHAPE[1] - 12)
        width = random.uniform(8, 12)
        length = random.uniform(16, 26)
        turn = random.uniform(0, np.pi)
        along = (columns - column) * np.cos(turn) + (rows - row) * np.sin(turn)
        across = (rows - row) * np.cos(turn) - (columns - column) * np.sin(turn)
        leaf = (along / length) ** 2 + (across / width) ** 2 < 1
        vein = leaf & (np.abs(across) < 1.5)
        picture[leaf] = random.normal((60, 150, 60), 12, (leaf.sum(), 3))
        picture[vein] = random.normal((150, 190, 110), 12, (vein.sum(), 3))
        mask[leaf] = CLASSES["leaf"]
        mask[vein] = CLASSES["vein"]
    return np.clip(light * picture, 0, 255).astype(np.uint8), mask
