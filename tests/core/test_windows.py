"""Cutting, mirroring and reducing against numpy and pillow; the sizes of a view."""

import numpy as np
import pytest
from PIL import Image

from helpers.windows import View, cut, mirror, reduce_image, reduce_label


def test_mirror_repeats():
    assert mirror(-3, 10, 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert mirror(-2, 5, 1).tolist() == [0] * 5


@pytest.mark.parametrize("window", [(0, 0, 5, 7), (-3, -4, 11, 15), (2, 1, 2, 3), (3, 5, 9, 9)])
def test_cut_equals_numpy_pad(window):
    array = np.arange(35).reshape(5, 7)
    top, left, height, width = window
    padded = np.pad(array, 40, "reflect")[
        40 + top : 40 + top + height, 40 + left : 40 + left + width
    ]
    assert (cut(array, *window) == padded).all()
    constant = np.pad(array, 40, constant_values=255)[
        40 + top : 40 + top + height, 40 + left : 40 + left + width
    ]
    assert (cut(array, *window, fill=255) == constant).all()


def test_reduce_takes_the_right_pixels():
    label = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert reduce_label(label, 2).tolist() == [[5, 7], [13, 15]]
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = 100
    assert reduce_image(image, 2)[:, :, 0].tolist() == [[100, 0], [0, 0]]
    nearest = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).resize(
        (2, 2), Image.NEAREST
    )
    assert (
        reduce_label(np.arange(64, dtype=np.uint8).reshape(8, 8), 4) == np.asarray(nearest)
    ).all()


def test_view_sizes():
    assert View().margin == 92 and View().input_size(388) == 572
    assert View(padding="same").margin == 0 and View(padding="same").size == 384
    assert View("frame").label_shape(256, 512) == (260, 516)
    assert View("frame", padding="same").label_shape(360, 480) == (368, 480)
    assert [View("frame").factor(h) for h in (1024, 512, 360, 100)] == [4, 2, 1, 1]
    with pytest.raises(ValueError, match=r"\[388, 404\]"):
        View(size=390)


@pytest.mark.parametrize(
    ("height", "width", "factor"), [(8, 12, 4), (9, 13, 4), (7, 5, 3), (4, 4, 1)]
)
def test_reducing_invents_no_id_and_keeps_sizes_equal(height, width, factor):
    rng = np.random.default_rng(height)
    label = rng.integers(0, 34, (height, width), dtype=np.uint8)
    image = rng.integers(0, 256, (height, width, 3))
    small, picture = reduce_label(label, factor), reduce_image(image.astype(np.uint8), factor)
    assert small.shape == picture.shape[:2] == (-(-height // factor), -(-width // factor))
    for i, j in np.ndindex(small.shape):
        block = (slice(i * factor, (i + 1) * factor), slice(j * factor, (j + 1) * factor))
        assert small[i, j] in label[block]
        # Pillow divides in whole numbers
        assert abs(picture[i, j] - image[block].mean((0, 1))).max() < 1


@pytest.mark.parametrize(("kind", "padding"), [("whole", "valid"), ("crop", "reflect")])
def test_a_view_of_an_unknown_kind_is_refused(kind, padding):
    with pytest.raises(ValueError, match=kind if kind == "whole" else padding):
        View(kind, padding=padding)
