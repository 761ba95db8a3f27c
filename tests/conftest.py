"""What the tests share: the pinned city, small data sets, and fresh folders for runs and caches."""

import shutil

import pytest

from helpers.csv_index import find_rows
from helpers.paths import ROOT
from scripts.pinned import CITY
from tests import roots


@pytest.fixture(scope="session")
def city():
    """The root of the pinned city: 40 frames in train, 20 in val, 4 in test; nobody changes it."""
    return CITY


@pytest.fixture(scope="session")
def checkpoint():
    """The path of the trained network that the course ships."""
    return ROOT / "data" / "checkpoints" / "unet.pt"


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Ten frames of 96x64 in train and three in val, as bright as their labels say."""
    return roots.small_root(tmp_path_factory.mktemp("small"))


@pytest.fixture
def tiny_root(tmp_path):
    """Two frames of 40x24 in train and one in val, for tests that damage them."""
    return roots.tiny_root(tmp_path)


@pytest.fixture(scope="session")
def small_city(city, tmp_path_factory):
    """Six val frames of the pinned city and one of test, copied so that a test may touch them."""
    root = tmp_path_factory.mktemp("city")
    for split, count in (("val", 6), ("test", 1)):
        for row in find_rows(city, split)[:count]:
            for name in filter(None, (row.image, row.label)):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(city / name, root / name)
    return root


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A fresh folder for runs, and one for caches inside it."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path
