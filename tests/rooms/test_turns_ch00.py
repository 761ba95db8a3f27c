"""Chapter 00: wrong colors are refused in words, and the two interactive pictures follow."""

import numpy as np
import pytest
import torch

from extras.exercises import verdict
from extras.explorers.street import Lamp, Wipe
from helpers.checkpoints import load_model
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.labels import TRAIN_19
from helpers.windows import View
from scripts.city_pictures import STREET
from scripts.train_checkpoints import CHECKPOINTS


@pytest.mark.parametrize(
    "answer, phrase",
    [
        (lambda classes, palette: [[palette[c] for c in row] for row in classes], "found list"),
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


def test_what_the_text_says_of_the_street():
    frame = open_image(STREET / "frame.webp")
    truth = TRAIN_19.encode(open_label(STREET / "labelIds.png"))
    asked = truth != 255
    road = TRAIN_19.names.index("road")
    assert (truth[asked] == road).mean() == pytest.approx(0.25, abs=0.01)

    # In a fifth of the light most of the street is called car.
    model, info = load_model(CHECKPOINTS / "unet.pt")
    dark = predict_frame(model, (frame * 0.2).astype(np.uint8), info)
    assert (dark[asked] == TRAIN_19.names.index("car")).mean() > 0.5

    # In full light the gray rim of the big sign at the right is called building.
    answer = predict_frame(model, frame, info)
    corner = np.zeros(truth.shape, bool)
    corner[100:380, 1860:] = True
    missed = corner & (truth == TRAIN_19.names.index("traffic sign")) & (answer != truth)
    wrong = asked & (answer != truth)
    assert missed.sum() > 0.1 * wrong.sum()
    assert (answer[missed] == TRAIN_19.names.index("building")).mean() > 0.9
