"""Chapter 01: wrong versions of what the learner writes are refused in the words that fit."""

import inspect
import textwrap

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from extras.exercises import ch01, verdict
from helpers import fcn
from helpers.checkpoints import load_model
from helpers.dataset import normalize
from helpers.labels import TRAIN_19
from scripts.compare_networks import street
from scripts.train_checkpoints import CHECKPOINTS

WRONG_LAYERS = [
    ("    convolution.bias.copy_(linear.bias)\n", "", "bias of the linear layer"),
    (
        "linear.weight.reshape(shape)",
        "linear.weight.reshape(-1, height, width, channels).permute(0, 3, 1, 2)",
        "in the order channels, rows, columns",
    ),
    ("@torch.no_grad()\n", "", "with torch.no_grad()"),
    ("    return convolution", "    return linear", "expected a layer nn.Conv2d"),
]

TO_POOL4 = "scores = enlarge(scores, pool4.shape[-2:]) + self.score16(pool4)"
TO_POOL3 = "scores = enlarge(scores, pool3.shape[-2:]) + self.score8(pool3)"
WRONG_SCORES = [
    (TO_POOL4, "scores = scores + self.score16(pool4)", "onto the finer grid first"),
    (TO_POOL4, "scores = enlarge(scores, pool4.shape[-2:])", "not those of the paper's plan"),
    (TO_POOL3, "pass", "one place every 8 pixels"),
    (TO_POOL3, "scores = enlarge(scores, pool3.shape[-2:])", "score8 are not in the sum"),
    (
        "if self.stride <= 16:",
        "if self.stride == 16:",
        "score16 are not in the sum",
    ),
    ("if self.stride <= 16:", "if self.stride == 16 or 8:", "FCN-32s has no such layer"),
    ("self.fc7(self.fc6(pool5))", "self.fc6(pool5)", "fc6, fc7 and score32 follow one another"),
]


def with_scores(source: str):
    """ThinFCN with another method `scores`."""
    names = dict(vars(fcn))
    exec(compile(source, "answer", "exec"), names)
    return type("Answer", (fcn.ThinFCN,), {"scores": names["scores"]})


@pytest.mark.parametrize("right, wrong, phrase", WRONG_LAYERS)
def test_a_wrong_conversion_is_refused(right, wrong, phrase):
    source = inspect.getsource(ch01.as_convolution)
    assert right in source
    names = dict(vars(ch01))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    assert phrase in verdict("01.A", names["as_convolution"])


@pytest.mark.parametrize("right, wrong, phrase", WRONG_SCORES)
def test_wrong_scores_are_refused(right, wrong, phrase):
    source = textwrap.dedent(inspect.getsource(fcn.ThinFCN.scores))
    assert right in source
    assert phrase in verdict("01.B", with_scores(source.replace(right, wrong)))


def test_scores_that_go_up_in_one_step_are_called_close():
    def scores(self, images):
        pool3 = self.block3(self.block2(self.block1(images)))
        pool4 = self.block4(pool3)
        found = [self.score32(self.fc7(self.fc6(self.block5(pool4))))]
        if self.stride <= 16:
            found.append(self.score16(pool4))
        if self.stride == 8:
            found.append(self.score8(pool3))
        size = found[-1].shape[-2:]
        return sum(F.interpolate(s, size=size, mode="bilinear") for s in found)

    answer = type("Answer", (fcn.ThinFCN,), {"scores": scores})
    assert "step by step" in verdict("01.B", answer)


def test_stamps_may_be_an_array():
    def stamp_2d(x, kernel, stride):
        x, kernel = x.numpy(), kernel.numpy()
        k = len(kernel)
        result = np.zeros([(side - 1) * stride + k for side in x.shape])
        for (row, column), value in np.ndenumerate(x):
            place = np.s_[row * stride : row * stride + k, column * stride : column * stride + k]
            result[place] += value * kernel
        return result

    assert verdict("01.1", stamp_2d) is None


def test_the_course_versions_are_right():
    for letter, used in ch01.TURNS.items():
        assert verdict(f"01.{letter}", used) is None
    assert verdict("01.A", lambda linear, c, h, w: nn.Conv2d(c, linear.out_features, (h, w)))


@torch.no_grad()
def test_what_the_text_says_of_the_growing_sum():
    network, info = load_model(CHECKPOINTS / "fcn8s.pt")
    image, truth = street()
    pool3 = network.block3(
        network.block2(network.block1(normalize(image, info["mean"], info["std"])[None]))
    )
    pool4 = network.block4(pool3)
    from_fc7 = network.score32(network.fc7(network.fc6(network.block5(pool4))))
    with_pool4 = fcn.enlarge(from_fc7, pool4.shape[-2:]) + network.score16(pool4)
    with_pool3 = fcn.enlarge(with_pool4, pool3.shape[-2:]) + network.score8(pool3)

    car = TRAIN_19.names.index("car")
    is_car = truth == car
    wins = [scores[0].argmax(0).numpy() == car for scores in (from_fc7, with_pool4, with_pool3)]
    white, gray, red = (288, 440), (195, 265), (130, 175)  # columns of the three cars

    def blocks(win, car_columns):
        step = 512 // win.shape[1]
        first, last = car_columns
        return int(win[:, first // step : last // step + 1].sum())

    assert blocks(wins[0], white) > 5 and blocks(wins[0], gray) == 1 and blocks(wins[0], red) == 0
    assert blocks(wins[1], gray) > 5 and blocks(wins[1], red) >= 1
    # And each step covers the cars better.
    overlaps = []
    for win in wins:
        step = 256 // len(win)
        won = win.repeat(step, axis=0).repeat(step, axis=1)
        overlaps.append((won & is_car).sum() / (won | is_car).sum())
    assert overlaps[0] < overlaps[1] - 0.1 and overlaps[1] < overlaps[2] - 0.1


@torch.no_grad()
def test_what_the_text_says_of_the_near_pole():
    network, info = load_model(CHECKPOINTS / "fcn8s.pt")
    image, truth = street()
    answer = network(normalize(image, info["mean"], info["std"])[None])[0].argmax(0).numpy()
    pole = TRAIN_19.names.index("pole")
    rows = range(96, 172, 4)
    assert {int((truth[row, 70:100] == pole).sum()) for row in rows} == {10}
    widths = [int((answer[row, 70:100] == pole).sum()) for row in rows]
    assert max(widths) - min(widths) >= 4
