"""Submission files: what is written is accepted, and what the server would refuse is refused, with
a reason.
"""

import io
import math
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from extras.benchmark_server import official
from extras.benchmark_server.official import copy_ground_truth, official_scores
from extras.benchmark_server.submission import (
    _problems,
    check_submission,
    png_name,
    write_prediction,
    write_submission,
    zip_submission,
)
from helpers.csv_index import find_rows
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.labels import TRAIN_19
from helpers.unet import UNet
from helpers.windows import View
from tests.official_scores import OfficialScores, mean

INFO = {
    "view": View("frame", padding="same", height=64),
    "label_set": TRAIN_19,
    "mean": (0.3,) * 3,
    "std": (0.2,) * 3,
}


@pytest.fixture(scope="module")
def rows(city):
    return find_rows(city, "val")[:2]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(2)
    return UNet(width=2, padding="same", norm="batch").eval()


@pytest.fixture(scope="module")
def written(city, net, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("submission")
    write_submission(net, INFO, rows, city, folder, progress=False)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "submission"))


def test_files_hold_label_ids_of_the_frame(city, folder, net, rows):
    assert sorted(p.name for p in folder.iterdir()) == sorted(png_name(row) for row in rows)
    for row in rows[:1]:
        picture = Image.open(folder / png_name(row))
        assert picture.mode == "L" and picture.size == (2048, 1024)
        prediction = predict_frame(net, open_image(city / row.image), INFO)
        assert (np.asarray(picture) == np.array(TRAIN_19.ids)[prediction]).all()
        assert set(np.unique(picture)) <= set(TRAIN_19.ids)
    assert check_submission(folder, rows, city) == []


def test_zip_is_accepted_and_always_the_same(city, folder, rows, tmp_path):
    one, two = (zip_submission(folder, tmp_path / name) for name in ("a.zip", "b.zip"))
    assert one.read_bytes() == two.read_bytes() and check_submission(one, rows, city) == []
    assert zipfile.ZipFile(one).namelist() == sorted(png_name(row) for row in rows)


def test_interrupted_it_goes_on(city, folder, net, rows):
    kept, lost = (folder / png_name(row) for row in rows)
    whole = lost.read_bytes()
    before = kept.stat().st_mtime_ns
    lost.unlink()
    write_submission(net, INFO, rows, city, folder, progress=False)
    assert kept.stat().st_mtime_ns == before and lost.read_bytes() == whole
    lost.write_bytes(whole[: len(whole) // 2])
    assert any("cannot be read" in problem for problem in check_submission(folder, rows, city))
    write_submission(net, INFO, rows, city, folder, progress=False)
    assert kept.stat().st_mtime_ns == before and lost.read_bytes() == whole


def spoil(folder, row, picture, name=None):
    Image.fromarray(picture).save(folder / (name or png_name(row)))


def only_problem(city, folder, rows, **options):
    problems = check_submission(folder, rows, city, **options)
    assert len(problems) == 1, problems
    return problems[0]


def test_what_the_server_refuses_is_refused(city, folder, rows):
    path = folder / png_name(rows[0])
    good = np.asarray(Image.open(path))
    spoil(folder, rows[0], good[::2, ::2])
    assert "1024x512, expected the frame's 2048x1024" in only_problem(city, folder, rows)
    spoil(folder, rows[0], TRAIN_19.encode(good))
    assert "train ids" in only_problem(city, folder, rows)
    spoil(folder, rows[0], np.full_like(good, 255))
    assert "[255] are no label ids" in only_problem(city, folder, rows)
    spoil(folder, rows[0], TRAIN_19.colorize(TRAIN_19.encode(good)))
    assert "mode RGB" in only_problem(city, folder, rows)
    spoil(folder, rows[0], good.astype(np.uint16))
    assert "mode I;16" in only_problem(city, folder, rows)
    spoil(folder, rows[0], good)
    spoil(folder, rows[0], good, png_name(rows[0]).replace(".png", "_again.png"))
    assert "2 files" in only_problem(city, folder, rows)
    (folder / png_name(rows[0]).replace(".png", "_again.png")).unlink()
    spoil(folder, rows[0], good, "atlantis_000000_000019_labelIds.png")
    assert "belongs to no frame" in only_problem(city, folder, rows)
    (folder / "atlantis_000000_000019_labelIds.png").unlink()
    path.unlink()
    assert "no prediction" in only_problem(city, folder, rows)
    (folder / "deeper").mkdir()
    spoil(folder, rows[0], good, f"deeper/{png_name(rows[0])}")
    assert check_submission(folder, rows, city) == []
    with pytest.raises(FileNotFoundError, match="neither a folder nor a zip"):
        check_submission(folder / "nothing.zip", rows, city)


def test_more_classes_than_the_19_must_be_said(city, folder, rows):
    path = folder / png_name(rows[0])
    ids = np.asarray(Image.open(path)).copy()
    ids[:4] = 9  # parking, which is never evaluated
    spoil(folder, rows[0], ids)
    assert "ids [9] are never evaluated" in only_problem(city, folder, rows)
    assert check_submission(folder, rows, city, ignored_ids=True) == []


def test_void_predictions_become_unlabeled(tmp_path):
    path = write_prediction(np.array([[0, 255, 18]], np.uint8), tmp_path / "p.png")
    assert np.asarray(Image.open(path)).tolist() == [[7, 0, 33]]


def test_the_official_tool_gives_the_scores_of_our_own_table(city, folder, rows, tmp_path):
    pytest.importorskip("cityscapesscripts")
    result = official_scores(copy_ground_truth(city, rows, tmp_path / "truth"), folder)
    own = OfficialScores()
    for row in rows:
        instances = np.asarray(Image.open(city / row.label.replace("labelIds", "instanceIds")))
        own.update(
            np.asarray(Image.open(folder / png_name(row))), open_label(city / row.label), instances
        )
    for name, value in own.iou().items():
        theirs = result["classScores"][name]
        assert abs(value - theirs) <= 1e-12 or (math.isnan(value) and math.isnan(theirs))
    assert abs(mean(own.instance_iou()) - result["averageScoreInstClasses"]) <= 1e-12
    assert result["averageScoreClasses"] > 0.001


def test_the_last_label_id_may_be_submitted():
    for label_id, problems in ((33, []), (34, ["ids [34] are no label ids (0 to 33)"])):
        file = io.BytesIO()
        Image.fromarray(np.full((2, 3), label_id, np.uint8)).save(file, "png")
        assert _problems(file.getvalue(), (3, 2), ignored_ids=False) == problems


def test_whether_the_official_tools_are_there(monkeypatch):
    asked = []
    monkeypatch.setattr(official, "find_spec", lambda name: asked.append(name))
    assert not official.installed()
    monkeypatch.setattr(official, "find_spec", lambda name: name)
    assert official.installed() and asked == ["cityscapesscripts"]
