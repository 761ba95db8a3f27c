"""Masks as train ids: gray, palette, color and black-and-white pictures, and near colors."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from extras.real_data.class_list import Classes
from extras.real_data.pictures import open_picture
from helpers.labels import IGNORE


class Mask(NamedTuple):
    """Train ids uint8 [H, W], and how many pixels were moved to the nearest color, or ignored
    because no color was near.
    """

    train_ids: np.ndarray
    moved: int = 0
    far: int = 0


def read_mask(path, classes: Classes, nearest: float | None = None) -> Mask:
    """The mask in a picture: palette, gray (1, 8 or 16 bits, or whole floats) or color.

    With `nearest`, a color that is not in the list becomes the nearest one that is, if their
    distance in RGB is at most that; otherwise it is ignored. Without, ValueError names the values
    or colors that the class list does not have, and how many pixels they fill.
    """
    pixels = read_codes(path, classes)
    pixels, codes = as_numbers(pixels, classes)
    values, where, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    known = np.isin(values, list(codes))
    if nearest is None and not known.all():
        raise ValueError(unknown_values(path, classes, values[~known], counts[~known]))
    train_ids = np.array([codes.get(value, IGNORE) for value in values.tolist()], np.uint8)
    moved = 0
    far = 0
    if not known.all():
        near, distance = nearest_class(values[~known], classes)
        reached = distance <= nearest
        train_ids[~known] = np.where(reached, near, IGNORE)
        moved = int(counts[~known][reached].sum())
        far = int(counts[~known][~reached].sum())
    return Mask(train_ids[where.reshape(pixels.shape)], moved, far)


def read_codes(path, classes: Classes) -> np.ndarray:
    """What the mask holds: colors [H, W, 3] or values [H, W], whole numbers."""
    picture = open_picture(path)
    if classes.by_color:
        return np.asarray(picture.convert("RGB"))

    black_and_white = picture.mode == "1"
    if picture.info["kind"] == "GIF":
        # The numbers of a GIF's palette may change from file to file: its colors count.
        picture = picture.convert("RGB")
        black_and_white = set(np.unique(np.asarray(picture)).tolist()) <= {0, 255}
    elif picture.mode in ("RGBA", "CMYK", "LA", "YCbCr"):
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    if picture.mode == "P":
        check_palette(path, pixels, np.asarray(picture.convert("RGB")), classes)
    if pixels.ndim == 3:  # gray saved as RGB
        if (pixels != pixels[..., :1]).any():
            raise ValueError(
                f"{path}: a color mask, but the class list has no colors (name, red, green, blue)"
            )
        pixels = pixels[..., 0]
    if pixels.dtype.kind == "f":
        if not np.array_equal(pixels, np.round(pixels)):
            example = pixels[pixels != np.round(pixels)][0]
            raise ValueError(f"{path}: holds {example:g}; a mask holds whole numbers")
        pixels = pixels.astype(np.int64)
    if black_and_white:
        # White is 1 or 255, as the class list has it.
        white = 255 if 255 in classes.codes and 1 not in classes.codes else 1
        pixels = np.where(pixels > 0, white, 0)
    return pixels


def check_palette(path, pixels: np.ndarray, colors: np.ndarray, classes: Classes) -> None:
    """Raises ValueError for a gray mask that a program turned into a palette: its numbers are then
    places in that palette, which change from file to file, and its grays are the classes.
    """
    numbers, first = np.unique(pixels, return_index=True)
    colors = colors.reshape(-1, 3)[first]
    grays = colors[:, 0]
    gray = (colors == grays[:, None]).all() and len(set(grays.tolist())) == len(grays)
    if gray and (numbers != grays).any() and np.isin(grays, [*classes.codes]).all():
        raise ValueError(
            f"{path}: a palette whose numbers {numbers.tolist()} and grays {grays.tolist()} are "
            "both values of the class list; save it as gray PNG of 8 bits"
        )


def as_numbers(pixels: np.ndarray, classes: Classes) -> tuple[np.ndarray, dict]:
    """The mask with one number per pixel, and the class list with the same numbers."""
    if not classes.by_color:
        return pixels, classes.codes
    numbers = pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    codes = {
        (red << 16) + (green << 8) + blue: train_id
        for (red, green, blue), train_id in classes.codes.items()
    }
    return numbers, codes


def as_color(number: int) -> tuple[int, int, int]:
    return number >> 16, number >> 8 & 255, number & 255


def nearest_class(values: np.ndarray, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """The train id of the code next to each value or color, and how far away that code is."""
    there = np.array([*classes.codes], np.float64).reshape(len(classes.codes), -1)
    here = values.reshape(-1, 1)
    if classes.by_color:
        here = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1)
    distance = np.linalg.norm(here[:, None] - there, axis=2)
    train_ids = np.array([*classes.codes.values()], np.uint8)
    return train_ids[distance.argmin(axis=1)], distance.min(axis=1)


def unknown_values(path, classes: Classes, values, counts) -> str:
    """What is wrong with a mask whose values are not all in the class list."""
    commonest = sorted(zip(values.tolist(), counts.tolist()), key=lambda pair: -pair[1])[:5]
    shown = []
    for value, count in commonest:
        name = as_color(value) if classes.by_color else value
        shown.append(f"{name} ({count} pixels)")
    why = ""
    if Path(path).suffix.lower() in (".jpg", ".jpeg"):
        why = "; JPEG blurs colors: take the PNG files or, if there are none, --nearest-color 30"
    what = "1 value that is" if len(values) == 1 else f"{len(values)} values that are"
    return f"{path}: {what} not in the class list: {', '.join(shown)}{why}"
