"""Checkers of chapter 12."""

import math

from extras.exercises import Wrong


def exercise_1(accidents) -> None:
    """accidents(seeds, changes): how probable at least one verdict "better" is if no change does
    anything.
    """
    for seeds in (1, 2, 3, 5):
        single = 1 / math.comb(2 * seeds, seeds)
        got = accidents(seeds, 1)
        if not isinstance(got, (int, float)) or not 0 <= got <= 1:
            raise Wrong(
                f"a probability is a number from 0 to 1, found {got!r} for {seeds} seeds and one "
                "change."
            )
        if abs(got - single) > 1e-9:
            raise Wrong(
                f"with {seeds} runs each, one change that does nothing gets {got:.4f} instead of "
                f"{single:.4f}: the {2 * seeds} runs fall in any order, and only one choice of "
                "the places for the new runs counts."
            )
        for changes in (2, 20):
            right = 1 - (1 - single) ** changes
            got = accidents(seeds, changes)
            if abs(got - changes * single) < 1e-9:
                raise Wrong(
                    f"for {changes} changes that is the expected number of accidents; asked is "
                    "how probable at least one is."
                )
            if abs(got - right) > 1e-9:
                raise Wrong(
                    f"{changes} changes with {seeds} seeds give {got:.4f} instead of {right:.4f}: "
                    "all must escape the accident, each for itself."
                )


def exercise_2(rate) -> None:
    """rate(step, steps, warmup, peak): the learning rate of a step, counted from 0."""
    steps, warmup, peak = 40, 8, 0.003
    values = [rate(step, steps, warmup, peak) for step in range(steps)]
    if values[0] == 0:
        raise Wrong(
            "the first step has the learning rate 0 and learns nothing: step 0 gets 1/warmup of it."
        )
    if abs(rate(0, steps, 1, peak) - peak) > 1e-12:
        raise Wrong("with a warm-up of one step, step 0 already has the peak.")
    cosine = [(1 + math.cos(math.pi * step / steps)) / 2 * peak for step in range(steps)]
    for step, (got, curve) in enumerate(zip(values, cosine)):
        right = curve * min(1, (step + 1) / warmup)
        if abs(got - right) > 1e-9:
            where = "during" if step < warmup else "after"
            raise Wrong(
                f"step {step} of {steps}, {where} the warm-up of {warmup}, has the rate {got:.6f} "
                f"instead of {right:.6f}: the cosine runs over all {steps} steps from step 0, and "
                "the warm-up multiplies."
            )
