"""CamVid and the reproduction: nothing left out, damage is mended, no result hangs on its place."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from extras.benchmark_server import official
from extras.experiments import trials
from extras.export import example_sizes
from extras.real_data import camvid, colab
from extras.real_data.camvid import convert
from extras.real_data.own_data import prepare
from extras.reproduction import certificate, reproduce, tables
from extras.reproduction.reproduce import Reproduction
from extras.training_tools import distributed
from helpers.csv_index import find_index, find_rows, index_folder
from helpers.sizes import valid_size
from helpers.training import make_run
from helpers.windows import View
from tests.faults.conftest import flip_byte, make_root, paths
from tests.faults.test_runs import HOLD

# -- CamVid


@pytest.fixture
def source(tmp_path):
    """Two frames of a drive in CamVid's layout."""
    for number in (30, 60):
        for folder, mode in (("train", "RGB"), ("trainannot", "L")):
            path = tmp_path / "CamVid" / folder / f"0001TP_{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (12, 8), 3).save(path)
    return tmp_path / "CamVid"


def to_upper(path):
    path.rename(path.with_suffix(".PNG"))


def to_jpeg(path):
    Image.open(path).save(path.with_suffix(".jpg"))
    path.unlink()


@pytest.mark.parametrize("change", [to_upper, to_jpeg])
@pytest.mark.parametrize("folder", ["train", "trainannot"])
def test_a_frame_in_another_spelling_is_named(source, tmp_path, change, folder):
    change(source / folder / "0001TP_00030.png")
    with pytest.raises(ValueError, match="(?s)not converted whole.*0001TP_00030"):
        convert(source, tmp_path / "root", progress=False)


def test_a_label_without_its_picture_is_named(source, tmp_path):
    (source / "train" / "0001TP_00030.png").unlink()
    with pytest.raises(ValueError, match="trainannot.0001TP_00030.png: it has no picture"):
        convert(source, tmp_path / "root", progress=False)


def test_hidden_copies_are_no_frames(source, tmp_path):
    shutil.copytree(source / "train", source / "train" / ".ipynb_checkpoints")
    (source / "train" / "._0001TP_00030.png").write_bytes(b"what macOS adds")
    root = convert(source, tmp_path / "root", progress=False)
    assert len(paths(root)) == 2


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("end", ["leftImg8bit", "labelIds", "instanceIds", "color"])
@pytest.mark.parametrize("damage", [cut, flip_byte, lambda path: path.unlink()])
def test_a_damaged_frame_is_converted_again(source, tmp_path, end, damage):
    root = convert(source, tmp_path / "root", progress=False)
    path = next(root.rglob(f"*{end}.png"))
    before = path.read_bytes()
    damage(path)
    convert(source, root, progress=False)
    assert path.read_bytes() == before


def test_a_conversion_that_stopped_is_no_smaller_data_set(source, tmp_path, monkeypatch):
    """Killed between two frames, or with a frame that cannot be read."""
    copied = []

    def copy(picture, target, real=shutil.copyfile):
        if copied:
            raise KeyboardInterrupt
        copied.append(real(picture, target))

    monkeypatch.setattr(camvid.shutil, "copyfile", copy)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "root", progress=False)
    with pytest.raises(FileNotFoundError, match="labels without an image"):
        find_rows(tmp_path / "root", "train")
    monkeypatch.undo()

    cut(source / "trainannot" / "0001TP_00030.png")
    with pytest.raises(ValueError, match="0001TP_00030"):
        convert(source, tmp_path / "other", progress=False)
    with pytest.raises(FileNotFoundError, match="no folder leftImg8bit"):
        find_rows(tmp_path / "other", "train")


# -- own pictures


def test_own_pictures_are_laid_out_by_one_process(source, tmp_path):
    target = tmp_path / "mine"
    lock = index_folder(target) / ".lock"
    lock.parent.mkdir(parents=True)
    masks = source / "trainannot"
    with FileLock(lock), pytest.raises(OSError, match="another process works in"):
        prepare(source / "train", masks, ["road", "sky"], target, progress=False)
    assert not target.exists()


# -- help


