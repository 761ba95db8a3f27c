"""Inputs of the golden values, made by numpy and pillow alone: the same on every processor."""

import hashlib
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image

from helpers.labels import LABELS

# A street's most frequent label ids, and two that are void: 0 (unlabeled) and 9 (parking).
LABEL_IDS = (7, 8, 11, 21, 23, 26, 0, 9)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with coarse and fine structure, uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    coarse = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    fine = random.integers(0, 256, (height, width, 3))
    return ((3 * coarse + fine) // 4).astype(np.uint8)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normally distributed numbers, float32."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def fill(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give `model` weights drawn by numpy, in the order of its state_dict, and put it in eval mode.

    Weights that are not trained (the bilinear up-sampling of an FCN) keep their values.
    """
    random = np.random.default_rng(seed)
    fixed = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    for name, tensor in model.state_dict().items():
        if name in fixed or not tensor.is_floating_point():
            continue
        values = random.standard_normal(tuple(tensor.shape))
        if tensor.ndim > 1:
            # He et al.: so that the logits are neither tiny nor huge.
            values *= np.sqrt(2 / values[0].size)
        elif name.endswith("running_var"):
            values = 1 + 0.2 * np.abs(values)
        elif name.endswith("weight"):
            values = 1 + 0.2 * values
        else:
            values *= 0.2
        tensor.copy_(torch.from_numpy(values))
    return model.eval()


# With these a normalized picture holds the gray levels themselves, 0 to 255.
GRAY_MEAN = (0.0, 0.0, 0.0)
GRAY_STD = (1 / 255, 1 / 255, 1 / 255)


def nearest_gray() -> torch.nn.Module:
    """A network for `small_root` that needs no training, and whose rounding cannot matter.

    It predicts the one of 19 classes whose usual gray level is nearest to the red channel; no
    gray level lies halfway between two.
    """
    train_ids = {7: 0, 8: 1, 11: 2, 21: 8, 23: 10, 26: 13}
    model = torch.nn.Conv2d(3, 19, 1)
    model.weight.data.zero_()
    model.bias.data.fill_(-1000)
    for label_id, train_id in train_ids.items():
        level = 7 * label_id + 19.75
        model.weight.data[train_id, 0] = 2 * level / 100
        model.bias.data[train_id] = -(level**2) / 100
    return model


@contextmanager
def numpy_dropout(seed: int = 0):
    """Within this block numpy decides what dropout drops.

    Which random numbers torch draws for it depends on the maker of the processor.
    """
    random = np.random.default_rng(seed)

    def dropout(x, p=0.5, training=True, inplace=False):
        if not training or p == 0:
            return x
        kept = random.random(tuple(x.shape)) >= p
        return x * torch.from_numpy(kept).to(x.dtype) / (1 - p)

    with mock.patch("torch.nn.functional.dropout", dropout):
        yield


def small_root(root: Path, shape=(64, 96), train: int = 6, val: int = 5) -> Path:
    """A data set in Cityscapes' layout, with two test frames without labels.

    Brightness follows the label, so that there is something to learn; void is spread very unevenly.
    """
    random = np.random.default_rng(11)
    for split, count in (("train", train), ("val", val), ("test", 2)):
        for number in range(count):
            # Two cities a split, whose order in the index is that of the alphabet.
            city = f"{split}{'ba'[number % 2]}"
            stem = f"{city}_{number:06d}_000019"
            blocks = random.integers(0, len(LABEL_IDS), (shape[0] // 8 + 1, shape[1] // 8 + 1))
            label = np.array(LABEL_IDS, np.uint8)[blocks].repeat(8, axis=0).repeat(8, axis=1)
            label = label[: shape[0], : shape[1]]
            # Single pixels too, so that a label reduced by another pixel of each block differs.
            dots = random.random(shape) < 0.05
            label[dots] = random.choice(np.array(LABEL_IDS, np.uint8), dots.sum())
            label[: 20 * (number % 4)] = 0
            image = label[..., None] * 7 + random.integers(0, 40, (*shape, 3))
            save(
                image.astype(np.uint8),
                root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png",
            )
            if split != "test":
                save(label, root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png")
    return root


def category_groups(label_set) -> tuple[tuple[str, ...], list[int]]:
    """The names of the categories in a label set, and for each class the index of its own."""
    category_of_id = {label.id: label.category for label in LABELS}
    categories = [category_of_id[label_id] for label_id in label_set.ids]
    names = tuple(dict.fromkeys(categories))
    return names, [names.index(category) for category in categories]


def save(array: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def digest(array) -> str:
    """The beginning of the sha256 of an array's type, shape and values."""
    array = np.ascontiguousarray(array)
    head = f"{array.dtype} {array.shape} ".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()[:20]


def summary(array, count: int = 12) -> dict:
    """What is kept of an array of floats: its shape, three figures of all values, and some of them.

    `signed` is the mean after half of the values, chosen at random, have changed their sign: it
    changes whenever values change places.
    """
    values = np.asarray(array, np.float64)
    random = np.random.default_rng(values.size)
    signs = random.choice([-1.0, 1.0], values.size)
    places = random.integers(0, values.size, count)
    return {
        "shape": list(values.shape),
        "mean": short(values.mean()),
        "mean_abs": short(np.abs(values).mean()),
        "signed": short((signs * values.ravel()).mean() * np.sqrt(values.size)),
        "values": [short(value) for value in values.ravel()[places]],
    }


def short(value) -> float:
    """Seven digits: more than float32 has."""
    return float(f"{float(value):.7g}")


def plain(values) -> list:
    """An array of floats as a list that JSON can hold: None in place of nan."""
    return [None if np.isnan(value) else float(value) for value in np.ravel(values)]
