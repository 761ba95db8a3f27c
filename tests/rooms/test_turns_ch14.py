"""Chapter 14: wrong divisors are refused in the words that fit."""

import inspect

import pytest

from extras.exercises import ch14, verdict

RETURN = "return [loss_sum * world_size / total for loss_sum in loss_sums]"
WRONG = [
    ("return [s / n for s, n in zip(loss_sums, labeled)]", "their average is 2.637"),
    ("return [s / n if n else 0 for s, n in zip(loss_sums, labeled)]", "the whole batch is 2.561"),
    ("return [s / total for s in loss_sums]", "divides by the number of processes once more"),
    ("return [sum(loss_sums) / total] * world_size", "its own loss sum only"),
    ("return sum(loss_sums) / total", "expected a list of 2 numbers"),
    ("return [s / max(1, total - 1) for s in loss_sums]", "the loss of the whole batch is"),
    ("return [s / labeled[-1] for s in loss_sums]", "the loss of the whole batch is"),
]


@pytest.mark.parametrize("wrong, phrase", WRONG)
def test_a_wrong_divisor_is_refused_in_the_words_that_fit(wrong, phrase):
    source = inspect.getsource(ch14.divide)
    assert RETURN in source
    names = dict(vars(ch14))
    exec(compile(source.replace(RETURN, wrong), "answer", "exec"), names)
    assert phrase in verdict("14.A", names["divide"])


def test_a_share_may_be_all_void():
    def by_own_if_small(loss_sums, labeled):
        if labeled[-1] == 0:
            return [loss_sums[n] / labeled[n] for n in range(len(labeled))]
        return ch14.divide(loss_sums, labeled)

    assert "all void" in verdict("14.A", by_own_if_small)
    assert verdict("14.A", ch14.divide) is None
