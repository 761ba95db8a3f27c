"""The dataset: from a row of the CSV to a pair of tensors. Chapter 05 builds it by hand."""

import numpy as np
import torch
from torch.utils.data import Dataset

from helpers.csv_index import Row
from helpers.images import open_image, open_label
from helpers.labels import KNOWN_IDS, TRAIN_19, LabelSet
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD
from helpers.windows import View, reduce_image, reduce_label


def read_pair(row: Row, root, view: View = View(), label_set: LabelSet = TRAIN_19):
    """Frame and label ids of one row, reduced as the view wants: uint8 [H, W, 3] and uint8 [H, W].

    A row without a label gets one that is all 0 (unlabeled). Sizes that differ raise ValueError
    naming both files.
    """
    image = open_image(f"{root}/{row.image}")
    if not row.label:
        label = np.zeros(image.shape[:2], np.uint8)
    else:
        label = open_label(f"{root}/{row.label}")
        if label.shape != image.shape[:2]:
            raise ValueError(
                f"{root}/{row.image} is {image.shape[1]}x{image.shape[0]} but its label "
                f"{row.label} is {label.shape[1]}x{label.shape[0]}; they must show the same frame"
            )
        try:
            label_set.encode(
                label[label > KNOWN_IDS[-1]]
            )  # only these can be unknown; saves a pass over the frame
        except ValueError as error:
            raise ValueError(f"{root}/{row.label}: {error}") from error
    factor = view.factor(image.shape[0])
    return reduce_image(image, factor), reduce_label(label, factor)


def normalize(image: np.ndarray, mean, std) -> torch.Tensor:
    """uint8 [H, W, 3] to float32 [3, H, W]: scaled to 0..1, then (x - mean) / std for each channel."""
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)
    mean, std = (torch.tensor(v, dtype=torch.float32).view(3, 1, 1) for v in (mean, std))
    return tensor.sub_(mean).div_(std)


class CityscapesDataset(Dataset):
    """Pairs (image float32 [3, H, W], target int64 [h, w], 255 = ignored), one per row of an index.

    `rows` is what read_csv or find_rows returns. `view` cuts a crop or the whole frame; `cache`
    (helpers.frame_cache) saves decoding the PNGs every epoch. With `augment`, crops lie anywhere in
    the frame and half of the pairs are mirrored, image and label alike (see `draw`).
    """

    def __init__(
        self,
        rows: list[Row],
        root,
        view: View = View(),
        label_set: LabelSet = TRAIN_19,
        mean=CITYSCAPES_MEAN,
        std=CITYSCAPES_STD,
        augment: bool = False,
        seed: int = 0,
        cache=None,
    ):
        if not rows:
            raise ValueError(
                "a dataset needs at least one row; write the CSV with helpers.csv_index.write_csv"
            )
        self.rows = rows
        self.root = root
        self.view = view
        self.label_set = label_set
        self.mean = mean
        self.std = std
        self.augment = augment
        self.seed = seed
        self.cache = cache
        self.epoch = 0  # set it before each epoch: it decides, with the seed, what is drawn

        # From label id to train id; index 255 is what View.pair puts outside the frame.
        self.train_id_of = label_set.table

    def __len__(self) -> int:
        return len(self.rows)

    def frame(self, index: int) -> np.ndarray:
        """The whole frame in full resolution, uint8 [H, W, 3]."""
        return open_image(f"{self.root}/{self.rows[index].image}")

    def label_ids(self, index: int) -> np.ndarray:
        """The whole label map in full resolution, uint8 label ids [H, W]."""
        return read_pair(self.rows[index], self.root, View("crop"), self.label_set)[1]

    def draw(self, index: int, shape) -> tuple[int, int, bool]:
        """(top, left, flip): where pair `index` begins in a frame of `shape`, and whether it is
        mirrored.

        The center, not mirrored; with `augment` at random. It depends on (seed, epoch, index)
        alone, so that an interrupted training can be continued exactly.
        """
        height, width = self.view.label_shape(*shape[:2])
        top = (shape[0] - height) // 2
        left = (shape[1] - width) // 2
        if not self.augment:
            return top, left, False
        random = np.random.PCG64([self.seed, self.epoch, index])
        flip = random.random_raw() % 2 == 1
        if self.view.kind == "crop" and shape[0] > height:
            top = random.random_raw() % (shape[0] - height + 1)
        if self.view.kind == "crop" and shape[1] > width:
            left = random.random_raw() % (shape[1] - width + 1)
        return top, left, flip

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The windows before they become tensors: image uint8 [H, W, 3], train ids uint8 [h, w]."""
        if self.cache is not None:
            image, label = self.cache[index]
        else:
            image, label = read_pair(self.rows[index], self.root, self.view, self.label_set)

        top, left, flip = self.draw(index, image.shape)
        if (
            self.cache is None or not self.cache.cropped
        ):  # else the cache holds the windows themselves
            image, label = self.view.pair(image, label, top, left)
        target = self.train_id_of[label]
        if flip:
            image = image[:, ::-1]
            target = target[:, ::-1]
        return image, target

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, target = self.pair(index)
        return normalize(image, self.mean, self.std), torch.from_numpy(target.astype(np.int64))
