"""Chapter 12: the trials differ in what they say, and the instrument changes one thing only."""

import copy
import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import small_root

from benchmarks import beyond, camvid
from extras.experiments import instrument, muon
from extras.experiments import trials as experiments
from extras.experiments.trials import Trial, VariantUNet, make_trial
from helpers import evaluate as evaluation
from helpers.checkpoints import load_model
from helpers.csv_index import find_rows
from helpers.dataset import normalize
from helpers.labels import CAMVID_11, IGNORE
from helpers.unet import UNet
from helpers.windows import View
from sample_city import materials
from sample_city.camera import Random
from sample_city.write import write_frame

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
            "lr": 0.01,
            "mean": (0.5,) * 3,
            "std": (0.25,) * 3,
            "cache": None,
            **changes,
        }
    )


def count(model) -> int:
    return sum(p.numel() for p in model.parameters())


def test_variants():
    plain, same = UNet(3, **SHAPE), VariantUNet(**SHAPE)
    summed, without, bilinear = (
        VariantUNet(**how, **SHAPE)
        for how in ({"skips": "sum"}, {"skips": "none"}, {"up": "bilinear"})
    )
    x = torch.randn(2, 3, 32, 48)
    for model in (plain, same, summed, without, bilinear):
        assert model.eval()(x).shape == (2, 5, 32, 48)
    fewer = sum(
        9 * n * n for n in (8, 4)
    )  # the first 3x3 convolution of each merge sees n channels, not 2n
    assert count(plain) == count(same) == count(summed) + fewer == count(without) + fewer
    assert count(plain) - count(bilinear) == sum(
        4 * 2 * n * n - 2 * n * n for n in (8, 4)
    )  # 2x2 against 1x1
    same.load_state_dict(plain.state_dict())
    torch.testing.assert_close(same(x), plain(x))
    without.load_state_dict(summed.state_dict())
    assert not torch.allclose(summed(x), without(x))
    for skips, model in (
        ("sum", summed),
        ("none", without),
    ):  # does the finest skip reach the output?
        seen = {}
        hooks = [
            part.register_forward_hook(
                lambda m, i, out, name=name, seen=seen: seen.update({name: (i[0], out)})
            )
            for name, part in (
                ("skip", model.down[0]),
                ("up", model.up[-1]),
                ("merge", model.merge[-1]),
            )
        ]
        model(x)
        for hook in hooks:
            hook.remove()
        expected = seen["up"][1] + seen["skip"][1] if skips == "sum" else seen["up"][1]
        torch.testing.assert_close(seen["merge"][0], expected)


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


def matrices():
    torch.manual_seed(0)
    return [
        torch.randn(*shape) * scale
        for shape, scale in (((8, 72), 1.0), ((128, 32), 1e-4), ((24, 24), 1e4))
    ]


def test_orthogonalize_against_svd():
    for matrix in matrices():
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        got = muon.orthogonalize(matrix)
        strength = torch.diagonal(
            u.T @ got @ v.T
        )  # what is left of each singular direction: about 1
        assert got.shape == matrix.shape and strength.min() > 0.66 and strength.max() < 1.22
        torch.testing.assert_close(
            u @ torch.diag(strength) @ v, got, rtol=0, atol=2e-3
        )  # and nothing else


