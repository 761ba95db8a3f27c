"""Results are not written over each other, nor kept under the name of another network."""

import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from extras.benchmark_server.submission import (
    check_submission,
    png_name,
    write_submission,
    zip_submission,
)
from helpers import inference
from helpers.checkpoints import load_model, save_model
from helpers.csv_index import find_rows
from helpers.labels import TRAIN_19
from helpers.unet import UNet
from helpers.windows import View
from tests.faults.conftest import flip_byte

VIEW = {"kind": "frame", "size": None, "padding": "same", "depth": 1, "height": 16}
INFO = {"label_set": TRAIN_19.as_dict(), "view": VIEW, "mean": [0.5] * 3, "std": [0.25] * 3}


def checkpoint(path, seed):
    torch.manual_seed(seed)
    return save_model(path, UNet(num_classes=19, width=2, depth=1, padding="same"), INFO)


@pytest.fixture
def mine(tmp_path):
    return checkpoint(tmp_path / "mine.pt", 0)


@pytest.fixture
def rows(root):
    return find_rows(root, "val")


# -- photographs


@pytest.fixture
def photographs(tmp_path):
    paths = [tmp_path / "a" / "street.png", tmp_path / "b" / "street.jpg", tmp_path / "other.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((16, 16, 3), 60 * number, np.uint8)).save(path)
    return [str(path) for path in paths]


def test_a_strip_of_few_rows_is_not_enlarged_to_gigabytes():
    """Three rows brought to 256 would make 850,000 columns of 10,000."""
    info = {"view": View("frame", padding="same"), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    for shape in ((3, 10_000, 3), (1, 1, 3), (100, 1000, 3)):
        _, scale = inference.for_photograph(np.zeros(shape, np.uint8), info)
        assert shape[0] * shape[1] * scale**2 < 2**22 + 2**16
        assert scale == 256 / shape[0] or shape[1] == 10_000


def label(mine, photographs, output, *options):
    inference.main([*photographs, "--checkpoint", str(mine), "--output", str(output), *options])


def test_two_photographs_of_one_name_are_refused_before_the_first(mine, photographs, tmp_path):
    with pytest.raises(ValueError, match="each needs its own --output"):
        label(mine, photographs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bad_photograph_does_not_stop_the_others(mine, photographs, tmp_path, capsys):
    bad = tmp_path / "notes.jpg"
    bad.write_text("not a picture")
    with pytest.raises((SystemExit, ValueError)) as caught:
        label(mine, [str(bad), *photographs[1:]], tmp_path / "out")
    assert "notes.jpg" in capsys.readouterr().err + str(caught.value)
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_a_result_takes_no_photograph_s_place(mine, photographs, tmp_path):
    own = tmp_path / "a" / "street_color.png"
    Image.new("RGB", (16, 16), "red").save(own)
    before = own.read_bytes()
    with pytest.raises(ValueError, match="(?s)place of photographs.*street_color.png"):
        label(mine, [photographs[0], str(own)], tmp_path / "a")
    assert own.read_bytes() == before and len(list((tmp_path / "a").iterdir())) == 2


@pytest.mark.parametrize("budget", ["nan", "-1", "inf"])
def test_a_budget_is_a_number(mine, photographs, tmp_path, budget, capsys):
    with pytest.raises((SystemExit, ValueError)) as caught:
        label(mine, photographs[1:], tmp_path / "out", f"--budget={budget}")
    assert "budget must be at least 0" in capsys.readouterr().err + str(caught.value)


def test_an_output_that_is_a_file_is_named(mine, photographs, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    with pytest.raises((SystemExit, OSError, ValueError)) as caught:
        label(mine, photographs[1:], tmp_path / "out")
    assert "out is a file and no folder" in capsys.readouterr().err + str(caught.value)


# -- submissions


def submit(path, rows, root, folder, **options):
    model, info = load_model(path)
    return write_submission(model, info, rows, root, folder, progress=False, **options)


def test_a_folder_of_another_network_is_refused(mine, rows, root, tmp_path):
    folder = tmp_path / "submission"
    submit(mine, rows, root, folder)
    before = [path.read_bytes() for path in sorted(folder.iterdir())]
    with pytest.raises(ValueError, match="written by another network"):
        submit(checkpoint(tmp_path / "other.pt", 1), rows, root, folder)
    with pytest.raises(ValueError, match="in another way"):
        submit(mine, rows, root, folder, flip=True)
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == before
    submit(mine, rows, root, folder)
    assert check_submission(folder, rows, root, ignored_ids=True) == []


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def shrink(path):
    Image.new("L", (3, 3)).save(path)


@pytest.mark.parametrize("damage", [cut, shrink, flip_byte, os.remove])
def test_a_damaged_prediction_is_made_again(mine, rows, root, tmp_path, damage):
    folder = tmp_path / "submission"
    submit(mine, rows, root, folder)
    path = folder / png_name(rows[0])
    before = path.read_bytes()
    damage(path)
    assert check_submission(folder, rows, root, ignored_ids=True) != []
    submit(mine, rows, root, folder)
    assert path.read_bytes() == before


def test_a_huge_prediction_is_made_again(mine, rows, root, tmp_path, monkeypatch):
    folder = tmp_path / "submission"
    submit(mine, rows, root, folder)
    path = folder / png_name(rows[0])
    before = path.read_bytes()
    Image.new("L", (3000, 1000)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    assert "cannot be read" in "\n".join(check_submission(folder, rows, root, ignored_ids=True))
    submit(mine, rows, root, folder)
    assert path.read_bytes() == before


def test_a_changed_byte_in_the_zip_is_named(mine, rows, root, tmp_path):
    folder = tmp_path / "submission"
    submit(mine, rows, root, folder)
    archive = zip_submission(folder, tmp_path / "x.zip")
    assert check_submission(archive, rows, root, ignored_ids=True) == []
    data = archive.read_bytes()
    for changed in (data[:60] + b"?" + data[61:], data[50:]):
        archive.write_bytes(changed)
        with pytest.raises(ValueError, match="x.zip is damaged"):
            check_submission(archive, rows, root, ignored_ids=True)


@pytest.mark.parametrize("kind", ["password", "packing", "bytes"])
def test_a_zip_that_cannot_be_read_is_named(mine, rows, root, tmp_path, kind):
    folder = tmp_path / "submission"
    submit(mine, rows, root, folder)
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, path.name)
    data = bytearray(archive.read_bytes())
    # Flags and way of packing stand twice: in front of the file, and in the list at the end.
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark) + place
        if kind == "password":
            data[at] |= 1
        elif kind == "packing":
            data[at + 2] = 99
    if kind == "bytes":
        begin = 30 + len(png_name(rows[0]))
        data[begin : begin + 4] = b"\xff" * 4
    archive.write_bytes(data)
    with pytest.raises(ValueError, match="x.zip is damaged"):
        check_submission(archive, rows, root, ignored_ids=True)


@pytest.mark.parametrize("hidden", [".ipynb_checkpoints/{}", "._{}"])
def test_hidden_copies_are_not_sent_in(mine, rows, root, tmp_path, hidden):
    folder = tmp_path / "submission"
    submit(mine, rows, root, folder)
    name = png_name(rows[0])
    copy = folder / hidden.format(name)
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes((folder / name).read_bytes())
    assert check_submission(folder, rows, root, ignored_ids=True) == []
    archive = zip_submission(folder, tmp_path / "x.zip")
    assert sorted(zipfile.ZipFile(archive).namelist()) == sorted(map(png_name, rows))


def test_two_files_of_one_name_are_not_zipped(mine, rows, root, tmp_path):
    for part in ("a", "b"):
        submit(mine, rows, root, tmp_path / "submission" / part)
    with pytest.raises(ValueError, match=f"(?s)several PNGs of one name.*{png_name(rows[0])}"):
        zip_submission(tmp_path / "submission", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


@pytest.mark.parametrize("made", [True, False])
def test_a_zip_of_nothing_is_none(tmp_path, made):
    if made:
        (tmp_path / "submission").mkdir()
    with pytest.raises((OSError, ValueError), match="submission"):
        zip_submission(tmp_path / "submission", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
