"""Chapter 13: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import numpy as np
import pytest

from extras.exercises import ch13, verdict

RETURN = 'return {**info, "mean": mean.tolist(), "std": std.tolist()}'
WRONG = [
    ("13.A", " / 255\n    mean", "\n    mean", "divide by 255"),
    ("13.A", "pixels.mean(axis=0)", "pixels.mean()", "one number per channel"),
    (
        "13.A",
        RETURN,
        'info["mean"], info["std"] = mean.tolist(), std.tolist()\n    return info',
        "the next photograph would inherit",
    ),
    ("13.A", "pixels.std(axis=0)", "pixels.var(axis=0)", "root of the variance"),
    ("13.A", '"std": std', '"deviation": std', "the key is 'std'"),
    ("13.A", "reshape(-1, 3) / 255", "reshape(3, -1).T / 255", "mixes the channels"),
    ("13.B", "(pixels == color).all(axis=2)", "pixels[..., 1] == color[1]", "all three channels"),
    ("13.B", ", 255, np.uint8", ", 0, np.uint8", "is not in the list"),
    ("13.B", ", np.uint8", "", "expected uint8"),
    ("13.B", "= number", "= number + 1", "the first color of the list is number 0"),
    ("13.B", "(pixels == color).all(axis=2)", "pixels.sum(2) == sum(color)", "the sum is the same"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch13.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = {**vars(ch13), "np": np}
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


def test_a_loop_over_pixels_is_right_and_told_to_be_slow(capsys, monkeypatch):
    clock = iter([0.0, 3.0])
    monkeypatch.setattr(ch13.time, "perf_counter", lambda: next(clock))
    assert verdict("13.B", ch13.read_colors) is None
    assert "Right, but slow" in capsys.readouterr().out


@pytest.mark.parametrize(
    "answer, phrase",
    [
        (lambda names, share: {names[0]}, "order of the names"),
        (lambda names, share: set(), "one side is empty"),
        (lambda names, share: set(sorted(names)[: round(share * len(names))]), "in train and in"),
        (lambda names, share: {n for n in names if n.startswith("place1")}, "more than half"),
        (lambda names, share: (set(), set(names)), "expected one set"),
    ],
)
def test_an_unfair_split_is_refused(answer, phrase):
    assert phrase in verdict("13.1", answer)
