"""Checkers of chapter 06: crop and concatenate, parameters by formula, sizes that cover a frame."""

import torch

from extras.exercises import Wrong
from helpers.sizes import output_size, valid_size
from helpers.unet import UNet


def exercise_1(answer) -> None:
    """crop_and_concatenate(skip [N, A, H, W], x [N, B, h, w]) -> [N, A + B, h, w], skip first,
    cropped centrally.
    """
    for height, width, margins in ((4, 6, (2, 4)), (5, 3, (4, 1)), (2, 2, (0, 0))):
        skip = torch.arange(
            2 * 3 * (height + 2 * margins[0]) * (width + 2 * margins[1]), dtype=torch.float32
        )
        skip = skip.reshape(2, 3, height + 2 * margins[0], width + 2 * margins[1])
        x = -torch.rand(2, 5, height, width) - 1
        got = answer(skip, x)
        if not isinstance(got, torch.Tensor) or got.shape != (2, 8, height, width):
            found = tuple(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__
            raise Wrong(
                f"a skip of {tuple(skip.shape)} and x of {tuple(x.shape)} must give (2, 8, "
                f"{height}, {width}), found {found}"
            )
        center = skip[:, :, margins[0] : margins[0] + height, margins[1] : margins[1] + width]
        if torch.equal(got[:, :5], x) and torch.equal(got[:, 5:], center):
            raise Wrong("the skip's channels come first, then those of x")
        if not torch.equal(got[:, 3:], x):
            raise Wrong("the last channels must be x, unchanged")
        if not torch.equal(got[:, :3], center):
            raise Wrong(
                "the crop is not the center of the skip: as many rows must go above it as below "
                "it, and as many columns on the left as on the right"
            )


def exercise_2(answer) -> None:
    """count_parameters(in_channels, classes, width) -> int."""
    for in_channels, classes, width in ((3, 19, 64), (1, 2, 64), (3, 11, 16), (5, 7, 3)):
        with torch.device("meta"):
            expected = sum(p.numel() for p in UNet(in_channels, classes, width).parameters())
        got = answer(in_channels, classes, width)
        if got != expected:
            raise Wrong(
                f"for {in_channels} channels, {classes} classes and width {width} the network has "
                f"{expected:,} parameters, you count {got:,}"
            )


def exercise_3(answer) -> None:
    """covering_input(height, width, depth=4) -> smallest legal (rows, columns) whose output covers
    the frame.
    """
    for height, width, depth in (
        (1024, 2048, 4),
        (388, 372, 4),
        (389, 4, 4),
        (256, 100, 3),
        (60, 61, 2),
    ):
        got = answer(height, width) if depth == 4 else answer(height, width, depth)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong(f"expected a pair (rows, columns), found {got!r}")
        for name, target, n in (("rows", height, got[0]), ("columns", width, got[1])):
            if not valid_size(n, depth):
                raise Wrong(f"{n} {name} are not legal at depth {depth}: a pooling would drop one")
            if output_size(n, depth) < target:
                raise Wrong(
                    f"{n} {name} give {output_size(n, depth)} at depth {depth}, too few for "
                    f"{target}"
                )
            if any(valid_size(m, depth) and output_size(m, depth) >= target for m in range(1, n)):
                raise Wrong(
                    f"{n} {name} cover {target} at depth {depth}, but a smaller legal size would "
                    "too"
                )
