"""Random scale, crop, flip and color, the augmentation of the best from-scratch U-Net results
(chapter 13).

Published settings (the U-Net configs of mmsegmentation and PaddleSeg for Cityscapes): scale 0.5 to
2, crops of 512 x 1024, flip, photometric distortion; a crop is drawn again if one class fills more
than three quarters of it.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms.v2 import functional as color

from helpers.config import TrainConfig
from helpers.dataset import CityscapesDataset, normalize
from helpers.labels import IGNORE
from helpers.recipes import make_datasets, make_model
from helpers.sizes import output_size
from helpers.training import Run
from helpers.windows import cut

# The limits of torchvision's own photometric distortion
FACTORS = {
    color.adjust_brightness: (0.875, 1.125),
    color.adjust_contrast: (0.5, 1.5),
    color.adjust_saturation: (0.5, 1.5),
    color.adjust_hue: (-0.05, 0.05),
}


def random_scale(
    image: np.ndarray, target: np.ndarray, rng: np.random.Generator, scale: tuple[float, float]
):
    """Image uint8 [H, W, 3] (bilinear) and train ids uint8 [H, W] (nearest) at one random factor
    from `scale`.
    """
    factor = rng.uniform(*scale)
    height, width = target.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    target = Image.fromarray(target).resize(size, Image.Resampling.NEAREST)
    return np.asarray(image), np.asarray(target)


def random_start(length: int, window: int, rng: np.random.Generator) -> int:
    """Where a window on an axis of `length` pixels begins; one that does not fit is centered."""
    if length <= window:
        return (length - window) // 2
    return int(rng.integers(0, length - window + 1))


def random_crop(
    image,
    target,
    rng: np.random.Generator,
    crop: tuple[int, int],
    most: float = 0.75,
    tries: int = 10,
):
    """Both cut at one random place to `crop` (rows, columns); what lies outside the frame is
    mirrored and ignored.
    """
    for _ in range(tries):
        top = random_start(target.shape[0], crop[0], rng)
        left = random_start(target.shape[1], crop[1], rng)
        window = cut(target, top, left, *crop, fill=IGNORE)
        counts = np.bincount(window[window != IGNORE], minlength=1)
        if np.count_nonzero(counts) > 1 and counts.max() < most * counts.sum():
            break
    return cut(image, top, left, *crop), window


def distort(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue of uint8 [H, W, 3], each changed with probability
    one half.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    for change, limits in FACTORS.items():
        if rng.random() < 0.5:
            pixels = change(pixels, rng.uniform(*limits))
    return pixels.permute(1, 2, 0).numpy()


class AugmentedCrops(Dataset):
    """Augmented pairs (float32 [3, h, w], int64 [h, w]) out of the whole frames of `base`.

    Everything random depends on (seed, epoch, index) alone; set `.epoch`, as with
    CityscapesDataset.
    """

    def __init__(
        self,
        base: CityscapesDataset,
        crop: tuple[int, int],
        scale: tuple[float, float],
        seed: int = 0,
    ):
        self.base = base
        self.rows = base.rows
        self.crop = crop
        self.scale = scale
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.base)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        image, target = random_scale(*self.base.pair(index), rng, self.scale)
        image, target = random_crop(image, target, rng, self.crop)
        if rng.random() < 0.5:
            image, target = image[:, ::-1], target[:, ::-1]
        return distort(image, rng), target

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image, target = self.pair(index)
        image = normalize(image, self.base.mean, self.base.std)
        return image, torch.from_numpy(target.astype(np.int64))


@dataclass(frozen=True)
class ScratchConfig(TrainConfig):
    """The best-evidenced settings for a U-Net from scratch on Cityscapes; validated on whole frames
    at full size.

    PaddleSeg's U-Net: crops 512 x 1024, batch 4, 160,000 steps (215 epochs), SGD 0.01, momentum
    0.9, poly: 65.0 % val mIoU. mmsegmentation's: the same crops, batch 16, 160,000 steps (860
    epochs), an auxiliary head: 69.1 %. Here the network is this course's (transposed convolutions,
    width 64 at every level of the paper, no auxiliary head).
    """

    name: str = "scratch"
    view: str = "frame"
    height: int = 1024
    padding: str = "same"
    norm: str | None = "batch"
    dropout: float = 0.0
    epochs: int = 215
    batch_size: int = 4
    learning_rate: float = 0.01
    schedule: str | None = "poly"
    cache: str | None = None  # whole frames at full size would be 25 GB
    workers: int = 8
    crop: tuple[int, int] = (512, 1024)
    scale: tuple[float, float] = (0.5, 2.0)
    momentum: float = 0.9
    weight_decay: float = 5e-4
    published: tuple = field(default=(0.650, 0.691), compare=False)

    def __post_init__(self):
        super().__post_init__()
        for length in self.crop:
            output_size(length, self.depth, self.padding)  # raises ValueError


def make_scratch_run(config: ScratchConfig, progress: bool = True, folder=None) -> Run:
    """A training run on AugmentedCrops with SGD; all else as in helpers.training."""
    config, train_set, val_set = make_datasets(config, progress)
    crops = AugmentedCrops(train_set, config.crop, config.scale, config.seed)
    model = make_model(config, len(val_set.label_set))
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )
    return Run(config, model, crops, val_set, optimizer, progress=progress, folder=folder)
