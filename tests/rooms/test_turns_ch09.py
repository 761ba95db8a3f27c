"""Chapter 09: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import numpy as np
import pytest
import torch

from extras.exercises import ch09, verdict

WRONG = [
    ("09.A", "values[present].mean()", "np.nanmean(values)", "is not there"),
    ("09.A", "np.argsort(means)", "np.argsort(means)[::-1]", "best first"),
    ("09.A", "np.argsort(means)", "np.argsort(means)[:2]", "each of the 5 frame numbers"),
    ("09.A", "values[present].mean()", "values.mean()", "a mean that meets nan is nan"),
    ("09.A", "values[present].mean()", "np.nansum(values * present) / 4", "so the order"),
    ("09.A", "np.argsort(means)", "np.argsort(np.argsort(means))", "the ranks of the frames"),
    ("09.A", "np.argsort(means)", "np.sort(means)", "these are the means"),
    ("09.A", "return np.argsort(means)", "np.argsort(means)", "without `return`"),
    ("09.B", "[:, number, called]", "[:, called, number]", "the row is what it is"),
    ("09.B", "order[pixels[order] > 0]", "order", "belong out of the list"),
    ("09.B", "argsort(-pixels", "argsort(pixels", "most pixels of the mistake comes first"),
    ("09.B", "[:, number, called]", "[:, number, number]", "you return"),
    ("09.B", "[:, number, called]", "[:, number].sum(1) - matrices[:, 1, 1]", "you return"),
    ("09.B", "[:, number, called]", "[:, :, called].sum(1)", "you return"),
    ("09.B", "pixels[order] > 0", "pixels > 0", "in the order of the frames"),
    ("09.B", "order[pixels[order] > 0]", "pixels[order][:3]", "these are the pixels"),
    (
        "09.B",
        "order = np.argsort(-pixels",
        "pixels = pixels[pixels > 0]\n    order = np.argsort(-pixels",
        "sort first, then leave out",
    ),
    ("09.C", "    answer[truth == 255] = 255\n", "", "nobody is asked"),
    ("09.C", "    answer[(first == truth) & (second == truth)] = 0\n", "", "painted over"),
    ("09.C", "(first == truth) & (second == truth)", "first == second", "both be wrong"),
    (
        "09.C",
        "answer[second == truth] = 2\n    answer[first == truth] = 1",
        "answer[second == truth] = 1\n    answer[first == truth] = 2",
        "only the first is right",
    ),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch09.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch09))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


def test_void_painted_before_the_rest_is_painted_over():
    def who_is_right(truth, first, second):
        answer = np.full(truth.shape, 3, np.uint8)
        answer[truth == 255] = 255
        answer[second == truth] = 2
        answer[first == truth] = 1
        answer[(first == truth) & (second == truth)] = 0
        return answer

    assert "paint it last" in verdict("09.C", who_is_right)


def as_bytes(classes, probabilities):
    return classes.to(torch.uint8), (probabilities * 255).round().to(torch.uint8)


def test_three_best_guesses_may_be_found_in_several_ways():
    def by_sorting(logits):
        probabilities, classes = logits.softmax(0).sort(dim=0, descending=True)
        return as_bytes(classes[:3], probabilities[:3])

    def by_logits(logits):
        classes = logits.topk(3, dim=0).indices
        return as_bytes(classes, logits.softmax(0).gather(0, classes))

    assert verdict("09.1", by_sorting) is None
    assert verdict("09.1", by_logits) is None


def best_with(probabilities_of):
    """An answer to exercise 09.1 with other probabilities."""

    def best_three(logits):
        probabilities, classes = probabilities_of(logits).topk(3, dim=0)
        return as_bytes(classes, probabilities)

    return best_three


@pytest.mark.parametrize(
    "probabilities_of, phrase",
    [
        (lambda logits: logits.exp() / logits.exp().sum(0), "exp overflows"),
        (torch.sigmoid, "in 255 for logits of size 1"),
        (lambda logits: logits.softmax(-1), "the most probable first"),
    ],
)
def test_other_probabilities_are_refused(probabilities_of, phrase):
    assert phrase in verdict("09.1", best_with(probabilities_of))


def test_three_equal_classes_and_swapped_results_are_refused():
    right = best_with(lambda logits: logits.softmax(0))

    def the_best_thrice(logits):
        classes, probabilities = right(logits)
        return classes[:1].repeat(3, 1, 1), probabilities[:1].repeat(3, 1, 1)

    assert verdict("09.1", right) is None
    assert verdict("09.1", the_best_thrice) is not None
    assert "the classes come first" in verdict("09.1", lambda logits: right(logits)[::-1])


@pytest.mark.parametrize(
    "distance, phrase",
    [
        (lambda sure, right, number: abs((number + 0.5) / 10 - right.mean()), "the bin's middle"),
        (lambda sure, right, number: abs(sure - right).mean(), "first the means of a bin"),
        (lambda sure, right, number: 1100 * abs(sure.mean() - right.mean()), "of all pixels"),
        (
            lambda sure, right, number: abs(
                sure[sure < 1].mean() - right[sure < 1].mean()
            ) * (sure < 1).mean(),
            "exactly 1 falls into the last bin",
        ),
    ],
)  # fmt: skip
def test_another_error_of_calibration_is_called_by_its_name(distance, phrase):
    def calibration_error(confidence, right):
        bins = np.minimum((confidence * 10).astype(int), 9)
        error = 0.0
        for number in np.unique(bins):
            inside = bins == number
            part = distance(confidence[inside], right[inside], number)
            error += part * inside.mean()
        return error

    assert phrase in verdict("09.2", calibration_error)
