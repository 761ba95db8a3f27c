"""The two views of a frame: a crop at full resolution, or the whole frame reduced.

Chapter 05 builds them. Both come down to one operation: cut a window out of an array, mirrored
where the window leaves the array (the overlap-tile idea of the U-Net paper, Fig. 2). A *view* says
how large the label window is, and how much wider the image window must be so that unpadded
convolutions have their context: 92 pixels on each side at depth 4.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from helpers.labels import IGNORE
from helpers.sizes import margin, nearest_sizes, valid_size


def mirror(start: int, length: int, size: int) -> np.ndarray:
    """Indices int64 [length] into an axis of `size` pixels, from `start` on.

    Beyond either end they run back, and forth again, without repeating the pixel at the end.
    """
    if size == 1:
        return np.zeros(length, np.int64)
    period = 2 * size - 2  # there and back
    position = np.arange(start, start + length) % period
    return np.where(position < size, position, period - position)


def cut(
    array: np.ndarray, top: int, left: int, height: int, width: int, fill: int | None = None
) -> np.ndarray:
    """The window [height, width, ...] of array [H, W, ...] that starts at (top, left).

    Outside the array, where top or left may be negative, the window is mirrored without repeating
    the border pixel or, with `fill`, constant. A window inside the array is a view of it, else a
    copy.
    """
    rows, columns = array.shape[:2]
    bottom = top + height
    right = left + width
    # The usual case costs nothing: no pixel is copied.
    if top >= 0 and left >= 0 and bottom <= rows and right <= columns:
        return array[top:bottom, left:right]

    row_indices = mirror(top, height, rows)
    column_indices = mirror(left, width, columns)
    window = array[row_indices][:, column_indices]
    # What was mirrored in is overwritten where a label must not be made up.
    if fill is not None:
        y = np.arange(top, bottom)
        x = np.arange(left, right)
        window[(y < 0) | (y >= rows)] = fill
        window[:, (x < 0) | (x >= columns)] = fill
    return window


def reduce_image(image: np.ndarray, factor: int) -> np.ndarray:
    """RGB uint8 [H, W, 3] reduced by an integer: each pixel the mean of factor x factor pixels."""
    if factor == 1:
        return image
    return np.asarray(Image.fromarray(image).reduce(factor))


def reduce_label(label: np.ndarray, factor: int) -> np.ndarray:
    """Label ids [H, W] reduced by an integer: one pixel of each block, near its middle.

    Ids are names and must never be averaged.
    """
    if factor == 1:
        return label
    height, width = label.shape
    # A block that the border cuts short gives its last pixel.
    rows = np.arange(factor // 2, height + factor // 2, factor).clip(max=height - 1)
    columns = np.arange(factor // 2, width + factor // 2, factor).clip(max=width - 1)
    return label[rows][:, columns]


@dataclass(frozen=True)
class View:
    """How a frame becomes a training pair.

    kind="crop": a label window of `size` x `size` at full resolution (388, recipe A's; the image
    window is 572). kind="frame": the whole frame, reduced by its height / `height` (256), rounded
    to an integer. `padding` and `depth` are those of the network. `size` may be None: 388, or 384
    with same padding.
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
            size = 388 if self.padding == "valid" else 384
            # The only way to set a field of a frozen dataclass.
            object.__setattr__(self, "size", size)
        if self.kind == "crop":
            self.input_size(self.size)  # raises if the network cannot give such a window

    @property
    def margin(self) -> int:
        """Pixels of context that the network takes away on each side: 92 at depth 4."""
        return margin(self.depth, self.padding)

    def input_size(self, label_size: int) -> int:
        """The image window's size for a label window's.

        Raises ValueError with the nearest legal sizes if the network cannot produce it.
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
        while not valid_size(n + 2 * self.margin, self.depth, self.padding):
            n += 1
        return n

    def factor(self, height: int) -> int:
        """The integer by which a frame of this height is reduced."""
        if self.kind == "crop":
            return 1
        return max(1, round(height / self.height))

    def label_shape(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the label window for a frame (already reduced) of height x width."""
        if self.kind == "crop":
            return self.size, self.size
        return self.legal(height), self.legal(width)

    def pair(
        self, image: np.ndarray, label: np.ndarray, top: int | None = None, left: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The image and label windows of a (reduced) frame.

        They are centered, or the label window starts at (top, left). Returns image uint8
        [h + 2 margin, w + 2 margin, 3], mirrored outside the frame, and label uint8 [h, w], 255
        outside the frame.
        """
        rows, columns = image.shape[:2]
        height, width = self.label_shape(rows, columns)
        if top is None:
            top = (rows - height) // 2
        if left is None:
            left = (columns - width) // 2

        # The image window is wider on each side, and begins that much earlier.
        border = self.margin
        image = cut(image, top - border, left - border, height + 2 * border, width + 2 * border)
        label = cut(label, top, left, height, width, fill=IGNORE)
        return image, label
