"""Scores against Cityscapes' own evaluation, to 1e-12; evaluate() against plain loops; what must be
refused.
"""

import json
import math
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from helpers import evaluate as evaluation
from helpers.checkpoints import save_model
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import dataset_for, evaluate, main, pixel_loss
from helpers.labels import IGNORE, TRAIN_19
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import View

QUARTER = View("frame", padding="same", height=64)  # 128 x 64, so that the tests take no time


@pytest.fixture(scope="module")
def val(city):
    return CityscapesDataset(find_rows(city, "val")[:5], city, QUARTER)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return UNet(width=2, padding="same", norm="batch")


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_evaluate_equals_plain_loops(net, val, batch_size):
    net.train()
    scores = evaluate(net, DataLoader(val, batch_size), TRAIN_19, per_frame=True)
    assert net.training, "evaluate must leave the model as it found it"
    assert evaluate(net, DataLoader(val, batch_size), TRAIN_19).per_frame == []
    net.eval()
    matrix, batches = np.zeros((19, 19), int), []
    with torch.no_grad():
        for first in range(0, 5, batch_size):
            items = [val[i] for i in range(first, min(5, first + batch_size))]
            logits = net(torch.stack([image for image, _ in items])).numpy().astype(np.float64)
            log_sum = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
            total = count = 0
            for b, (_, target) in enumerate(items):
                for t, p, y, x in zip(
                    target.numpy().ravel(),
                    logits[b].argmax(0).ravel(),
                    *np.indices(target.shape).reshape(2, -1),
                ):
                    if t != IGNORE:
                        matrix[t, p] += 1
                        total, count = total + log_sum[b, y, x] - logits[b, t, y, x], count + 1
            batches.append((total, count))
    sums, counts = np.array(batches).T
    assert (
        scores.confusion.matrix == matrix
    ).all() and scores.pixels == counts.sum() == matrix.sum()
    assert scores.loss_per_pixel == pytest.approx(sums.sum() / counts.sum(), rel=1e-5)
    assert scores.loss_per_batch == pytest.approx((sums / counts).mean(), rel=1e-5)
    assert (sum(m.counts for m in scores.per_frame) == scores.confusion.counts).all() and len(
        scores.per_frame
    ) == 5
    assert scores.pixel_accuracy == matrix.trace() / matrix.sum()
    assert scores.as_dict()["mean_iou"] == scores.mean_iou == np.nanmean(scores.iou)
    assert list(scores.as_dict()["iou"].values()) == [
        None if np.isnan(v) else v for v in scores.iou
    ]


