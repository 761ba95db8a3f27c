"""From a TrainConfig to what a training needs: the two data sets, and the network."""

import math
from dataclasses import replace

import torch
from PIL import Image

from helpers.config import TrainConfig
from helpers.csv_index import find_index, read_csv
from helpers.dataset import CityscapesDataset
from helpers.fcn import ThinFCN
from helpers.files import listed
from helpers.frame_cache import FrameCache
from helpers.labels import IGNORE, check_classes, find_label_set, read_label_set
from helpers.normalization import channel_statistics, find_statistics
from helpers.paths import check_root, find_root
from helpers.unet import UNet

STRIDES = {"fcn32s": 32, "fcn16s": 16, "fcn8s": 8}  # of TrainConfig.model


def make_datasets(config: TrainConfig, progress: bool = True):
    """(config with mean and std, training set, validation set), from the index and with caches."""
    root = check_root(find_root(config.root))
    view = config.make_view()
    label_set = find_label_set(config.label_set)
    if config.classes is not None:
        label_set = read_label_set(config.classes)
    check_classes(label_set, root)
    # The rows of both splits, as chapter 03 writes them.
    rows = {}
    for split, limit in (("train", config.train_limit), ("val", config.val_limit)):
        rows[split] = read_csv(find_index(root, split))[:limit]
    # Statistics of the training frames alone: val must stay unseen. Chapter 04 stores them.
    if config.mean is None or config.std is None:
        if config.train_limit is None:
            statistics = find_statistics(root, rows["train"], progress)
        else:
            statistics = channel_statistics([root / row.image for row in rows["train"]], progress)
        config = replace(config, mean=statistics.mean, std=statistics.divisors)

    datasets = []
    for split in ("train", "val"):
        # Validation sees every frame as it is, in every epoch.
        augment = config.augment and split == "train"
        cache = None
        if config.cache:
            # Center crops are all that is needed, unless crops are drawn anywhere.
            cropped = view.kind == "crop" and not augment
            cache = FrameCache(rows[split], root, view, label_set, cropped, progress=progress)
        dataset = CityscapesDataset(
            rows[split],
            root,
            view=view,
            label_set=label_set,
            mean=config.mean,
            std=config.std,
            augment=augment,
            seed=config.seed,
            cache=cache,
        )
        check_labels(dataset, split)
        if cache is None and config.batch_size > 1:
            check_sizes(dataset)
        datasets.append(dataset)
    return config, *datasets


def check_labels(dataset: CityscapesDataset, split: str) -> None:
    """Raises ValueError if there is nothing to learn from a split, or to measure on it."""
    if len(dataset.label_set) < 2:
        raise ValueError("one class alone is always right: name the rest of the picture, too")
    # The first labeled frame ends the search: all frames are read only where none has a label.
    for index in range(len(dataset)):
        label = dataset.cache[index][1] if dataset.cache else dataset.label_ids(index)
        if (dataset.train_id_of[label] != IGNORE).any():
            return
    raise ValueError(
        f"no labeled pixel in {len(dataset)} {split} frames of {dataset.root}: all is void in "
        f"this label set ({', '.join(dataset.label_set.names[:5])}, ...)"
    )


def check_sizes(dataset: CityscapesDataset) -> None:
    """Raises ValueError naming two frames that cannot stand in one batch; crops always can."""
    if dataset.view.kind == "crop":
        return
    seen = {}
    for row in dataset.rows:
        with Image.open(f"{dataset.root}/{row.image}") as picture:
            # pillow reads the size from the first bytes and decodes nothing.
            factor = dataset.view.factor(picture.height)
            # Rounded up, as reduce_image does, and then to what the network can take.
            height = math.ceil(picture.height / factor)
            width = math.ceil(picture.width / factor)
            seen.setdefault(dataset.view.label_shape(height, width), row.image)
    if len(seen) > 1:
        raise ValueError(
            f"frames of several sizes in one batch:{listed(list(seen.values()), 2)}\ntake crops "
            "(--view crop), --batch-size 1 --cache none, or one size (own_data --size W H)"
        )


def make_model(config: TrainConfig, num_classes: int) -> torch.nn.Module:
    """The network that the config names, with weights drawn from its seed."""
    # Right before the weights are drawn, so that nothing else can shift them.
    torch.manual_seed(config.seed)
    if config.model == "unet":
        return UNet(
            in_channels=3,
            num_classes=num_classes,
            width=config.width,
            depth=config.depth,
            padding=config.padding,
            norm=config.norm,
            dropout=config.dropout,
        )
    stride = STRIDES[config.model]
    return ThinFCN(num_classes, stride, config.width, config.hidden)
