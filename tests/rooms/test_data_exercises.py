"""Exercises of chapters 03 to 05: wrong answers that the checkers must refuse."""

import numpy as np
import pytest
import torch

from extras.exercises import verdict
from helpers.labels import LABELS


def _categories(void=255, shift=1, dtype=np.uint8):
    table = np.array(
        [void if r.category == "void" else r.category_id - shift for r in LABELS if r.id >= 0]
    )
    return lambda ids: table[ids].astype(dtype)


def _to_picture(finish):
    def answer(tensor, mean, std):
        mean, std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        return finish((tensor * std + mean) * 255).permute(1, 2, 0).numpy()

    return answer


def _augment(image_shift=0, flip_image=1, flip_label=1, first=False):
    def answer(image, label, top, left, flip, size, margin):
        if first and flip:  # mirrors the whole frame, then crops
            image, label, flip = image[:, ::-1], label[:, ::-1], False
        y, x, wide = top - margin + image_shift, left - margin, size + 2 * margin
        window, target = (
            image[y : y + wide, x : x + wide],
            label[top : top + size, left : left + size],
        )
        mirrored = (
            window[:, ::-1] if flip_image else window,
            target[:, ::-1] if flip_label else target,
        )
        return mirrored if flip else (window, target)

    return answer


def _majority(choose, dtype=np.uint8):
    def answer(label, factor):
        h, w = label.shape
        blocks = (
            label.reshape(h // factor, factor, w // factor, factor)
            .swapaxes(1, 2)
            .reshape(-1, factor * factor)
        )
        return np.array([choose(b) for b in blocks]).reshape(h // factor, w // factor).astype(dtype)

    return answer


def _place(which, corner):
    def answer(label, class_id, size, rng):
        ys, xs = np.nonzero(label == class_id)
        if not len(ys):
            return None
        k = which(rng, len(ys))
        offsets = (0, 0) if corner else rng.integers(0, size, 2)
        return tuple(
            int(min(max(0, p - o), n - size))
            for p, o, n in zip((ys[k], xs[k]), offsets, label.shape)
        )

    return answer


def _commonest(block):
    return np.bincount(block).argmax()


WRONG = [
    ("03.1", _categories(void=0)),
    ("03.1", _categories(shift=0)),
    ("03.1", _categories(dtype=np.int64)),
    ("04.1", _to_picture(lambda v: v.clamp(0, 255).to(torch.uint8))),
    ("04.1", _to_picture(lambda v: v.round())),
    ("04.1", _to_picture(lambda v: v.round().to(torch.int64).to(torch.uint8))),
    ("05.1", _augment(image_shift=1)),
    ("05.1", _augment(flip_image=0)),
    ("05.1", _augment(flip_label=0)),
    ("05.1", _augment(flip_image=0, flip_label=0)),
    ("05.1", _augment(first=True)),
    ("05.2", _majority(max)),
    ("05.2", _majority(_commonest, np.int64)),
    ("05.2", _majority(lambda b: len(np.bincount(b)) - 1 - np.bincount(b)[::-1].argmax())),
    ("05.3", _place(lambda rng, n: 0, False)),
    ("05.3", _place(lambda rng, n: rng.integers(n), True)),
]


RIGHT = [
    ("03.1", _categories()),
    ("05.1", _augment()),
    ("05.2", _majority(_commonest)),
    ("04.1", _to_picture(lambda v: v.round().clamp(0, 255).to(torch.uint8))),
    ("05.3", _place(lambda rng, n: rng.integers(n), False)),
]


@pytest.mark.parametrize(
    ("number", "answer"), WRONG, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRONG)]
)
def test_checkers_refuse_wrong_answers(number, answer):
    assert verdict(number, answer)


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=[n for n, _ in RIGHT])
def test_checkers_accept_right_answers(number, answer):
    assert verdict(number, answer) is None
