"""Scores against Cityscapes' own evaluation, to 1e-12; evaluate() against plain loops; what must be
refused.
"""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from extras.benchmark_server.instances import OfficialScores, mean
from extras.benchmark_server.official import (
    copy_ground_truth,
    official_scores,
    old_numpy_names,
    run_tool,
)
from extras.explorers import protocols
from helpers.checkpoints import save_model
from helpers.csv_index import find_rows, write_csv
from helpers.dataset import CityscapesCsv
from helpers.evaluate import dataset_for, evaluate, main, merge_scores
from helpers.images import open_label
from helpers.labels import ALL_30, IGNORE, LABELS, TRAIN_19
from helpers.metrics import ConfusionMatrix, category_groups
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import View
from scripts.pinned import CITY

FRAMES = 2
EVALUATED = [label for label in LABELS if not label.ignore_in_eval]
PREDICTIONS = {
    "perfect": lambda truth, random: truth,
    "shifted": lambda truth, random: np.roll(truth, 8, axis=1),
    "random": lambda truth, random: random.integers(0, 34, truth.shape).astype(np.uint8),
    "all void": lambda truth, random: np.zeros_like(truth),
    "single class": lambda truth, random: np.full_like(truth, 26),
    "ignored ids on valid pixels": lambda truth, random: np.where(
        random.random(truth.shape) < 0.3, random.choice([0, 4, 9, 29, 30], truth.shape), truth
    ).astype(np.uint8),
}


@pytest.fixture(scope="module")
def official():
    """The module of the official script, imported with the environment it wants and put back as it
    was.
    """
    pytest.importorskip("cityscapesscripts")
    with pytest.MonkeyPatch.context() as patch, old_numpy_names():
        patch.setenv("CITYSCAPES_DATASET", str(CITY))
        patch.delenv("CITYSCAPES_EXPORT_DIR", raising=False)
        from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as script

        script.args.quiet, script.args.JSONOutput = True, False
        yield script


@pytest.fixture(scope="module")
def truth():
    """(label path, label ids, instance ids) of the first frames of val, whole."""
    paths = [CITY / row.label for row in find_rows(CITY, "val")[:FRAMES]]
    return [
        (p, open_label(p), np.asarray(Image.open(str(p).replace("labelIds", "instanceIds"))))
        for p in paths
    ]


def assert_equal_scores(own: OfficialScores, result: dict) -> None:
    pairs = (
        (own.iou(), "classScores", "averageScoreClasses"),
        (own.instance_iou(), "classInstScores", "averageScoreInstClasses"),
        (own.category_iou(), "categoryScores", "averageScoreCategories"),
        (own.category_instance_iou(), "categoryInstScores", "averageScoreInstCategories"),
    )
    for ours, theirs, average in pairs:
        defined = {name: value for name, value in result[theirs].items() if not math.isnan(value)}
        assert {name for name, value in ours.items() if not math.isnan(value)} == set(defined)
        assert all(abs(ours[name] - value) <= 1e-12 for name, value in defined.items())
        assert abs(mean(ours) - result[average]) <= 1e-12 or (
            math.isnan(mean(ours)) and math.isnan(result[average])
        )


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_whole_frames_equal_the_official_script(official, truth, kind, tmp_path):
    random = np.random.default_rng(5)
    own, confusion, files = OfficialScores(), ConfusionMatrix(19), []
    for path, labels, instances in truth:
        prediction = PREDICTIONS[kind](labels, random)
        own.update(prediction, labels, instances)
        confusion.update(TRAIN_19.encode(prediction), TRAIN_19.encode(labels))
        files.append(str(tmp_path / path.name))
        Image.fromarray(prediction).save(files[-1])
    result = official.evaluateImgLists(files, [str(path) for path, _, _ in truth], official.args)
    assert_equal_scores(own, result)
    assert (own.matrix == np.array(result["confMatrix"])).all()
    for label, value in zip(EVALUATED, confusion.iou()):
        theirs = result["classScores"][label.name]
        assert abs(value - theirs) <= 1e-12 or (math.isnan(value) and math.isnan(theirs))
    assert abs(confusion.mean_iou() - result["averageScoreClasses"]) <= 1e-12
    names, groups = category_groups(TRAIN_19)
    for name, value in zip(names, confusion.merged(groups).iou()):
        assert abs(value - result["categoryScores"][name]) <= 1e-12
    if kind == "perfect":
        assert confusion.mean_iou() == 1.0 and mean(own.instance_iou()) == 1.0
    if kind == "all void":
        assert confusion.mean_iou() == 0.0 and confusion.missed.sum() == confusion.counts.sum()