def test_losses_differ_when_batches_are_unequal(net, val):
    class Uneven(torch.utils.data.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            image, target = val[index]
            if index == 1:  # hardly anything is labeled
                target = torch.where(torch.arange(target.shape[1]) < 2, target, IGNORE)
            # And once nothing at all
            return image, target if index < 2 else torch.full_like(target, IGNORE)

    scores = evaluate(net, DataLoader(Uneven()), TRAIN_19, per_frame=True)
    assert (
        math.isfinite(scores.loss_per_batch)
        and abs(scores.loss_per_pixel - scores.loss_per_batch) > 1e-4
    )
    assert scores.per_frame[2].counts.sum() == 0 and math.isnan(scores.per_frame[2].mean_iou())


def test_withheld_labels_and_empty_splits_are_said(city, net, tmp_path):
    dataset = CityscapesDataset(find_rows(city, "test")[:1], city, QUARTER)
    with pytest.raises(ValueError, match="withheld"):
        evaluate(net, DataLoader(dataset), TRAIN_19)
    with pytest.raises(FileNotFoundError, match="splits there"):
        dataset_for(
            {"view": QUARTER, "label_set": TRAIN_19, "mean": (0, 0, 0), "std": (1, 1, 1)},
            city,
            "holiday",
        )


def test_a_model_that_does_not_fit_is_refused(val):
    with pytest.raises(ValueError, match="of 19 classes"):
        evaluate(UNet(num_classes=11, width=2, padding="same"), DataLoader(val), TRAIN_19)
    with pytest.raises(ValueError, match="the label set must be"):
        evaluate(torch.nn.Conv2d(3, 19, 3), DataLoader(val), TRAIN_19)
    broken = UNet(width=2, padding="same")
    broken.head.bias.data[3] = float("nan")
    with pytest.raises(ValueError, match="not a finite number"):
        evaluate(broken, DataLoader(val), TRAIN_19)


def test_command_line_prints_json(city, net, tmp_path, capsys):
    info = {"label_set": "train19", "view": vars(QUARTER), "mean": [0.3] * 3, "std": [0.2] * 3}
    save_model(tmp_path / "net.pt", net, info)
    main(
        [
            "--checkpoint",
            str(tmp_path / "net.pt"),
            "--root",
            str(city),
            "--json",
            "--batch-size",
            "4",
        ]
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["frames"] == 20 and 0 < printed["mean_iou"] < 1 and len(printed["iou"]) == 19
    assert printed["pixels"] > 50_000


def test_module_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "helpers.evaluate", "--checkpoint", "nowhere.pt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode and "no such checkpoint" in done.stderr


def test_pixel_loss_is_a_sum_over_labeled_pixels():
    logits, target = torch.randn(2, 5, 4, 4), torch.randint(0, 5, (2, 4, 4))
    target[0, :2] = 255
    loss, pixels = pixel_loss(logits, target)
    assert pixels == (target != 255).sum()
    assert torch.allclose(
        loss / pixels, torch.nn.functional.cross_entropy(logits, target, ignore_index=255)
    )
    loss, pixels = pixel_loss(logits, torch.full_like(target, 255))
    assert loss == 0 and pixels == 0


def test_scores_are_printed_by_class_and_then_together(monkeypatch, capsys):
    scores = SimpleNamespace(
        as_dict=lambda: {"frames": 2, "mean_iou": 0.25, "iou": {"road": 0.5, "sky": None}}
    )

    class Frames(list):
        label_set = None

    shown = []

    def progress_bar(items, what, show):
        shown.append(show)
        return items

    monkeypatch.setattr(
        evaluation, "load_for_frames", lambda *arguments: (None, {"label_set": None})
    )
    monkeypatch.setattr(evaluation, "dataset_for", lambda *arguments: Frames([1, 2]))
    monkeypatch.setattr(evaluation, "progress_bar", progress_bar)
    monkeypatch.setattr(evaluation, "evaluate", lambda *arguments, per_frame: scores)
    evaluation.main(["--checkpoint", "c.pt"])
    assert shown == [True]
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["road", "0.5000"],
        ["sky", "absent"],
        ["frames", "2"],
        ["mean_iou", "0.2500"],
    ]


def deaf_network() -> UNet:
    """A small padded network with batch norm, its weights far from those of a fresh one."""
    torch.manual_seed(1)
    model = UNet(width=2, depth=1, padding="same", norm="batch")
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


class Brightness(torch.nn.Module):
    """A good guess without training: the frames of small_root are as bright as their label says."""

    def __init__(self):
        super().__init__()
        self.p = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        std, mean = (
            torch.tensor(values).reshape(3, 1, 1) for values in (CITYSCAPES_STD, CITYSCAPES_MEAN)
        )
        gray = (x * std + mean).mean(1)
        expected = torch.tensor([(7 * i + 20) / 255 for i in TRAIN_19.ids]).reshape(1, 19, 1, 1)
        return -(gray[:, None] - expected).abs()


def validation_set(root) -> CityscapesDataset:
    view = View("frame", padding="same", depth=1)
    return CityscapesDataset(find_rows(root, "val"), root, view)


def test_scores_do_not_depend_on_the_batch_size(root):
    dataset, model = validation_set(root), deaf_network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, three = (evaluate(model, DataLoader(dataset, size), TRAIN_19) for size in (1, 3))
    assert (one.confusion.counts == three.confusion.counts).all() and one.pixels > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_scores_come_in_the_order_of_the_frames(root):
    dataset, model = validation_set(root), deaf_network()
    torch.manual_seed(1)  # an order that is not the identity, should somebody shuffle
    scores = evaluate(model, DataLoader(dataset), TRAIN_19, per_frame=True)
    labeled = [int((target != 255).sum()) for _, target in dataset]
    assert [int(frame.counts.sum()) for frame in scores.per_frame] == labeled and len(
        set(labeled)
    ) == len(labeled)


def test_mean_iou_is_pooled(root):
    scores = evaluate(Brightness(), DataLoader(validation_set(root)), TRAIN_19, per_frame=True)
    pooled = sum(frame.counts for frame in scores.per_frame)[:, :-1]
    hits = np.diag(pooled)
    union = pooled.sum(0) + pooled.sum(1) - hits
    assert (
        scores.mean_iou == pytest.approx((hits[union > 0] / union[union > 0]).mean(), rel=1e-9)
        and hits.sum() > 99
    )


def test_the_checkpoint_says_how_to_normalize(root):
    info = {
        "view": View("crop", 32, "same", 1),
        "label_set": TRAIN_19,
        "mean": (0.1, 0.2, 0.3),
        "std": (0.5, 0.6, 0.7),
    }
    dataset = dataset_for(info, root, "val")
    assert (dataset.mean, dataset.std) == ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