def test_muon_against_torch():
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("torch.optim.Muon came with PyTorch 2.9")
    for matrix in matrices()[:2]:
        ours = torch.nn.Sequential(torch.nn.Conv2d(matrix.shape[1] // 4, len(matrix), 2))
        theirs = torch.nn.Parameter(ours[0].weight.detach().flatten(1).clone())
        reference = torch.optim.Muon(
            [theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
        )
        optimizer, start = muon.Muon(ours, 0.02, weight_decay=0.1), theirs.detach().clone()
        for step in range(3):
            gradient = torch.randn(matrix.shape, generator=torch.Generator().manual_seed(step))
            theirs.grad, ours[0].weight.grad = gradient, gradient.view_as(ours[0].weight).clone()
            reference.step()
            optimizer.step()
        moved, wanted = ours[0].weight.detach().flatten(1) - start, theirs.detach() - start
        assert (moved - wanted).norm() < 0.02 * wanted.norm()  # the reference computes in bfloat16


def test_muon_leaves_the_rest_to_adamw():
    torch.manual_seed(0)
    model = UNet(3, **SHAPE)
    twin = copy.deepcopy(model)
    optimizer = muon.Muon(model, 0.01)
    rest = [
        name
        for name, weight in model.named_parameters()
        if weight.ndim == 1 or name.startswith("head.")
    ]
    assert len(rest) > 10 and len(optimizer.param_groups[0]["params"]) == len(rest)
    adamw = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.01)
    for weight, other in zip(model.parameters(), twin.parameters()):
        weight.grad = torch.randn_like(weight)
        other.grad = weight.grad.clone()
    optimizer.step()
    adamw.step()
    for (name, weight), other in zip(model.named_parameters(), twin.parameters()):
        assert torch.equal(weight, other) == (name in rest), name
    with pytest.raises(ValueError, match="no convolution besides its head"):
        muon.Muon(torch.nn.Linear(2, 2), 0.01)


def test_muon_trains_and_resumes(folder):
    run = make_trial(tiny(folder, optimizer="muon", epochs=4))
    assert isinstance(run.optimizer, muon.Muon)
    losses = [epoch["train_loss"] for epoch in run.fit()]
    assert losses[-1] < losses[0]
    state, weights = (
        copy.deepcopy(run.optimizer.state_dict()),
        copy.deepcopy(run.model.state_dict()),
    )
    run.train_epoch(4)
    again = make_trial(tiny(folder, optimizer="muon", epochs=4))
    again.model.load_state_dict(weights)
    again.optimizer.load_state_dict(state)
    again.train_epoch(4)
    for one, other in zip(run.model.parameters(), again.model.parameters()):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


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
    assert run.score()["miou"] == run.score(tiny(folder, ema=0.9))["miou"]


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


def test_one_training_many_scores(folder):
    trials = [tiny(folder), tiny(folder, ema=0.5), tiny(folder, flip_test=True)]
    scores = experiments.run_trials(trials)
    alone = experiments.run_trials(trials[:1])
    assert scores[0] == alone[0] and len({score["train_loss"] for score in scores}) == 1
    with pytest.raises(ValueError, match="2 training runs"):
        experiments.run_trials([tiny(folder), tiny(folder, learning_rate=0.02)])


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
    monkeypatch.setattr(
        experiments, "write_frame", None
    )  # frames that are there are not drawn again
    experiments.small_city(small, train=1, val=1, factor=16)
    with pytest.raises(ValueError, match="another folder"):
        experiments.small_city(small, train=1, val=1, factor=8)


def test_every_trial_changes_what_it_says():
    everything = {**beyond.ladder(), **beyond.ablations()}
    schedule = {"optimizer", "lr", "warmup", "schedule"}
    size = {"view", "height", "size", "batch_size", "epochs"}
    expected = {
        "crops": {"augment"},
        "norm": {"norm"},
        "adamw": schedule,
        "frames": size,
        "scale": {"scale"},
        "color": {"color"},
        "weighted": {"loss"},
        "dice": {"loss"},
        "longer": {"epochs"},
        "ema": {"ema"},
        "flip": {"flip_test"},
        "large": {"lr"},
        "muon": {"optimizer"},
        "no skips": {"skips"},
        "summed skips": {"skips"},
        "bilinear": {"up"},
        "valid": {"padding"},
        "width 4": {"width"},
        "width 16": {"width"},
        "depth 2": {"depth"},
        "raw": {"mean", "std"},
        "bytes": {"mean", "std"},
        "imagenet": {"mean", "std"},
        "per image": {"per_image"},
        "30 classes": {"label_set"},
        "center": {"augment"},
        "bare": {"norm", "lr"},
        "fcn parameters": {"model", "width"},
        "fcn compute": {"model", "width"},
    }
    assert {name for name, (_, against, _) in everything.items() if against} == set(expected)
    frames, steps = beyond.BUDGET["train_frames"], beyond.BUDGET["steps"]
    for name, (_, against, trial) in everything.items():
        if against:
            assert different(trial, everything[against][2]) == expected[name], name
        assert frames % trial.batch_size == 0
        assert frames // trial.batch_size * trial.epochs == steps * (1 + (name in beyond.ALIKE)), (
            name
        )
    found = json.loads(beyond.RESULT.read_text())[
        "tuning"
    ]  # the rungs have the learning rate that was best there
    assert beyond.TUNING_SEED not in beyond.SEEDS and set(found) == set(beyond.tuning())
    miou = {name: entry["runs"][str(beyond.TUNING_SEED)]["miou"] for name, entry in found.items()}
    for kind, rung in (("adamw", "large"), ("muon", "muon")):
        best = max((name for name in miou if name.startswith(kind)), key=miou.get)
        assert everything[rung][2] == beyond.tuning()[best][2]
    wide = {
        name: count(
            experiments.FCN(19, 8, everything[name][2].width, hidden=16 * everything[name][2].width)
        )
        for name in ("fcn parameters", "fcn compute")
    }
    assert wide["fcn parameters"] == pytest.approx(
        count(UNet(3, 19, width=8, padding="same")), rel=0.06
    )


def test_results_resume_and_do_not_mix(folder, tmp_path, monkeypatch):
    trials = {
        "a": ("one", None, tiny(None)),
        **{
            name: ("more", "a", tiny(None, epochs=2, **how))
            for name, how in (("longer", {}), ("ema", {"ema": 0.5}), ("flip", {"flip_test": True}))
        },
    }
    file = tmp_path / "beyond.json"
    monkeypatch.setattr(beyond, "RESULT", file)
    monkeypatch.setattr(beyond, "SEEDS", (0, 1))
    monkeypatch.setattr(
        beyond, "PARTS", {"ladder": lambda: trials, "ablations": dict, "tuning": dict}
    )
    monkeypatch.setattr(beyond, "small_city", lambda *rest: folder)
    runs, run_trials = [], beyond.run_trials
    monkeypatch.setattr(
        beyond, "run_trials", lambda some: runs.append(len(some)) or run_trials(some)
    )
    beyond.main([])
    result = json.loads(file.read_text())
    assert runs == [1, 3, 1, 3] and result["seeds"] == [0, 1]
    scores = {
        name: [run["miou"] for run in entry["runs"].values()]
        for name, entry in result["ladder"].items()
    }
    assert all(len(values) == 2 for values in scores.values()) and scores["a"][0] != scores["a"][1]
    del result["ladder"]["a"]["runs"]["1"]
    file.write_text(json.dumps(result))
    beyond.main([])  # what is there stays, what is missing is trained, and gives the same
    again = json.loads(file.read_text())
    assert runs == [1, 3, 1, 3, 1]
    assert [run["miou"] for run in again["ladder"]["a"]["runs"].values()] == pytest.approx(
        scores["a"]
    )
    with monkeypatch.context() as patch:
        patch.setattr(beyond, "BUDGET", {**beyond.BUDGET, "steps": 1})
        with pytest.raises(ValueError, match="--anew"):
            beyond.main([])
    trials["a"] = ("one", None, tiny(None, learning_rate=0.5))
    with pytest.raises(ValueError, match="runs of 'a'"):
        beyond.main([])
    assert json.loads(file.read_text()) == again and len(runs) == 5


def drives(root):
    """Three drives with the label ids of CamVid, one of them in train and in val, and a test split."""
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
    camvid.main(["--root", str(root), "--config", "camvid16"], results=tmp_path)
    result = json.loads((tmp_path / "camvid16.json").read_text())
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
    camvid.main(["--root", str(root), "--config", "camvid16", "--folds"], results=tmp_path)
    folds = json.loads((tmp_path / "camvid16_folds.json").read_text())
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


def test_camvid_configs_are_frozen():
    names = {"camvid64": (64, 31_038_283), "camvid16": (16, 1_942_747)}
    assert set(names) == set(camvid.CONFIGS)
    for name, (width, parameters) in names.items():
        config = camvid.CONFIGS[name]
        assert config.name == name and config.width == width
        assert (
            count(UNet(3, 11, config.width, config.depth, config.padding, config.norm))
            == parameters
        )
        settings = {
            k: v
            for k, v in experiments.plain(config).items()
            if k not in ("width", "dropout", "lr")
        }
        assert settings == {
            "label_set": "camvid11",
            "view": "frame",
            "height": 360,
            "padding": "same",
            "norm": "batch",
            "epochs": 240,
            "batch_size": 8,
            "schedule": "poly",
            "augment": True,
            "workers": 8,
            "optimizer": "adamw",
            "warmup": 200,
            "color": True,
            "scale": (0.5, 2.0),
            "ema": 0.998,
        }


def different(a, b) -> set:
    return {field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name)}


