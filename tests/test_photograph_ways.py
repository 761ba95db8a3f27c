"""What benchmarks/photographs.py measures with: a photograph's own statistics, any size."""

import json

import numpy as np
import pytest
import torch

from benchmarks.photographs import COURSE, RESULT, predict
from helpers.inference import for_photograph, own_statistics
from helpers.windows import View


class Constant(torch.nn.Module):
    """Says class 1 where the red channel is above its mean, else class 0; wants multiples of 16."""

    def forward(self, x):
        assert x.shape[2] % 16 == 0 and x.shape[3] % 16 == 0
        return torch.stack([-x[:, 0], x[:, 0]], dim=1)


def test_own_statistics_normalize_a_photograph():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    mean, std = own_statistics(image)
    pixels = (image / 255 - mean) / std
    assert pixels.mean((0, 1)) == pytest.approx(0, abs=1e-9)
    assert pixels.std((0, 1)) == pytest.approx(1)


def test_the_browser_divides_by_the_same_deviation():
    """Also of a picture that is all but flat."""
    image = np.full((30, 40, 3), 7, np.uint8)
    mean, std = own_statistics(image)
    seen_as, _ = for_photograph(image, {"view": View("crop")})
    assert list(seen_as["mean"]) == mean.tolist() and list(seen_as["std"]) == std.tolist()
    assert std.tolist() == [1 / 255] * 3


@pytest.mark.parametrize("height", (None, 32))
def test_a_photograph_of_any_size_gets_a_class_for_every_pixel(height):
    image = np.zeros((50, 70, 3), np.uint8)
    image[:, 35:] = 200
    prediction = predict(Constant(), image, *own_statistics(image + 1), height)
    assert prediction.shape == (50, 70)
    assert (prediction[:, :33] == 0).all() and (prediction[:, 37:] == 1).all()


def test_the_result_file_has_both_networks():
    stored = json.loads(RESULT.read_text())
    assert stored["photographs"] == 101
    for name in ("unet", "unet_photo"):
        scores = stored["networks"][name]
        assert len(scores) == 5
        # The course's way is the best of the four, within what resizing by another road costs.
        best = max(way["mean_iou"] for way in scores.values())
        assert scores[COURSE]["mean_iou"] > best - 0.01
