"""The explorers of chapter 02: their arithmetic against the real network, and pictures that follow
the sliders.
"""

import base64
import io

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image

from extras.explorers.layers import SizeExplorer, SkipExplorer, layer_sizes
from extras.explorers.picture_box import as_jpeg, with_still
from helpers.labels import TRAIN_19
from helpers.sizes import output_size, valid_size
from helpers.unet import UNet


def pixels(widget) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(widget.picture.value)).convert("RGB"))


@pytest.mark.parametrize(
    ("depth", "padding"), [(4, "valid"), (4, "same"), (2, "valid"), (3, "same"), (1, "valid")]
)
def test_problems_are_exactly_the_illegal_sizes(depth, padding):
    for n in range(1, 400):
        layers = layer_sizes(n, depth, padding)
        legal = valid_size(n, depth, padding)
        assert legal == (not any(layer.problem for layer in layers)), n
        if legal:
            assert layers[-1] == ("head", 0, output_size(n, depth, padding), "")


def test_problems_name_the_layer():
    found = {
        n: [(x.kind, x.level) for x in layer_sizes(n) if x.problem] for n in (572, 576, 570, 573)
    }
    assert found == {
        572: [],
        576: [("pool", 3), ("up", 2)],
        573: [("pool", 1), ("up", 0)],
        570: [("pool", 2), ("pool", 3), ("pool", 4), ("up", 3), ("up", 2), ("up", 1)],
    }


def test_layer_sizes_are_those_of_the_network():
    with torch.device("meta"):
        model = UNet(width=1)
    sizes = []
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.MaxPool2d)):
            layer.register_forward_hook(lambda m, i, out: sizes.append(out.shape[-1]))
    model(torch.zeros(1, 3, 188, 204, device="meta"))
    assert [layer.size for layer in layer_sizes(204)[1:]] == sizes


def support(model, size: int, pixel: tuple[int, int]) -> np.ndarray:
    """Which input pixels an output pixel depends on, bool [size, size], measured by gradients in
    float64.

    Every weight is made positive and pooling averages, so that no path from a pixel is cut off by a
    ReLU or a maximum.
    """
    probe = type(model)(**{**model.arguments, "dropout": 0.0}).double().eval()
    probe.pool = torch.nn.AvgPool2d(2)
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.fill_(0.1)
    channels = model.arguments["in_channels"]
    x = torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    probe(x)[0, :, pixel[0], pixel[1]].sum().backward()
    return (x.grad[0].abs().sum(0) > 0).numpy()


def sees(pixel: int, depth: int = 4) -> tuple[int, int]:
    """First and last input pixel (along one axis) that an output pixel of the unpadded network
    depends on.

    Walks backwards: a 3x3 convolution adds 2 pixels, a pooling doubles, an up-convolution halves.
    At depth 4: 188 pixels for output pixels 0 to 3 (mod 16), 204 for the others.
    """
    first = last = pixel
    # Up: two convolutions, then the up-convolution. Skips see less, and inside of that.
    for _ in range(depth):
        first = first // 2
        last = (last + 4) // 2
    # The bottom, and down
    for _ in range(depth):
        first = 2 * first
        last = 2 * (last + 4) + 1
    return first, last + 4


@pytest.mark.parametrize(("depth", "size"), [(1, 40), (2, 60), (3, 108), (4, 220)])
def test_what_a_pixel_sees_is_measured(depth, size):
    model = UNet(width=1, num_classes=1, depth=depth)
    for row, column in ((0, 2**depth - 1), (3, 4)):
        seen = support(model, size, (row, column))
        found = [seen.any(axis).nonzero()[0][[0, -1]].tolist() for axis in (1, 0)]
        assert found == [list(sees(row, depth)), list(sees(column, depth))]
        (top, bottom), (left, right) = found
        assert seen.sum() == seen[top : bottom + 1, left : right + 1].sum()


