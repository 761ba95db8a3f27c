"""The dataset: from a row of the CSV to a pair of tensors. Chapter 05 builds it by hand."""
import numpy as np
import torch
from torch.utils.data import Dataset

from helpers.csv_index import Row, read_csv
from helpers.images import open_image, open_label
from helpers.labels import IGNORE, KNOWN_IDS, TRAIN_19, LabelSet
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD
from helpers.windows import View, reduce_image, reduce_label


def read_pair(row: Row, root, view: View = View(), label_set: LabelSet = TRAIN_19):
    """Frame and label ids of one row, reduced as the view wants: uint8 [H, W, 3] and uint8 [H, W].

    A row without a label gets one that is all 0 (unlabeled). Sizes that differ raise ValueError naming both files.
    """
    image = open_image(f"{root}/{row.image}")
    if not row.label:
        label = np.zeros(image.shape[:2], np.uint8)
    else:
        label = open_label(f"{root}/{row.label}")
        if label.shape != image.shape[:2]:
            raise ValueError(f"{root}/{row.image} is {image.shape[1]}x{image.shape[0]} but its label {row.label} is "
                             f"{label.shape[1]}x{label.shape[0]}; they must show the same frame")
        try:
            label_set.encode(label[label > KNOWN_IDS[-1]])  # only these can be unknown; saves a pass over the frame
        except ValueError as error:
            raise ValueError(f"{root}/{row.label}: {error}") from error
    factor = view.factor(image.shape[0])
    return reduce_image(image, factor), reduce_label(label, factor)


def normalize(image: np.ndarray, mean, std) -> torch.Tensor:
    """uint8 [H, W, 3] to float32 [3, H, W]: scaled to 0..1, then (x - mean) / std for each channel."""
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div_(255)
    mean, std = (torch.tensor(v, dtype=torch.float32).view(3, 1, 1) for v in (mean, std))
    return tensor.sub_(mean).div_(std)


class CityscapesCsv(Dataset):
    """Pairs (image float32 [3, H, W], target int64 [h, w], 255 = ignored) of the rows of a CSV file.

    `view` cuts a crop or the whole frame; `cache` (helpers.frame_cache) saves decoding the PNGs every epoch.
    `augment` takes the crop at a random place and flips every second pair, image and label alike; what it does
    depends on (seed, epoch, index) alone, so that an interrupted training can be continued exactly: set `.epoch`.
    """

    def __init__(self, csv, root, view: View = View(), label_set: LabelSet = TRAIN_19, mean=CITYSCAPES_MEAN,
                 std=CITYSCAPES_STD, augment: bool = False, seed: int = 0, cache=None, limit: int | None = None):
        self.rows = read_csv(csv)[:limit]
        if not self.rows:
            raise ValueError(f"{csv} has no rows; write it with helpers.csv_index.write_csv")
        self.root, self.view, self.label_set = root, view, label_set
        self.mean, self.std, self.augment, self.seed, self.cache = mean, std, augment, seed, cache
        self.epoch = 0
        self.table = np.full(256, IGNORE, np.uint8)  # from label id, and from the 255 outside a frame, to train id
        self.table[list(KNOWN_IDS)] = label_set.encode(KNOWN_IDS)

    def __len__(self) -> int:
        return len(self.rows)

    def frame(self, index: int) -> np.ndarray:
        """The whole frame in full resolution, uint8 [H, W, 3]."""
        return open_image(f"{self.root}/{self.rows[index].image}")

    def label_ids(self, index: int) -> np.ndarray:
        """The whole label map in full resolution, uint8 label ids [H, W]."""
        return read_pair(self.rows[index], self.root, View("crop"), self.label_set)[1]

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """The windows before they become tensors: image uint8 [H, W, 3], train ids uint8 [h, w]."""
        if self.cache is not None:
            image, label = self.cache[index]
        else:
            image, label = read_pair(self.rows[index], self.root, self.view, self.label_set)
        if self.cache is not None and self.cache.cropped:
            window = image, label
        else:
            window = self.view.pair(image, label, *self._place(image.shape, index))
        image, label = window
        target = self.table[label]
        if self.augment and self._random(index).random_raw() % 2:
            image, target = image[:, ::-1], target[:, ::-1]
        return image, target

    def _random(self, index: int) -> np.random.PCG64:
        return np.random.PCG64([self.seed, self.epoch, index])

    def _place(self, shape, index: int):
        """Where the label window begins: None for the centre, else anywhere inside the frame."""
        if not self.augment or self.view.kind == "frame":
            return None, None
        bits = self._random(index)
        bits.random_raw()  # the first number decides the flip
        room = [max(0, n - self.view.size) for n in shape[:2]]
        return tuple(bits.random_raw() % (r + 1) if r else (n - self.view.size) // 2 for r, n in zip(room, shape))

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, target = self.pair(index)
        return normalize(image, self.mean, self.std), torch.from_numpy(target.astype(np.int64))
