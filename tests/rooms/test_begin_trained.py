"""--init: a run begins with what fits of a trained network, and says what does not."""

import json
from dataclasses import replace

import pytest
import torch

from extras.real_data.own_data import prepare
from helpers import checkpoints
from helpers.config import TrainConfig, parse
from helpers.paths import ROOT
from helpers.training import make_run, train
from helpers.unet import UNet
from tests.rooms.own_folders import fill


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A small training on two classes, and the folders that it needs."""
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    fill(tmp_path, count=4)
    images, masks = tmp_path / "images", tmp_path / "masks"
    data = prepare(images, masks, ["a", "b"], tmp_path / "mine", progress=False)
    settings = {"width": 2, "depth": 2, "epochs": 1, "pictures": 0, "name": "first"}
    classes = str(data.root / "classes.json")
    return TrainConfig.demo(root=str(data.root), classes=classes, **settings)


def other_classes(tmp_path, config):
    images, masks = tmp_path / "images", tmp_path / "masks"
    names = ["a", "b", "c"]
    root = prepare(images, masks, names, tmp_path / "other", progress=False).root
    return replace(config, root=str(root), classes=str(root / "classes.json"), name="second")


def test_a_network_of_other_classes_keeps_all_but_its_last_layer(tmp_path, config, capsys):
    train(config, progress=False)
    best = tmp_path / "runs" / "first" / "best.pt"
    stored = checkpoints.load(best)["model"]
    run = make_run(replace(other_classes(tmp_path, config), init=str(best)))
    said = capsys.readouterr().out
    assert f"{len(stored) - 2} of {len(stored)} tensors begin as in" in said
    assert "new: head.bias, head.weight" in said
    weights = run.model.state_dict()
    same = [name for name in stored if torch.equal(weights[name].cpu(), stored[name])]
    assert set(stored) - set(same) == {"head.bias", "head.weight"}


def test_a_finished_run_trains_longer_under_another_name(tmp_path, config):
    train(config, progress=False)
    last = tmp_path / "runs" / "first" / "last.pt"
    with pytest.raises(ValueError, match="--init .*first/last.pt"):
        train(replace(config, epochs=2), progress=False)
    longer = replace(config, name="longer", init=str(last))
    first = make_run(longer, progress=False).model.state_dict()
    assert torch.equal(first["head.weight"], checkpoints.load(last)["model"]["head.weight"])
    history = train(longer, progress=False)
    # Once begun it needs the file no more, and goes on as any run does.
    last.unlink()
    assert train(replace(longer, init="gone.pt"), progress=False) == history


def test_a_network_that_is_built_otherwise_is_refused(tmp_path, config):
    train(config, progress=False)
    best = tmp_path / "runs" / "first" / "best.pt"
    wide = UNet(num_classes=2, width=4, depth=2, padding="same", norm="batch")
    with pytest.raises(ValueError, match="a UNet with .*'width': 2.*train a network like it"):
        checkpoints.load_fitting(wide, best)
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        make_run(replace(config, name="x", init=str(tmp_path / "none.pt")), progress=False)
    assert parse(["--preset", "demo", "--init", "a.pt"])[0].init == "a.pt"


def test_what_chapter_13_says_of_the_beginning():
    result = json.loads((ROOT / "benchmarks" / "results" / "begin_trained.json").read_text())
    for name, helps in {"photographs": True, "leaves": False}.items():
        ends = [[curve[-1] for curve in result[name][kind]] for kind in ("at random", "unet.pt")]
        assert len(ends[0]) == 3
        for at_random, begun in zip(*ends):
            assert (begun > at_random) == helps
