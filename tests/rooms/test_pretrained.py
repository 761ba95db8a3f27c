"""Networks of torchvision train, are evaluated and are loaded as a U-Net is."""

import subprocess
import sys

import pytest
import torch

from extras.real_data.own_data import prepare
from extras.training_tools.pretrained import IMAGENET_MEAN, IMAGENET_STD, Torchvision, make_run
from helpers.checkpoints import load_model, save_model
from helpers.config import TrainConfig
from helpers.evaluate import dataset_for, evaluate
from helpers.inference import predict_frame
from helpers.labels import LabelSet
from helpers.paths import ROOT
from helpers.windows import View
from tests.rooms.own_folders import fill

NETWORKS = ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"]


@pytest.mark.parametrize("name", NETWORKS)
def test_from_training_to_a_loaded_network(tmp_path, monkeypatch, name):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    fill(tmp_path, count=4)  # three to train on: the second batch is one frame alone
    images, masks = tmp_path / "images", tmp_path / "masks"
    data = prepare(images, masks, ["a", "b"], tmp_path / "mine", progress=False)
    config = TrainConfig.demo(
        name="other",
        root=str(data.root),
        classes=str(data.root / "classes.json"),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        epochs=1,
        pictures=0,
    )
    run = make_run(config, name, pretrained=False, progress=False)
    history = run.fit()
    assert len(history) == 1

    model, info = load_model(run.folder / "best.pt")
    assert info["mean"] == list(IMAGENET_MEAN)
    dataset = dataset_for(info, data.root, "val")
    scores = evaluate(model, ([t[None] for t in pair] for pair in dataset), data.label_set)
    assert scores.mean_iou == pytest.approx(history[0]["val_mean_iou"], abs=0.02)
    assert predict_frame(model, dataset.frame(0), info).shape == (64, 64)


def test_commands_open_it_or_say_how(tmp_path):
    info = {
        "label_set": "train19",
        "view": vars(View("frame", padding="same")),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
    }
    path = save_model(tmp_path / "best.pt", Torchvision(NETWORKS[0], 19), info)
    program = "from {} import {}; from {} import load_model; load_model({!r})"
    says = {}
    # Each in a process of its own, for here the network is known already.
    for module, name in (
        ("helpers.evaluate", "main"),
        ("extras.browser", "browse"),
        ("extras.export", "main"),
    ):
        code = program.format(module, name, "helpers.checkpoints", str(path))
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
        )
        says[module] = done.stderr.strip()
    assert "import extras.training_tools.pretrained" in says.pop("helpers.evaluate")
    assert not any(says.values())


def test_a_network_without_the_wrapper_is_named():
    network = Torchvision(NETWORKS[0], 2).network
    batch = torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32, dtype=torch.int64)
    with pytest.raises(ValueError, match="returns a dictionary: extras.training_tools.pretrained"):
        evaluate(network, [batch], LabelSet(("a", "b"), ((0, 0, 0), (1, 1, 1)), (1, 2)))


def test_an_unknown_network_is_named():
    with pytest.raises(ValueError, match="no 'deeplab'"):
        Torchvision("deeplab", 2)
