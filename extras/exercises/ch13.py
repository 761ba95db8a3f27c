"""Checkers of chapter 13: a photograph's own statistics, reading a color mask; a fair split."""

import time

import numpy as np

from extras.exercises import Wrong


def adapt(photo, info):
    """`info` with the mean and the deviation of one photograph, per channel."""
    pixels = photo.reshape(-1, 3) / 255
    mean = pixels.mean(axis=0)
    std = pixels.std(axis=0)
    return {**info, "mean": mean.tolist(), "std": std.tolist()}


def turn_a(answer) -> None:
    """adapt(photo, info) -> info with the photograph's mean and std per channel."""
    random = np.random.default_rng(13)
    photo = random.integers(0, 200, (30, 40, 3)).astype(np.uint8)
    photo[..., 2] //= 3
    info = {"mean": [0.3, 0.3, 0.3], "std": [0.2, 0.2, 0.2], "view": "a view"}
    before = {name: list(value) for name, value in info.items()}
    got = answer(photo.copy(), info)
    if {name: list(value) for name, value in info.items()} != before:
        raise Wrong(
            "you changed `info` itself: the next photograph would inherit these numbers. Make a "
            'new dictionary, {**info, "mean": ...}'
        )
    if not isinstance(got, dict) or "view" not in got:
        raise Wrong("return a dictionary with everything that was in `info`")
    pixels = photo.reshape(-1, 3) / 255
    for name, expected in (("mean", pixels.mean(axis=0)), ("std", pixels.std(axis=0))):
        value = np.asarray(got[name], np.float64)
        if value.shape != (3,):
            raise Wrong(f"{name} has the shape {value.shape}: one number per channel, so three")
        if np.allclose(value, expected, atol=1e-3):
            continue
        if np.allclose(value, 255 * expected, atol=1):
            raise Wrong(
                f"{name} is {value.round(1).tolist()}: a network sees the scale 0 to 1, so divide "
                "by 255 first"
            )
        hint = ""
        if np.allclose(value, info[name]):
            hint = f": it is still that of `info`; the key is {name!r}"
        if np.allclose(value, pixels.var(axis=0), atol=1e-4):
            hint = ": the deviation is the square root of the variance"
        if name == "mean" and np.allclose(value, (photo.reshape(3, -1) / 255).mean(1), atol=1e-3):
            hint = ": reshape(3, -1) mixes the channels, which are the last axis"
        raise Wrong(
            f"{name} is {value.round(3).tolist()}, expected {expected.round(3).tolist()}{hint}"
        )


def read_colors(pixels, colors):
    """Train ids uint8 [H, W] of a color mask [H, W, 3]; 255 where no color fits."""
    train_ids = np.full(pixels.shape[:2], 255, np.uint8)
    for number, color in enumerate(colors):
        same = (pixels == color).all(axis=2)
        train_ids[same] = number
    return train_ids


def turn_b(answer) -> None:
    """read_colors(pixels, colors) -> uint8 [H, W]."""
    colors = [(0, 0, 0), (0, 160, 60), (220, 220, 120), (0, 160, 0)]
    random = np.random.default_rng(13)
    truth = random.integers(0, 6, (40, 60)).astype(np.uint8)
    # Two colors that are not in the list; the last has the channels of leaf in another order.
    table = np.array([*colors, (9, 9, 9), (60, 160, 0)], np.uint8)
    expected = np.where(truth >= 4, 255, truth)
    start = time.perf_counter()
    got = np.asarray(answer(table[truth], list(colors)))
    seconds = time.perf_counter() - start
    if got.shape != truth.shape:
        raise Wrong(f"expected one number per pixel, {truth.shape}, found {got.shape}")
    if not np.array_equal(got[truth == 4], expected[truth == 4]):
        found = np.unique(got[truth == 4]).tolist()
        raise Wrong(
            f"the color (9, 9, 9) is not in the list: its pixels are 255, ignored, and you have "
            f"{found}"
        )
    if np.array_equal(got[truth < 4], truth[truth < 4] + 1):
        raise Wrong("the first color of the list is number 0, you begin with 1")
    if not np.array_equal(got[truth < 4], expected[truth < 4]):
        both = np.unique(got[truth == 1]).tolist(), np.unique(got[truth == 3]).tolist()
        raise Wrong(
            "(0, 160, 60) and (0, 160, 0) differ in one channel only, and you give "
            f"{both[0]} and {both[1]} instead of [1] and [3]: all three channels must be equal"
        )
    if not np.array_equal(got[truth == 5], expected[truth == 5]):
        raise Wrong(
            "(60, 160, 0) is not (0, 160, 60), though the sum is the same: compare channel by "
            f"channel, you have {np.unique(got[truth == 5]).tolist()}"
        )
    if got.dtype != np.uint8:
        raise Wrong(f"expected uint8, which a PNG can hold, found {got.dtype}")
    if seconds > 0.2:
        print("Right, but slow: a loop over pixels takes minutes for a folder of photographs.")


TURNS = {"A": adapt, "B": read_colors}


def exercise_1(split_by_place) -> None:
    """split_by_place(names, share): the names that go to val, whole places only."""
    for sizes, share in (
        ((5, 5, 5, 5, 5), 0.2),
        ((1, 30, 8, 3), 0.2),
        ((2, 2), 0.1),
        ((40, 1, 1), 0.5),
    ):
        names = []
        for place, size in enumerate(sizes):
            names += [f"place{place}/{number:02d}" for number in range(size)]
        got = split_by_place(list(names), share)
        if isinstance(got, tuple) or got is None:
            raise Wrong(f"expected one set, the names of val, found {type(got).__name__}.")
        val = set(got)
        if val != set(split_by_place(names[::-1], share)):
            raise Wrong("the answer depends on the order of the names: sort them first.")
        if val - set(names):
            raise Wrong(
                f"val holds names that are not in the list: {sorted(val - set(names))[:3]}."
            )
        inside = {name.split("/")[0] for name in val}
        outside = {name.split("/")[0] for name in set(names) - val}
        if inside & outside:
            raise Wrong(f"{sorted(inside & outside)[0]} is in train and in val.")
        if not inside or not outside:
            raise Wrong(f"one side is empty for places of {sizes} pictures.")
        if len(val) > len(names) / 2:
            raise Wrong(
                f"for places of {sizes} pictures val got {len(val)} of {len(names)}: more than "
                "half."
            )
        if share * len(names) >= 2 * sizes[0] and len(val) < share * len(names) / 3:
            raise Wrong(
                f"for places of {sizes} pictures and a share of {share} val got only {len(val)}."
            )
