"""Chapter 08: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import pytest

from extras.exercises import ch08, verdict

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
    ("08.B", "256 * target + prediction", "256 * prediction + target", "yours are swapped"),
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
