"""Mean and standard deviation against exact fractions."""

import os
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from PIL import Image

from helpers.csv_index import find_rows
from helpers.normalization import (
    CITYSCAPES_MEAN,
    CITYSCAPES_STD,
    channel_statistics,
    find_statistics,
)


def test_the_constants_in_wide_circulation():
    """They differ from the 0 to 255 scale and from ImageNet's: dark streets, slightly green."""
    assert CITYSCAPES_MEAN == (0.28689554, 0.32513303, 0.28389177)
    assert CITYSCAPES_STD == (0.18696375, 0.19017339, 0.18720214)


def test_statistics_equal_rational_arithmetic(tiny_root):
    images = sorted((tiny_root / "leftImg8bit").rglob("*.png"))
    result = channel_statistics(images)
    arrays = [np.asarray(Image.open(p)) for p in images]
    pixels = np.concatenate([a.reshape(-1, 3) for a in arrays]).astype(object)
    for channel in range(3):
        values = [Fraction(int(v), 255) for v in pixels[:, channel]]
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        assert abs(result.mean[channel] - mean) < 1e-15
        assert abs(result.std[channel] - sqrt(variance)) < 1e-14
    assert result.pixels == len(pixels)


def test_statistics_pool_pixels_not_images(tiny_root):
    path = tiny_root / "leftImg8bit/train/bdorf/bdorf_000000_000019_leftImg8bit.png"
    Image.fromarray(np.full((100, 50, 3), 255, np.uint8)).save(path)  # larger and white
    others = [p for p in sorted((tiny_root / "leftImg8bit").rglob("*.png")) if p != path]
    arrays = [np.asarray(Image.open(p)).reshape(-1, 3) / 255 for p in (*others, path)]
    result, pixels = channel_statistics([*others, path]), np.concatenate(arrays)
    assert np.allclose(result.mean, pixels.mean(0), atol=1e-12) and np.allclose(
        result.std, pixels.std(0), atol=1e-12
    )


def test_statistics_name_a_broken_file(tiny_root):
    path = next((tiny_root / "leftImg8bit").rglob("*.png"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=path.name):
        channel_statistics([path])
    with pytest.raises(ValueError, match="empty"):
        channel_statistics([])


def test_deviation_is_the_root(tmp_path):
    Image.fromarray(np.array([[[0, 51, 255], [51, 102, 255]]], np.uint8)).save(tmp_path / "two.png")
    statistics = channel_statistics([tmp_path / "two.png"])
    assert statistics.mean == pytest.approx((0.1, 0.3, 1.0)) and statistics.std == pytest.approx(
        (0.1, 0.1, 0.0)
    )
    assert statistics.std[0] == pytest.approx(sqrt(statistics.std[0] ** 2))


def test_statistics_of_a_file_that_was_changed_in_place_are_computed_anew(tiny_root, runs, capsys):
    rows = find_rows(tiny_root, "train")
    path = tiny_root / rows[0].image
    pixels = np.zeros((24, 40, 3), np.uint8)
    before = []
    for second, color in ((1, 10), (2, 200)):
        Image.fromarray(pixels + np.uint8(color)).save(path, compress_level=0)
        os.utime(path, (second, second))
        before.append((path.stat().st_size, find_statistics(tiny_root, rows)))
    assert before[0][0] == before[1][0] and before[0][1] != before[1][1]
    assert before[1][1] == channel_statistics([tiny_root / row.image for row in rows])
    assert "of other frames: computed anew" in capsys.readouterr().out