def test_instrument_changes_one_thing():
    for name, inside, changed in (
        ("sun", "sun", {"elevation"}),
        ("light", "weather", {"exposure"}),
        ("rain", "weather", {"rain"}),
    ):
        question = instrument.QUESTIONS[name]
        first, last = (question.scene(1, question.values[k]) for k in (0, -1))
        assert different(first, last) == {inside}
        assert different(getattr(first, inside), getattr(last, inside)) == changed
    for name, changed in (("distance", {"z"}), ("color", {"color"})):
        question = instrument.QUESTIONS[name]
        first, last = (question.scene(1, question.values[k]) for k in (0, -1))
        assert different(first, last) == {"objects"} and first.objects[:-1] == last.objects[:-1]
        assert different(first.objects[-1], last.objects[-1]) == changed
        assert len(first.find(question.label)) == 1
    free, behind = (instrument.QUESTIONS["occlusion"].scene(1, share) for share in (0.0, 0.6))
    assert behind.objects[:-1] == free.objects


def test_box_hides_the_share_it_says():
    free, half = (instrument.picture(instrument.hidden(1, share))[1] == 13 for share in (0.0, 0.6))
    left, seen = (np.flatnonzero(mask.any(0)) for mask in (free, half))
    assert len(seen) / len(left) == pytest.approx(0.4, abs=0.05) and seen[-1] == left[-1]


