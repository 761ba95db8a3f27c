"""The networks that the chapters show are what their records and scores.json say of them."""

import json
import shutil

import numpy as np
import pytest
import torch

from helpers.checkpoints import file_hash, load_model, save_model
from helpers.fcn import ThinFCN, enlarge
from helpers.labels import TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from scripts import compare_networks
from scripts.pinned import CITY
from scripts.score_checkpoints import (
    NETWORKS,
    PAIRS,
    SCORES,
    STREET,
    add,
    mean_iou_of_present,
    near_edges,
    score_frames,
)
from scripts.train_checkpoints import CHECKPOINTS, CONFIGS, PAIR, sample

NEEDED = (*PAIR, "window", "unet_photo", "unet_valid")
COMPARED = [name for name in PAIR if (CHECKPOINTS / f"{name}.pt").is_file()]
NAMES = [name for name in (*CONFIGS, "window") if (CHECKPOINTS / f"{name}.pt").is_file()]
SHIPPED = json.loads(SCORES.read_text())


def record(name: str) -> dict:
    return json.loads((CHECKPOINTS / f"{name}.json").read_text())


def test_all_are_there():
    assert set(NEEDED) <= set(NAMES)
    assert set(SHIPPED["networks"]) == set(NAMES) & set(NETWORKS)


@pytest.mark.parametrize("name", NAMES)
def test_file_and_record_agree(name):
    path = CHECKPOINTS / f"{name}.pt"
    assert path.stat().st_size <= 2_500_000
    stored = record(name)
    assert stored["file"] == path.name and stored["sha256"] == file_hash(path)
    assert stored["command"] == f"python -m scripts.train_checkpoints {name}"
    assert stored["hours"] > 0 and stored["hardware"] and stored["seed"] == 0

    state = torch.load(path, weights_only=True)
    for value in state["model"].values():
        if value.is_floating_point():
            assert value.isfinite().all()
            assert value.dtype == torch.float16 or value.max() > 65504
    model, info = load_model(path)
    assert stored["parameters"] == sum(p.numel() for p in model.parameters())
    assert stored["config"] == json.loads(json.dumps(info["config"]))
    assert stored["history"] == info["history"]
    assert info["label_set"] == TRAIN_19


@pytest.mark.parametrize("name", [name for name in NAMES if name != "window"])
def test_rate_and_epoch_were_chosen_on_dev(name):
    stored = record(name)
    history = stored["history"]
    assert len(history) == stored["config"]["epochs"]
    assert history[-1]["steps"] == len(history) * history[0]["steps"]
    best = max(history, key=lambda row: row["dev_mean_iou"])
    assert stored["epoch"] == best["epoch"]
    rates = stored["dev_mean_iou_of_rates"]
    if name in PAIR:
        assert stored["config"]["learning_rate"] == float(max(rates, key=rates.get))


def test_networks_to_compare_were_trained_alike():
    configs = []
    for name in COMPARED:
        stored = record(name)
        config = stored["config"]
        for own in ("name", "model", "depth", "learning_rate"):
            del config[own]
        # An option that came later; it saves memory and changes no result.
        config.pop("checkpointing", None)
        chosen = ("optimizer", "warmup_steps", "loss_on_every", "seed", "data")
        configs.append({**config, **{key: stored[key] for key in chosen}})
    assert all(config == configs[0] for config in configs)


def test_a_file_that_is_not_the_recorded_one_is_refused(tmp_path):
    for end in ("pt", "json"):
        shutil.copy(CHECKPOINTS / f"window.{end}", tmp_path)
    load_model(tmp_path / "window.pt")
    shutil.copy(CHECKPOINTS / "unet.pt", tmp_path / "window.pt")
    with pytest.raises(
        ValueError, match=r"window\.pt is not the file that .*window\.json describes"
    ):
        load_model(tmp_path / "window.pt")


@pytest.mark.parametrize("name", COMPARED)
def test_two_frames_score_as_recorded(name):
    frames, _ = score_frames(name, (0, 5), CITY)
    assert STREET in frames
    expected = SHIPPED["networks"][name]
    assert expected["sha256"] == record(name)["sha256"]
    for frame, matrix in frames.items():
        stored = expected["frames"][frame]
        assert matrix.pixel_accuracy() == pytest.approx(stored["pixel_accuracy"], abs=0.003)
        assert matrix.mean_iou() == pytest.approx(stored["mean_iou"], abs=0.01)


