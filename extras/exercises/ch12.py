"""Checkers of chapter 12: one thing changed in a scene, the mirror image, pairs; accidents."""

import math
from dataclasses import fields

import numpy as np
import torch

from extras.exercises import Wrong
from extras.experiments.instrument import car
from sample_city.scene import Scene


def car_at(seed, distance):
    """The scene of car(seed), with its car `distance` meters ahead."""
    scene = car(seed)
    last = len(scene.objects) - 1
    return scene.changed(last, z=float(distance))


def with_flip(model, images):
    """The mean of the logits and of those of the mirror image, turned back."""
    mirrored = model(images.flip(-1)).flip(-1)
    return (model(images) + mirrored) / 2


def paired(before, after):
    """(in how many pairs `after` is higher, the mean of the differences)."""
    gains = [b - a for a, b in zip(before, after)]
    wins = sum(gain > 0 for gain in gains)
    return wins, sum(gains) / len(gains)


def turn_a(answer) -> None:
    """car_at(seed, distance) -> the Scene of car(seed), its car elsewhere."""
    for seed, distance in ((0, 20), (1, 7.5)):
        scene = car(seed)
        got = answer(seed, distance)
        if got is None:
            raise Wrong("nothing is returned: scene.changed gives a new scene, so return that one")
        if not isinstance(got, Scene):
            raise Wrong(f"expected a scene, found {type(got).__name__}; it is drawn later")
        same_street = all(
            getattr(got, field.name) == getattr(scene, field.name)
            for field in fields(Scene)
            if field.name != "objects"
        )
        if not same_street:
            raise Wrong(
                f"that is another street than car({seed})'s, and then nobody knows what made the "
                "difference"
            )
        if len(got.objects) != len(scene.objects):
            raise Wrong(
                f"there are {len(got.objects)} objects instead of {len(scene.objects)}: move the "
                "car that is there"
            )
        others = [n for n in range(len(scene.objects) - 1) if got.objects[n] != scene.objects[n]]
        if others:
            raise Wrong(f"object {others[0]} has changed; the car is the last one")
        mine, right = got.objects[-1], scene.objects[-1]
        if mine == right:
            raise Wrong(
                "the car stands where it stood: a scene is frozen, and changed returns another one"
            )
        changed = [f.name for f in fields(right) if getattr(mine, f.name) != getattr(right, f.name)]
        if changed != ["z"]:
            raise Wrong(f"of the car {' and '.join(changed)} changed; only z, its distance, may")
        if mine.z != distance:
            raise Wrong(f"the car stands at {mine.z} m instead of {distance} m")


def turn_b(answer) -> None:
    """with_flip(model, images) -> logits."""
    torch.manual_seed(0)
    model = torch.nn.Conv2d(3, 5, 3, padding=1)
    images = torch.rand(2, 3, 7, 11)
    with torch.no_grad():
        plain = model(images)
        mirrored = model(images.flip(-1))
        upside_down = model(images.flip(-2)).flip(-2)
        got = answer(model, images.clone())
    if not isinstance(got, torch.Tensor) or got.shape != plain.shape:
        raise Wrong(f"expected logits of shape {tuple(plain.shape)}")
    right = (plain + mirrored.flip(-1)) / 2
    if torch.allclose(got, right, atol=1e-6):
        return
    if torch.allclose(got, 2 * right, atol=1e-6):
        raise Wrong(
            "that is the sum. The largest class would be the same, but halve it: then these are "
            "logits of the usual size"
        )
    if torch.allclose(got, plain):
        raise Wrong("that is the plain prediction")
    if torch.allclose(got, mirrored.flip(-1)):
        raise Wrong("that is the mirror image alone; average it with the plain prediction")
    if torch.allclose(got, (plain + mirrored) / 2):
        raise Wrong("the mirrored prediction was not turned back: left and right are mixed up")
    if torch.allclose(got, (plain + upside_down) / 2):
        raise Wrong(
            "that mirrors top and bottom; streets are mirrored left to right, the last axis"
        )
    channels = model(images.flip(1)).flip(1)
    if torch.allclose(got, (plain + channels) / 2, atol=1e-6):
        raise Wrong("that reverses the channels (torch.fliplr does, too); the columns are axis -1")
    if torch.allclose(got, (plain.softmax(1) + mirrored.flip(-1).softmax(1)) / 2, atol=1e-6):
        raise Wrong("these are probabilities; asked is the mean of the logits, without softmax")
    if torch.allclose(got, plain + mirrored.flip(-1) / 2, atol=1e-6):
        raise Wrong("only the mirrored half is divided by 2: put the sum into parentheses")
    raise Wrong("the result is not the mean of both predictions' logits")


def turn_c(answer) -> None:
    """paired(before, after) -> (wins, mean gain)."""
    before = [0.50, 0.60, 0.40, 0.55]
    after = [0.52, 0.59, 0.43, 0.55]
    got = answer(list(before), list(after))
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        raise Wrong(f"expected two things, wins and mean gain, found {got!r}")
    wins, gain = got
    if abs(wins - 0.01) < 1e-9 and gain == 2:
        raise Wrong(
            "first the number of pairs in which `after` is higher, then the mean difference"
        )
    if abs(gain + 0.01) < 1e-9:
        raise Wrong("the gain has the wrong sign: after minus before")
    if abs(gain - 0.04) < 1e-9:
        raise Wrong("that is the sum of the differences; divide by the number of pairs")
    if abs(gain - 0.01) > 1e-9:
        raise Wrong(f"the mean of the differences is 0.01 here, you return {gain:.4f}")
    if wins == 3:
        raise Wrong("the last pair is a tie, and a tie is no win")
    if wins != 2:
        raise Wrong(f"'after' is higher in 2 of these 4 pairs, you return {wins}")
    # Sorted lists hide what the pairs show.
    shuffled = answer([0.3, 0.5, 0.7], [0.5, 0.7, 0.3])
    if shuffled[0] != 2:
        raise Wrong(
            "pairs belong to the same seed: sorted, the lists [0.3, 0.5, 0.7] and [0.5, 0.7, 0.3] "
            "are equal, yet the second is higher in two pairs of three"
        )
    if not np.isclose(shuffled[1], 0):
        raise Wrong("for [0.3, 0.5, 0.7] and [0.5, 0.7, 0.3] the mean gain is 0")


TURNS = {"A": car_at, "B": with_flip, "C": paired}


def exercise_1(accidents) -> None:
    """accidents(seeds, changes): how probable is at least one change that wins with every seed, if
    no change does anything?
    """
    for seeds in (1, 2, 3, 5):
        single = 1 / 2**seeds
        got = accidents(seeds, 1)
        if got is None or not 0 <= got <= 1:
            raise Wrong(
                f"a probability is a number from 0 to 1, found {got!r} for {seeds} seeds and one "
                "change."
            )
        if abs(got - 1 / math.comb(2 * seeds, seeds)) < 1e-9 and seeds > 1:
            raise Wrong(
                f"{got:.4f} is for runs without pairs, where all of one side must beat all of the "
                "other. In a pair only two runs are compared."
            )
        if abs(got - single) > 1e-9:
            raise Wrong(
                f"with {seeds} pairs, one change that does nothing gets {got:.4f} instead of "
                f"{single:.4f}: each pair is a coin, and all of them must fall on the same side."
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
