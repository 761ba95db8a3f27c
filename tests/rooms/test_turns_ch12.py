"""Chapter 12: wrong versions of what the learner writes are refused in the words that fit."""

import inspect
from fractions import Fraction

import pytest

from extras.exercises import ch12, verdict

SWAPPED = "return sum(gains) / len(gains), wins"
MOVE = "return scene.changed(last, z=float(distance))"
WRONG = [
    ("12.A", "scene = car(seed)", "scene = car(seed + 1)", "another street"),
    ("12.A", MOVE, "scene.changed(last, z=float(distance))\n    return scene", "where it stood"),
    ("12.A", MOVE, "scene.changed(last, z=float(distance))", "nothing is returned"),
    ("12.A", "last = len(scene.objects) - 1", "last = 0", "object 0 has changed"),
    ("12.A", "z=float(distance)", "z=float(distance), x=0.0", "of the car x and z changed"),
    ("12.A", "z=float(distance)", "z=float(distance) + 1", "instead of"),
    ("12.A", MOVE, "return scene.added(scene.objects[last])", "move the car that is there"),
    ("12.A", MOVE, "return [scene]", "expected a scene, found list"),
    ("12.B", "model(images.flip(-1)).flip(-1)", "model(images.flip(-1))", "was not turned back"),
    ("12.B", "flip(-1)", "flip(-2)", "mirrors top and bottom"),
    ("12.B", ") / 2", ")", "that is the sum"),
    ("12.B", "(model(images) + mirrored) / 2", "[mirrored]", "expected logits of shape"),
    ("12.B", ") / 2", ")[:1] / 2", "expected logits of shape"),
    ("12.B", "(model(images) + mirrored) / 2", "mirrored", "the mirror image alone"),
    ("12.B", "(model(images) + mirrored) / 2", "model(images)", "the plain prediction"),
    ("12.B", "flip(-1)", "flip(1)", "reverses the channels"),
    ("12.B", "(model(images) + mirrored) / 2", "model(images) + mirrored / 2", "parentheses"),
    ("12.C", "b - a for", "a - b for", "wrong sign"),
    ("12.C", "return wins, sum(gains) / len(gains)", SWAPPED, "first the number of pairs"),
    ("12.C", "gain > 0", "gain >= 0", "a tie is no win"),
    ("12.C", "sum(gains) / len(gains)", "sum(gains)", "divide by the number"),
    ("12.C", "zip(before, after)", "zip(sorted(before), sorted(after))", "belong"),
    ("12.C", "return wins, sum(gains) / len(gains)", "return wins", "expected two things"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch12.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch12))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


def test_probabilities_are_no_logits():
    def with_flip(model, images):
        mirrored = model(images.flip(-1)).flip(-1)
        return (model(images).softmax(1) + mirrored.softmax(1)) / 2

    assert "these are probabilities" in verdict("12.B", with_flip)


def test_a_list_of_two_and_numbers_of_other_types_are_accepted():
    assert verdict("12.C", lambda before, after: list(ch12.paired(before, after))) is None
    assert verdict("12.1", lambda seeds, n: 1 - (1 - Fraction(1, 2**seeds)) ** n) is None


@pytest.mark.parametrize("name", ch12.TURNS)
def test_the_course_is_right(name):
    assert verdict(f"12.{name}", ch12.TURNS[name]) is None
