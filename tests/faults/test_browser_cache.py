"""The browser: a damaged cache is no lost frame, and an order that does not exist is named."""

import json
import os
import shutil
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from extras.browser.page import write_page
from extras.browser.predictions import Predictions
from extras.browser.views import State
from extras.browser.widget import PredictionBrowser
from helpers.checkpoints import save_model
from helpers.labels import TRAIN_19
from helpers.unet import UNet
from tests.faults.conftest import paths


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    view = {"kind": "frame", "size": None, "padding": "same", "depth": 1, "height": 16}
    info = {"label_set": TRAIN_19.as_dict(), "view": view, "mean": [0.5] * 3, "std": [0.25] * 3}
    model = UNet(num_classes=19, width=2, depth=1, padding="same")
    return save_model(tmp_path / "x.pt", model, info)


def stored(folder):
    return sorted((folder / "cache" / "predictions").rglob("*.np[yz]"))


def cut(path):
    path.write_bytes(path.read_bytes()[:600])


def empty(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("no array")


def flip(path):
    """A byte of the predicted classes, far behind every header."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x04
    path.write_bytes(data)


def foreign(path):
    np.savez(path.with_suffix(""), stack=np.zeros((3, 4), np.uint8), sources=[[0, 0], [0, 0]])


@pytest.mark.parametrize("damage", [cut, empty, text, flip, foreign])
def test_a_damaged_entry_is_predicted_again(checkpoint, root, tmp_path, damage):
    before = Predictions(checkpoint, root, progress=False)
    for path in stored(tmp_path):
        damage(path)
    after = Predictions(checkpoint, root, progress=False)
    assert after.problems == {} and len(after.scores) == 2
    assert (after.total().counts == before.total().counts).all()
    for index in range(2):
        assert (after.load(index).classes == before.load(index).classes).all()


def test_an_entry_of_another_label_is_predicted_again(checkpoint, root, tmp_path):
    Predictions(checkpoint, root, progress=False)
    first, second = paths(root, "gtFine", "val")
    shutil.copy(first, second)
    truth = [Predictions(checkpoint, root, progress=False).load(index).truth for index in (0, 1)]
    assert (truth[0] == truth[1]).all()
    assert len(stored(tmp_path)) == 2, "the old entry is replaced, not kept beside the new one"


def test_without_a_writable_cache_it_works_and_says_so_once(checkpoint, root, tmp_path, capsys):
    (tmp_path / "cache").write_text("a file where the folder should be")
    predictions = Predictions(checkpoint, root, progress=False)
    assert len(predictions.scores) == 2
    assert capsys.readouterr().out.count("could not write") == 1


def test_a_data_set_that_vanishes_is_shown_from_the_cache(checkpoint, root):
    predictions = Predictions(checkpoint, root, progress=False)
    before = predictions.load(1)
    shutil.rmtree(root)
    predictions.load.cache_clear()
    assert (predictions.load(1).image == before.image).all()


def test_a_frame_that_vanishes_is_named(checkpoint, root):
    predictions = Predictions(checkpoint, root, progress=False)
    path = paths(root, split="val")[1]
    os.remove(path)
    predictions.load.cache_clear()
    with pytest.raises(OSError, match=path.name):
        predictions.load(1)


@pytest.mark.parametrize("photos", [[], "a.png"])
def test_photos_are_a_list(checkpoint, photos):
    with pytest.raises(ValueError, match="photos is a list of paths"):
        Predictions(checkpoint, photos=photos, progress=False)


def test_two_uploads_of_one_name_are_both_there(checkpoint, root):
    browser = PredictionBrowser(checkpoint, root, limit=1, progress=False)
    pictures = []
    for color in ("red", "blue"):
        file = BytesIO()
        Image.new("RGB", (32, 16), color).save(file, "PNG")
        pictures.append(("photo.png", file.getvalue()))
    browser.add_uploads(pictures)
    browser.predictions[0].load.cache_clear()
    seen = [tuple(browser.predictions[0].load(index).image[0, 0]) for index in (1, 2)]
    assert seen == [(255, 0, 0), (0, 0, 255)]


def test_a_saved_picture_says_of_which_network(checkpoint, root, tmp_path):
    other = shutil.copy(checkpoint, tmp_path / "other.pt")
    first, second = (PredictionBrowser(path, root, progress=False) for path in (checkpoint, other))
    assert first.save() != second.save()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_1(checkpoint, root, limit):
    with pytest.raises(ValueError, match="limit must be at least 1"):
        Predictions(checkpoint, root, limit=limit, progress=False)


@pytest.mark.parametrize("frames", [0, -1])
def test_a_page_of_no_frames_is_none(checkpoint, root, tmp_path, frames):
    predictions = [Predictions(checkpoint, root, progress=False)]
    with pytest.raises(ValueError, match="frames must be at least 1"):
        write_page(tmp_path / "x.html", predictions, State(), frames)


def test_labels_of_other_classes_are_no_truth(checkpoint, root):
    own = {"names": ["sky", "road"], "colors": [[0, 0, 9], [9, 0, 0]], "ids": [1, 2]}
    (root / "classes.json").write_text(json.dumps(own))
    with pytest.raises(ValueError, match="sky, road"):
        Predictions(checkpoint, root, progress=False)


@pytest.mark.parametrize(
    ("name", "value", "choice"),
    [("order", "best first", "worst first"), ("view", "x-ray", "truth"), ("zoom", 3, "8")],
)
def test_a_choice_that_is_not_there_lists_those_that_are(checkpoint, root, name, value, choice):
    browser = PredictionBrowser(checkpoint, root, progress=False)
    with pytest.raises(Exception, match=f"invalid {name} .*{choice}"):
        setattr(browser, name, value)
