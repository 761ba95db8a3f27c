"""The ladder of chapter 12: one change a rung; it goes on where it stopped; budgets do not mix."""

import json
from dataclasses import fields, replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import ladder
from extras.experiments.trials import trial_model
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.labels import TRAIN_19
from tests.roots import small_root


def different(a, b) -> set:
    return {field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name)}


def test_every_rung_changes_what_it_says():
    changed = {
        "batch norm": {"norm"},
        "no skips": {"skips"},
        "own rate": set(),  # the rate, which is chosen
        "flips": {"augment"},
        "dice": {"loss"},
        "muon": {"optimizer"},
        "fcn8s": {"model", "width", "depth"},
    }
    assert list(ladder.RUNGS) == ["plain", *changed]
    for name, (_, against, trial, rates) in ladder.RUNGS.items():
        if against:
            before = ladder.RUNGS[against]
            assert different(trial, before[2]) == changed[name]
            # The rate changes with the optimizer and the network, and as a rung of its own.
            own = isinstance(rates, tuple)
            assert own == (name in ("own rate", "muon", "fcn8s"))
            if not own:
                owner = against if isinstance(before[3], tuple) else before[3]
                assert rates == owner
    assert ladder.RATE_SEED not in ladder.SEEDS
    assert ladder.BUDGET["steps"] == 3040


def test_fcn_has_as_many_multiplications_as_the_unet():
    counts = []
    for name in ("own rate", "fcn8s"):
        model = trial_model(ladder.RUNGS[name][2], 19).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, 3, *ladder.BUDGET["frame"]))
        counts.append(counter.get_total_flops())
    assert counts[0] == pytest.approx(counts[1], rel=0.03)


@pytest.fixture
def short(tmp_path, monkeypatch):
    """Two rungs of one epoch on four small frames; their root, and the file of results."""
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    root = small_root(tmp_path / "city", train=4, val=2)
    trial = replace(ladder.PLAIN, height=64, width=4, depth=2, epochs=1, norm="batch")
    rungs = {
        "first": ("a network", None, trial, (1e-3, 1e-2)),
        "second": ("flips", "first", replace(trial, augment=True), "first"),
    }
    monkeypatch.setattr(ladder, "RUNGS", rungs)
    monkeypatch.setattr(ladder, "SEEDS", (0, 1))
    monkeypatch.setattr(ladder, "RATE_EPOCHS", 1)
    datasets = {}
    for split, of in (("train", "train"), ("dev", "train"), ("val", "val")):
        datasets[split] = CityscapesDataset(
            find_rows(root, of), root, trial.make_view(), TRAIN_19, (0.5,) * 3, (0.25,) * 3
        )
    monkeypatch.setattr(ladder, "make_datasets", {root: datasets}.get)
    return root, tmp_path / "ladder.json"


def test_it_goes_on_where_it_stopped(short, monkeypatch):
    root, file = short
    trained = []
    train = ladder.train

    def counted(trial, *rest):
        trained.append((trial.augment, trial.seed, trial.learning_rate))
        return train(trial, *rest)

    monkeypatch.setattr(ladder, "train", counted)
    ladder.climb(["first"], root, file)
    assert len(trained) == 2 + 2  # two rates with a seed of their own, then two seeds
    assert [seed for _, seed, _ in trained] == [7, 7, 0, 1]
    ladder.climb(["first", "second"], root, file)
    assert [augment for augment, *_ in trained[4:]] == [True, True]

    result = json.loads(file.read_text())
    tried = result["rungs"]["first"]["dev_miou_of_rates"]
    best = float(max(tried, key=tried.get))
    for rung in result["rungs"].values():
        assert set(rung["runs"]) == {"0", "1"}
        for run in rung["runs"].values():
            assert run["learning_rate"] == best
            assert len(run["iou"]) == 19 and len(run["accuracy_of_frames"]) == 2

    ladder.climb(["first", "second"], root, file)
    assert len(trained) == 6 and json.loads(file.read_text()) == result


def test_budgets_and_rungs_do_not_mix(short, monkeypatch):
    result = ladder.prepare({})
    with monkeypatch.context() as patch:
        patch.setattr(ladder, "BUDGET", {**ladder.BUDGET, "steps": 1})
        with pytest.raises(ValueError, match="two budgets must not mix"):
            ladder.prepare(result)
    change, against, trial, rates = ladder.RUNGS["first"]
    other = {**ladder.RUNGS, "first": (change, against, replace(trial, width=8), rates)}
    monkeypatch.setattr(ladder, "RUNGS", other)
    with pytest.raises(ValueError, match="the rung 'first'"):
        ladder.prepare(result)
