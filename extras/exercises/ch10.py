"""Checkers of chapter 10: where tiles begin, and averaging with the mirror image."""

import math

import torch

from extras.exercises import Wrong


def exercise_1(answer) -> None:
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
        question = f"starts({length}, {tile}, {grid}) gives {got}"
        if not isinstance(got, list) or not got or got[0] != 0:
            raise Wrong(f"{question}: expected a list that begins with 0")
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
            raise Wrong(f"{question}: {fewest} tiles are enough")


def exercise_2(answer) -> None:
    """with_flip(net, x) -> mean of net(x) and of the mirrored prediction, turned back."""
    torch.manual_seed(0)
    net = torch.nn.Conv2d(3, 5, 3, padding=1)
    x = torch.rand(2, 3, 7, 11)
    with torch.no_grad():
        plain, mirrored = net(x), net(x.flip(-1))
        got = answer(net, x.clone())
        if not isinstance(got, torch.Tensor) or got.shape != plain.shape:
            raise Wrong(f"expected logits of shape {tuple(plain.shape)}")
        if torch.allclose(got, plain):
            raise Wrong("that is the plain prediction")
        if torch.allclose(got, (plain + mirrored) / 2):
            raise Wrong("the mirrored prediction was not turned back: left and right are mixed up")
        upside = (plain + net(x.flip(-2)).flip(-2)) / 2
        if torch.allclose(got, upside):
            raise Wrong(
                "that mirrors top and bottom; streets are mirrored left to right, the last axis"
            )
        if not torch.allclose(got, (plain + mirrored.flip(-1)) / 2, atol=1e-6):
            raise Wrong("the result is not the mean of both predictions")
