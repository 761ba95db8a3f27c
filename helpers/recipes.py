"""From a TrainConfig to what a training needs: the two data sets, and the network."""

from dataclasses import replace

import torch

from helpers.config import TrainConfig
from helpers.csv_index import find_index, read_csv
from helpers.dataset import CityscapesDataset
from helpers.fcn import ThinFCN
from helpers.frame_cache import FrameCache
from helpers.labels import find_label_set, read_label_set
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
    rows = {}
    for split, limit in (("train", config.train_limit), ("val", config.val_limit)):
        rows[split] = read_csv(find_index(root, split))[:limit]
    if config.mean is None or config.std is None:
        if config.train_limit is None:
            statistics = find_statistics(root, rows["train"], progress)
        else:
            paths = [root / row.image for row in rows["train"]]
            statistics = channel_statistics(paths, progress=progress)
        config = replace(config, mean=statistics.mean, std=statistics.std)

    datasets = []
    for split in ("train", "val"):
        augment = config.augment and split == "train"
        cache = None
        if config.cache:
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
        datasets.append(dataset)
    return config, *datasets


def make_model(config: TrainConfig, num_classes: int) -> torch.nn.Module:
    """The network that the config names, with weights drawn from its seed."""
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
