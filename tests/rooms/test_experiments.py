"""Chapter 12: the trials differ in what they say, and the instrument changes one thing only."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import camvid
from extras.experiments import trials as experiments
from extras.experiments.trials import Trial, make_trial, trial_model
from helpers import evaluate as evaluation
from helpers.checkpoints import load_model
from helpers.config import TrainConfig
from helpers.csv_index import find_rows
from helpers.dataset import normalize
from helpers.labels import CAMVID_11, IGNORE
from helpers.unet import UNet
from sample_city.write import write_frame
from tests.roots import small_root

SHAPE = {
    "num_classes": 5,
    "width": 4,
    "depth": 2,
    "padding": "same",
    "norm": "batch",
    "dropout": 0.0,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return small_root(tmp_path / "city", train=4, val=2)


def tiny(root, **changes) -> Trial:
    return Trial(
        **{
            "name": "tiny",
            "root": str(root),
            "view": "frame",
            "height": 32,
            "padding": "same",
            "norm": "batch",
            "width": 4,
            "depth": 2,
            "epochs": 1,
            "batch_size": 2,
            "learning_rate": 0.01,
            "mean": (0.5,) * 3,
            "std": (0.25,) * 3,
            "cache": None,
            **changes,
        }
    )


def count(model) -> int:
    return sum(p.numel() for p in model.parameters())


def test_a_unet_without_skips():
    """Fewer weights in each merge, and nothing but the bottleneck reaches the output."""
    whole = UNet(3, **SHAPE)
    without = trial_model(tiny(None, skips=False), 5)
    x = torch.randn(2, 3, 32, 48)
    assert without.eval()(x).shape == whole.eval()(x).shape == (2, 5, 32, 48)
    # The first 3x3 convolution of each merge sees n channels, not 2n.
    assert count(whole) - count(without) == sum(9 * n * n for n in (8, 4))

    def constant(module, arguments, output):
        return torch.ones_like(output)

    for network, changes in ((whole, True), (without, False)):
        hook = network.down[-1].register_forward_hook(constant)
        differs = not torch.allclose(network(x), network(torch.zeros_like(x)))
        hook.remove()
        assert differs == changes


def test_the_dropout_of_a_unet_without_skips_is_where_the_unet_has_it():
    shapes = []
    for network in (UNet(3, **SHAPE), trial_model(tiny(None, skips=False), 5)):
        network.dropout.register_forward_hook(lambda *hooked: shapes.append(hooked[2].shape))
        network(torch.randn(2, 3, 32, 48))
    assert shapes == 2 * [(2, 8, 16, 24), (2, 16, 8, 12)]


def test_a_pair_of_a_trial_can_be_looked_at(folder):
    run = make_trial(tiny(folder, scale=(0.75, 1.5), color=True))
    image, target = run.train_set[0]
    assert image.shape == (3, *target.shape) and image.dtype == torch.float32


def test_a_trial_that_names_nothing_trains_as_chapter_07_does():
    plain = Trial()
    added = {name: value for name, value in vars(plain).items() if name not in vars(TrainConfig())}
    nothing = {"optimizer": "adam", "loss": "ce", "skips": True}
    assert {name: value for name, value in added.items() if value} == nothing
    assert {name: vars(plain)[name] for name in vars(TrainConfig())} == vars(TrainConfig())


def test_dice_by_hand():
    probability = torch.tensor([[0.8, 0.4, 0.5], [0.2, 0.6, 0.5]])  # [classes, pixels]
    logits, target = probability.log()[None, :, None], torch.tensor([[[0, 1, IGNORE]]])
    dice = [2 * 0.8 / (1 + 0.8 + 0.4), 2 * 0.6 / (1 + 0.2 + 0.6)]
    assert experiments.dice_loss(logits, target).item() == pytest.approx(
        1 - sum(dice) / 2, rel=1e-5
    )
    only = torch.tensor([[[0, 0, IGNORE]]])  # a class that does not occur is left out of the mean
    assert experiments.dice_loss(logits, only).item() == pytest.approx(
        1 - 2 * 1.2 / (2 + 1.2), rel=1e-5
    )
    void = logits.clone().requires_grad_()
    loss = experiments.dice_loss(void, torch.full_like(only, IGNORE))
    loss.backward()
    assert loss.item() == 0 and not void.grad.any()


def test_class_weights_by_hand():
    class Pairs:
        label_set = range(3)

        def __len__(self):
            return 2

        def pair(self, index):
            return None, np.array(
                [[0, 0, 0, 1], [IGNORE] * 4] if index else [[0, 0, 0, 1], [0, 0, 1, 1]], np.uint8
            )

    share = np.array([8, 4, 0]) / 12
    raw = [1 / math.log(1.02 + s) for s in share]
    scale = raw[0] * share[0] + raw[1] * share[1]
    np.testing.assert_allclose(
        experiments.class_weights(Pairs()), [r / scale for r in raw], rtol=1e-6
    )


def test_average_is_its_formula(folder):
    run = make_trial(tiny(folder, ema=0.9, epochs=2))
    expected, step = None, run.step

    def watched(number, batches):
        nonlocal expected
        losses = step(number, batches)
        now = [p.detach().clone() for p in run.model.parameters()]
        expected = now if expected is None else [0.9 * e + 0.1 * n for e, n in zip(expected, now)]
        return losses

    run.step = watched
    run.fit()
    for got, want in zip(run.average.module.parameters(), expected):
        torch.testing.assert_close(got, want)
    assert any(not torch.allclose(a, b) for a, b in zip(run.model.parameters(), expected))


def test_warm_up_and_losses(folder):
    run = make_trial(tiny(folder, warmup=4, epochs=10, loss="dice"))
    assert [run.learning_rate(step) for step in range(6)] == pytest.approx(
        [0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01]
    )
    logits, target = torch.randn(2, 19, 4, 4), torch.randint(0, 19, (2, 4, 4))
    target[0] = IGNORE
    total, pixels = run.loss(logits, target)
    plain = torch.nn.functional.cross_entropy(logits, target, ignore_index=IGNORE)
    assert pixels == 16 and (total / pixels).item() == pytest.approx(
        (plain + experiments.dice_loss(logits, target)).item(), rel=1e-5
    )


def test_augmented_label_follows_frame(folder):
    run = make_trial(tiny(folder, scale=(0.5, 2.0), seed=3))
    run.train_set.epoch = 0
    base = run.train_set.base

    # Frames whose gray level is their train id, in blocks: they must stay so wherever they go
    class Gray:
        rows, mean, std, label_set = base.rows, base.mean, base.std, base.label_set

        def pair(self, index):
            target = np.kron(
                np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((16, 24), np.uint8)
            )
            return np.repeat((target * 10)[..., None], 3, 2), target

    run.train_set.base = Gray()
    sizes = set()
    for epoch in range(6):
        run.train_set.epoch = epoch
        image, target = run.train_set[0]
        again = run.train_set[0]
        assert torch.equal(image, again[0]) and torch.equal(target, again[1])
        assert image.shape == (3, 64, 96) and target.shape == (64, 96)
        gray = torch.full((3, 64, 96), -1.0)
        for train_id in target.unique():
            if train_id != IGNORE:
                level = normalize(
                    np.full((1, 1, 3), int(train_id) * 10, np.uint8), base.mean, base.std
                )
                gray = torch.where(target == train_id, level, gray)
        valid = target != IGNORE
        assert (
            (image - gray).abs().amax(0)[valid] < 0.02
        ).float().mean() > 0.75  # the rest are blended edges
        sizes.add(len(target.unique()))
    assert len(sizes) > 1  # scaled differently every epoch


def test_small_city(tmp_path, monkeypatch):
    small = experiments.small_city(tmp_path / "small", train=1, val=1, factor=16)
    write_frame(tmp_path / "large", "val", 0, 1)
    (path,) = small.glob("gtFine/val/*/*labelIds.png")
    label, reduced = (
        np.asarray(Image.open(base / path.relative_to(small)))
        for base in (tmp_path / "large", small)
    )
    assert reduced.shape == (64, 128)
    blocks = label.reshape(64, 16, 128, 16).transpose(0, 2, 1, 3).reshape(64, 128, 256)
    assert (blocks == reduced[..., None]).any(-1).all()  # no id that is not in its block
    (path,) = small.glob("leftImg8bit/val/*/*.png")
    frame, reduced = (
        np.asarray(Image.open(base / path.relative_to(small)))
        for base in (tmp_path / "large", small)
    )
    means = frame.reshape(64, 16, 128, 16, 3).mean((1, 3))
    assert np.abs(means - reduced).max() <= 0.51
    # Frames that are there are not drawn again
    monkeypatch.setattr(experiments, "write_frame", None)
    experiments.small_city(small, train=1, val=1, factor=16)
    with pytest.raises(ValueError, match="another folder"):
        experiments.small_city(small, train=1, val=1, factor=8)


def drives(root):
    """Three drives with CamVid's label ids, one of them in train and in val, and a test split."""
    random = np.random.default_rng(7)
    for split, city, number in (
        ("train", "alpha", 0),
        ("train", "alpha", 1),
        ("train", "beta", 2),
        ("val", "beta", 3),
        ("train", "gamma", 4),
        ("test", "delta", 5),
    ):
        ids = (
            np.array(CAMVID_11.ids)[random.integers(0, 11, (4, 5))]
            .repeat(9, 0)
            .repeat(10, 1)
            .astype(np.uint8)
        )
        for kind, end, array in (
            ("leftImg8bit", "leftImg8bit", np.repeat(ids[..., None] * 7, 3, 2)),
            ("gtFine", "gtFine_labelIds", ids),
        ):
            path = root / kind / split / city / f"{city}_000000_{number:06d}_{end}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    return root


