"""Checkers of chapter 08: IoU of one class, counting pairs; IoU of a matrix, a paired bootstrap."""

import warnings

import numpy as np
import torch

from extras.exercises import Wrong, explain
from helpers.metrics import count_pairs


def class_iou(truth, prediction, number):
    """Intersection over union of one class in two label maps."""
    asked = truth != 255
    is_class = (truth == number) & asked
    called = (prediction == number) & asked
    return (is_class & called).sum() / (is_class | called).sum()


def turn_a(answer) -> None:
    """class_iou(truth, prediction, number) -> float."""
    truth = np.array([[0, 0, 0, 1], [0, 1, 1, 1], [255, 1, 2, 2]], np.uint8)
    prediction = np.array([[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 2, 2]], np.uint8)
    for number in (0, 1, 2):
        asked = truth != 255
        is_class = truth == number
        called = prediction == number
        found = (is_class & called).sum()
        expected = found / (is_class | (called & asked)).sum()
        got = float(answer(truth, prediction, number))
        if abs(got - expected) < 1e-9:
            continue
        if abs(got - found / (is_class | called).sum()) < 1e-9:
            raise Wrong(
                f"class {number}: you counted the void pixel as a false alarm; where the truth is "
                "255 nobody is asked"
            )
        if abs(got - found / is_class.sum()) < 1e-9:
            raise Wrong(
                f"class {number}: {got:.3f} is the recall, TP / (TP + FN): false alarms must cost "
                "something too"
            )
        if abs(got - found / (called & asked).sum()) < 1e-9:
            raise Wrong(
                f"class {number}: {got:.3f} is the precision, TP / (TP + FP): what was missed must "
                "cost something too"
            )
        both = is_class.sum() + (called & asked).sum()
        if abs(got - 2 * found / both) < 1e-9:
            raise Wrong(f"class {number}: {got:.3f} is the Dice coefficient; IoU counts TP once")
        if abs(got - found / both) < 1e-9:
            raise Wrong(
                f"class {number}: the sum of the two regions counts their overlap twice: take it "
                "off once, or use |"
            )
        raise Wrong(f"class {number} has an IoU of {expected:.3f}, you return {got:.3f}")


def turn_b(answer) -> None:
    """count_pairs(prediction, target) -> int64 [256, 256]."""
    random = torch.Generator().manual_seed(8)
    target = torch.randint(0, 19, (40, 50), generator=random, dtype=torch.int32)
    prediction = torch.randint(0, 19, (40, 50), generator=random, dtype=torch.int32)
    target[:5] = 255
    fewer = (
        "65,536 counts were expected, and there are fewer: torch.bincount stops at the largest "
        "number it sees, unless you give it minlength"
    )
    with explain(RuntimeError, "is invalid for input of size", hint=fewer):
        got = answer(prediction.clone(), target.clone())
    if not isinstance(got, torch.Tensor):
        raise Wrong(f"expected a tensor [256, 256], found {type(got).__name__}")
    if tuple(got.shape) == (256 * 256,):
        raise Wrong("these are 65,536 counts in a row: reshape them to 256 x 256")
    if tuple(got.shape) != (256, 256):
        raise Wrong(
            f"expected a tensor [256, 256], found {list(got.shape)}: values up to 255 are counted, "
            "and rows and columns are cut off later"
        )
    if got.is_floating_point():
        raise Wrong(
            f"counts are whole numbers, these are {got.dtype}: float32 has no 16,777,217, and a "
            "data set has more pixels than that"
        )
    expected = count_pairs(prediction, target)
    if torch.equal(got, (expected > 0).to(got.dtype)):
        raise Wrong("each pair is counted once only: `matrix[rows, columns] += 1` does not repeat")
    if torch.equal(got, expected.T):
        raise Wrong("rows are the truth, columns the prediction: yours are swapped")
    if int(got.sum()) == int((target != 255).sum()):
        raise Wrong("the void pixels are missing: count all, the row of 255 is cut off afterwards")
    if int(got.sum()) != target.numel():
        raise Wrong(f"there are {target.numel()} pixels, you count {int(got.sum())}")
    if not torch.equal(got, expected):
        raise Wrong(
            "some pairs have a wrong count: two pairs must not share a number, so the truth has to "
            "be multiplied by 256"
        )


TURNS = {"A": class_iou, "B": count_pairs}


def exercise_1(answer) -> None:
    """other_scores(matrix [K, K]) -> precision, recall, Dice, float [K], nan for 0 / 0."""
    cases = (
        [[3, 1, 1, 0], [1, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 5, 0], [0, 0, 0], [0, 0, 0]],
        [[2**40, 2**40], [0, 2**40]],
    )
    for case in cases:
        matrix = np.array(case, np.int64)
        hits, there, called = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        expected = {
            "precision": _divided(hits, called),
            "recall": _divided(hits, there),
            "Dice": _divided(2 * hits, there + called),
        }
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                found = answer(matrix.copy())
            except RuntimeWarning as warning:
                raise Wrong(
                    f"numpy warned ({warning}): divide only where the divisor is positive"
                ) from None
        if not isinstance(found, (tuple, list)) or len(found) != 3:
            raise Wrong(f"return precision, recall and Dice; found {type(found).__name__}")
        for (name, right), got in zip(expected.items(), found):
            _check_score(name, right, np.asarray(got), case, {**expected, "IoU": _iou(matrix)})