def test_a_crop_equals_the_official_script_where_the_rest_is_void(official, truth, tmp_path):
    """A net sees the center crop only: the same as a label file that is unlabeled outside the crop."""
    random = np.random.default_rng(6)
    confusion, predictions, labels_files = ConfusionMatrix(19), [], []
    for path, labels, _ in truth:
        top, left = (np.array(labels.shape) - 388) // 2
        crop = np.s_[top : top + 388, left : left + 388]
        prediction = PREDICTIONS["random"](labels, random)
        confusion.update(TRAIN_19.encode(prediction[crop]), TRAIN_19.encode(labels[crop]))
        void = np.zeros_like(labels)
        void[crop] = labels[crop]
        for folder, array, files in (("p", prediction, predictions), ("gt", void, labels_files)):
            (tmp_path / folder).mkdir(exist_ok=True)
            files.append(str(tmp_path / folder / path.name))
            Image.fromarray(array).save(files[-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(official.args, "evalInstLevelScore", False)
        result = official.evaluateImgLists(predictions, labels_files, official.args)
    for label, value in zip(EVALUATED, confusion.iou()):
        theirs = result["classScores"][label.name]
        assert abs(value - theirs) <= 1e-12 or (math.isnan(value) and math.isnan(theirs))
    assert abs(confusion.mean_iou() - result["averageScoreClasses"]) <= 1e-12


def test_the_command_line_tool_runs_and_writes_nothing_into_the_data(tmp_path):
    pytest.importorskip("cityscapesscripts")
    rows = find_rows(CITY, "val")[:1]
    data = copy_ground_truth(CITY, rows, tmp_path / "data")
    labels = open_label(data / rows[0].label)
    instances = np.asarray(Image.open(data / rows[0].label.replace("labelIds", "instanceIds")))
    prediction = np.roll(labels, 8, axis=1)
    (tmp_path / "results").mkdir()
    Image.fromarray(prediction).save(tmp_path / "results" / f"{rows[0].city}_{rows[0].frame}_x.png")
    before = sorted(tmp_path.rglob("*"))
    result = official_scores(data, tmp_path / "results")
    assert sorted(tmp_path.rglob("*")) == before
    own = OfficialScores()
    own.update(prediction, labels, instances)
    assert_equal_scores(own, result)
    with pytest.raises(RuntimeError, match="Found multiple predictions"):
        official_scores(data, data)


def test_old_numpy_names_come_and_go():
    had = hasattr(np, "in1d")
    with old_numpy_names():
        assert np.in1d([1, 5], [5, 6]).tolist() == [False, True]
        assert np.in1d([1, 5], [5, 6], invert=True).tolist() == [True, False]
    assert hasattr(np, "in1d") == had
    with pytest.raises(RuntimeError, match="no command of cityscapesscripts"):
        run_tool("csNoSuchTool")


def test_instances_need_their_own_file():
    with pytest.raises(ValueError, match="_instanceIds.png"):
        OfficialScores().update(
            np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.int32)
        )


# --- evaluate()
# ---------------------------------------------------------------------------------------------------

QUARTER = View("frame", padding="same", height=64)  # 128 x 64, so that the tests take no time


@pytest.fixture(scope="module")
def val(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluate") / "val.csv"
    write_csv(CITY, "val", path)
    return CityscapesCsv(path, CITY, QUARTER, limit=5)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return UNet(width=2, padding="same", norm="batch")


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_evaluate_equals_plain_loops(net, val, batch_size):
    net.train()
    scores = evaluate(net, val, batch_size)
    assert net.training, "evaluate must leave the model as it found it"
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
        label_set = TRAIN_19

        def __len__(self):
            return 3

        def __getitem__(self, index):
            image, target = val[index]
            if index == 1:  # hardly anything is labeled
                target = torch.where(torch.arange(target.shape[1]) < 2, target, IGNORE)
            return image, target if index < 2 else torch.full_like(
                target, IGNORE
            )  # and once nothing at all

    scores = evaluate(net, Uneven())
    assert (
        math.isfinite(scores.loss_per_batch)
        and abs(scores.loss_per_pixel - scores.loss_per_batch) > 1e-4
    )
    assert scores.per_frame[2].counts.sum() == 0 and math.isnan(scores.per_frame[2].mean_iou())


def test_withheld_labels_and_empty_splits_are_said(net, tmp_path):
    write_csv(CITY, "test", tmp_path / "test.csv")
    dataset = CityscapesCsv(tmp_path / "test.csv", CITY, QUARTER, limit=1)
    with pytest.raises(ValueError, match="withheld"):
        evaluate(net, dataset)
    with pytest.raises(FileNotFoundError, match="splits there"):
        dataset_for(
            {"view": QUARTER, "label_set": TRAIN_19, "mean": (0, 0, 0), "std": (1, 1, 1)},
            CITY,
            "holiday",
        )


def test_a_model_that_does_not_fit_is_refused(val):
    with pytest.raises(ValueError, match="of 19 classes"):
        evaluate(UNet(num_classes=11, width=2, padding="same"), val)
    with pytest.raises(ValueError, match="the label set must be"):
        evaluate(torch.nn.Conv2d(3, 19, 3), val)
    broken = UNet(width=2, padding="same")
    broken.head.bias.data[3] = float("nan")
    with pytest.raises(ValueError, match="not a finite number"):
        evaluate(broken, val)


def test_merged_scores_count_merged_classes(net, val):
    scores = evaluate(net, val)
    merged = merge_scores(scores)
    assert merged.classes == 11 and merged.counts.sum() == scores.confusion.counts.sum()
    assert merged.pixel_accuracy() >= scores.pixel_accuracy
    assert merge_scores(scores, into=ALL_30).mean_iou() == scores.mean_iou


def test_command_line_prints_json(net, tmp_path, capsys):
    info = {"label_set": "train19", "view": vars(QUARTER), "mean": [0.3] * 3, "std": [0.2] * 3}
    save_model(tmp_path / "net.pt", net, info)
    main(
        [
            "--checkpoint",
            str(tmp_path / "net.pt"),
            "--root",
            str(CITY),
            "--json",
            "--batch-size",
            "4",
        ]
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["frames"] == 20 and 0 < printed["mean_iou"] < 1 and len(printed["iou"]) == 19
    assert 0 < printed["mean_iou_camvid11"] < 1 and printed["pixels"] > 50_000


def test_module_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "helpers.evaluate", "--checkpoint", "nowhere.pt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert done.returncode and "no such checkpoint" in done.stderr


# --- protocols
# ----------------------------------------------------------------------------------------------------


def test_protocols_by_hand():
    """Two frames of two classes; class 1 is absent from the second, one void pixel is called 0."""
    frames = [
        (np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1])),
        (np.array([0, 0]), np.array([0, 255])),
    ]
    tables = [protocols.count(p, t, 2) for p, t in frames]
    assert tables[0].tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert tables[1].tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    pooled = (3 / 4 + 1 / 2) / 2
    assert protocols.score(tables, "pooled", "left out", "left out") == pooled
    assert protocols.score(tables, "per batch", "left out", "left out", batch=2) == pooled
    first = (2 / 3 + 1 / 2) / 2
    for absent, second in (("left out", 1.0), ("as 0", 0.5), ("as 1", 1.0)):
        assert protocols.score(tables, "per image", absent, "left out") == pytest.approx(
            (first + second) / 2
        )
    assert protocols.score(tables, "pooled", "left out", "as false alarms") == (3 / 5 + 1 / 2) / 2
    assert protocols.score(tables, "pooled", "left out", "as a class") == pytest.approx(
        (3 / 5 + 1 / 2 + 0) / 3
    )


def test_protocols_agree_with_the_matrix_and_the_explorer_shows_them(net, val):
    scores, tables = evaluate(net, val), []
    net.eval()
    with torch.no_grad():
        for image, target in (val[i] for i in range(5)):
            tables.append(
                protocols.count(net(image[None])[0].argmax(0).numpy(), target.numpy(), 19)
            )
    everything = protocols.all_scores({"whole frame": tables, "center crop": tables[:1]})
    assert everything[protocols.OFFICIAL] == scores.mean_iou and len(everything) == 54
    per_image = np.mean([m.mean_iou() for m in scores.per_frame])
    assert everything["per image", "left out", "left out", "whole frame"] == pytest.approx(
        per_image, abs=1e-15
    )
    explorer = protocols.ProtocolExplorer(
        {"whole frame": tables, "center crop": tables[:1]}, TRAIN_19.names
    )
    picture = explorer.picture.value
    explorer.absent.value = "as 1"
    assert explorer.picture.value != picture and "absent as 1" in repr(explorer)
    assert explorer._repr_mimebundle_()["image/png"]
    assert protocols.as_text(everything).count("\n") == 10
