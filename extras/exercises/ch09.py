"""Checkers of chapter 09: an order of frames, one mistake, two networks; the three best classes,
and the error of calibration.
"""

import numpy as np
import torch

from extras.exercises import Wrong


def worst_first(iou, there):
    """Frame numbers, the lowest mean IoU over the classes that are there first."""
    means = []
    for values, present in zip(iou, there):
        means.append(values[present].mean())
    return np.argsort(means)


def frames_with(matrices, number, called):
    """Frame numbers, those with most pixels of `number` called `called` first."""
    pixels = matrices[:, number, called]
    order = np.argsort(-pixels, kind="stable")
    return order[pixels[order] > 0]


def who_is_right(truth, first, second):
    """0 both, 1 only first, 2 only second, 3 neither, 255 void: uint8 [H, W]."""
    answer = np.full(truth.shape, 3, np.uint8)
    answer[second == truth] = 2
    answer[first == truth] = 1
    answer[(first == truth) & (second == truth)] = 0
    answer[truth == 255] = 255
    return answer


TURNS = {"A": worst_first, "B": frames_with, "C": who_is_right}


def turn_a(answer) -> None:
    """worst_first(iou [frames, classes], there [frames, classes]) -> frame numbers."""
    nan = np.nan
    iou = np.array(
        [
            [0.9, 0.8, 0.0, 0.0],
            [0.9, 0.5, 0.9, nan],
            [0.7, 0.7, 0.7, 0.7],
            [0.6, nan, 0.6, 0.0],
            [0.8, 0.8, 0.8, nan],
        ]
    )
    there = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 1, 0]], bool)
    means = [iou[n][there[n]].mean() for n in range(5)]
    expected = [3, 2, 1, 4, 0]
    got = answer(iou.copy(), there.copy())
    if np.shape(got) == (5,) and np.allclose(np.sort(got), np.sort(means)):
        raise Wrong("these are the means; asked are the numbers of the frames: np.argsort")
    got = _numbers(got, 5)
    if got == expected:
        return
    if got == expected[::-1]:
        raise Wrong("that is best first")
    if got == np.argsort(expected).tolist():
        raise Wrong(
            "these are the ranks of the frames; the first entry is the worst frame's number"
        )
    if got == [int(i) for i in np.argsort(np.nanmean(iou, axis=1))]:
        raise Wrong(
            "you average over all classes that have an IoU; a class that is only called, with IoU "
            "0, is not there: take iou[n][there[n]]"
        )
    if got == np.argsort(iou.mean(axis=1)).tolist():
        raise Wrong(
            "a mean that meets nan is nan, and argsort puts nan last: take iou[n][there[n]]"
        )
    shown = ", ".join(f"{mean:.2f}" for mean in means)
    raise Wrong(
        f"the means over the classes that are there are {shown}, so the order is {expected}; you "
        f"return {got}"
    )


def turn_b(answer) -> None:
    """frames_with(matrices [frames, K, K], number, called) -> frame numbers."""
    matrices = np.zeros((5, 3, 3), np.int64)
    matrices[:, 1, 2] = [4, 0, 90, 0, 11]
    matrices[:, 2, 1] = [0, 7, 0, 5, 0]
    matrices[:, 1, 1] = [0, 2, 3, 4, 5]
    matrices[:, 1, 0] = [1, 30, 0, 0, 200]  # called something else
    matrices[:, 0, 2] = [300, 0, 0, 6, 0]  # something else is called 2
    got = _numbers(answer(matrices.copy(), 1, 2), None)
    if got == [2, 4, 0]:
        return
    if got == [90, 11, 4]:
        raise Wrong("these are the pixels; asked are the numbers of the frames: np.argsort")
    if got == [1, 2, 0]:
        raise Wrong(
            "you numbered what was left after the empty frames were out: sort first, then leave out"
        )
    if got == [2, 0, 3]:
        raise Wrong("pixels > 0 is in the order of the frames; pixels[order] > 0 is in yours")
    if got in ([0, 2, 4], [0, 4, 2]):
        raise Wrong("the frame with the most pixels of the mistake comes first")
    if 1 in got[:2] and 3 in got[:2]:
        raise Wrong(
            "you looked for class 2 that is called class 1: the row is what it is, the column "
            "what it is called"
        )
    if set(got) == set(range(5)):
        raise Wrong("frames that hold none of this mistake belong out of the list")
    raise Wrong(f"the pixels of the mistake are [4, 0, 90, 0, 11]: [2, 4, 0]; you return {got}")


def turn_c(answer) -> None:
    """who_is_right(truth, first, second) -> uint8 [H, W]."""
    truth = np.array([[5, 5, 5, 5, 5, 255, 255]], np.uint8)
    first = np.array([[5, 5, 1, 2, 1, 255, 0]], np.uint8)
    second = np.array([[5, 3, 5, 2, 4, 255, 0]], np.uint8)
    expected = np.array([[0, 1, 2, 3, 3, 255, 255]])
    got = np.asarray(answer(truth.copy(), first.copy(), second.copy()))
    if got.shape != truth.shape:
        found = list(got.shape) or got.item()
        raise Wrong(f"expected a map {list(truth.shape)}, found {found}")
    if (got == expected).all():
        return
    if (got[:, :5] == expected[:, :5]).all():
        raise Wrong(
            "where the truth is 255 nobody is asked: the map is 255 there, yours "
            f"{got[0, 5:].tolist()} (two predictions may be 255 there as well: paint it last)"
        )
    if got[0, 1] == 2 and got[0, 2] == 1:
        raise Wrong("1 means that only the first is right, 2 that only the second is")
    if got[0, 0] in (1, 2):
        raise Wrong("where both are right the map is 0: the later line has painted over it")
    if got[0, 3] == 0:
        raise Wrong("two networks can agree and both be wrong: compare each with the truth")
    raise Wrong(
        f"for the truth {truth.tolist()}, first {first.tolist()} and second {second.tolist()} "
        f"the map is {expected.tolist()}, yours {got.tolist()}"
    )