def test_camvid_config_trains_and_is_scored(folder, tmp_path, monkeypatch, capsys):
    root = drives(tmp_path / "photographs")
    small = replace(
        camvid.CONFIGS["camvid16"],
        height=36,
        width=4,
        epochs=2,
        batch_size=2,
        workers=0,
        warmup=2,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
    )
    monkeypatch.setitem(camvid.CONFIGS, "camvid16", small)
    runs = []
    monkeypatch.setattr(
        camvid, "make_trial", lambda config: runs.append(make_trial(config)) or runs[-1]
    )
    camvid.main(["--root", str(root), "--config", "camvid16"])
    result = json.loads((tmp_path / "runs" / "camvid16.json").read_text())
    checkpoint = tmp_path / "runs" / "camvid16" / "camvid16.pt"
    stored = load_model(checkpoint)[0].state_dict()
    for name, value in (
        runs[0].average.module.state_dict().items()
    ):  # the averaged weights, not the last ones
        torch.testing.assert_close(stored[name], value)
    assert any(
        not torch.equal(stored[name], value) for name, value in runs[0].model.state_dict().items()
    )
    capsys.readouterr()
    for split in ("val", "test"):
        evaluation.main(
            ["--checkpoint", str(checkpoint), "--root", str(root), "--split", split, "--json"]
        )
        scores = json.loads(capsys.readouterr().out)
        assert len(scores["iou"]) == 11
        if split == "val":
            assert scores["mean_iou"] == pytest.approx(result["val_mean_iou"], abs=1e-6)
    camvid.main(["--root", str(root), "--config", "camvid16", "--folds"])
    folds = json.loads((tmp_path / "runs" / "camvid16_folds.json").read_text())
    assert {name: run["frames"] for name, run in folds["drives"].items()} == {
        "alpha": {"train": 3, "val": 2},
        "beta": {"train": 3, "val": 2},
        "gamma": {"train": 4, "val": 1},
    }
    assert folds["val_mean_iou"] == pytest.approx(
        np.mean([r["val_mean_iou"] for r in folds["drives"].values()])
    )
    assert not list(tmp_path.glob("tmp*"))