def test_score_within_the_window():
    truth = np.zeros((100, 200), np.uint8)
    truth[40:60, 50:60] = 11
    prediction = truth.copy()
    prediction[:, 150:] = 11  # a false alarm far away does not count
    assert instrument.window(truth, 11) == (slice(24, 76), slice(34, 76))
    assert instrument.score(prediction, truth, "person") == 1.0
    prediction[40:50, 50:60] = 0
    assert instrument.score(prediction, truth, "person") == 0.5
    with pytest.raises(ValueError, match="no pixel of car"):
        instrument.score(prediction, truth, "car")


def test_paints_are_unlike_every_car():
    paints = [materials.car_paint(Random(seed), 0.3) for seed in range(400)]
    for name, paint in instrument.PAINTS.items():
        if paint is not None:
            assert min(np.linalg.norm(np.subtract(paint, other)) for other in paints) > 60, name


@pytest.fixture
def network():
    """A U-Net that knows nothing, with what load_model would say of it: whole frames at a quarter."""
    torch.manual_seed(3)
    info = {"view": View("frame", padding="same", depth=2), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    return UNet(3, 19, width=4, depth=2, padding="same").eval(), info


def test_silenced_skip(network):
    model, info = network
    image = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    whole = instrument.predict_frame(model, image, info)
    predictions = [instrument.without_skip(model, image, info, level, None) for level in (0, 1)]
    assert np.array_equal(instrument.without_skip(model, image, info, "none", None), whole)
    assert np.array_equal(instrument.predict_frame(model, image, info), whole)  # the hooks are gone
    model.merge[1][0].weight.data[:, :4] = (
        0  # the weights that read the finest skip: the same as silencing it
    )
    assert np.array_equal(instrument.predict_frame(model, image, info), predictions[0])
    assert not np.array_equal(predictions[0], whole) and not np.array_equal(
        predictions[0], predictions[1]
    )


def test_window_hides_everything_else(network):
    model, info = network
    image = np.random.default_rng(2).integers(0, 256, (1024, 2048, 3), dtype=np.uint8)
    truth = np.zeros((1024, 2048), np.uint8)
    truth[300:700, 900:1500] = 13
    seen = instrument.through_window(model, image, info, 32, truth)
    inside = seen != IGNORE
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    assert inside.sum() == 128 * 128 and (rows[0], columns[0]) == (500 - 64, 1200 - 64)
    other = np.where(inside[..., None], image, 255 - image)
    assert np.array_equal(instrument.through_window(model, other, info, 32, truth), seen)
    seen[inside] = 13
    assert instrument.score(seen, truth, "car") == 1.0  # all of the car that was looked at
    full = instrument.through_window(
        model, image, info, 256, truth
    )  # as high as the frame: no lower, no further
    assert (full != IGNORE).sum() == 1024 * 1024


def test_large_car_is_larger_than_a_window():
    truth = instrument.picture(instrument.near(0))[1] == 13
    assert all(np.ptp(np.flatnonzero(truth.any(axis))) / 4 > 130 for axis in (0, 1))
