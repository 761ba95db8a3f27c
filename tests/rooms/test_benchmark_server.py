"""Scores against Cityscapes' own evaluation, to 1e-12."""

import math

import numpy as np
import pytest
from PIL import Image

from extras.benchmark_server.official import (
    copy_ground_truth,
    official_scores,
    old_numpy_names,
    run_tool,
)
from helpers.csv_index import find_rows
from helpers.images import open_label
from helpers.labels import LABELS, TRAIN_19
from helpers.metrics import ConfusionMatrix
from tests.official_scores import OfficialScores, mean

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
def official(city):
    """The module of the official script, imported with the environment it wants and put back as it
    was.
    """
    pytest.importorskip("cityscapesscripts")
    with pytest.MonkeyPatch.context() as patch, old_numpy_names():
        patch.setenv("CITYSCAPES_DATASET", str(city))
        patch.delenv("CITYSCAPES_EXPORT_DIR", raising=False)
        from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as script

        script.args.quiet, script.args.JSONOutput = True, False
        yield script


@pytest.fixture(scope="module")
def truth(city):
    """(label path, label ids, instance ids) of the first frames of val, whole."""
    paths = [city / row.label for row in find_rows(city, "val")[:FRAMES]]
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
    if kind == "perfect":
        assert confusion.mean_iou() == 1.0 and mean(own.instance_iou()) == 1.0
    if kind == "all void":
        assert (
            confusion.mean_iou() == 0.0 and confusion.counts[:, -1].sum() == confusion.counts.sum()
        )


def test_a_crop_equals_the_official_script_where_the_rest_is_void(official, truth, tmp_path):
    """A net sees the center crop only: as a label file that is unlabeled outside the crop."""
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


def test_the_command_line_tool_runs_and_writes_nothing_into_the_data(city, tmp_path):
    pytest.importorskip("cityscapesscripts")
    rows = find_rows(city, "val")[:1]
    data = copy_ground_truth(city, rows, tmp_path / "data")
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
