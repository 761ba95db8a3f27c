"""Statistics and the frame cache with all cores: the same bits, interrupted and taken up again,
damaged and built again.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from helpers import frame_cache
from helpers.csv_index import Row
from helpers.files import locked
from helpers.frame_cache import FrameCache
from helpers.normalization import channel_statistics, frame_histogram
from helpers.paths import ROOT
from helpers.progress import parallel_map
from helpers.windows import View

FRAMES = 24
VIEW = View("crop", 16, "same", 2)


def write_frame(root, number: int, shape=(24, 40)) -> Row:
    random = np.random.default_rng(number)
    name = f"train/astadt/astadt_{number:06d}_000019"
    image = f"leftImg8bit/{name}_leftImg8bit.png"
    label = f"gtFine/{name}_gtFine_labelIds.png"
    for path, array in (
        (image, random.integers(0, 256, (*shape, 3), dtype=np.uint8)),
        (label, random.integers(0, 34, shape, dtype=np.uint8)),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / path)
    return Row(image, label, "astadt", f"{number:06d}_000019")


@pytest.fixture
def rows(tmp_path):
    return [write_frame(tmp_path, number) for number in range(FRAMES)]


def build(rows, root, workers=None, name="cache", **options):
    options = {"cropped": True, "progress": False, **options}
    return FrameCache(rows, root, VIEW, folder=root / name, workers=workers, **options)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def assert_right(cache, root):
    for index, row in enumerate(cache.rows):
        expected = VIEW.pair(
            np.asarray(Image.open(root / row.image)), np.asarray(Image.open(root / row.label))
        )
        assert all((a == b).all() for a, b in zip(cache[index], expected))


# -- on all cores


def test_results_come_in_order_and_not_far_ahead():
    begun = []

    def work(number):
        begun.append(number)
        time.sleep(0.002 * (number % 3))
        return number * number

    results = parallel_map(work, range(100), workers=4)
    for number, result in enumerate(results):
        assert result == number * number
        if number % 20 == 0:
            time.sleep(0.1)  # whoever takes the results may be slow
        assert len(begun) <= number + 10
    assert threading.active_count() < 20


def test_few_items_need_no_threads():
    names = list(parallel_map(lambda _: threading.current_thread().name, range(7), workers=4))
    assert set(names) == {threading.current_thread().name}
    names = list(parallel_map(lambda _: threading.current_thread().name, range(8), workers=4))
    assert threading.current_thread().name not in names


def test_an_error_stops_the_rest():
    begun = []

    def work(number):
        begun.append(number)
        if number == 5:
            raise ValueError("the fifth")

    with pytest.raises(ValueError, match="the fifth"):
        list(parallel_map(work, range(1000), workers=4))
    assert len(begun) < 50


def test_statistics_are_the_same_for_any_number_of_workers(tmp_path, rows):
    paths = [tmp_path / row.image for row in rows]
    pixels = np.concatenate([np.asarray(Image.open(path)).reshape(-1, 3) for path in paths])
    found = [channel_statistics(paths, workers=workers) for workers in (1, 2, 7, None)]
    assert found[0] == found[1] == found[2] == found[3]
    whole = channel_statistics(paths)
    assert whole.pixels == len(pixels)
    assert np.allclose(whole.mean, (pixels / 255).mean(0), rtol=1e-12)
    assert np.allclose(whole.std, (pixels / 255).std(0), rtol=1e-12)


def test_a_broken_frame_among_many_is_named(tmp_path, rows):
    paths = [tmp_path / row.image for row in rows]
    whole = paths[17].read_bytes()
    paths[17].write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="000017_000019_leftImg8bit.png: cannot be read"):
        channel_statistics(paths, workers=3)

    # A bit of the pixels' checksum is flipped: decoding alone would not notice.
    flipped = bytearray(whole)
    start = whole.index(b"IDAT")
    length = int.from_bytes(whole[start - 4 : start], "big")
    flipped[start + 4 + length] ^= 16
    paths[17].write_bytes(flipped)
    Image.open(paths[17]).load()
    with pytest.raises(ValueError, match="000017_000019_leftImg8bit.png: cannot be read"):
        channel_statistics(paths, workers=3)


def test_a_picture_too_large_for_pillow_is_named(tmp_path, rows, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="000000_000019_leftImg8bit.png: cannot be read"):
        frame_histogram(tmp_path / rows[0].image)


@pytest.mark.parametrize("cropped", [True, False])
def test_the_cache_is_the_same_for_any_number_of_workers(tmp_path, rows, cropped):
    serial = build(rows, tmp_path, 1, "serial", cropped=cropped)
    parallel = build(rows, tmp_path, 5, "parallel", cropped=cropped)
    assert serial.state == parallel.state == "built"
    assert content(serial.folder) == content(parallel.folder)
    if cropped:
        assert_right(parallel, tmp_path)
    assert build(rows, tmp_path, 5, "serial", cropped=cropped).state == "ready"


# -- interrupted


def count_reads(monkeypatch, stop_at=None):
    """The rows that builds read from now on; at number `stop_at` somebody presses Ctrl-C."""
    read = []
    original = FrameCache._read

    def counting(self, row):
        read.append(row)
        if len(read) == stop_at:
            raise KeyboardInterrupt
        return original(self, row)

    monkeypatch.setattr(FrameCache, "_read", counting)
    return read


@pytest.mark.parametrize("workers", [1, 3])
def test_an_interrupted_build_goes_on_where_it_was(tmp_path, rows, monkeypatch, workers):
    expected = content(build(rows, tmp_path, 1, "whole").folder)
    with monkeypatch.context() as patch:
        count_reads(patch, stop_at=16)
        with pytest.raises(KeyboardInterrupt):
            build(rows, tmp_path, workers)
    assert not (tmp_path / "cache").exists(), "a part is no cache"
    part = tmp_path / ".cache.part"
    done = ((part / "labels.npy").stat().st_size - 128) // (16 * 16)
    assert 7 <= done < 16, "what had been decoded is there"

    read = count_reads(monkeypatch)
    cache = build(rows, tmp_path, workers)
    assert cache.state == "built" and content(cache.folder) == expected
    # One more: the first row, whose size all others must have.
    assert len(read) == FRAMES - done + 1
    assert not part.exists()


@pytest.mark.parametrize("broken", ["images.npy", "labels.npy"])
def test_half_a_frame_at_the_end_is_written_again(tmp_path, rows, monkeypatch, broken):
    expected = content(build(rows, tmp_path, 1, "whole").folder)
    with monkeypatch.context() as patch:
        count_reads(patch, stop_at=16)
        with pytest.raises(KeyboardInterrupt):
            build(rows, tmp_path, 1)
    path = tmp_path / ".cache.part" / broken
    os.truncate(path, path.stat().st_size - 5)
    assert content(build(rows, tmp_path).folder) == expected


def test_a_part_of_other_frames_is_not_used(tmp_path, rows, monkeypatch):
    with monkeypatch.context() as patch:
        count_reads(patch, stop_at=16)
        with pytest.raises(KeyboardInterrupt):
            build(rows, tmp_path, 1)
    # The very first frame changes while nobody builds.
    array = np.zeros((24, 40, 3), np.uint8)
    Image.fromarray(array).save(tmp_path / rows[0].image)
    read = count_reads(monkeypatch)
    cache = build(rows, tmp_path)
    assert len(read) == FRAMES + 1
    assert_right(cache, tmp_path)


def build_slowly(rows, root):
    original = FrameCache._read

    def slow(self, row):
        time.sleep(0.05)
        return original(self, row)

    FrameCache._read = slow
    build(rows, root, 2)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_build_goes_on_where_it_was(tmp_path, rows, monkeypatch):
    expected = content(build(rows, tmp_path, 1, "whole").folder)
    process = multiprocessing.get_context("spawn").Process(
        target=build_slowly, args=(rows, tmp_path)
    )
    process.start()
    path = tmp_path / ".cache.part" / "labels.npy"
    end = time.monotonic() + 300
    while not path.is_file() or path.stat().st_size < 128 + 256:
        assert time.monotonic() < end and process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    read = count_reads(monkeypatch)
    cache = build(rows, tmp_path)
    assert content(cache.folder) == expected
    assert len(read) <= FRAMES + 1
    assert sorted(path.name for path in tmp_path.iterdir() if "cache" in path.name) == ["cache"]


def build_and_compare(rows, root, rounds, barrier):
    for number in range(rounds):
        barrier.wait()
        assert_right(build(rows, root, 2, f"cache{number}"), root)


def test_processes_that_want_one_cache_at_once(tmp_path, rows):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    arguments = (rows, tmp_path, 6, barrier)
    processes = [context.Process(target=build_and_compare, args=arguments) for _ in range(3)]
    os.environ["PYTHONPATH"] = str(ROOT)
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not list(tmp_path.glob(".cache*"))


def test_the_second_process_finds_what_the_first_has_built(tmp_path, rows, monkeypatch):
    states = []

    # While this one waits for the lock, another one builds.
    def other_first(folder, wait):
        monkeypatch.undo()
        states.append(build(rows, tmp_path).state)
        return locked(folder, wait)

    monkeypatch.setattr(frame_cache, "locked", other_first)
    states.append(build(rows, tmp_path).state)
    assert states == ["built", "ready"]


# -- damaged


def shorten(path, by):
    os.truncate(path, path.stat().st_size - by)


def with_header(path, header: bytes):
    path.write_bytes(header + path.read_bytes()[len(header) :])


DAMAGES = {
    "one byte less": lambda folder: shorten(folder / "images.npy", 1),
    "cut in half": lambda folder: os.truncate(folder / "images.npy", 9000),
    "emptied": lambda folder: os.truncate(folder / "labels.npy", 0),
    "header": lambda folder: with_header(folder / "images.npy", b"\x93NUMPY\x01\x00v\x00('deXcr"),
    "no array": lambda folder: (folder / "images.npy").write_bytes(b"hello" * 100),
    "objects": lambda folder: np.save(folder / "labels.npy", np.array([{}] * FRAMES)),
    "floats": lambda folder: np.save(folder / "labels.npy", np.zeros((FRAMES, 16, 16))),
    "other length": lambda folder: np.save(
        folder / "labels.npy", np.zeros((FRAMES - 1, 16, 16), np.uint8)
    ),
    "removed": lambda folder: (folder / "labels.npy").unlink(),
    "index a list": lambda folder: (folder / "index.json").write_text("[]"),
    "index empty": lambda folder: (folder / "index.json").write_text("{}"),
    "index broken": lambda folder: (folder / "index.json").write_text('{"key": "'),
    "index of bytes": lambda folder: (folder / "index.json").write_bytes(b"\xff\xfe\x00"),
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda name: name.replace(" ", "-"))
def test_a_damaged_cache_is_built_again(tmp_path, rows, damage, capsys):
    folder = build(rows, tmp_path).folder
    DAMAGES[damage](folder)
    cache = build(rows, tmp_path)
    assert cache.state == "built" and capsys.readouterr().out == ""
    assert_right(cache, tmp_path)
    assert build(rows, tmp_path).state == "ready"


def test_a_damaged_cache_without_its_sources_says_so(tmp_path, rows):
    folder = build(rows, tmp_path).folder
    for row in rows:
        (tmp_path / row.image).unlink()
        (tmp_path / row.label).unlink()
    assert build(rows, tmp_path).state == "sources gone"
    shorten(folder / "images.npy", 1)
    with pytest.raises(ValueError, match="cache is damaged, and its source frames in .* are gone"):
        build(rows, tmp_path)


# -- refused


def test_frames_of_two_sizes_are_both_named(tmp_path, rows):
    rows[20] = write_frame(tmp_path, 20, shape=(32, 48))
    with pytest.raises(ValueError, match="frames of one cache have one size") as caught:
        build(rows, tmp_path, cropped=False)
    text = str(caught.value)
    assert rows[0].image in text and rows[20].image in text and "--view crop" in text
    assert not list(tmp_path.glob("*cache*"))


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path, rows):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match="could not write the cache .*COURSE_CACHE"):
        build(rows, tmp_path, name="file/cache")
