"""--init: a run begins with what fits of a trained network, and says what does not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from extras.real_data import colab
from extras.real_data.own_data import prepare
from extras.training_tools import distributed, pretrained
from extras.training_tools.augment import ScratchConfig, make_scratch_run
from extras.training_tools.gpu_batches import gpu_run
from helpers import checkpoints
from helpers.config import TrainConfig, parse
from helpers.paths import ROOT
from helpers.training import make_run, train
from helpers.unet import UNet
from tests.faults.conftest import make_root
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
    assert parse(["--preset", "demo", "--init", "a.pt"]).init == "a.pt"


def test_what_chapter_13_says_of_the_beginning():
    result = json.loads((ROOT / "benchmarks" / "results" / "begin_trained.json").read_text())
    for name, helps in {"photographs": True, "leaves": False}.items():
        ends = [[curve[-1] for curve in result[name][kind]] for kind in ("at random", "unet.pt")]
        assert len(ends[0]) == 3
        for at_random, begun in zip(*ends):
            assert (begun > at_random) == helps


def alone(config):
    """The share of a process that has no others."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        return distributed.make_run(config, progress=False)
    finally:
        torch.distributed.destroy_process_group()


def packed(config):
    folder = Path(config.root).with_name("pack")
    colab.pack(config.root, folder, config.make_view(), progress=False)
    return colab.packed_run(config, folder, progress=False)


@pytest.mark.parametrize(
    "make",
    [
        alone,
        packed,
        lambda config: make_run(config, progress=False),
        lambda config: gpu_run(config, progress=False),
        lambda config: make_scratch_run(config, progress=False),
    ],
    ids=["distributed", "colab", "training", "gpu", "scratch"],
)
def test_whoever_makes_the_run_it_begins_trained(make, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    network = UNet(width=2, depth=2, padding="same", norm="batch")
    init = checkpoints.save(tmp_path / "first.pt", {"model": network.state_dict()})
    config = ScratchConfig(
        root=str(make_root(tmp_path / "city")),
        init=str(init),
        view="crop",
        size=16,
        width=2,
        depth=2,
        crop=(16, 16),
        workers=0,
        seed=7,
    )
    weights = make(config).model.state_dict()
    for name, weight in network.state_dict().items():
        assert torch.equal(weights[name].cpu(), weight)


def test_a_network_of_torchvision_begins_trained(config, tmp_path):
    name = "lraspp_mobilenet_v3_large"
    network = pretrained.Torchvision(name, 2)
    init = checkpoints.save(tmp_path / "first.pt", {"model": network.state_dict()})
    begun = replace(config, init=str(init), seed=7)
    run = pretrained.make_run(begun, name, pretrained=False, progress=False)
    for name, weight in network.state_dict().items():
        assert torch.equal(run.model.state_dict()[name].cpu(), weight)


def test_a_run_goes_on_after_its_class_list_moved(tmp_path, config):
    history = train(config, progress=False)
    moved = tmp_path / "moved.json"
    moved.write_bytes(Path(config.classes).read_bytes())
    assert train(replace(config, classes=str(moved)), progress=False) == history


@pytest.mark.parametrize("kept", ["last.pt", "best.pt"])
def test_a_run_of_other_classes_is_refused(tmp_path, config, kept):
    train(config, progress=False)
    folder = tmp_path / "runs" / "first"
    if kept == "best.pt":
        (folder / "last.pt").unlink()
    before = (folder / kept).read_bytes()
    other = replace(other_classes(tmp_path, config), name="first")
    with pytest.raises(ValueError, match=r"names was \['a', 'b'\] and is \['a', 'b', 'c'\]"):
        train(other, progress=False)
    assert (folder / kept).read_bytes() == before
