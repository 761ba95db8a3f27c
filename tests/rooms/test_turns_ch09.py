"""Chapter 09: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import pytest

from extras.exercises import ch09, verdict

WRONG = [
    ("09.A", "values[present].mean()", "np.nanmean(values)", "is not there"),
    ("09.A", "np.argsort(means)", "np.argsort(means)[::-1]", "best first"),
    ("09.A", "np.argsort(means)", "np.argsort(means)[:2]", "each of the 4 frame numbers"),
    ("09.A", "values[present].mean()", "values.mean()", "so the order"),
    ("09.B", "[:, number, called]", "[:, called, number]", "the row is what it is"),
    ("09.B", "order[pixels[order] > 0]", "order", "belong out of the list"),
    ("09.B", "argsort(-pixels", "argsort(pixels", "most pixels of the mistake comes first"),
    ("09.B", "[:, number, called]", "[:, number, number]", "you return"),
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