@pytest.mark.parametrize(
    ("module", "says"),
    [(official, "csEvalPixelLevelSemanticLabeling"), (distributed, "torchrun --standalone")],
)
def test_help_is_no_error(module, says, monkeypatch, capsys):
    """Of commands that hand their words on to another program."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(sys, "argv", ["x", "--help"])
    module.main()
    assert says in capsys.readouterr().out


# -- packs


def test_a_pack_is_not_of_own_classes(one_epoch, root, tmp_path):
    classes = root / "classes.json"
    classes.write_text(
        json.dumps({"names": ["a", "b"], "colors": [[0, 0, 1], [1, 0, 0]], "ids": [1, 2]})
    )
    with pytest.raises(ValueError, match="classes of .* are a, b"):
        colab.pack(root, tmp_path / "pack", View(size=36), progress=False)
    with pytest.raises(ValueError, match="without config.classes"):
        colab.packed_run(replace(one_epoch, classes=str(classes)), tmp_path, progress=False)


def test_a_run_knows_the_labels_of_its_pack(one_epoch, root, tmp_path):
    config = replace(one_epoch, view="crop", size=8, cache="auto", mean=None, std=None)
    view = config.make_view()

    def run(name):
        folder = colab.pack(root, tmp_path / name, view, progress=False)
        return colab.packed_run(config, folder, progress=False)

    run("first").fit()
    assert run("first").resume() == 1
    label = paths(root, "gtFine")[0]
    label.write_bytes(paths(root, "gtFine")[1].read_bytes())
    with pytest.raises(ValueError, match="train_pack was"):
        run("second").resume()


# -- the small city of the trials


@pytest.mark.parametrize("end", ["leftImg8bit", "labelIds"])
@pytest.mark.parametrize("damage", [cut, flip_byte, lambda path: path.unlink()])
def test_a_damaged_frame_of_the_small_city_is_made_again(tmp_path, monkeypatch, end, damage):
    made = []

    def frame(folder, split, index, seed):
        made.append(index)
        city, stem, _, _ = trials.frame_plan(split, index, seed)
        for kind, name, mode in (
            ("gtFine", "gtFine_labelIds", "L"),
            ("leftImg8bit",) * 2 + ("RGB",),
        ):
            path = Path(folder) / kind / split / city / f"{stem}_{name}.png"
            path.parent.mkdir(parents=True)
            Image.new(mode, (32, 16), 7 if mode == "L" else (7, 7, 7)).save(path)

    monkeypatch.setattr(trials, "write_frame", frame)
    root = trials.small_city(tmp_path, train=1, val=1)
    damage(next(root.rglob(f"*{end}.png")))
    trials.small_city(tmp_path, train=1, val=1)
    assert len(made) == 3
    trials.small_city(tmp_path, train=1, val=1)
    assert len(made) == 3


# -- export


@pytest.mark.parametrize(("depth", "padding"), [(8, "same"), (6, "valid"), (0, "same")])
def test_sizes_for_an_export_are_found_at_any_depth(depth, padding):
    sizes = example_sizes(View("frame", None, padding, depth, 64))
    assert len(sizes) == 3 and all(valid_size(size, depth, padding) for size in sizes)


# -- the reproduction


def test_a_crop_that_makes_no_sense_is_refused_before_the_data(city, tmp_path):
    for crop in ((0, -5), (30, 64)):
        with pytest.raises(ValueError, match="is not legal"):
            Reproduction(str(city), "scratch", folder=tmp_path, quick=True, crop=crop)
    with pytest.raises(SystemExit):
        reproduce.main(["--root", str(city), "--crop", "64", "64"])


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    return make_root(tmp_path_factory.mktemp("city"), train=2, val=1)


def reproduction(city, folder, **changes):
    changes = {"size": 4, "depth": 1, "width": 2, "epochs": 1, "cache": None, **changes}
    return Reproduction(str(city), folder=folder, quick=True, progress=False, **changes)


def trained(city, folder):
    """The result of the training, without the steps after it."""
    found = reproduction(city, folder)
    for name in ("layout", "csv", "files", "statistics", "training"):
        found.step(name, getattr(found, name))
    return found.state["steps"]["training"]


def test_a_certificate_does_not_hang_on_its_folder(city, tmp_path):
    here = trained(city, tmp_path / "here")
    there = trained(city, tmp_path / "deep" / "there")
    assert here == there
    last = (tmp_path / "here" / "training" / "last.pt").read_bytes()
    assert str(tmp_path).encode() not in last


def test_it_goes_on_where_it_was_moved(city, tmp_path):
    found = reproduction(city, tmp_path / "here")
    for name in ("layout", "csv", "files", "statistics"):
        found.step(name, getattr(found, name))
    found.training()
    shutil.move(tmp_path / "here", tmp_path / "there")
    history = reproduction(city, tmp_path / "there").training()["history"]
    assert len(history) == 1


@pytest.mark.parametrize("text", ['{"plan": ', "", "{}", "[]", '{"plan": {}}'])
def test_a_damaged_state_is_named(city, tmp_path, text):
    (tmp_path / "steps.json").write_text(text)
    with pytest.raises(ValueError, match="steps.json is damaged"):
        reproduction(city, tmp_path)


def test_other_labels_are_other_data(city, tmp_path):
    own = shutil.copytree(city, tmp_path / "own")
    found = reproduction(own, tmp_path / "out")
    found.step("layout", found.layout)
    label = paths(own, "gtFine")[0]
    size = label.stat().st_size
    array = np.array(Image.open(label))
    array[array == 26] = 33
    Image.fromarray(array).save(label)
    assert label.stat().st_size == size, "names and sizes are as before"
    with pytest.raises(ValueError, match="other frames"):
        reproduction(own, tmp_path / "out")


def test_an_index_of_fewer_frames_is_refused(city, tmp_path):
    path = find_index(city, "train")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ValueError, match=r"train.csv, .* has 1 of 2 frames: remove it") as caught:
        trained(city, tmp_path / "out")
    assert str(path) in str(caught.value)
    assert not (tmp_path / "out" / "training" / "last.pt").exists()
    path.unlink()
    assert trained(city, tmp_path / "out")


def test_one_process_a_folder(city, tmp_path):
    found = reproduction(city, tmp_path / "out")
    (tmp_path / "out").mkdir(exist_ok=True)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out" / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(OSError, match="another process works in"):
            found.run()
    finally:
        other.kill()
        other.communicate()


def test_leftovers_of_a_kill_are_removed(city, tmp_path):
    found = reproduction(city, tmp_path)
    leftover = tmp_path / "pictures" / ".val_1_crop.png.4711.tmp"
    leftover.parent.mkdir()
    leftover.write_bytes(b"half")
    found.layout = None  # the first step stops it
    with pytest.raises(TypeError):
        found.run()
    assert not leftover.exists()


@pytest.mark.parametrize("damage", [cut, lambda path: path.write_bytes(b"")])
def test_damaged_counts_are_counted_again(tmp_path, damage):
    path = tmp_path / "counts.npz"
    tables.save(path, [np.arange(16).reshape(4, 4)], [np.ones(2)])
    assert len(tables.load(path, 1, 3)[0]) == 1
    damage(path)
    assert tables.load(path, 1, 3) == ([], [])


def test_changed_counts_are_counted_again(tmp_path):
    path = tmp_path / "counts.npz"
    table = np.arange(16).reshape(4, 4)
    tables.save(path, [table], [np.ones(2)])
    data = path.read_bytes()
    for place in range(0, len(data), 9):
        flip_byte(path, place)
        found = tables.load(path, 1, 3)[0]
        assert found == [] or (found[0] == table).all()
        path.write_bytes(data)


def test_a_damaged_certificate_is_named(tmp_path):
    path = tmp_path / "certificate.json"
    path.write_text('{"digest"')
    with pytest.raises(ValueError, match="certificate.json is damaged"):
        certificate.verify(path)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_1(city, tmp_path, limit):
    with pytest.raises(ValueError, match="limit must be at least 1"):
        reproduction(city, tmp_path, limit=limit)


def test_own_classes_are_refused(city, tmp_path):
    own = shutil.copytree(city, tmp_path / "own")
    (own / "classes.json").write_text(
        json.dumps({"names": ["a", "b"], "colors": [[0, 0, 1], [0, 1, 0]], "ids": [1, 2]})
    )
    with pytest.raises(ValueError, match="classes of .*own are a, b"):
        reproduction(own, tmp_path / "out")


def test_the_rest_of_make_run_is_as_it_was(one_epoch, runs):
    assert make_run(one_epoch, progress=False).folder == runs / "r"
