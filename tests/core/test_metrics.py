"""The confusion matrix against torchmetrics, scikit-learn and the official evaluation."""

import numpy as np
import pytest
import torch

from helpers.metrics import ConfusionMatrix


def random_pair(seed=0, shape=(4, 37, 53), classes=19):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, shape)
    prediction = np.where(rng.random(shape) < 0.6, truth, rng.integers(0, classes, shape))
    truth[rng.random(shape) < 0.08] = 255
    return prediction.astype(np.uint8), truth.astype(np.uint8)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_counts_equal_scikit_learn_and_torchmetrics(kind):
    prediction, truth = random_pair()
    matrix = ConfusionMatrix(19)
    for p, t in zip(prediction, truth):
        matrix.update(kind(p), kind(t))
    valid = truth != 255
    sklearn = pytest.importorskip("sklearn.metrics")
    assert (
        matrix.matrix == sklearn.confusion_matrix(truth[valid], prediction[valid], labels=range(19))
    ).all()
    torchmetrics = pytest.importorskip("torchmetrics.classification")
    other = torchmetrics.MulticlassConfusionMatrix(19, ignore_index=255)
    assert (
        matrix.matrix
        == other(torch.from_numpy(prediction).long(), torch.from_numpy(truth).long()).numpy()
    ).all()
    assert matrix.pixel_accuracy() == (prediction == truth)[valid].mean()


def test_scores_by_hand():
    matrix = ConfusionMatrix(4)
    matrix.update(np.array([[0, 0, 1, 1, 1, 255, 0]]), np.array([[0, 0, 0, 1, 1, 1, 255]]))
    assert matrix.matrix[:2, :2].tolist() == [[2, 1], [0, 2]]
    assert matrix.counts[:, -1].tolist() == [0, 1, 0, 0]  # called 255 where the truth is a class
    assert matrix.iou()[:2].tolist() == [2 / 3, 2 / 4] and np.isnan(matrix.iou()[2:]).all()
    assert (
        matrix.mean_iou() == pytest.approx((2 / 3 + 1 / 2) / 2) and matrix.pixel_accuracy() == 4 / 6
    )


def test_absent_and_false_alarm():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([0, 2]), np.array([0, 0]))
    assert matrix.iou()[0] == 0.5 and np.isnan(matrix.iou()[1]) and matrix.iou()[2] == 0.0
    assert np.isnan(ConfusionMatrix(3).mean_iou())


def test_void_predictions_do_not_matter():
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([0, 1, 2]), np.array([255, 255, 255]))
    assert not matrix.counts.any()


def test_bad_values_are_named():
    matrix = ConfusionMatrix(3)
    with pytest.raises(ValueError, match="1 pixels have a class outside 0..2 that is not 255"):
        matrix.update(np.array([7]), np.array([0]))
    with pytest.raises(ValueError, match="differ in shape"):
        matrix.update(np.zeros((2, 2), int), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="argmax"):
        matrix.update(np.zeros(2), np.zeros(2, int))
    with pytest.raises(ValueError, match="argmax"):
        matrix.update(torch.zeros(2), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="300"):
        matrix.update(np.array([300]), np.array([0]))
    with pytest.raises(ValueError, match="class outside 0..2"):
        matrix.update(torch.tensor([5]), torch.tensor([0]))
    with pytest.raises(ValueError, match="class outside 0..2"):
        matrix.update(torch.tensor([0]), torch.tensor([3]))
    for prediction, truth in ((400, 0), (-1, 254), (300, 254), (0, -1), (0, 300)):
        found = max(prediction, truth) if min(prediction, truth) >= 0 else -1
        with pytest.raises(ValueError, match=f"values {found} to {found}"):
            matrix.update(torch.tensor([prediction]), torch.tensor([truth]))
    assert not matrix.counts.any()  # what was refused is not counted


def test_no_overflow_at_the_size_of_cityscapes():
    matrix = ConfusionMatrix(19)
    frame = np.zeros((1024, 2048), np.uint8)
    matrix.update(frame, frame)
    one = matrix.counts.copy()
    for _ in range(12):
        matrix.counts = matrix.counts + matrix.counts  # 4096 frames
    assert (matrix.counts == one * 4096).all() and matrix.counts[0, 0] == 4096 * 2**21
    assert matrix.pixel_accuracy() == 1.0


def test_tensors_after_arrays_and_mixed_kinds():
    prediction, truth = random_pair(1)
    expected = ConfusionMatrix(19)
    expected.update(np.concatenate([prediction] * 3), np.concatenate([truth] * 3))
    mixed = ConfusionMatrix(19)
    mixed.update(prediction, truth)
    mixed.update(torch.from_numpy(prediction), torch.from_numpy(truth).long())
    mixed.update(torch.from_numpy(prediction).long(), truth)
    assert (mixed.counts == expected.counts).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.uint64])
def test_every_integer_type_counts_the_same(dtype):
    prediction, truth = random_pair(2)
    expected, matrix = ConfusionMatrix(19), ConfusionMatrix(19)
    expected.update(prediction, truth)
    matrix.update(prediction.astype(dtype), truth.astype(dtype))
    assert (matrix.counts == expected.counts).all() and matrix.counts.dtype == np.int64


def test_many_classes_need_more_than_eight_bits():
    truth = np.arange(250, dtype=np.uint8).repeat(300)
    matrix = ConfusionMatrix(250)
    matrix.update(truth[::-1].copy(), truth)
    assert (matrix.matrix == 300 * np.eye(250, dtype=int)[::-1]).all()


def test_bool_and_single_pixels():
    matrix = ConfusionMatrix(2)
    with pytest.raises(ValueError, match="dtype torch.bool"):
        matrix.update(np.ones(3, bool), np.ones(3, np.uint8))
    matrix.update(np.uint8(1), np.uint8(0))
    assert matrix.matrix.tolist() == [[0, 1], [0, 0]]
    matrix.update(np.empty((0, 4), np.uint8), np.empty((0, 4), np.uint8))
    assert matrix.matrix.sum() == 1


def test_pooled_is_not_the_mean_of_frames():
    """Two frames whose pooled score differs from the mean of their scores, by hand: 5/6 and (1/2 +
    1) / 2.
    """
    one, other = ConfusionMatrix(1), ConfusionMatrix(1)
    one.update(np.array([0, 255]), np.array([0, 0]))
    other.update(np.zeros(4, int), np.zeros(4, int))
    both = ConfusionMatrix(1)
    both.update(np.array([0, 255]), np.array([0, 0]))
    both.update(np.zeros(4, int), np.zeros(4, int))
    assert both.mean_iou() == 5 / 6 and one.mean_iou() == 0.5 and other.mean_iou() == 1.0


def test_a_picture_that_was_just_opened_is_counted_without_a_warning(recwarn):
    opened = np.array([[0, 1], [1, 255]], np.uint8)
    opened.flags.writeable = False  # as pillow's arrays are
    counted = ConfusionMatrix(2)
    torch.set_warn_always(True)
    counted.update(opened, opened)
    torch.set_warn_always(False)
    assert counted.pixel_accuracy() == 1 and not recwarn.list
