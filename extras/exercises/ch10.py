"""Checkers of chapter 10: where tiles begin, logits at full size, the file for the server; how wide
a margin must be.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from extras.exercises import Wrong, explain
from helpers.labels import TRAIN_19


def starts(length, tile, grid):
    """Where the fewest tiles begin that cover `length` pixels, all on the grid."""
    step = tile // grid * grid
    positions = [0]
    while positions[-1] + tile < length:
        positions.append(positions[-1] + step)
    return positions


def turn_a(answer) -> None:
    """starts(length, tile, grid) -> first pixels of the fewest tiles that cover length, all
    multiples of grid.
    """
    for length, tile, grid in (
        (1028, 388, 16),
        (2052, 388, 16),
        (388, 388, 16),
        (4, 388, 16),
        (389, 388, 16),
        (1024, 384, 16),
        (768, 384, 16),
        (100, 36, 8),
        (772, 388, 16),
    ):
        got = answer(length, tile, grid)
        if not isinstance(got, list):
            raise Wrong(f"expected a list, found {type(got).__name__}")
        shown = str(got) if len(got) < 9 else f"{got[:8]} and more"
        question = f"starts({length}, {tile}, {grid}) gives {shown}"
        if not got or got[0] != 0:
            raise Wrong(f"{question}: expected a list that begins with 0")
        if not all(isinstance(start, (int, np.integer)) for start in got):
            raise Wrong(f"{question}: pixels have whole numbers, and a slice takes nothing else")
        for start in got:
            if start % grid:
                raise Wrong(
                    f"{question}: {start} is no multiple of {grid}, that tile would pool on "
                    "another grid"
                )
        if any(b - a > tile for a, b in zip(got, got[1:])):
            raise Wrong(f"{question}: there is a gap, a tile covers {tile} pixels only")
        if got[-1] + tile < length:
            raise Wrong(f"{question}: the last {length - got[-1] - tile} pixels are not covered")
        step = tile // grid * grid
        fewest = 1 + math.ceil(max(0, length - tile) / step)
        if len(got) != fewest or sorted(set(got)) != got:
            enough = "one tile is" if fewest == 1 else f"{fewest} tiles are"
            raise Wrong(f"{question}: {enough} enough")


def enlarge(logits, factor):
    """Labels [H, W] at `factor` times the size of the logits [classes, h, w]."""
    batch = logits[None]
    large = torch.nn.functional.interpolate(batch, scale_factor=factor, mode="bilinear")
    return large[0].argmax(0)


def turn_b(answer) -> None:
    """enlarge(logits, factor) -> labels [H, W]."""
    random = torch.Generator().manual_seed(10)
    logits = torch.randn(5, 6, 9, generator=random)
    factor = 4
    batch = "bilinear enlarging wants a batch, [N, C, h, w]: logits[None] makes one"
    with explain(NotImplementedError, "4D", hint=batch):
        got = answer(logits.clone(), factor)
    if isinstance(got, np.ndarray):
        raise Wrong("expected a tensor, found an array: the next cell itself calls .numpy()")
    if not isinstance(got, torch.Tensor) or tuple(got.shape) != (24, 36):
        shape = tuple(got.shape) if hasattr(got, "shape") else type(got).__name__
        ends = {
            (1, 24, 36): ": the batch of one is still there, take [0]",
            (5, 24, 36): ": these are logits, argmax over the classes is missing",
        }
        raise Wrong(
            f"logits of 6 x 9 and a factor of 4 give labels of 24 x 36, found {shape}"
            f"{ends.get(shape, '')}"
        )
    if torch.equal(got, enlarge(logits, factor)):
        twice = answer(logits.clone(), 2)
        if tuple(twice.shape) != (12, 18):
            raise Wrong(
                f"a factor of 2 gives labels of 12 x 18, found {tuple(twice.shape)}: use `factor`"
            )
        return
    blocks = logits.argmax(0).repeat_interleave(factor, 0).repeat_interleave(factor, 1)
    if torch.equal(got, blocks):
        raise Wrong(
            "each label became a block: interpolate the logits bilinearly, and decide afterwards"
        )
    if got.is_floating_point() or int(got.max()) >= len(logits):
        raise Wrong("expected one of 5 classes per pixel: labels cannot be interpolated")
    corners = F.interpolate(logits[None], scale_factor=factor, mode="bilinear", align_corners=True)
    if torch.equal(got, corners[0].argmax(0)):
        raise Wrong(
            "align_corners=True lays the outermost pixels' centers on the corners, which moves "
            "everything by up to half a block; leave it out"
        )
    labels = logits.argmax(0)[None, None].float()
    labels = F.interpolate(labels, scale_factor=factor, mode="bilinear")
    if torch.equal(got, labels[0, 0].round().to(got.dtype)) or torch.equal(
        got, labels[0, 0].to(got.dtype)
    ):
        raise Wrong("halfway between class 0 and class 2 is not class 1: argmax comes last")
    chances = F.interpolate(logits.softmax(0)[None], scale_factor=factor, mode="bilinear")
    if torch.equal(got, chances[0].argmax(0)):
        raise Wrong("you enlarged probabilities; take the logits as they are, without softmax")
    raise Wrong("the labels are not those of bilinearly enlarged logits")


def to_submission(train_ids):
    """Label ids uint8 [H, W]; ignored pixels become 0, unlabeled."""
    table = np.zeros(256, np.uint8)
    table[:19] = TRAIN_19.ids
    return table[train_ids]


def turn_c(answer) -> None:
    """to_submission(train_ids) -> uint8 label ids."""
    train_ids = np.array([[0, 1, 13], [18, 255, 7]], np.uint8)
    expected = to_submission(train_ids)
    got = answer(train_ids.copy())
    if not isinstance(got, np.ndarray) or got.shape != train_ids.shape:
        shape = list(got.shape) if isinstance(got, np.ndarray) else type(got).__name__
        raise Wrong(f"expected an array {list(train_ids.shape)}, as train_ids, found {shape}")
    if np.array_equal(got, train_ids):
        raise Wrong(
            "these are still train ids; as label ids, 0 to 18 mean unlabeled, ego vehicle, ..."
        )
    if (got[train_ids == 255] != 0).any():
        found = int(got[train_ids == 255][0])
        raise Wrong(f"an ignored pixel became {found}; the server knows 0 for unlabeled")
    if got[0, 0] == 20:
        raise Wrong(
            "0 became 7, and later 7 became 20: write into a new array, or look up in a table"
        )
    if not np.array_equal(got, expected):
        raise Wrong(
            f"train ids {train_ids.tolist()} are label ids {expected.tolist()}, you return "
            f"{got.tolist()}"
        )
    if got.dtype != np.uint8:
        raise Wrong(f"the file has one channel of 8 bits, and this is {got.dtype}: use np.uint8")


TURNS = {"A": starts, "B": enlarge, "C": to_submission}


def exercise_1(answer) -> None:
    """margin(reach, depth) -> smallest multiple of 2**depth that is at least reach."""
    for reach, depth in ((107, 4), (112, 4), (51, 3), (219, 5), (1, 2)):
        got = answer(reach, depth)
        grid = 2**depth
        right = math.ceil(reach / grid) * grid
        question = f"a reach of {reach} at depth {depth}"
        if got == right:
            continue
        if got < reach:
            raise Wrong(f"{question}: {got} is too little, some pixels would see the tile's edge")
        if got % grid:
            raise Wrong(f"{question}: {got} is no multiple of {grid}, so the poolings would shift")
        raise Wrong(f"{question}: {right} is enough, you take {got}")
