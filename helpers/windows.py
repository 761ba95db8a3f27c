"""The two views of a frame: a crop at full resolution, or the whole frame reduced. Chapter 05
builds them by hand.

Both come down to one operation: cut a window out of an array, mirrored where the window leaves the
array (the overlap-tile idea of the U-Net paper, Fig. 2). A *view* says how large the label window
is, and how much wider the image window must be so that unpadded convolutions have their context: 92
pixels on each side at depth 4.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from helpers.labels import IGNORE
from helpers.sizes import margin, nearest_sizes, valid_size


def mirror(start: int, length: int, size: int) -> np.ndarray:
    """Indices int64 [length] from `start` on into an axis of `size` pixels, reflected at both ends,
    repeatedly.
    """
    if size == 1:
        return np.zeros(length, np.int64)
    position = np.arange(start, start + length) % (2 * size - 2)
    return np.where(position < size, position, 2 * size - 2 - position)


def cut(
    array: np.ndarray, top: int, left: int, height: int, width: int, fill: int | None = None
) -> np.ndarray:
    """The window [height, width, ...] of array [H, W, ...] whose first pixel is (top, left), which
    may be negative.

    Outside the array the window is mirrored without repeating the border pixel or, with `fill`,
    constant. A window inside the array is a view of it, else a copy.
    """
    rows, columns = array.shape[:2]
    if top >= 0 and left >= 0 and top + height <= rows and left + width <= columns:
        return array[top : top + height, left : left + width]
    window = array[mirror(top, height, rows)][:, mirror(left, width, columns)]
    if fill is not None:
        y, x = np.arange(top, top + height), np.arange(left, left + width)
        window[(y < 0) | (y >= rows)] = fill
        window[:, (x < 0) | (x >= columns)] = fill
    return window


def reduce_image(image: np.ndarray, factor: int) -> np.ndarray:
    """RGB uint8 [H, W, 3] reduced by an integer factor: each pixel the mean of factor x factor
    pixels.
    """
    return image if factor == 1 else np.asarray(Image.fromarray(image).reduce(factor))


def reduce_label(label: np.ndarray, factor: int) -> np.ndarray:
    """Label ids [H, W] reduced by taking one pixel of each block: ids are names, they must never be
    averaged.
    """
    if factor == 1:
        return label
    size = (
        -(-label.shape[1] // factor),
        -(-label.shape[0] // factor),
    )  # rounded up, as Image.reduce does
    rows = np.minimum(np.arange(size[1]) * factor + factor // 2, label.shape[0] - 1)
    columns = np.minimum(np.arange(size[0]) * factor + factor // 2, label.shape[1] - 1)
    return label[rows][:, columns]


@dataclass(frozen=True)
class View:
    """How a frame becomes a training pair.

    kind="crop": a label window of `size` x `size` at full resolution (388, the recipe's; the image
    window is 572). kind="frame": the whole frame, reduced by the integer factor that brings its
    height nearest to `height` (256). `padding` and `depth` are those of the network. `size` may be
    None: the recipe's 388, or 384 with same padding.
    """

    kind: str = "crop"
    size: int | None = None
    padding: str = "valid"
    depth: int = 4
    height: int = 256

    def __post_init__(self):
        if self.kind not in ("crop", "frame") or self.padding not in ("valid", "same"):
            raise ValueError(
                f'a view is "crop" or "frame" with padding "valid" or "same", found {self}'
            )
        if self.size is None:
            object.__setattr__(self, "size", 388 if self.padding == "valid" else 384)
        if self.kind == "crop":
            self.input_size(self.size)

    @property
    def margin(self) -> int:
        """Pixels of context that the network takes away on each side (92 at depth 4), 0 with same
        padding.
        """
        return margin(self.depth, self.padding)

    def input_size(self, label_size: int) -> int:
        """The image window's size for a label window's; raises ValueError if the network cannot
        produce it.
        """
        size = label_size + 2 * self.margin
        if not valid_size(size, self.depth, self.padding):
            near = [n - 2 * self.margin for n in nearest_sizes(size, self.depth, self.padding)]
            raise ValueError(
                f"a label window of {label_size} pixels is not legal with {self.padding} padding "
                f"at depth {self.depth}; the nearest legal sizes are {near}"
            )
        return size

    def legal(self, n: int) -> int:
        """The smallest legal label window of at least n pixels."""
        size = n + 2 * self.margin
        if not valid_size(size, self.depth, self.padding):
            size = nearest_sizes(size, self.depth, self.padding)[-1]
        return size - 2 * self.margin

    def factor(self, height: int) -> int:
        """The integer by which a frame of this height is reduced."""
        return 1 if self.kind == "crop" else max(1, round(height / self.height))

    def label_shape(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the label window for a frame (already reduced) of height x width."""
        return (
            (self.size, self.size)
            if self.kind == "crop"
            else (self.legal(height), self.legal(width))
        )

    def pair(
        self, image: np.ndarray, label: np.ndarray, top: int | None = None, left: int | None = None
    ):
        """Cut image and label windows out of a (reduced) frame; centered, or the label window
        starting at (top, left).

        Returns image uint8 [h + 2 margin, w + 2 margin, 3], mirrored outside the frame, and label
        uint8 [h, w], 255 outside the frame.
        """
        rows, columns = image.shape[:2]
        height, width = self.label_shape(rows, columns)
        top = (rows - height) // 2 if top is None else top
        left = (columns - width) // 2 if left is None else left
        m = self.margin
        return (
            cut(image, top - m, left - m, height + 2 * m, width + 2 * m),
            cut(label, top, left, height, width, fill=IGNORE),
        )
