"""Chapter 06: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import numpy as np
import pytest
import torch

from extras.exercises import verdict
from helpers import unet
from helpers.checkpoints import load_model
from helpers.dataset import normalize
from helpers.images import open_image, open_label
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.windows import reduce_image, reduce_label

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


# -- what the chapter says in words


def test_default_weights_have_a_sixth_of_the_papers_variance():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 64, 3)
    incoming = 9 * 64
    assert layer.weight.var().item() * incoming == pytest.approx(1 / 3, rel=0.02)
    unet.he_init(layer)
    assert layer.weight.var().item() * incoming == pytest.approx(2, rel=0.02)


def test_default_weights_divide_the_spread_by_about_six_at_each_level():
    torch.manual_seed(0)
    spreads = {}
    for name in ("He", "default"):
        network = unet.UNet(width=16, dropout=0.0)
        y = torch.randn(1, 3, 252, 252)
        spreads[name] = []
        for level, block in enumerate(network.down):
            if name == "default":
                block[0].reset_parameters()
                block[2].reset_parameters()
            with torch.no_grad():
                y = block(network.pool(y) if level else y)
            spreads[name].append(y[0].std(dim=(1, 2)).mean().item())
    steps = np.array(spreads["default"][:-1]) / spreads["default"][1:]
    assert steps.min() > 3 and steps.max() < 20
    assert np.prod(steps) ** 0.25 == pytest.approx(6, abs=2)
    assert min(spreads["He"]) > 0.1


def test_first_losses_are_a_little_above_a_guess():
    for seed in range(3):
        torch.manual_seed(seed)
        network = unet.UNet(width=12, padding="same", norm="batch", dropout=0.0)
        with torch.no_grad():
            logits = network(torch.randn(2, 3, 64, 128))
        target = torch.randint(19, (2, 64, 128))
        loss = torch.nn.functional.cross_entropy(logits, target).item()
        assert np.log(19) < loss < 6


def test_what_is_still_wrong_in_the_street_at_a_quarter_of_its_size():
    street = ROOT / "data" / "frame"
    frame = reduce_image(open_image(street / "frame.webp"), 4)
    truth = TRAIN_19.encode(reduce_label(open_label(street / "labelIds.png"), 4))
    model, info = load_model(ROOT / "data" / "checkpoints" / "unet.pt")
    with torch.no_grad():
        answer = model(normalize(frame, info["mean"], info["std"])[None])[0].argmax(0).numpy()

    def called(name: str, place) -> np.ndarray:
        """How often the pixels of a class are called each class, in a part of the street."""
        chosen = truth[place] == TRAIN_19.names.index(name)
        return np.bincount(answer[place][chosen], minlength=19)

    triangle = called("traffic sign", np.s_[65:98, 15:52])
    assert triangle.sum() > 150 and triangle[TRAIN_19.names.index("traffic sign")] == 0
    cyclist = called("rider", np.s_[95:140, 255:290])
    assert cyclist.sum() > 150 and cyclist.argmax() == TRAIN_19.names.index("person")