def test_the_networks_are_good_and_the_order_is_as_told():
    scores = {name: entry["mean_iou"] for name, entry in SHIPPED["networks"].items()}
    assert scores["unet"] >= 0.80 and scores["fcn8s"] >= 0.74
    assert min(scores[name] for name in COMPARED) > 2 * max(SHIPPED["blind"].values())
    pairs = [pair for pair in PAIRS if set(pair) <= set(COMPARED)]
    assert len(pairs) >= 1
    for first, second in pairs:
        pair = SHIPPED["pairs"][f"{second} - {first}"]
        assert pair["difference"] == pytest.approx(scores[second] - scores[first], abs=2e-4)
        assert pair["low"] <= pair["difference"] <= pair["high"]
        assert pair["low"] > 0, f"{second} is not surely above {first}"


@pytest.mark.parametrize("name", list(SHIPPED["networks"]))
def test_scores_are_consistent(name):
    entry = SHIPPED["networks"][name]
    classes = [value for value in entry["iou"].values() if value is not None]
    assert entry["mean_iou"] == pytest.approx(np.mean(classes), abs=1e-4)
    assert len(entry["frames"]) == 20
    for key in ("mean_iou", "pixel_accuracy"):
        assert entry["street"][key] == entry["frames"][STREET][key]
    # unet_valid sees frames at full resolution: its mistakes do not gather at the edges.
    if name != "unet_valid":
        assert entry["edge_mean_iou"] < entry["mean_iou"]


def test_the_comparison_shows_what_scores_json_says_of_the_street():
    assert compare_networks.PICTURE.is_file()
    (_, target), *predictions = compare_networks.maps()
    for (name, title), (text, prediction) in zip(compare_networks.NAMES.items(), predictions):
        accuracy = SHIPPED["networks"][name]["street"]["pixel_accuracy"]
        assert text.startswith(title)
        assert float(text.split()[1].rstrip("%")) == pytest.approx(100 * accuracy, abs=0.8)
        assert np.array_equal(prediction == 255, target == 255)  # black where nothing is known


# The parts that the numbers rest on


def test_a_speck_of_an_absent_class_does_not_weigh_as_much_as_a_class():
    matrix = ConfusionMatrix(19)
    truth = np.zeros((10, 10), np.uint8)
    prediction = truth.copy()
    prediction[0, 0] = 16  # one pixel of train
    matrix.update(prediction, truth)
    assert matrix.mean_iou() == pytest.approx(0.99 / 2)
    assert mean_iou_of_present(matrix.counts) == pytest.approx(0.99)


def test_what_is_too_large_for_half_precision_stays_as_it_is(tmp_path):
    model = ThinFCN(width=2, hidden=3)
    model.block1[1].running_var.fill_(1e6)
    info = {"label_set": "train19", "view": {}, "mean": [0.5] * 3, "std": [0.25] * 3}
    stored = load_model(save_model(tmp_path / "large.pt", model, info))[0]
    assert torch.equal(stored.block1[1].running_var, model.block1[1].running_var)


def test_pixels_near_an_edge():
    target = np.zeros((20, 20), np.uint8)
    target[:, 10:] = 1
    expected = np.zeros((20, 20), bool)
    expected[:, 7:13] = True
    assert np.array_equal(near_edges(target), expected)
    target[:, 8:12] = 255  # nothing is known of the edge within 3 pixels of 7 and 12, but of both
    assert not near_edges(target)[:, :8].any() and not near_edges(target)[:, 12:].any()


def test_scores_at_some_pixels_are_those_of_all():
    scores = torch.randn(2, 3, 8, 16)
    rows, columns = torch.arange(1, 64, 4), torch.arange(2, 128, 4)
    expected = enlarge(scores, (64, 128))[:, :, 1::4, 2::4]
    assert torch.allclose(sample(scores, (64, 128), rows, columns), expected, atol=1e-5)


def test_matrices_add_up():
    frames, edges = score_frames("fcn8s", (5,), CITY)
    total = add([*frames.values(), *frames.values()])
    assert total.mean_iou() == pytest.approx(frames[STREET].mean_iou())
    assert 0 < edges[STREET].counts.sum() < frames[STREET].counts.sum()


def test_curves_run_as_chapter_01_tells():
    curves = {}
    for name in ("fcn32s", "fcn16s", "fcn8s"):
        curves[name] = np.array([row["dev_mean_iou"] for row in record(name)["history"]])
    assert (curves["fcn32s"] < np.minimum(curves["fcn16s"], curves["fcn8s"])).all()
    assert (curves["fcn8s"] < curves["fcn16s"])[:3].any()
    assert (curves["fcn8s"] > curves["fcn16s"])[3:].all()


def test_at_once_is_better_than_stages_as_chapter_01_tells():
    stored = json.loads((ROOT / "benchmarks" / "results" / "fcn_stages.json").read_text())
    reached = {}
    for way, runs in stored["ways"].items():
        assert [run["seed"] for run in runs] == [0, 1, 2]
        reached[way] = np.array([run["mean_iou"] for run in runs])
    assert (reached["at once"] > reached["in stages"] + 0.02).all()
    assert (reached["at once"] > reached["three heads"] + 0.02).all()
