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
def rungs():
    return read(RESULTS / "ladder.json")["rungs"]


def gains(rungs, name):
    """The gain of each seed over the rung that it is compared with."""
    base = rungs[rungs[name]["against"]]["runs"]
    runs = rungs[name]["runs"]
    assert set(runs) == set(base) == {"0", "1", "2"}
    return np.array([runs[seed]["miou"] - base[seed]["miou"] for seed in sorted(runs)])


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


def test_the_ladder(rungs):
    """What section 5 says of wins, of the rates, and of the classes."""
    compared = [name for name, rung in rungs.items() if rung["against"]]
    wins = {name: int((gains(rungs, name) > 0).sum()) for name in compared}
    assert len(compared) == 7
    assert {name for name in wins if wins[name] == 3} == {"batch norm", "dice", "muon", "fcn8s"}
    assert {name for name in wins if wins[name] == 0} == {"own rate", "no skips"}
    assert wins["flips"] == 1

    spread = {}
    for name, rung in rungs.items():
        scores = [run["miou"] for run in rung["runs"].values()]
        spread[name] = max(scores) - min(scores)
    apart = max(spread["plain"], spread["batch norm"])
    assert gains(rungs, "batch norm").mean() / apart > 3.5
    assert gains(rungs, "dice").min() > 0.029 and gains(rungs, "dice").max() < 0.074
    lost = -gains(rungs, "no skips") / [
        rungs["batch norm"]["runs"][seed]["miou"] for seed in ("0", "1", "2")
    ]
    assert lost.min() > 0.2 and lost.max() < 0.45


def test_the_rates_of_the_ladder(rungs):
    tried = rungs["own rate"]["dev_miou_of_rates"]
    assert max(tried, key=tried.get) == "0.01"
    assert rungs["own rate"]["runs"]["0"]["learning_rate"] == 0.01
    assert rungs["batch norm"]["runs"]["0"]["learning_rate"] == 0.003


def test_what_the_wrong_rate_hides(rungs):
    """Against batch norm, FCN-8s gains less and Dice nothing; a schedule adds to Muon."""
    mean = {}
    for name, rung in rungs.items():
        mean[name] = np.mean([run["miou"] for run in rung["runs"].values()])
    assert mean["fcn8s"] - mean["batch norm"] == pytest.approx(0.11, abs=0.005)
    assert abs(mean["dice"] - mean["batch norm"]) < 0.015
    long = read(RESULTS / "city_curve_long.json")["points"][-1]
    assert long["frames"] == 320 and round(long["mean_iou"], 2) == 0.73
    assert round(mean["muon"], 2) == 0.63


def test_the_classes_of_the_ladder(rungs):
    mean = {}
    for name, rung in rungs.items():
        seeds = [run["iou"] for run in rung["runs"].values()]
        mean[name] = {one: np.mean([iou[one] for iou in seeds]) for one in seeds[0]}

    def more(name, base):
        return {one: mean[name][one] - mean[base][one] for one in mean[name]}

    dice = more("dice", "flips")
    best = sorted(dice, key=dice.get)[::-1]
    assert best[0] == "traffic light" and set(best[1:4]) == {"person", "truck", "bus"}
    assert set(best[-2:]) == {"train", "wall"} and dice[best[-2]] < -0.1
    without = mean["no skips"]
    assert [round(without[one], 2) for one in ("pole", "traffic light", "traffic sign")] == [
        0.02,
        0.0,
        0.07,
    ]
    assert round(without["sky"], 2) == 0.85
    for one in ("train", "bus"):
        assert without[one] > mean["batch norm"][one] - 0.01
    fcn = more("fcn8s", "own rate")
    assert 0.5 < sum(fcn[one] for one in ("bus", "train", "truck")) / sum(fcn.values()) < 0.6
    assert mean["fcn8s"]["pole"] < mean["own rate"]["pole"]
    for one in ("road", "sky", "building"):
        values = [mean[name][one] for name in rungs if name not in ("plain", "no skips")]
        assert max(values) - min(values) < 0.08


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
