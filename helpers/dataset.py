"""The dataset: from a row of the CSV to a pair of tensors.

`CityscapesDataset` is the class that the reader of chapter 05 writes; `normalize` is chapter 04's.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from helpers.csv_index import Row
from helpers.images import open_image, open_label
from helpers.labels import TRAIN_19, LabelSet
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD
from helpers.windows import View, reduce_image, reduce_label


def read_pair(row: Row, root, view: View = View(), label_set: LabelSet = TRAIN_19):
    """Frame and label ids of one row, reduced as the view wants: uint8 [H, W, 3] and uint8 [H, W].

    A row without a label gets one that is all 0 (unlabeled). Sizes that differ, and ids that no
    label set knows, raise ValueError naming the files.
    """
    image = open_image(f"{root}/{row.image}")
    height, width = image.shape[:2]
    if row.label:
        label = open_label(f"{root}/{row.label}")
    else:
        label = np.zeros((height, width), np.uint8)
    if label.shape != (height, width):
        raise ValueError(
            f"{root}/{row.image} is {width}x{height} but its label {row.label} is "
            f"{label.shape[1]}x{label.shape[0]}; they must show the same frame"
        )

    # Only ids above the highest known one can be unknown: looking at them alone saves a pass.
    suspects = label[label > label_set.highest_id]
    try:
        label_set.encode(suspects)
    except ValueError as error:
        raise ValueError(f"{root}/{row.label}: {error}") from error

    # Colors are averaged, ids are picked: see helpers.windows.
    factor = view.factor(height)
    return reduce_image(image, factor), reduce_label(label, factor)


def normalize(image: np.ndarray, mean, std) -> torch.Tensor:
    """uint8 [H, W, 3] to float32 [3, H, W]: scaled to 0..1, then (x - mean) / std per channel."""
    channels_first = np.ascontiguousarray(image.transpose(2, 0, 1))
    scaled = torch.from_numpy(channels_first).float().div_(255)
    mean = torch.tensor(mean, dtype=torch.float32).view(3, 1, 1)
    std = torch.tensor(std, dtype=torch.float32).view(3, 1, 1)
    return scaled.sub_(mean).div_(std)


@dataclass(eq=False, repr=False)
class Frames(Dataset):
    """What a dataset of street frames knows before it makes pairs: its rows, and how to read them.

    `rows` is what read_csv or find_rows returns. `view` (helpers.windows) is a crop or the whole
    frame; `cache` (helpers.frame_cache) saves decoding the PNGs every epoch. With `augment`, crops
    lie anywhere in the frame and half of the pairs are mirrored (see `draw`).
    """

    rows: list[Row]
    root: str | Path
    view: View = View()
    label_set: LabelSet = TRAIN_19
    mean: tuple[float, ...] = CITYSCAPES_MEAN
    std: tuple[float, ...] = CITYSCAPES_STD
    augment: bool = False
    seed: int = 0
    cache: object = None
    epoch: int = 0  # set it before each epoch: it decides, with the seed, what is drawn

    def __post_init__(self):
        if not self.rows:
            raise ValueError(
                "a dataset needs at least one row; write the CSV with helpers.csv_index.write_csv"
            )
        # From label id to train id; index 255 is what View.pair puts outside the frame.
        self.train_id_of = self.label_set.table

    def __len__(self) -> int:
        return len(self.rows)

    def frame(self, index: int) -> np.ndarray:
        """The whole frame in full resolution, uint8 [H, W, 3]."""
        return open_image(f"{self.root}/{self.rows[index].image}")

    def label_ids(self, index: int) -> np.ndarray:
        """The whole label map in full resolution, uint8 label ids [H, W]."""
        # A view of crops reduces nothing.
        return read_pair(self.rows[index], self.root, View("crop"), self.label_set)[1]

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Frame uint8 [H, W, 3] and label ids uint8 [H, W] of a row, reduced as the view wants."""
        if self.cache is not None:
            return self.cache[index]
        return read_pair(self.rows[index], self.root, self.view, self.label_set)

    def draw(self, index: int, shape) -> tuple[int, int, bool]:
        """(top, left, flip): where the label window of pair `index` begins in a frame of `shape`,
        and whether the pair is mirrored.

        The center, not mirrored; with `augment` at random. It depends on (seed, epoch, index)
        alone, so that an interrupted training can be continued exactly.
        """
        rows, columns = shape[:2]
        height, width = self.view.label_shape(rows, columns)
        top = (rows - height) // 2
        left = (columns - width) // 2
        if not self.augment:
            return top, left, False

        # A generator of its own for each pair, so the order of the pairs changes nothing.
        random = np.random.PCG64([self.seed, self.epoch, index])
        flip = random.random_raw() % 2 == 1
        if self.view.kind == "crop" and rows > height:
            top = random.random_raw() % (rows - height + 1)
        if self.view.kind == "crop" and columns > width:
            left = random.random_raw() % (columns - width + 1)
        return top, left, flip

    def windows(self, image, label, top: int, left: int) -> tuple[np.ndarray, np.ndarray]:
        """The view's two windows; the label window begins at (top, left). See View.pair."""
        # A cache that holds center crops has cut them already.
        if self.cache is not None and self.cache.cropped:
            return image, label
        return self.view.pair(image, label, top, left)


class CityscapesDataset(Frames):
    """Pairs (image float32 [3, H, W], target int64 [h, w], 255 = ignored)."""

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The pair as bytes: image uint8 [H, W, 3] and train ids uint8 [h, w]."""
        image, label = self.read(index)
        # Place and flip are drawn once, and frame and label both follow them.
        top, left, flip = self.draw(index, image.shape)
        image, label = self.windows(image, label, top, left)
        if flip:
            image = image[:, ::-1]
            label = label[:, ::-1]
        return image, self.train_id_of[label]

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pair as tensors: colors normalized, train ids as int64."""
        image, target = self.pair(index)
        image = normalize(image, self.mean, self.std)
        target = torch.from_numpy(target.astype(np.int64))
        return image, target
