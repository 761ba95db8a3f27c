"""Exercises of chapters 04 and 05: wrong answers that the checkers must refuse."""

import numpy as np
import pytest
import torch

from extras.exercises import verdict


def _to_picture(finish):
    def answer(tensor, mean, std):
        mean, std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        return finish((tensor * std + mean) * 255).permute(1, 2, 0).numpy()

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
    ("04.1", _to_picture(lambda v: v.clamp(0, 255).to(torch.uint8))),
    ("04.1", _to_picture(lambda v: v.round())),
    ("04.1", _to_picture(lambda v: v.round().to(torch.int64).to(torch.uint8))),
    ("05.1", _majority(max)),
    ("05.1", _majority(_commonest, np.int64)),
    ("05.1", _majority(lambda b: len(np.bincount(b)) - 1 - np.bincount(b)[::-1].argmax())),
    ("05.2", _place(lambda rng, n: 0, False)),
    ("05.2", _place(lambda rng, n: rng.integers(n), True)),
]


RIGHT = [
    ("05.1", _majority(_commonest)),
    ("04.1", _to_picture(lambda v: v.round().clamp(0, 255).to(torch.uint8))),
    ("05.2", _place(lambda rng, n: rng.integers(n), False)),
]


@pytest.mark.parametrize(
    ("number", "answer"), WRONG, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRONG)]
)
def test_checkers_refuse_wrong_answers(number, answer):
    assert verdict(number, answer)


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=[n for n, _ in RIGHT])
def test_checkers_accept_right_answers(number, answer):
    assert verdict(number, answer) is None
