"""Pairs of a frame and its target: aligned to the pixel, drawn by seed and epoch."""

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.dataset import CityscapesDataset, read_pair
from helpers.images import open_label
from helpers.labels import TRAIN_19
from helpers.windows import View
from tests.roots import marked_root


def test_center_crop_is_aligned_to_the_pixel(tmp_path):
    image, label, rows = marked_root(tmp_path)
    dataset = CityscapesDataset(rows, tmp_path, mean=(0, 0, 0), std=(1, 1, 1))
    x, target = dataset[0]
    assert x.shape == (3, 572, 572) and x.dtype == torch.float32
    assert target.shape == (388, 388) and target.dtype == torch.int64
    top, left = (700 - 388) // 2, (900 - 388) // 2
    expected = torch.from_numpy(
        image[top - 92 : top + 480, left - 92 : left + 480].transpose(2, 0, 1) / 255
    ).float()
    assert torch.equal(x, expected)
    assert (target.numpy() == TRAIN_19.encode(label[top : top + 388, left : left + 388])).all()


def test_random_crop_and_flip_move_both_alike(tmp_path):
    image, label, rows = marked_root(tmp_path)
    dataset = CityscapesDataset(rows, tmp_path, mean=(0, 0, 0), std=(1, 1, 1), augment=True)
    places, flips = set(), set()
    for epoch in range(12):
        dataset.epoch = epoch
        window, target = dataset.pair(0)
        # X grows to the right unless flipped
        ramp = int(window[92, 93, 1]) - int(window[92, 92, 1])
        flipped = ramp in (-1, 255)
        flips.add(flipped)
        if flipped:
            window, target = window[:, ::-1], target[:, ::-1]
        y, x, both = window[92, 92].tolist()
        found = [
            (t, le)
            for t in range(y, 700 - 388 + 1, 256)
            for le in range(x, 900 - 388 + 1, 256)
            if (t + le) // 8 % 256 == both
        ]
        assert any(
            (TRAIN_19.encode(label[t : t + 388, le : le + 388]) == target).all() for t, le in found
        )
        places.add(found[0])
        again = dataset.pair(0)
        assert (again[0] == dataset.pair(0)[0]).all()
    assert len(places) > 6 and flips == {True, False}


def test_small_frames_are_mirrored_and_void_outside(tmp_path):
    image, label, rows = marked_root(tmp_path, 360, 480)
    window, target = CityscapesDataset(rows, tmp_path).pair(0)
    assert window.shape == (572, 572, 3) and target.shape == (388, 388)
    assert (target[:14] == 255).all() and (target[-14:] == 255).all()
    assert (target[14:374] == TRAIN_19.encode(label[:, 46:434])).all()
    assert (
        window[106 - 5] == window[106 + 5]
    ).all()  # rows 5 above and below the frame's first row


def test_frame_view(tmp_path):
    image, label, rows = marked_root(tmp_path, 512, 768)
    window, target = CityscapesDataset(rows, tmp_path, View("frame", padding="same")).pair(0)
    assert window.shape == (256, 384, 3) and target.shape == (256, 384)
    assert (target == TRAIN_19.encode(label[1::2, 1::2])).all()
    window, target = CityscapesDataset(rows, tmp_path, View("frame")).pair(0)
    assert target.shape == (260, 388) and window.shape == (444, 572, 3)


def test_random_crops_reach_every_corner_and_follow_seed_and_epoch(tmp_path):
    _, label, rows = marked_root(tmp_path, 389, 390)
    dataset, places = CityscapesDataset(rows, tmp_path, augment=True, seed=5), set()
    items, truth = {}, TRAIN_19.encode(label)
    for dataset.epoch in range(40):
        window, target = items[dataset.epoch] = dataset.pair(0)
        places |= {
            (t, le)
            for t in range(2)
            for le in range(3)
            for part in [truth[t : t + 388, le : le + 388]]
            if (part == target).all() or (part[:, ::-1] == target).all()
        }
    assert places == {(t, le) for t in range(2) for le in range(3)}
    again, other = (CityscapesDataset(rows, tmp_path, augment=True, seed=seed) for seed in (5, 6))
    same = []
    for again.epoch, (window, _) in list(items.items())[:4]:
        other.epoch = again.epoch
        assert (again.pair(0)[0] == window).all()
        same.append((other.pair(0)[0] == window).all())
    assert not all(same)


def test_batches_of_a_loader(tmp_path):
    _, _, rows = marked_root(tmp_path)
    dataset = CityscapesDataset(rows * 2, tmp_path)
    [(x, target)] = torch.utils.data.DataLoader(dataset, batch_size=2)
    assert (
        x.shape == (2, 3, 572, 572)
        and target.shape == (2, 388, 388)
        and target.dtype == torch.int64
    )
    assert torch.equal(x[1], dataset[0][0]) and len(CityscapesDataset(rows * 2, tmp_path)) == 2


def test_a_dataset_without_rows_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one row"):
        CityscapesDataset([], tmp_path)


def test_bad_labels_are_named(tmp_path):
    _, _, [row] = marked_root(tmp_path)
    Image.fromarray(np.full((700, 900), 50, np.uint8)).save(tmp_path / row.label)
    with pytest.raises(ValueError, match="labelIds.png.*unknown label id 50"):
        read_pair(row, tmp_path)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / row.label)
    with pytest.raises(ValueError, match="900x700.*10x10"):
        read_pair(row, tmp_path)
    assert open_label(tmp_path / row.label).shape == (10, 10)