def test_camvid_folds_keep_drives_and_test_apart(tmp_path):
    root = drives(tmp_path / "photographs")
    target = camvid.fold(root, "beta", tmp_path / "fold")
    assert {row.city for row in find_rows(target, "val")} == {"beta"} and len(
        find_rows(target, "val")
    ) == 2
    assert {row.city for row in find_rows(target, "train")} == {"alpha", "gamma"}
    assert not (target / "leftImg8bit" / "test").exists() and not list(target.rglob("delta*"))


def settings(config) -> dict:
    return {name: value for name, value in experiments.plain(config).items() if name != "width"}


def test_camvid_configs_are_frozen():
    parameters = {"camvid64": (64, 31_038_283), "camvid16": (16, 1_942_747)}
    parameters["camvid12"] = (12, 1_093_511)
    assert set(parameters) == set(camvid.CONFIGS)
    for name, (width, weights) in parameters.items():
        config = camvid.CONFIGS[name]
        assert config.name == name and config.width == width
        assert count(trial_model(config, 11)) == weights
    full = {
        "label_set": "camvid11",
        "view": "frame",
        "height": 360,
        "padding": "same",
        "norm": "batch",
        "epochs": 240,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "schedule": "poly",
        "augment": True,
        "workers": 8,
        "dropout": 0.2,
        "optimizer": "adamw",
        "warmup": 200,
        "color": True,
        "scale": (0.5, 2.0),
        "ema": 0.998,
    }
    assert settings(camvid.CONFIGS["camvid64"]) == full
    thin = {**full, "dropout": 0.0, "learning_rate": 2e-3}
    assert settings(camvid.CONFIGS["camvid16"]) == thin
    cpu = {
        **thin,
        "height": 180,
        "epochs": 60,
        "learning_rate": 2e-2,
        "schedule": "cosine",
        "optimizer": "muon",
        "warmup": 100,
        "loss": "weighted",
    }
    for name in ("workers", "batch_size"):  # as in Trial
        del cpu[name]
    assert settings(camvid.CONFIGS["camvid12"]) == cpu
