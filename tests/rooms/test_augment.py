"""Augmentation keeps frame and label together and depends on seed, epoch and index."""

from dataclasses import asdict

import numpy as np
import torch

from extras.training_tools import augment
from extras.training_tools.augment import (
    AugmentedCrops,
    ScratchConfig,
    distort,
    random_crop,
    random_scale,
)
from helpers.csv_index import read_csv
from helpers.dataset import CityscapesDataset
from helpers.labels import IGNORE
from helpers.windows import View


def coded(height=120, width=200):
    """A frame whose color says its class, in blocks of 20 pixels."""
    target = (np.add.outer(np.arange(height) // 20, np.arange(width) // 20) % 19).astype(np.uint8)
    return np.stack([target * 10, 255 - target * 10, np.full_like(target, 7)], -1), target


def test_scale_and_crop_keep_frame_and_label_together():
    image, target = coded()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        big, labels = random_scale(image, target, rng, (0.5, 2.0))
        assert 60 <= big.shape[0] <= 240 and big.shape[:2] == labels.shape
        window, cut = random_crop(big, labels, rng, (64, 96))
        assert window.shape == (64, 96, 3) and cut.shape == (64, 96)
        inside = cut != IGNORE
        same = np.abs(window[..., 0].astype(int) - cut * 10.0) < 6
        assert same[inside].mean() > 0.8 and (
            inside.all() or big.shape[0] < 64 or big.shape[1] < 96
        )


def test_flips_turn_frame_and_label_alike(monkeypatch):
    monkeypatch.setattr(augment, "distort", lambda image, rng: image)
    base, turned = type("Base", (), {"rows": [], "pair": lambda self, index: coded()})(), 0
    crops = AugmentedCrops(base, (64, 96), (1.0, 1.0))
    for epoch in range(12):
        crops.epoch = epoch
        image, target = crops.pair(0)
        assert (image[..., 0] == target * 10).all()
        turned += int(target[0, 95]) < int(target[0, 0])  # classes grow to the right
    assert 2 <= turned <= 10


def test_a_crop_of_one_class_is_drawn_again():
    target = np.zeros((100, 400), np.uint8)
    target[:, 300:] = 1
    image = np.zeros((100, 400, 3), np.uint8)

    def mixed(tries):
        crops = [
            random_crop(image, target, np.random.default_rng(s), (50, 100), tries=tries)[1]
            for s in range(40)
        ]
        return sum(0.25 < (crop == 0).mean() < 0.75 for crop in crops)

    assert mixed(10) > 2 * mixed(1)


def test_distortion_changes_colors_only():
    image, _ = coded()
    changed = [distort(image, np.random.default_rng(s)) for s in range(10)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert len({c.tobytes() for c in changed}) > 6
    gray = np.full((4, 4, 3), 128, np.uint8)
    assert all(100 < distort(gray, np.random.default_rng(s)).mean() < 160 for s in range(20))


def test_augmented_crops_depend_on_seed_epoch_and_index(root, tmp_path):
    from helpers.csv_index import write_csv

    write_csv(root, "train", tmp_path / "train.csv")
    base = CityscapesDataset(
        read_csv(tmp_path / "train.csv"), root, View("frame", padding="same", height=1024)
    )
    crops = AugmentedCrops(base, (64, 128), (0.5, 2.0))
    image, target = crops[0]
    assert image.shape == (3, 64, 128) and target.shape == (64, 128) and target.dtype == torch.int64
    assert torch.equal(image, crops[0][0]) and not torch.equal(image, crops[1][0])
    crops.epoch = 1
    assert not torch.equal(image, crops[0][0])
    assert (
        asdict(ScratchConfig())["crop"] == (512, 1024)
        and augment.ScratchConfig().epochs * 2975 // 4 > 159_000
    )