def _divided(part, whole) -> list[float]:
    return [p / w if w else np.nan for p, w in zip(part.tolist(), whole.tolist())]


def _iou(matrix) -> list[float]:
    hits = matrix.diagonal()
    return _divided(hits, matrix.sum(axis=0) + matrix.sum(axis=1) - hits)


def _check_score(name: str, right: list, got: np.ndarray, case, scores: dict) -> None:
    """Raise Wrong unless `got` is the score called `name`; say which other score it is."""
    if got.shape != (len(right),) or got.dtype.kind != "f":
        raise Wrong(
            f"{name}: expected one float for each of {len(right)} classes, found {got.dtype} "
            f"{got.shape}"
        )
    for number, (value, wanted) in enumerate(zip(got, right)):
        if np.isnan(wanted) and not np.isnan(value):
            raise Wrong(f"the {name} of class {number} in {case} is 0 / 0: nan, you return {value}")
        if not np.isnan(wanted) and not np.isclose(value, wanted, rtol=1e-6, atol=0):
            hint = ""
            for other, values in scores.items():
                if other != name and np.allclose(got, values, equal_nan=True):
                    hint = f"; that is the {other}"
            raise Wrong(
                f"for the matrix {case} class {number} has the {name} {wanted:.3f}, you return "
                f"{value:.3f}{hint}"
            )


def exercise_2(answer) -> None:
    """share_better(a, b, draws) -> share of draws in which the pooled mIoU of b is larger, the same
    draw for both.
    """
    random = np.random.RandomState(3)
    good = np.array([[900, 100], [100, 900]])
    bad = np.array([[300, 700], [700, 300]])
    a = np.stack([good if random.rand() < 0.5 else bad for _ in range(12)])
    better = a + np.array([[5, -5], [-5, 5]])  # a little better in every frame
    mixed = a + np.where(random.rand(12) < 0.6, 20, -20)[:, None, None] * np.array(
        [[1, -1], [-1, 1]]
    )
    draws = random.multinomial(12, [1 / 12] * 12, size=200)
    one_class, both = (
        np.stack([np.array(m)] * 12) for m in ([[0, 1000], [0, 1000]], [[500, 500], [300, 700]])
    )
    # B has fewer pixels right, but it never calls the third class, which is not there.
    stray, plain = (
        np.stack([np.array(m)] * 12)
        for m in (
            [[90, 8, 2], [8, 90, 2], [0, 0, 0]],
            [[88, 12, 0], [12, 88, 0], [0, 0, 0]],
        )
    )
    for first, second, name in (
        (a, better, "always a little better"),
        (a, mixed, "better in some frames"),
        (a, a, "equal to A"),
        (one_class, both, "the only one to find both classes"),
        (stray, plain, "the only one not to call a class that is not there"),
    ):
        pooled = [[_mean_iou(np.tensordot(d, m, 1)) for m in (first, second)] for d in draws]
        expected = np.mean([of_b > of_a for of_a, of_b in pooled])
        got = float(answer(first.copy(), second.copy(), draws.copy()))
        if np.isclose(got, expected, rtol=0, atol=1e-9):
            continue
        if not 0 <= got <= 1:
            raise Wrong(f"a share lies between 0 and 1, you return {got:g}")
        hint = (
            "A and B must be compared on the same draw of frames, pooled, and only a larger mIoU "
            "counts"
        )
        means = [[_mean_iou(m) for m in frames] for frames in (first, second)]
        per_frame = np.mean([np.dot(d, means[1]) > np.dot(d, means[0]) for d in draws])
        listed = [[_mean_iou(frames[d].sum(0)) for frames in (first, second)] for d in draws]
        as_numbers = np.mean([of_b > of_a for of_a, of_b in listed])
        if np.isclose(got, per_frame):
            hint = "pool the matrices of a draw first, then compute one mIoU"
        if np.isclose(got, as_numbers):
            hint = "a draw does not list numbers of frames; it says how often each frame occurs"
        if first is stray:
            hint = (
                "mIoU is the mean over the classes that occur or are called; the third one counts "
                "for A alone"
            )
        raise Wrong(
            f"a B that is {name} wins {expected:.1%} of these draws, you say {got:.1%}: {hint}"
        )


def _mean_iou(matrix) -> float:
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    return float(np.mean(matrix.diagonal()[union > 0] / union[union > 0]))
