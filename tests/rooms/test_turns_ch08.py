"""Chapter 08: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import numpy as np
import pytest

from extras.exercises import ch08, verdict

CODES_WITHOUT_VOID = "codes = (256 * target + prediction)[target != 255]"
RETURN = "return (is_class & called).sum() / (is_class | called).sum()"
WRONG = [
    ("08.A", "called = (prediction == number) & asked", "called = prediction == number", "void"),
    ("08.A", RETURN, "return (is_class & called).sum() / is_class.sum()", "the recall"),
    (
        "08.A",
        RETURN,
        "return 2 * (is_class & called).sum() / (is_class.sum() + called.sum())",
        "the Dice coefficient",
    ),
    ("08.A", RETURN, RETURN.replace("is_class | called", "called"), "the precision"),
    (
        "08.A",
        RETURN,
        "return (is_class & called).sum() / (is_class.sum() + called.sum())",
        "counts their overlap twice",
    ),
    ("08.A", RETURN, "(is_class & called).sum()", "without `return`"),
    ("08.B", "256 * target + prediction", "256 * prediction + target", "yours are swapped"),
    ("08.B", "return counts.reshape(256, 256)", "return counts", "reshape them"),
    ("08.B", "counts.reshape(256, 256)", "counts.reshape(256, 256)[:19, :19]", "cut off later"),
    ("08.B", "counts.reshape(256, 256)", "counts.reshape(256, 256).float()", "whole numbers"),
    ("08.B", "counts.reshape(256, 256)", "counts.reshape(256, 256).numpy()", "found ndarray"),
    ("08.B", "counts.reshape(256, 256)", "counts.clamp(max=1).reshape(256, 256)", "once only"),
    ("08.B", "codes = 256 * target + prediction", CODES_WITHOUT_VOID, "void pixels are missing"),
    ("08.B", ", minlength=256 * 256", "", "minlength"),
    ("08.B", "256 * target", "19 * target", "multiplied by 256"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch08.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch08))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


@pytest.mark.parametrize(
    "scores, phrase",
    [
        ([np.ones(4)] * 2, "return precision, recall and Dice"),
        (np.ones((3, 4)), "found ndarray"),
        ([np.ones(3)] * 3, "one float for each of 4 classes"),
        ([np.ones(4, int)] * 3, "found int64 (4,)"),
        ([np.ones(4)] * 3, "class 0 has the precision 0.750, you return 1.000"),
    ],
)
def test_what_is_no_three_scores(scores, phrase):
    assert phrase in verdict("08.1", lambda matrix: scores)


def test_a_small_number_in_the_divisor_is_no_nan():
    def other_scores(matrix):
        hits, there, called = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
        wholes = (called, there, (there + called) / 2)
        return tuple(hits / (whole + 1e-9) for whole in wholes)

    assert "is 0 / 0: nan" in verdict("08.1", other_scores)


def share_with(score, pool):
    """An answer to exercise 08.2 from a score of a matrix and a way to pool a draw."""

    def share_better(a, b, draws):
        return np.mean([score(pool(b, draw)) > score(pool(a, draw)) for draw in draws])

    return share_better


def mean_iou(matrix):
    hits = matrix.diagonal()
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - hits
    return (hits[union > 0] / union[union > 0]).mean()


def often(frames, draw):
    return np.repeat(frames, draw, axis=0).sum(axis=0)


def test_a_draw_may_be_pooled_by_repeating_frames():
    assert verdict("08.2", share_with(mean_iou, often)) is None


@pytest.mark.parametrize(
    "score, pool, phrase",
    [
        (mean_iou, lambda frames, draw: frames[draw].sum(axis=0), "how often each frame occurs"),
        (lambda m: m.trace() / m.sum(), often, "the third one counts for A alone"),
        (lambda m: np.nan_to_num(mean_iou(m)) * (m.sum(0) + m.sum(1) > 0).sum(), often, "for A"),
    ],
)
def test_another_comparison_is_refused(score, pool, phrase):
    assert phrase in verdict("08.2", share_with(score, pool))
