"""What chapter 12 says in words follows from the stored results that it reads."""

import json

import numpy as np
import pytest

from helpers.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results"
CHECKPOINTS = ROOT / "data" / "checkpoints"


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def asked():
    return read(RESULTS / "instrument.json")["questions"]


@pytest.fixture(scope="module")
def trials():
    stored = read(RESULTS / "beyond.json")
    return {**stored["ladder"], **stored["ablations"]}


def gains(trials, name):
    """The gain of each seed over what the trial is compared with."""
    base = trials[trials[name]["against"]]["runs"]
    runs = trials[name]["runs"]
    return np.array([run["miou"] - base[seed]["miou"] for seed, run in runs.items()])


def test_the_questions_were_put_to_the_shipped_unet():
    stored = read(RESULTS / "instrument.json")
    assert stored["sha256"] == read(CHECKPOINTS / "unet.json")["sha256"], (
        "run python -m benchmarks.instrument, and read section 2 of chapter 12"
    )


def test_six_questions(asked):
    mean = {name: np.mean(question["scores"], axis=0) for name, question in asked.items()}
    own, magenta, green, orange = mean["color"]
    assert own > 0.97 and 0.4 < magenta < 0.55 and 0.4 < green < 0.55 and 0.85 < orange < 0.93
    paints = np.array(asked["color"]["scores"])
    assert (paints[:, 1:] < paints[:, :1]).all()
    vivid = paints[:, 1:3]  # magenta and bright green
    assert vivid.min() == pytest.approx(0.33, abs=0.005)
    assert vivid.max() == pytest.approx(0.70, abs=0.005)
    hidden = np.array(asked["occlusion"]["scores"])[:, -1]
    assert hidden.min() == pytest.approx(0.06, abs=0.005)
    assert hidden.max() == pytest.approx(0.97, abs=0.005)
    assert (mean["occlusion"][:5] > 0.95).all() and 0.4 < mean["occlusion"][-1] < 0.55
    assert mean["distance"].max() == pytest.approx(0.82, abs=0.01)
    assert mean["distance"][2] < 0.85 and 0.28 < mean["distance"][-1] < 0.38
    assert mean["light"][0] - mean["light"][1] == pytest.approx(0.1, abs=0.03)
    assert mean["light"][2] < 0.2
    assert 0.02 < mean["sun"][0] - mean["sun"][-1] < 0.06
    assert abs(mean["rain"][0] - mean["rain"][-1]) < 0.02


def test_twenty_nine_changes(trials):
    stored = read(RESULTS / "beyond.json")
    ladder = [name for name, trial in stored["ladder"].items() if trial["against"]]
    assert len(ladder) == 13 and len(stored["ablations"]) == 16
    wins = {name: int((gains(trials, name) > 0).sum()) for name in [*ladder, *stored["ablations"]]}
    won = {"norm", "adamw", "longer", "muon", "dice", "flip"}
    assert {name for name in ladder if wins[name] == 3} == won
    assert {name for name in ladder if wins[name] == 0} == {"scale"}
    for name in ("norm", "adamw", "longer", "muon"):
        assert gains(trials, name).mean() > 0.0295
    assert gains(trials, "dice").mean() < 0.007 and gains(trials, "flip").mean() < 0.002

    for name in ("bare", "width 4", "no skips"):
        assert wins[name] == 0 and gains(trials, name).mean() < -0.07
    for name in ("depth 2", "center"):
        assert wins[name] == 0 and gains(trials, name).mean() == pytest.approx(-0.035, abs=0.004)
    assert wins["width 16"] == 3
    for name in ("summed skips", "valid", "bilinear", "30 classes"):
        assert wins[name] in (1, 2)
    added = np.sort(gains(trials, "summed skips"))
    assert added[0] == pytest.approx(-0.036, abs=0.0005) and 0 < added[1] < added[2] < 0.01
    assert np.abs(gains(trials, "ema")).max() < 0.001
    for name in ("bytes", "raw", "imagenet"):
        assert wins[name] in (1, 2) and abs(gains(trials, name).mean()) < 0.003
    for name in ("fcn parameters", "fcn compute"):
        assert wins[name] == 3 and gains(trials, name).mean() == pytest.approx(0.1, abs=0.01)


def test_networks_of_320_steps(trials):
    """The networks of section 5 are near their beginning, and FCN-8s only starts faster."""
    mean = {}
    for name, trial in trials.items():
        mean[name] = np.mean([run["miou"] for run in trial["runs"].values()])
    assert mean["recipe"] < 0.04
    assert mean["frames"] == pytest.approx(0.19, abs=0.005)
    assert mean["muon"] == pytest.approx(0.24, abs=0.005)
    assert abs(mean["frames"] - mean["fcn compute"]) < 0.01
    for seed, run in trials["bare"]["runs"].items():
        assert run["train_loss"] > 1.5 * trials["fcn compute"]["runs"][seed]["train_loss"]
    assert (gains(trials, "per image") < 0).all()
    assert gains(trials, "per image").mean() == pytest.approx(-0.005, abs=0.001)


def test_who_leads_when():
    curves = {}
    for name in ("unet", "fcn8s"):
        history = read(CHECKPOINTS / f"{name}.json")["history"]
        curves[name] = np.array([row["dev_mean_iou"] for row in history])
    lead = curves["fcn8s"] - curves["unet"]
    assert (lead[:12] > 0).all() and (lead[:5] > 0.15).all() and (lead[14:] < 0).all()
    pair = read(CHECKPOINTS / "scores.json")["pairs"]["unet - fcn8s"]
    assert pair["better_frames"] == pair["of_frames"] == 20


def test_frames_and_steps():
    short, long = (
        {point["frames"]: point["mean_iou"] for point in read(RESULTS / file)["points"]}
        for file in ("city_curve.json", "city_curve_long.json")
    )
    assert max(short, key=short.get) == 80
    assert long[320] - long[80] == pytest.approx(0.11, abs=0.006)
