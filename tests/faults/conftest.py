"""Tiny data sets that every test may damage, and folders of its own for runs and caches."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from helpers.config import TrainConfig

IMAGE = "leftImg8bit/{split}/{city}/{city}_{number:06d}_000019_leftImg8bit.png"
LABEL = "gtFine/{split}/{city}/{city}_{number:06d}_000019_gtFine_labelIds.png"


def make_root(root, train=4, val=2, height=16, width=32):
    """Frames in Cityscapes' layout, each with sky (23), road (7) and a car (26) on it."""
    random = np.random.default_rng(3)
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            where = {"split": split, "city": "astadt" if number % 2 else "bdorf", "number": number}
            label = np.full((height, width), 7, np.uint8)
            label[: height // 2] = 23
            label[height // 2 :, number * 4 : number * 4 + 8] = 26
            image = label[..., None] * 8 + random.integers(0, 40, (height, width, 3))
            for name, array in ((IMAGE, image.astype(np.uint8)), (LABEL, label)):
                path = root / name.format(**where)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Runs, caches and the device of this test alone."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)


@pytest.fixture(scope="session")
def whole_root(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def root(whole_root, tmp_path):
    """Four frames in train and two in val, 32 x 16."""
    return shutil.copytree(whole_root, tmp_path / "root")


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def config(root):
    """A training of a moment: two epochs of a thin network on whole frames."""
    return TrainConfig(
        name="r",
        root=str(root),
        view="frame",
        height=16,
        padding="same",
        width=2,
        depth=1,
        dropout=0.0,
        epochs=2,
        batch_size=2,
        learning_rate=1e-2,
        cache=None,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        pictures=1,
    )


@pytest.fixture
def one_epoch(config):
    return replace(config, epochs=1)


def paths(root, kind="leftImg8bit", split="train"):
    """The images, or the labels ("gtFine"), of a split."""
    return sorted((root / kind / split).rglob("*.png"))


def flip_byte(path, at=None):
    """Change one byte of a file, in its middle or `at` a place."""
    data = bytearray(path.read_bytes())
    place = len(data) // 2 if at is None else at
    data[place] ^= 0x55
    path.write_bytes(data)


def content(folder):
    """The bytes of every file below a folder, by name; without the lock."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
