"""Checkers of chapter 00: coloring a label map, and the share of a class."""

import numpy as np

from extras.exercises import Wrong


def colorize(classes, palette):
    """The color of every pixel: uint8 [H, W, 3]."""
    return palette[classes]


def turn_a(answer) -> None:
    """colorize(classes [H, W], palette [256, 3]) -> [H, W, 3]."""
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    classes = np.array([[0, 1, 255], [18, 18, 0]], np.uint8)
    picture = answer(classes, palette)
    if not isinstance(picture, np.ndarray):
        raise Wrong(f"return the picture, a NumPy array; found {type(picture).__name__}")
    if picture.shape != (2, 3, 3):
        raise Wrong(
            f"a label map of (2, 3) becomes a picture of (2, 3, 3), yours is {picture.shape}: one "
            "color of three numbers per pixel"
        )
    if picture.dtype != np.uint8:
        raise Wrong(f"colors are bytes (uint8), yours are {picture.dtype}")
    if not np.array_equal(picture[0, 2], palette[255]):
        raise Wrong("pixels with 255 have a color in the palette too: its last row")
    if not np.array_equal(picture, palette[classes]):
        raise Wrong("some pixels have the color of another class: look each number up by its row")


TURNS = {"A": colorize}


def exercise_1(share) -> None:
    """share(truth, number): of the pixels that are not 255."""
    truth = np.array([[13, 13, 0, 255], [13, 0, 0, 255]], np.uint8)
    got = float(share(truth, 13))
    if abs(got - 3 / 8) < 1e-9:
        raise Wrong(
            "you divided by all 8 pixels; 2 of them are 255 and nobody was asked about them: "
            "divide by the 6 that count"
        )
    if abs(got - 3) < 1e-9:
        raise Wrong("3 is the number of pixels; a share lies between 0 and 1")
    if abs(got - 0.5) > 1e-9:
        raise Wrong(f"3 of the 6 pixels that count are class 13: 0.5, you say {got:.3f}")
    if float(share(truth, 7)) != 0:
        raise Wrong("a class that does not occur has the share 0")
