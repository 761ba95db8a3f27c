"""Checkpoints: damaged, foreign or broken ones are named, and never shown as if they were right."""

import json

import pytest
import torch

from helpers import checkpoints
from helpers.checkpoints import load_model, save_model
from helpers.labels import TRAIN_19
from helpers.unet import UNet
from scripts import train_checkpoints

INFO = {
    "label_set": TRAIN_19.as_dict(),
    "view": {"kind": "frame", "size": None, "padding": "same", "depth": 1, "height": 16},
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "history": [],
}


@pytest.fixture
def path(tmp_path):
    """A checkpoint of an untrained network."""
    torch.manual_seed(0)
    model = UNet(num_classes=19, width=2, depth=1, padding="same", norm="batch")
    return save_model(tmp_path / "x.pt", model, INFO, half=False)


def change(path, **entries):
    state = {**torch.load(path, weights_only=True), **entries}
    torch.save({name: value for name, value in state.items() if value is not None}, path)


def refused(path, words=None):
    with pytest.raises(ValueError, match=words) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# -- W12: damaged files


def test_an_entry_that_is_marked_as_a_folder_is_noticed(path):
    """torch would leave its weights unread: whatever is in the memory."""
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 38  # the marks of the last entry in the table of contents
    while place > 38:
        changed = bytearray(data)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        refused(path, "a part of it was changed")
        place = data.rfind(b"PK\x01\x02", 0, place - 38) + 38
    assert data.count(b"PK\x01\x02") > 10


def test_a_changed_byte_is_noticed(path):
    data = path.read_bytes()
    whole = load_model(path)[0].state_dict()
    silent = []
    for place in range(0, len(data), len(data) // 60):
        changed = bytearray(data)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            weights = load_model(path)[0].state_dict()
            if not all(torch.equal(weights[name], whole[name]) for name in whole):
                silent.append(place)
        except ValueError as error:
            assert str(path) in str(error)
    assert silent == []


def test_training_does_not_resume_a_changed_file(path):
    data = bytearray(path.read_bytes())
    weights = data.find(bytes(torch.load(path, weights_only=True)["model"]["head.weight"].numpy()))
    data[weights + 2] ^= 0x01
    path.write_bytes(data)
    with pytest.raises(ValueError, match="x.pt is not a whole"):
        checkpoints.load(path)


def test_the_record_beside_it_is_compared(path):
    record = path.with_suffix(".json")
    record.write_text(json.dumps({"sha256": load_model(path)[1]["sha256"]}))
    load_model(path)
    record.write_text(json.dumps({"sha256": "0" * 64}))
    refused(path, "x.json")


@pytest.mark.parametrize("text", ["", "[]", '{"mean_iou": 0.5}', '"words"'])
def test_another_json_beside_it_says_nothing(path, text):
    """The shell makes it empty, before the command runs, for evaluate --json > x.json."""
    path.with_suffix(".json").write_text(text)
    load_model(path)


def test_a_checkpoint_that_is_trained_again_replaces_its_record(tmp_path, monkeypatch):
    monkeypatch.setattr(train_checkpoints, "CHECKPOINTS", tmp_path)
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = UNet(num_classes=19, width=2, depth=1, padding="same")
        train_checkpoints.record("x", {**INFO, "config": {}}, model, 0.0, {})
        load_model(tmp_path / "x.pt")


@pytest.mark.parametrize("text", [b"a text", b"", b"PK\x03\x04 no zip", b"e" * 3000])
def test_a_file_that_is_no_checkpoint_is_named(path, text):
    path.write_bytes(text)
    message = refused(path, "not a whole, safe tensor file")
    assert "weights_only" not in message


# -- W10: what is no number


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_refused(path, value):
    state = torch.load(path, weights_only=True)
    state["model"]["head.weight"][0, 0] = value
    torch.save(state, path)
    refused(path, "no numbers")


def test_broken_running_statistics_are_refused(path):
    state = torch.load(path, weights_only=True)
    name = next(name for name in state["model"] if name.endswith("running_var"))
    state["model"][name][0] = float("nan")
    torch.save(state, path)
    refused(path, "no numbers")


@pytest.mark.parametrize(
    "entry",
    [
        {"std": [0.0, 0.0, 0.0]},
        {"std": [0.2, 0.2, -0.1]},
        {"mean": [float("nan")] * 3},
        {"mean": [0.5]},
        {"mean": None},
        {"view": None},
        {"view": {"kind": "frame", "attention": True}},
        {"label_set": None},
        {"label_set": {"names": ["a"]}},
        {"label_set": "no such set"},
        {"label_set": "camvid11"},
    ],
    ids=str,
)
def test_an_info_that_does_not_fit_is_refused(path, entry):
    info = {**INFO, **entry}
    change(path, info={name: value for name, value in info.items() if value is not None})
    refused(path)


def test_arguments_of_another_network_are_refused(path):
    state = torch.load(path, weights_only=True)
    change(path, arguments={**state["arguments"], "attention": True})
    refused(path, "attention")


def test_a_later_format_is_refused(path):
    change(path, format=checkpoints.FORMAT + 1)
    refused(path, "later version")


def test_a_format_that_is_no_number_is_refused(path):
    change(path, format="1.0")
    refused(path, "later version")


@pytest.mark.parametrize("arguments", [7, [1]])
def test_arguments_that_are_none_are_refused(path, arguments):
    change(path, arguments=arguments)
    refused(path, "does not fit this version")


# As other training programs save them: numbers, or more dicts, among the weights.
@pytest.mark.parametrize("model", [[1, 2], "weights", {"epoch": 3}, {"module": {}}])
def test_weights_that_are_none_are_refused(path, model):
    change(path, model=model)
    refused(path, "no checkpoint of this course")