def test_widths_of_the_paper():
    widths = [sees(p)[1] - sees(p)[0] + 1 for p in range(388)]
    assert widths[:17] == [188] * 4 + [204] * 12 + [188]
    assert sees(0) == (0, 187) and sees(387) == (384, 571)


def test_size_explorer_follows_its_sliders():
    explorer = SizeExplorer(572)
    seen = {pixels(explorer).tobytes()}
    assert explorer.summary().endswith("legal") and "not" not in explorer.summary()
    for name, value in (("size", 576), ("depth", 3), ("padding", "same")):
        getattr(explorer, name).value = value
        seen.add(pixels(explorer).tobytes())
    assert len(seen) == 4
    explorer.size.value, explorer.depth.value, explorer.padding.value = 570, 4, "valid"
    assert (
        "570 -> 372" in explorer.summary()
        and "not legal" in explorer.summary()
        and "572" in explorer.summary()
    )
    red = (pixels(explorer) == (198, 40, 40)).all(-1).sum()
    explorer.size.value = 572
    assert red > 100 and not (pixels(explorer) == (198, 40, 40)).all(-1).any()


def test_smallest_sizes_can_be_drawn():
    explorer = SizeExplorer(20, depth=5)
    assert "no pixel is left" in explorer.summary() or "odd" in explorer.summary()
    assert pixels(explorer).shape[1] > 800


def test_skip_explorer_follows_its_switches():
    truth = np.zeros((20, 30), np.uint8)
    truth[:2] = 255
    asked = []

    def segment(silent):
        asked.append(silent)
        classes = np.zeros((20, 30), np.int64)
        classes[2 : 2 + len(silent) * 3] = 13
        return classes

    explorer = SkipExplorer(segment, truth, silent=(2,))
    assert asked == [(2,)]
    explorer.switches[1].value = True
    assert repr(explorer) == "SkipExplorer(silent: none; 1.00 of the pixels right)"
    assert pixels(explorer).shape == (40, 60, 3)
    before = explorer.picture.value
    explorer.switches[0].value = False
    explorer.switches[2].value = False
    assert asked[-1] == (1, 3) and explorer.picture.value != before
    assert explorer.said.value == "silent: 1, 3; 0.67 of the pixels right" == explorer.summary()
    assert pixels(explorer)[:4].max() == 0  # ignored pixels are black
    assert pixels(explorer)[5, 5].tolist() == list(TRAIN_19.colors[13])
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == explorer.picture.value


def test_page_without_a_kernel_has_the_picture():
    explorer = SizeExplorer(188)
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == explorer.picture.value
    assert (
        bundle["text/plain"]
        == repr(explorer)
        == "SizeExplorer(188 -> 4 at depth 4, valid padding: legal)"
    )


def test_size_explorer_says_what_comes_out():
    explorer = SizeExplorer()
    explorer.size.value, explorer.depth.value, explorer.padding.value = 572, 4, "valid"
    assert explorer.summary() == "572 -> 388 at depth 4, valid padding: legal"


def test_with_still_leaves_its_picture_where_no_kernel_runs():
    slider = widgets.IntSlider(3, max=9, description="frame")
    label = widgets.Label("a street")
    picture = widgets.Image(value=as_jpeg(np.zeros((4, 6, 3), np.uint8)), format="jpeg")
    box = with_still([slider, label, picture], picture)
    assert box.children == (slider, label, picture) and repr(box) == "frame 3, a street"
    bundle = box._repr_mimebundle_()
    assert base64.b64decode(bundle["image/jpeg"]) == bytes(picture.value)
    assert bundle["text/plain"] == repr(box) and box.model_id in str(bundle)
    picture.value = as_jpeg(np.full((4, 6, 3), 200, np.uint8))
    slider.value = 4
    later = box._repr_mimebundle_()
    assert later["image/jpeg"] != bundle["image/jpeg"] and later["text/plain"].startswith("frame 4")
