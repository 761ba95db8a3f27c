"""Chapter 00: wrong colors are refused in words, and the two interactive pictures follow."""

import numpy as np
import pytest
import torch

from extras.exercises import verdict
from extras.explorers.street import Lamp, Wipe
from helpers.labels import TRAIN_19
from helpers.windows import View


@pytest.mark.parametrize(
    "answer, phrase",
    [
        (lambda classes, palette: classes, "one color of three numbers per pixel"),
        (lambda classes, palette: palette[classes] / 255, "colors are bytes"),
        (lambda classes, palette: palette[np.minimum(classes, 254)], "pixels with 255"),
        (lambda classes, palette: palette[np.where(classes == 18, 17, classes)], "another class"),
    ],
)
def test_wrong_colors_are_refused_in_the_words_that_fit(answer, phrase):
    assert phrase in verdict("00.A", answer)


def test_line_moves_between_photograph_and_classes():
    frame = np.full((8, 16, 3), 200, np.uint8)
    classes = np.zeros((8, 16), np.uint8)
    wipe = Wipe(frame, classes, TRAIN_19)
    before = wipe.picture.value
    wipe.line.value = 0
    assert wipe.picture.value != before
    assert repr(wipe) == "Wipe(line at column 0 of 8)"
    wipe.line.value = 8  # the right edge: all photograph


class BrightIsRoad(torch.nn.Module):
    """Class 0 where the red channel is above one half, else class 1."""

    padding = "same"
    depth = 0

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, 1))

    def forward(self, images):
        red = images[:, :1] - 0.5
        rest = torch.full_like(red, -9).expand(-1, 17, -1, -1)
        return torch.cat([red, -red, rest], dim=1)


def test_lamp_dims_and_the_network_loses_its_way():
    frame = np.full((32, 32, 3), 200, np.uint8)
    truth = np.zeros((32, 32), np.uint8)
    truth[:4] = 255
    view = View("frame", padding="same", depth=0, height=32)
    info = {"view": view, "label_set": TRAIN_19, "mean": (0, 0, 0), "std": (1, 1, 1)}
    lamp = Lamp(frame, truth, BrightIsRoad(), info)
    assert repr(lamp) == "Lamp(100 % of the light: 1.00 of the pixels right)"
    lamp.light.value = 40
    assert repr(lamp) == "Lamp(40 % of the light: 0.00 of the pixels right)"
