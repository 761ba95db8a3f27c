"""Chapter 04: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import numpy as np
import pytest

from extras.exercises import ch04, verdict
from helpers import dataset
from helpers.images import open_image
from helpers.paths import ROOT

RETURN = "return mean / 255, np.sqrt(variance) / 255"
MEAN = "torch.tensor(mean, dtype=torch.float32).view(3, 1, 1)"
WRONG = [
    ("04.A", RETURN, "return counts.mean(), counts.std()", "the average of the counts"),
    ("04.A", RETURN, "return mean, variance", "scale 0 to 255"),
    ("04.A", "np.sqrt(variance) / 255", "variance / 255**2", "0.1875 is the variance"),
    ("04.A", "np.arange(256)", "np.arange(1, 257)", "the mean is 0.25"),
    ("04.A", "(values - mean) ** 2", "abs(values - mean)", "the standard deviation is 0.4330"),
    ("04.A", "np.sqrt(variance) / 255", "np.sqrt(variance)", "deviation on the scale 0 to 255"),
    (
        "04.A",
        "* counts).sum() / pixels\n    return",
        "* counts).sum() / (pixels - 1)\n    return",
        "ddof",
    ),
    ("04.A", "((values - mean) ** 2 * counts).sum() / pixels", "float('nan')", "yours is nan"),
    (
        "04.A",
        "((values - mean) ** 2 * counts).sum() / pixels",
        "mean * (255 - mean)",
        "where counts[v] is v * v",
    ),
    ("04.B", "image.transpose(2, 0, 1)", "image.reshape(3, *image.shape[:2])", "mixed up"),
    ("04.B", "image.transpose(2, 0, 1)", "np.roll(image, 1, 2)[..., ::-1].T", "channels first"),
    (
        "04.B",
        "scaled = torch",
        "channels_first[:, 1] = 0\n    scaled = torch",
        "the first pixel is right",
    ),
    ("04.B", ".div_(255)", "", "divide the bytes by 255"),
    ("04.B", "transpose(2, 0, 1)", "transpose(2, 1, 0)", "PyTorch wants channels first"),
    ("04.B", MEAN, "mean[0]", "should become"),
    ("04.B", ".float()", ".double()", "float32"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    module, function = {"04.A": (ch04, "mean_std"), "04.B": (dataset, "normalize")}[name]
    source = inspect.getsource(module)
    assert right in source
    names: dict = {}
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


def test_what_the_solution_says_of_the_squares_of_the_street():
    red = open_image(ROOT / "data" / "frame" / "frame.webp")[..., 0]
    squares = red.ravel().astype(np.int64) ** 2
    exact = squares.sum()
    rounded = np.cumsum(squares, dtype=np.float32)[-1]
    assert 100 * (exact - float(rounded)) / exact == pytest.approx(0.2, abs=0.05)
