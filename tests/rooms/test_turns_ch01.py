"""Chapter 01: wrong versions of what the learner writes are refused in the words that fit."""

import inspect
import textwrap

import pytest
import torch.nn.functional as F
from torch import nn

from extras.exercises import ch01, verdict
from helpers import fcn

WRONG_LAYERS = [
    ("    convolution.bias.copy_(linear.bias)\n", "", "bias of the linear layer"),
    (
        "linear.weight.reshape(shape)",
        "linear.weight.reshape(-1, height, width, channels).permute(0, 3, 1, 2)",
        "in the order channels, rows, columns",
    ),
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


def test_the_course_versions_are_right():
    for letter, used in ch01.TURNS.items():
        assert verdict(f"01.{letter}", used) is None
    assert verdict("01.A", lambda linear, c, h, w: nn.Conv2d(c, linear.out_features, (h, w)))
