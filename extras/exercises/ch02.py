"""Checkers of chapter 02: the way up with silent skips, the size that comes out; two exercises."""

import torch

from extras.exercises import Wrong, explain
from helpers.sizes import margin, valid_size
from helpers.sizes import output_size as true_output_size
from helpers.unet import UNet


def go_up(model, maps, silent=()):
    """Scores [N, 19, H, W]; the skips of the levels in `silent` carry zeros."""
    x = maps[4]  # level 5, the bottom
    for level, up, merge in zip((4, 3, 2, 1), model.up, model.merge):
        skip = maps[level - 1]
        if level in silent:
            skip = torch.zeros_like(skip)
        x = up(x)
        x = torch.cat([skip, x], dim=1)
        x = merge(x)
    return model.head(x)


def output_size(n):
    """How many pixels an unpadded U-Net answers for, of n that go in."""
    for _ in range(4):
        n = n - 4  # two convolutions
        n = n // 2  # a pooling
    n = n - 4  # level 5, the bottom
    for _ in range(4):
        n = n * 2  # an up-convolution
        n = n - 4  # two convolutions
    return n


def small_network() -> tuple[UNet, list[torch.Tensor]]:
    """A padded U-Net of width 4 and what its five levels make of a picture of noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = UNet(num_classes=3, width=4, padding="same", norm="batch").eval()
        x = torch.randn(1, 3, 32, 48)
    maps = []
    for level, block in enumerate(model.down):
        x = block(x if level == 0 else model.pool(x))
        maps.append(x)
    return model, maps


def same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


def skips_behind(model, maps) -> torch.Tensor:
    """The way up with the skip behind what comes from below, a likely mistake."""
    x = maps[4]
    for level, up, merge in zip((4, 3, 2, 1), model.up, model.merge):
        x = merge(torch.cat([up(x), maps[level - 1]], dim=1))
    return model.head(x)


def call(answer, model, maps, *more) -> torch.Tensor:
    """What `answer` makes of the maps; neither their list nor their numbers may change."""
    copies = [level.clone() for level in maps]
    given = list(copies)
    found = answer(model, given, *more)
    same_list = len(given) == len(copies) and all(a is b for a, b in zip(given, copies))
    if not same_list:
        raise Wrong(
            "the list of maps has changed, as pop() and reverse() change it, and the chapter needs "
            "it again: take maps[level - 1]"
        )
    if not all(torch.equal(one, two) for one, two in zip(maps, copies)):
        raise Wrong("the maps that were passed in have changed: use torch.zeros_like(skip)")
    return found


@torch.no_grad()
def turn_a(answer) -> None:
    """go_up(model, maps, silent=()) -> scores, the skips of the silent levels 1 to 4 are zeros."""
    model, maps = small_network()
    order = (
        "two maps do not fit. Take the levels from 4 to 1; the skip of level L is maps[L - 1], "
        "and it is joined after the up-convolution of the same step"
    )
    with explain(RuntimeError, "size", "channels", hint=order):
        found = call(answer, model, maps)
    expected = go_up(model, maps)
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"return the scores, a tensor; found {type(found).__name__}")
    if found.shape[1] == 4 and found.shape[2:] == expected.shape[2:]:
        raise Wrong("these are features, not scores: model.head comes last")
    if found.shape != expected.shape:
        raise Wrong(f"the scores must be {tuple(expected.shape)}, yours are {tuple(found.shape)}")
    if not same(found, expected):
        if same(found, skips_behind(model, maps)):
            raise Wrong("the skip comes first in the concatenation, then what comes from below")
        raise Wrong("with all skips the scores must be those of model itself, and they are not")

    for silent in ((1,), (4,), (2, 3), (1, 2, 3, 4)):
        left_out = (
            f"with silent={silent} channels are missing: a silent skip is not left out, zeros of "
            "the same shape take its place"
        )
        with explain(RuntimeError, "channels", hint=left_out):
            found = call(answer, model, maps, silent)
        if same(found, go_up(model, maps, silent)):
            continue
        if same(found, expected) and silent == (1,):
            raise Wrong(f"silent={silent} changes nothing: replace those skips with zeros")
        shifted = tuple(level + 1 for level in silent)
        if same(found, go_up(model, maps, shifted)):
            raise Wrong(
                f"silent={silent} silences the levels {shifted}: levels count from 1, lists from 0"
            )
        raise Wrong(
            f"with silent={silent} the scores differ: only the skips of these levels are zeros, "
            "what comes from below stays as it is"
        )


def turn_b(answer) -> None:
    """output_size(n) -> pixels out, of an unpadded U-Net of five levels."""
    for n in (572, 188, 204, 1212):
        expected = true_output_size(n)
        got = answer(n)
        if got == n - 36:
            raise Wrong(
                f"18 convolutions take 2 each, but each on its own level: {n} gives {expected}, "
                f"you say {got}. What is lost below grows with every up-convolution"
            )
        if got == expected + 64:
            raise Wrong(
                f"{n} gives {expected}, you are 64 too high: there are two convolutions at the "
                "bottom as well, and 4 pixels there are 64 at the top"
            )
        if got != expected:
            raise Wrong(f"{n} pixels in give {expected} out, you say {got}")
        if not isinstance(got, int):
            raise Wrong(
                f"a size is a whole number, yours is the {type(got).__name__} {got}: divide with //"
            )
    got = answer(576)
    if got != output_size(576):
        raise Wrong(
            f"576 pixels in give {output_size(576)} out, you say {got}. On the way down a map of "
            "137 pixels is pooled to 68, the odd one is dropped: go step by step, and halve with //"
        )


TURNS = {"A": go_up, "B": output_size}


def exercise_1(answer) -> None:
    """smallest_input(wanted, depth) -> the smallest legal size that gives at least `wanted`."""
    for wanted, depth in ((388, 4), (512, 4), (1, 4), (389, 4), (100, 1), (101, 2), (1000, 5)):
        expected = wanted + 2 * margin(depth)
        while not valid_size(expected, depth):
            expected += 1
        got = answer(wanted, depth)
        case = f"{wanted} pixels at depth {depth}"
        if not isinstance(got, int):
            raise Wrong(
                f"{case}: a size is a whole number, yours is the {type(got).__name__} {got}"
            )
        if not valid_size(got, depth):
            raise Wrong(
                f"{case}: {got} is not legal, a pooling meets an odd size or nothing is left"
            )
        if got < expected:
            out = true_output_size(got, depth)
            raise Wrong(f"{case}: {got} is legal, but only {out} pixels come out")
        if got > expected:
            raise Wrong(f"{case}: {expected} is enough, you say {got}")


@torch.no_grad()
def exercise_2(answer) -> None:
    """go_up_alone(model, maps, level): what comes from below is silent where it joins that level's
    skip.
    """
    model, maps = small_network()
    for silent in (1, 2, 3, 4):
        x = maps[4]
        for level, up, merge in zip((4, 3, 2, 1), model.up, model.merge):
            x = up(x)
            if level == silent:
                x = torch.zeros_like(x)
            x = merge(torch.cat([maps[level - 1], x], dim=1))
        expected = model.head(x)
        found = call(answer, model, maps, silent)
        if same(found, expected):
            continue
        if same(found, go_up(model, maps, (silent,))):
            raise Wrong(f"level {silent}: you silenced the skip; silence what comes from below")
        if same(found, go_up(model, maps)):
            raise Wrong(f"level {silent}: nothing is silent, the scores are those with everything")
        raise Wrong(
            f"level {silent}: replace the output of that level's up-convolution with zeros, and "
            "nothing else"
        )