def _numbers(answer, count) -> list[int]:
    got = [int(n) for n in np.asarray(answer).ravel()]
    if count is not None and sorted(got) != list(range(count)):
        raise Wrong(f"each of the {count} frame numbers belongs in it once, you return {got}")
    return got


def exercise_1(best_three) -> None:
    """best_three(logits [classes, h, w]) -> classes and probabilities, uint8 [3, h, w] each."""
    generator = torch.Generator().manual_seed(9)
    for scale in (1.0, 4.0, 200.0):
        logits = torch.randn(7, 3, 5, generator=generator) * scale
        got = best_three(logits.clone())
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong(
                f"expected two tensors, classes and probabilities, found {type(got).__name__}"
            )
        classes, chances = got
        if not isinstance(classes, torch.Tensor) or not isinstance(chances, torch.Tensor):
            raise Wrong(f"expected tensors, found {type(classes).__name__}")
        if tuple(classes.shape) != (3, 3, 5) or tuple(chances.shape) != (3, 3, 5):
            raise Wrong(
                f"expected two tensors [3, 3, 5], found {list(classes.shape)} and "
                f"{list(chances.shape)}"
            )
        if classes.dtype != torch.uint8 or chances.dtype != torch.uint8:
            raise Wrong(f"expected uint8 twice, found {classes.dtype} and {chances.dtype}")
        probabilities = torch.softmax(logits, 0)
        values = probabilities.topk(3, dim=0).values
        off = (chances.int() - (values * 255).round().int()).abs().max()
        if classes.max() >= 7:
            raise Wrong("the classes come first, and then their probabilities")
        # Classes that are equally probable, such as several of 0, may stand in any order.
        of_answer = probabilities.gather(0, classes.long())
        twice = (classes[0] == classes[1]) | (classes[0] == classes[2]) | (classes[1] == classes[2])
        if twice.any() or not torch.allclose(of_answer, values, rtol=1e-5, atol=1e-12):
            large = "; exp overflows there, torch.softmax does not" if scale == 200 else ""
            raise Wrong(
                "the classes are not the three most probable ones, the most probable first, for "
                f"logits of size {scale:.0f}{large}"
            )
        total = chances.int().sum(0)
        if off > 1 and ((total >= 253) & (total <= 257)).all() and scale == 1.0:
            raise Wrong(
                "the three probabilities add up to one: take the softmax over all classes, then "
                "the best three"
            )
        if off:
            raise Wrong(
                f"a probability is off by {off} in 255 for logits of size {scale:.0f} (scaled, "
                "rounded, and by a softmax over all classes?)"
            )


def exercise_2(calibration_error) -> None:
    """calibration_error(confidence float [pixels], right bool [pixels]) -> float."""
    random = np.random.default_rng(9)
    spread = random.random(4000)
    sure = np.append(0.9 + 0.1 * random.random(900), [1.0] * 100)
    low = np.full(100, 0.15)
    cases = (
        ("two bins of 1,000 and 100 pixels", np.concatenate([sure, low]), 0.6),
        ("probabilities from 0 to 1", spread, 0.5),
        ("a network that is now too sure, now not sure enough", np.concatenate([low, sure]), 0.5),
    )
    for name, confidence, share in cases:
        right = random.random(len(confidence)) < share
        bins = np.minimum((confidence * 10).astype(int), 9)
        inside = [bins == number for number in range(10) if (bins == number).any()]
        gaps = np.array([confidence[i].mean() - right[i].mean() for i in inside])
        weights = np.array([i.mean() for i in inside])
        expected = float((abs(gaps) * weights).sum())
        got = float(calibration_error(confidence.copy(), right.copy()))
        if abs(got - expected) < 1e-6:
            continue
        if np.isnan(got):
            raise Wrong(f"{name}: a bin without pixels has no mean; leave it out")
        if np.isclose(got, abs(gaps).mean()):
            raise Wrong(f"{name}: weight each bin with the number of its pixels")
        if np.isclose(abs(got), abs((gaps * weights).sum())):
            raise Wrong(f"{name}: distances have no sign, or two of them cancel out")
        hint = ""
        below_one = [i & (confidence < 1) for i in inside]
        gaps_below = np.array([confidence[i].mean() - right[i].mean() for i in below_one])
        weights_below = np.array([i.mean() for i in below_one])
        middles = np.array([(bins[i][0] + 0.5) / 10 - right[i].mean() for i in inside])
        if np.isclose(got, (abs(gaps_below) * weights_below).sum()):
            hint = ": a probability of exactly 1 falls into the last bin"
        if np.isclose(got, expected * len(confidence)):
            hint = ": divide by the number of all pixels"
        if np.isclose(got, (abs(middles) * weights).sum()):
            hint = ": compare with the mean probability in a bin, not with the bin's middle"
        if np.isclose(got, abs(confidence - right).mean()):
            hint = ": a single pixel is right or wrong; first the means of a bin, then the distance"
        raise Wrong(f"{name}: the error is {expected:.3f}, you return {got:.3f}{hint}")
