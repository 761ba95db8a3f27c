"""Chapter 06: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import pytest

from extras.exercises import verdict
from helpers import unet

WRONG = [
    ("06.A", "torch.cat([center, x], dim=1)", "torch.cat([x, center], 1)", "channels come first"),
    ("06.A", "- height) // 2", "- height)", "not the center of the skip"),
    ("06.A", "- width) // 2", "- width)", "not the center of the skip"),
    ("06.B", 'border = 1 if padding == "same" else 0', "border = 0", "with padding"),
    ("06.B", 'border = 1 if padding == "same" else 0', "border = 1", "without padding"),
    ("06.B", "bias = norm is None", "bias = True", "bias=False where batch norm follows"),
    ("06.B", "bias = norm is None", "bias = False", "need their bias"),
    ("06.B", "nn.BatchNorm2d(out_channels)", "nn.Identity()", "the order is"),
    ("06.C", "skips.pop()  # the deepest map is where we are", "", "throw the deepest map away"),
    ("06.C", "return self.head(x)", "return x", "one channel per class"),
    ("06.C", "x = self.dropout(x)", "pass", "self.dropout is not used"),
    ("06.C", "x = merge(x)\n        return", "return", "two maps do not fit"),
    ("06.C", "crop_and_concat(skips.pop(), x)", "crop_and_concat(skips.pop(0), x)", "do not fit"),
]  # fmt: skip


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    source = inspect.getsource(unet)
    assert right in source
    names: dict = {}
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[{"06.A": "crop_and_concat", "06.B": "double_conv", "06.C": "UNet"}[name]]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))
