"""Checkers of chapter 08: IoU from a matrix, counting as the official tool does, a paired
bootstrap.
"""

import warnings

import numpy as np

from extras.exercises import Wrong
from helpers.metrics import ConfusionMatrix


def exercise_1(answer) -> None:
    """iou(matrix [K, K]) -> float [K], nan where a class neither occurs nor is predicted."""
    cases = (
        [[3, 1, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 5, 0], [0, 0, 0], [0, 0, 0]],
        [[2**40, 2**40], [0, 2**40]],
    )
    for case in cases:
        matrix = np.array(case, np.int64)
        hits, union = matrix.diagonal(), matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
        expected = [h / u if u else np.nan for h, u in zip(hits.tolist(), union.tolist())]
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                got = np.asarray(answer(matrix.copy()))
            except RuntimeWarning as warning:
                raise Wrong(
                    f"numpy warned ({warning}): divide only where the union is positive"
                ) from None
        if got.shape != (len(matrix),) or got.dtype.kind != "f":
            raise Wrong(
                f"expected one float for each of {len(matrix)} classes, found {got.dtype} "
                f"{got.shape}"
            )
        for c, (value, right) in enumerate(zip(got, expected)):
            if np.isnan(right) and not np.isnan(value):
                raise Wrong(
                    f"class {c} neither occurs nor is predicted: its IoU is nan, you return {value}"
                )
            if not np.isnan(right) and not np.isclose(value, right, rtol=1e-12, atol=0):
                recall = hits[c] / max(matrix[c].sum(), 1)
                hint = ""
                if np.isclose(value, recall):
                    hint = "; that is the class accuracy: false alarms count too"
                raise Wrong(
                    f"for the matrix {case} class {c} has IoU {right:.3f}, you return "
                    f"{value:.3f}{hint}"
                )


def exercise_2(answer) -> None:
    """count(truth, prediction, classes) -> int [classes, classes + 1], the last column "predicted
    as 255".
    """
    random = np.random.RandomState(8)
    for classes in (3, 19):
        truth = random.randint(0, classes, 5000).astype(np.uint8)
        prediction = random.randint(0, classes, 5000).astype(np.uint8)
        truth[random.rand(5000) < 0.2] = 255
        prediction[random.rand(5000) < 0.1] = 255
        confusion = ConfusionMatrix(classes)
        confusion.update(prediction, truth)
        got = np.asarray(answer(truth.copy(), prediction.copy(), classes))
        if got.shape != (classes, classes + 1):
            raise Wrong(
                f"expected the shape ({classes}, {classes + 1}), the last column for predictions "
                f"of 255; found {got.shape}"
            )
        if got.dtype.kind not in "iu":
            raise Wrong(f"counts are integers, found {got.dtype}")
        expected = confusion.counts
        if got.sum() != (truth != 255).sum():
            raise Wrong(
                f"{(truth != 255).sum()} pixels are labeled, your matrix counts {got.sum()}"
            )
        if np.array_equal(got, expected):
            continue
        if np.array_equal(got[:, :-1], expected[:, :-1].T):
            raise Wrong("rows are the truth, columns the prediction: yours are swapped")
        raise Wrong(
            f"with {classes} classes some entries differ: is uint8 too narrow, or the last column "
            "wrong?"
        )


def exercise_3(answer) -> None:
    """share_better(a, b, draws) -> share of draws in which the pooled mIoU of b is larger, the same
    draw for both.
    """
    random = np.random.RandomState(3)
    good = np.array([[900, 100], [100, 900]])
    bad = np.array([[300, 700], [700, 300]])
    a = np.stack([good if random.rand() < 0.5 else bad for _ in range(12)])
    better = a + np.array([[5, -5], [-5, 5]])  # a little better in every frame
    gain = np.where(random.rand(12) < 0.6, 20, -20)
    mixed = a + gain[:, None, None] * np.array([[1, -1], [-1, 1]])
    draws = random.multinomial(12, [1 / 12] * 12, size=200)
    one_class = np.stack([np.array([[0, 1000], [0, 1000]])] * 12)
    both = np.stack([np.array([[500, 500], [300, 700]])] * 12)
    for first, second, name in (
        (a, better, "always a little better"),
        (a, mixed, "better in some frames"),
        (a, a, "equal to A"),
        (one_class, both, "the only one to find both classes"),
    ):
        # A draw says of every frame how often it was drawn.
        pooled_wins = []
        frame_wins = []  # of the frames' mean mIoU, the usual mistake
        each_first = [_mean_iou(matrix) for matrix in first]
        each_second = [_mean_iou(matrix) for matrix in second]
        for draw in draws:
            pooled_first = _mean_iou(np.tensordot(draw, first, 1))
            pooled_second = _mean_iou(np.tensordot(draw, second, 1))
            pooled_wins.append(pooled_second > pooled_first)
            frame_wins.append(np.dot(draw, each_second) > np.dot(draw, each_first))

        expected = np.mean(pooled_wins)
        per_frame = np.mean(frame_wins)
        got = answer(first.copy(), second.copy(), draws.copy())
        if np.isclose(got, expected, rtol=0, atol=1e-9):
            continue
        hint = (
            "A and B must be compared on the same draw of frames, pooled, and only a larger mIoU "
            "counts"
        )
        if np.isclose(got, per_frame) and per_frame != expected:
            hint = "pool the matrices of a draw first, then compute one mIoU"
        raise Wrong(
            f"a B that is {name} wins {expected:.1%} of these draws, you say {float(got):.1%}: "
            f"{hint}"
        )


def _mean_iou(matrix) -> float:
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    return float(np.mean(matrix.diagonal()[union > 0] / union[union > 0]))
