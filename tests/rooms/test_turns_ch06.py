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
    (
        "06.A",
        "skip[..., top : top + height, left : left + width]",
        "skip[..., top:-top, left:-left]",
        "a slice [0:-0] holds nothing",
    ),
    ("06.B", 'border = 1 if padding == "same" else 0', "border = 0", "with padding"),
    ("06.B", 'if padding == "same" else', 'if norm == "batch" else', "do not depend on each other"),
    ("06.B", "nn.Sequential(*layers)", "nn.ModuleList(layers)", "found ModuleList"),
    ("06.B", 'border = 1 if padding == "same" else 0', "border = 1", "without padding"),
    ("06.B", "bias = norm is None", "bias = True", "bias=False where batch norm follows"),
    ("06.B", "bias = norm is None", "bias = False", "need their bias"),
    ("06.B", "nn.BatchNorm2d(out_channels)", "nn.Identity()", "the order is"),
    ("06.C", "skips.pop()  # the deepest map is where we are", "", "throw the deepest map away"),
    ("06.C", "return self.head(x)", "return x", "one channel per class"),
    ("06.C", "x = self.dropout(x)", "pass", "self.dropout is not used"),
    ("06.C", "level >= self.depth - 1", "level >= 0", "not where it belongs"),
    ("06.C", "level >= self.depth - 1", "level == self.depth", "not where it belongs"),
    (
        "06.C",
        "                x = self.dropout(x)\n            skips.append(x)",
        "                skips.append(x)\n                x = self.dropout(x)\n"
        "            else:\n                skips.append(x)",
        "before a map is kept",
    ),
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


def test_one_relu_may_stand_twice():
    def double_conv(in_channels, out_channels, padding, norm):
        relu = torch.nn.ReLU()
        layers = []
        for channels in (in_channels, out_channels):
            bias = norm is None
            layers.append(torch.nn.Conv2d(channels, out_channels, 3, padding=padding, bias=bias))
            if norm:
                layers.append(torch.nn.BatchNorm2d(out_channels))
            layers.append(relu)
        return torch.nn.Sequential(*layers)

    assert verdict("06.B", double_conv) is None


# -- what the chapter says in words


def test_default_weights_have_a_sixth_of_the_papers_variance():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 64, 3)
    incoming = 9 * 64
    assert layer.weight.var().item() * incoming == pytest.approx(1 / 3, rel=0.02)
    unet.he_init(layer)
    assert layer.weight.var().item() * incoming == pytest.approx(2, rel=0.02)


def street_at_a_quarter():
    """Frame, truth, the shipped network, and the frame as it wants it."""
    street = ROOT / "data" / "frame"
    frame = reduce_image(open_image(street / "frame.webp"), 4)
    truth = TRAIN_19.encode(reduce_label(open_label(street / "labelIds.png"), 4))
    model, info = load_model(ROOT / "data" / "checkpoints" / "unet.pt")
    return truth, model, normalize(frame, info["mean"], info["std"])[None]


def spreads(network, x) -> np.ndarray:
    """Mean spread of the maps of each level on the way down."""
    found = []
    for level, block in enumerate(network.down):
        with torch.no_grad():
            x = block(network.pool(x) if level else x)
        found.append(x[0].std(dim=(1, 2)).mean().item())
    return np.array(found)


@pytest.mark.parametrize("seed", range(2))
def test_default_weights_divide_the_spread_by_about_six_at_each_level(seed):
    torch.manual_seed(seed)
    network = unet.UNet(width=16, dropout=0.0)
    x = street_at_a_quarter()[2][..., 2:-2, 2:-2]
    careful = spreads(network, x)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.reset_parameters()
    default = spreads(network, x)
    steps = default[:-1] / default[1:]
    assert steps.min() > 3.5 and steps.max() < 9
    assert np.prod(steps) ** 0.25 == pytest.approx(6.5, abs=1.5)
    assert careful.min() > 0.1 and careful.max() < 3
    assert careful[-1] / default[-1] > 2000


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
    truth, model, x = street_at_a_quarter()
    with torch.no_grad():
        answer = model(x)[0].argmax(0).numpy()

    def called(name: str, place) -> np.ndarray:
        """How often the pixels of a class are called each class, in a part of the street."""
        chosen = truth[place] == TRAIN_19.names.index(name)
        return np.bincount(answer[place][chosen], minlength=19)

    triangle = called("traffic sign", np.s_[65:98, 15:52])
    assert triangle.sum() > 150 and triangle[TRAIN_19.names.index("traffic sign")] == 0
    cyclist = called("rider", np.s_[95:140, 255:290])
    assert cyclist.sum() > 150 and cyclist.argmax() == TRAIN_19.names.index("person")
