"""The sample city: built again means built again, and no process outlives the one that began it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sample_city import build, write


@pytest.fixture
def drawn(monkeypatch):
    """How many frames are drawn; each is small and gray, for drawing takes seconds."""
    count = []

    def render(scene):
        count.append(scene.seed)
        return np.full((24, 48, 3), len(count), np.uint8), []

    monkeypatch.setattr(write, "render", render)
    monkeypatch.setattr(write, "HEIGHT", 24)
    monkeypatch.setattr(write, "WIDTH", 48)
    return count


def make(root, **options):
    return build(root, train=1, val=1, test=0, workers=1, progress=False, **options)


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def shrink(path):
    Image.new("RGB", (3, 3)).save(path)


FILES = ["leftImg8bit.png", "labelIds.png", "instanceIds.png", "color.png", "polygons.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [cut, empty, flip, shrink, os.remove])
def test_a_damaged_frame_is_drawn_again(drawn, tmp_path, name, damage):
    if name.endswith(".json") and damage in (flip, shrink):
        pytest.skip("a polygon list has no checksums")
    make(tmp_path)
    path = next(tmp_path.rglob(f"*{name}"))
    before = path.read_bytes()
    damage(path)
    assert len(drawn) == 2
    make(tmp_path)
    assert len(drawn) == 3
    assert path.read_bytes() == before or name == "leftImg8bit.png"  # each has its own gray
    make(tmp_path)
    assert len(drawn) == 3


@pytest.mark.parametrize("damage", [cut, empty, os.remove])
def test_a_notebook_that_begins_looks_at_the_ends(drawn, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setattr(build, "__defaults__", (1, 1, 0, 1, 1, False, True))
    root = write.ensure_root()
    damage(next(root.rglob("*_labelIds.png")))
    write.ensure_root()
    assert len(drawn) == 3


def test_a_city_stays_as_large_as_it_was_begun(drawn, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    root = write.sample_city_dir()
    build(root, train=2, val=1, test=0, workers=1, progress=False)
    write.ensure_root()
    assert len(drawn) == 3
    # It can grow, and is then completed to its new size.
    build(root, train=3, workers=1, progress=False)
    assert len(drawn) == 4
    next(root.rglob("*_leftImg8bit.png")).unlink()
    write.ensure_root()
    assert len(drawn) == 5
    # A city without such a note is one of the usual size.
    (root / "sample_city.json").write_text('{"version": 1, "seed": 1}')
    assert build(root, train=2, val=1, test=0, workers=1, progress=False) == root
    assert len(drawn) == 5


def test_a_broken_marker_is_named(drawn, tmp_path):
    make(tmp_path)
    (tmp_path / "sample_city.json").write_text('{"version"')
    with pytest.raises(ValueError, match="sample_city.json is damaged"):
        make(tmp_path)


@pytest.mark.parametrize(
    "numbers", [{"train": -1}, {"val": -1}, {"test": -5}, {"seed": -1}, {"workers": 0}]
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, numbers):
    with pytest.raises(ValueError, match=f"{next(iter(numbers))} must be at least"):
        build(tmp_path, **{"train": 0, "val": 0, "test": 0, "progress": False, **numbers})
    assert not list(tmp_path.iterdir())


PARENT = """
import multiprocessing, os, sys, time
from concurrent.futures import ProcessPoolExecutor
from sample_city import write

if __name__ == "__main__":
    pool = ProcessPoolExecutor(
        1,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=getattr(write, "_end_with_parent", None),
    )
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for the process in /proc")
def test_workers_end_with_a_parent_that_was_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while is_alive(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_alive(worker)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # ended, and nobody has asked for it yet
