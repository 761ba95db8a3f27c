"""The cache of decoded frames: equal bits, and it follows its sources."""

import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import frame_cache
from helpers.csv_index import Row
from helpers.dataset import CityscapesDataset
from helpers.frame_cache import FrameCache
from helpers.windows import View
from tests.roots import marked_root


@pytest.mark.parametrize(
    ("view", "cropped", "augment"),
    [(View(), True, False), (View(), False, True), (View("frame", padding="same"), False, True)],
)
def test_cache_is_bit_equal(tmp_path, view, cropped, augment):
    _, _, rows = marked_root(tmp_path)
    plain = CityscapesDataset(rows, tmp_path, view, augment=augment)
    cache = FrameCache(
        plain.rows, tmp_path, view, cropped=cropped, progress=False, folder=tmp_path / "cache"
    )
    cached = CityscapesDataset(rows, tmp_path, view, augment=augment, cache=cache)
    for epoch in range(3):
        plain.epoch = cached.epoch = epoch
        assert all(torch.equal(a, b) for a, b in zip(plain[0], cached[0]))
    assert cache.state == "built"


def test_cache_follows_its_sources(tmp_path, capsys):
    _, _, rows = marked_root(tmp_path)

    def make():
        return FrameCache(rows, tmp_path, progress=False, cropped=True, folder=tmp_path / "cache")

    first = make()
    assert make().state == "ready"
    Image.fromarray(np.zeros((700, 900, 3), np.uint8)).save(tmp_path / rows[0].image)
    changed = make()
    assert changed.state == "built" and not changed[0][0].any() and first[0][0].any()
    shutil.rmtree(tmp_path / "leftImg8bit")
    shutil.rmtree(tmp_path / "gtFine")
    assert make().state == "sources gone" and "gone" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        FrameCache([Row("a", "b", "c", "d")], tmp_path, progress=False, folder=tmp_path / "other")


def test_a_pickled_cache_maps_its_files_anew(tmp_path):
    _, _, rows = marked_root(tmp_path)
    cache = FrameCache(rows, tmp_path, progress=False, cropped=True, folder=tmp_path / "cache")
    sent = pickle.dumps(cache)  # what a worker process of a DataLoader receives
    assert len(sent) < 10_000 < cache.images.nbytes
    again = pickle.loads(sent)
    assert isinstance(again.images, np.memmap) and all(
        (a == b).all() for a, b in zip(cache[0], again[0])
    )


def test_data_sets_of_one_name_have_a_cache_each(tmp_path, runs):
    caches = []
    for number in (1, 2):
        root = tmp_path / f"v{number}" / "mine"
        _, _, rows = marked_root(root)
        Image.new("RGB", (900, 700), (number, 0, 0)).save(root / rows[0].image)
        caches.append(FrameCache(rows, root, progress=False))
    assert caches[0].folder != caches[1].folder
    for number, cache in enumerate(caches, 1):  # as a worker process maps it
        assert (pickle.loads(pickle.dumps(cache))[0][0][..., 0] == number).all()


def test_a_frame_missing_while_caching_is_named(tmp_path):
    _, _, [row] = marked_root(tmp_path)
    rows = [row, row._replace(image="leftImg8bit/train/a/gone.png")]
    with pytest.raises(FileNotFoundError, match=r"gone.png does not exist"):
        FrameCache(rows, tmp_path, progress=False, folder=tmp_path / "cache")
    Image.new("RGB", (500, 400)).save(tmp_path / rows[1].image)
    Image.new("L", (500, 400)).save(tmp_path / "gtFine/train/a/small.png")
    with pytest.raises(ValueError, match="frames of one cache have one size"):
        FrameCache(
            [row, rows[1]._replace(label="gtFine/train/a/small.png")],
            tmp_path,
            progress=False,
            folder=tmp_path / "cache",
        )
    assert not list(tmp_path.glob("*cache*"))


def test_full_disk_leaves_no_cache(tmp_path, monkeypatch):
    _, _, rows = marked_root(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(frame_cache.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OSError, match="the cache needs 2 MiB but .* has 0 MiB free"):
        FrameCache(rows, tmp_path, progress=False, folder=tmp_path / "cache")
    monkeypatch.undo()

    class Full:
        def __getattr__(self, name):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        frame_cache.np.lib.format, "write_array_header_1_0", lambda *a: Full().write
    )
    with pytest.raises(OSError, match="No space left"):
        FrameCache(rows, tmp_path, progress=False, folder=tmp_path / "cache")
    assert not list(tmp_path.glob("*cache*"))
