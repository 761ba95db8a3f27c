"""Checkers of chapter 09: the order of frames, the difference map, the three best classes."""

import numpy as np
import torch

from extras.exercises import Wrong


def exercise_1(worst_first) -> None:
    nan = float("nan")
    cases = {
        (0.5, 0.2, 0.9): [1, 0, 2],
        (0.5, nan, 0.2, 0.9): [2, 0, 3, 1],
        (0.4, 0.2, 0.4, 0.2): [1, 3, 0, 2],
        (nan, nan, 0.1): [2, 0, 1],
        (1.0, nan, 0.0): [2, 0, 1],
        (0.3,): [0],
    }
    for scores, expected in cases.items():
        found = [int(i) for i in worst_first(list(scores))]
        if sorted(found) != sorted(expected):
            raise Wrong(
                f"for the scores {list(scores)} you return {found}; each row number belongs in "
                "it once"
            )
        if found == expected[::-1] and len(found) > 1:
            raise Wrong(f"for the scores {list(scores)} you return {found}: that is best first")
        if found != expected:
            why = "equal scores keep their order"
            if np.isnan(scores).any():
                why = "a frame without a score belongs at the end"
            raise Wrong(
                f"for the scores {list(scores)} you return {found}, expected {expected}: {why}"
            )


def exercise_2(wrong_pixels) -> None:
    truth = np.array([[0, 1, 2], [255, 11, 11]], np.uint8)
    prediction = np.array([[0, 2, 1], [11, 12, 11]], np.uint8)
    for classes, expected in (
        ([0, 1, 2, 11, 12], [[0, 1, 1], [0, 1, 0]]),
        ([1], [[0, 1, 1], [0, 0, 0]]),
        ([12], [[0, 0, 0], [0, 1, 0]]),
        ([11], [[0, 0, 0], [0, 1, 0]]),
        ([], [[0, 0, 0], [0, 0, 0]]),
        ([0], [[0, 0, 0], [0, 0, 0]]),
    ):
        found = np.asarray(wrong_pixels(truth.copy(), prediction.copy(), list(classes)))
        if found.dtype != bool or found.shape != truth.shape:
            raise Wrong(f"expected a boolean map {truth.shape}, found {found.dtype} {found.shape}")
        if found[1, 0]:
            raise Wrong("a pixel whose truth is 255 is marked as wrong: nobody knows what it shows")
        if (found != np.array(expected, bool)).any():
            raise Wrong(
                f"truth {truth.tolist()}, prediction {prediction.tolist()}, classes {classes}: "
                f"you mark {found.astype(int).tolist()}, expected {expected}"
            )


def exercise_3(best_three) -> None:
    generator = torch.Generator().manual_seed(9)
    for scale in (1.0, 4.0, 200.0):
        logits = torch.randn(7, 3, 5, generator=generator) * scale
        classes, chances = best_three(logits.clone())
        if tuple(classes.shape) != (3, 3, 5) or tuple(chances.shape) != (3, 3, 5):
            raise Wrong(
                f"expected two tensors [3, 3, 5], found {list(classes.shape)} and "
                f"{list(chances.shape)}"
            )
        if classes.dtype != torch.uint8 or chances.dtype != torch.uint8:
            raise Wrong(f"expected uint8 twice, found {classes.dtype} and {chances.dtype}")
        values, expected = torch.softmax(logits, 0).topk(3, dim=0)
        if (classes != expected).any():
            raise Wrong("the classes are not the three with the largest logits, largest first")
        off = (chances.int() - (values * 255).round().int()).abs().max()
        if off > 1 and (chances.int().sum(0) >= 250).all() and scale == 1.0:
            raise Wrong(
                "the three probabilities add up to one: take the softmax over all classes, then "
                "the best three"
            )
        if off:
            raise Wrong(
                f"a probability is off by {off} in 255 for logits of size {scale:.0f} (scaled, "
                "rounded, and by a softmax over all classes?)"
            )
