"""Chapter 12: the trials differ in what they say, and the instrument changes one thing only."""
import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import small_root

from helpers.dataset import normalize
from helpers.extra import experiments, instrument
from helpers.extra.experiments import Trial, TrialRun, VariantUNet
from helpers.labels import IGNORE
from helpers.unet import UNet

SHAPE = {"classes": 5, "width": 4, "depth": 2, "padding": "same", "norm": "batch", "dropout": 0.0}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return small_root(tmp_path / "city", train=4, val=2)


def tiny(root, **changes) -> Trial:
    return Trial(**{"name": "tiny", "root": str(root), "view": "frame", "height": 32, "padding": "same",
                    "norm": "batch", "width": 4, "depth": 2, "epochs": 1, "batch_size": 2, "lr": 0.01,
                    "mean": (0.5,) * 3, "std": (0.25,) * 3, "cache": None, **changes})


def count(model) -> int:
    return sum(p.numel() for p in model.parameters())


def test_variants():
    plain, same = UNet(3, **SHAPE), VariantUNet(**SHAPE)
    summed, without, bilinear = (VariantUNet(**how, **SHAPE) for how in (
        {"skips": "sum"}, {"skips": "none"}, {"up": "bilinear"}))
    x = torch.randn(2, 3, 32, 48)
    for model in (plain, same, summed, without, bilinear):
        assert model.eval()(x).shape == (2, 5, 32, 48)
    fewer = sum(9 * n * n for n in (8, 4))  # the first 3x3 convolution of each merge sees n channels, not 2n
    assert count(plain) == count(same) == count(summed) + fewer == count(without) + fewer
    assert count(plain) - count(bilinear) == sum(4 * 2 * n * n - 2 * n * n for n in (8, 4))  # 2x2 against 1x1
    same.load_state_dict(plain.state_dict())
    torch.testing.assert_close(same(x), plain(x))
    without.load_state_dict(summed.state_dict())
    assert not torch.allclose(summed(x), without(x))
    for skips, model in (("sum", summed), ("none", without)):  # does the finest skip reach the output?
        seen = {}
        hooks = [part.register_forward_hook(lambda m, i, out, name=name, seen=seen: seen.update({name: (i[0], out)}))
                 for name, part in (("skip", model.down[0]), ("up", model.up[-1]), ("merge", model.merge[-1]))]
        model(x)
        for hook in hooks:
            hook.remove()
        expected = seen["up"][1] + seen["skip"][1] if skips == "sum" else seen["up"][1]
        torch.testing.assert_close(seen["merge"][0], expected)


def test_dice_by_hand():
    probability = torch.tensor([[0.8, 0.4, 0.5], [0.2, 0.6, 0.5]])  # [classes, pixels]
    logits, target = probability.log()[None, :, None], torch.tensor([[[0, 1, IGNORE]]])
    dice = [2 * 0.8 / (1 + 0.8 + 0.4), 2 * 0.6 / (1 + 0.2 + 0.6)]
    assert experiments.dice_loss(logits, target).item() == pytest.approx(1 - sum(dice) / 2, rel=1e-5)
    only = torch.tensor([[[0, 0, IGNORE]]])  # a class that does not occur is left out of the mean
    assert experiments.dice_loss(logits, only).item() == pytest.approx(1 - 2 * 1.2 / (2 + 1.2), rel=1e-5)
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
            return None, np.array([[0, 0, 0, 1], [IGNORE] * 4] if index else [[0, 0, 0, 1], [0, 0, 1, 1]], np.uint8)

    share = np.array([8, 4, 0]) / 12
    raw = [1 / math.log(1.02 + s) for s in share]
    scale = raw[0] * share[0] + raw[1] * share[1]
    np.testing.assert_allclose(experiments.class_weights(Pairs()), [r / scale for r in raw], rtol=1e-6)


def test_average_is_its_formula(folder):
    run = TrialRun(tiny(folder, ema=0.9, epochs=2))
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
    run = TrialRun(tiny(folder, warmup=4, epochs=10, loss="dice"))
    assert [run.learning_rate(step) for step in range(6)] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    logits, target = torch.randn(2, 19, 4, 4), torch.randint(0, 19, (2, 4, 4))
    target[0] = IGNORE
    total, pixels = run.loss(logits, target)
    plain = torch.nn.functional.cross_entropy(logits, target, ignore_index=IGNORE)
    assert pixels == 16 and (total / pixels).item() == pytest.approx(
        (plain + experiments.dice_loss(logits, target)).item(), rel=1e-5)


def test_augmented_label_follows_frame(folder):
    run = TrialRun(tiny(folder, scale=(0.5, 2.0), seed=3))
    run.train_set.epoch = 0
    base = run.train_set.base

    class Grey:  # frames whose grey level is their train id, in blocks: they must stay so wherever they go
        rows, mean, std, label_set = base.rows, base.mean, base.std, base.label_set

        def pair(self, index):
            target = np.kron(np.arange(16, dtype=np.uint8).reshape(4, 4), np.ones((16, 24), np.uint8))
            return np.repeat((target * 10)[..., None], 3, 2), target

    run.train_set.base = Grey()
    sizes = set()
    for epoch in range(6):
        run.train_set.epoch = epoch
        image, target = run.train_set[0]
        again = run.train_set[0]
        assert torch.equal(image, again[0]) and torch.equal(target, again[1])
        assert image.shape == (3, 64, 96) and target.shape == (64, 96)
        grey = torch.full((3, 64, 96), -1.0)
        for train_id in target.unique():
            if train_id != IGNORE:
                level = normalize(np.full((1, 1, 3), int(train_id) * 10, np.uint8), base.mean, base.std)
                grey = torch.where(target == train_id, level, grey)
        valid = target != IGNORE
        assert ((image - grey).abs().amax(0)[valid] < 0.02).float().mean() > 0.75  # the rest are blended edges
        sizes.add(len(target.unique()))
    assert len(sizes) > 1  # scaled differently every epoch


def test_one_training_many_scores(folder):
    trials = [tiny(folder), tiny(folder, ema=0.5), tiny(folder, flip_test=True)]
    scores = experiments.run_trials(trials)
    alone = experiments.run_trials(trials[:1])
    assert scores[0] == alone[0] and len({score["train_loss"] for score in scores}) == 1
    with pytest.raises(ValueError, match="2 training runs"):
        experiments.run_trials([tiny(folder), tiny(folder, lr=0.02)])


def test_small_city_keeps_ids(folder, tmp_path):
    small = experiments.small_city(tmp_path / "small", folder, 4)
    for path in sorted(folder.glob("gtFine/*/*/*labelIds.png")):
        label, reduced = (np.asarray(Image.open(base / path.relative_to(folder))) for base in (folder, small))
        assert reduced.shape == (16, 24)
        blocks = label.reshape(16, 4, 24, 4).transpose(0, 2, 1, 3).reshape(16, 24, 16)
        assert (blocks == reduced[..., None]).any(-1).all()  # no id that is not in its block


def different(a, b) -> set:
    return {field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name)}


def test_instrument_changes_one_thing():
    for name, inside, changed in (("sun", "sun", {"elevation"}), ("light", "weather", {"exposure"}),
                                  ("rain", "weather", {"rain"})):
        question = instrument.QUESTIONS[name]
        first, last = (question.scene(1, question.values[k]) for k in (0, -1))
        assert different(first, last) == {inside}
        assert different(getattr(first, inside), getattr(last, inside)) == changed
    for name, changed in (("distance", {"z"}), ("colour", {"color"})):
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
