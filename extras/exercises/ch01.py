"""Checkers of chapter 01: a linear layer as a convolution, FCN's scores; stamps, a crop."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from extras.exercises import Wrong, explain
from helpers.fcn import ThinFCN, enlarge


@torch.no_grad()
def as_convolution(linear, channels, height, width):
    """A convolution with the weights of a fully connected layer."""
    convolution = nn.Conv2d(channels, linear.out_features, (height, width))
    shape = (linear.out_features, channels, height, width)
    convolution.weight.copy_(linear.weight.reshape(shape))
    convolution.bias.copy_(linear.bias)
    return convolution


@torch.no_grad()
def turn_a(as_convolution) -> None:
    """as_convolution(linear, channels, height, width) -> the same layer, for maps of any size."""
    generator = torch.Generator().manual_seed(1)
    linear = nn.Linear(3 * 2 * 5, 4)
    linear.weight.copy_(torch.randn(4, 30, generator=generator))
    linear.bias.copy_(torch.randn(4, generator=generator))
    before = linear.weight.clone()
    recorded = (
        "PyTorch does not let you write into weights while it records for gradients: fill the "
        "layer inside `with torch.no_grad():`"
    )
    # The notebook calls it with gradients switched on, so the check does as well.
    with torch.enable_grad(), explain(RuntimeError, "leaf Variable", hint=recorded):
        conv = as_convolution(linear, 3, 2, 5)
    if not isinstance(conv, nn.Conv2d):
        raise Wrong(f"expected a layer nn.Conv2d, found {type(conv).__name__}")
    if tuple(conv.weight.shape) != (4, 3, 2, 5):
        raise Wrong(
            "the kernel must be [4 outputs, 3 channels, 2 rows, 5 columns], it is "
            f"{tuple(conv.weight.shape)}"
        )
    maps = torch.randn(2, 3, 2, 5, generator=generator)
    found, expected = conv(maps), linear(maps.flatten(1))
    if tuple(found.shape) != (2, 4, 1, 1):
        raise Wrong(
            f"on one map of 2x5 the result must have one position, it has {tuple(found.shape)}"
        )
    if conv.bias is None or not torch.allclose(conv.bias, linear.bias):
        raise Wrong("the bias of the linear layer was not taken over")
    if not torch.allclose(found.flatten(1), expected, atol=1e-5):
        raise Wrong(
            "the results differ: were the weights reshaped in the order channels, rows, columns?"
        )
    if not torch.equal(linear.weight, before):
        raise Wrong("the linear layer itself was changed")
    larger = torch.randn(1, 3, 4, 8, generator=generator)
    grid = conv(larger)
    if tuple(grid.shape) != (1, 4, 3, 4):
        raise Wrong(
            f"on a map of 4x8 the grid must be 3x4, it is {tuple(grid.shape[2:])}: stride 1 and "
            "no padding"
        )
    for row in range(3):
        for column in range(4):
            one = linear(larger[..., row : row + 2, column : column + 5].flatten(1))
            if not torch.allclose(grid[..., row, column], one, atol=1e-5):
                raise Wrong(
                    f"position ({row}, {column}) of the grid is not the linear layer's verdict "
                    "on its window"
                )


def _ignores(network, images, name: str) -> bool:
    """Whether the scores stay as they are when this score layer falls silent."""
    layer = getattr(network, name)
    before = network.scores(images)
    kept = [weight.clone() for weight in layer.parameters()]
    for weight in layer.parameters():
        weight.zero_()
    after = network.scores(images)
    for weight, value in zip(layer.parameters(), kept, strict=True):
        weight.copy_(value)
    return torch.equal(before, after)


def _in_one_step(network, images):
    """FCN-8s whose coarse scores all go straight to the grid of pool3."""
    pool3 = network.block3(network.block2(network.block1(images)))
    pool4 = network.block4(pool3)
    scores = network.score8(pool3)
    scores = scores + enlarge(network.score16(pool4), pool3.shape[-2:])
    coarse = network.score32(network.fc7(network.fc6(network.block5(pool4))))
    return scores + enlarge(coarse, pool3.shape[-2:])


@torch.no_grad()
def turn_b(answer) -> None:
    """A class like helpers.fcn.ThinFCN; its method `scores` is what was asked for."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, 3, 64, 128, generator=generator)
    for stride in (32, 16, 8):
        reference = ThinFCN(5, stride, width=4, hidden=16).eval()
        for weight in reference.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) / 4)
        network = answer(num_classes=5, stride=stride, width=4, hidden=16).eval()
        network.load_state_dict(reference.state_dict())
        expected = reference.scores(images)
        name = f"FCN-{stride}s"
        other_size = (
            f"{name}: bring the coarse scores onto the finer grid first, with enlarge; then they "
            "can be added"
        )
        no_layer = (
            f"{name} has no such layer. The scores of pool4 are added only if self.stride <= 16, "
            "those of pool3 only if it is 8"
        )
        with (
            explain(RuntimeError, "must match the size", hint=other_size),
            explain(AttributeError, "no attribute 'score", hint=no_layer),
        ):
            found = network.scores(images)
        if not isinstance(found, torch.Tensor):
            raise Wrong(f"{name}: expected a tensor of scores, found {type(found).__name__}")
        if found.shape != expected.shape:
            raise Wrong(
                f"{name}: the scores must have the shape {tuple(expected.shape)}, one place every "
                f"{stride} pixels; yours have {tuple(found.shape)}"
            )
        if torch.allclose(found, expected, rtol=1e-3, atol=1e-3):
            continue
        if stride == 8:
            for without in ("score16", "score8", "score32"):
                if _ignores(network, images, without):
                    raise Wrong(f"{name}: the scores of {without} are not in the sum")
            if torch.allclose(found, _in_one_step(reference, images), atol=1e-3):
                raise Wrong(
                    f"{name}: close, but the paper goes up step by step: add at pool4 first, and "
                    "enlarge that sum to pool3"
                )
        order = "block5, fc6, fc7 and score32 follow one another"
        if stride < 32:
            order += ", and only `enlarge` enlarges"
        raise Wrong(
            f"{name}: the shape is right, the scores are not those of the paper's plan: {order}"
        )


TURNS = {"A": as_convolution, "B": ThinFCN}


@torch.no_grad()
def exercise_1(stamp_2d) -> None:
    """Transposed convolution of one channel, without padding."""
    generator = torch.Generator().manual_seed(2)
    for (height, width), k, stride in [
        ((2, 3), 2, 2),
        ((3, 2), 4, 2),
        ((2, 4), 3, 1),
        ((3, 3), 2, 3),
        ((1, 1), 3, 2),
    ]:
        x = torch.randn(height, width, generator=generator)
        kernel = torch.randn(k, k, generator=generator)
        expected = F.conv_transpose2d(x[None, None], kernel[None, None], stride=stride)[0, 0]
        found = stamp_2d(x.clone(), kernel.clone(), stride)
        if isinstance(found, np.ndarray):
            found = torch.from_numpy(found)
        case = f"x {height}x{width}, kernel {k}x{k}, stride {stride}"
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != tuple(expected.shape):
            shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise Wrong(f"{case}: the result must be {tuple(expected.shape)}, it is {shape}")
        if not torch.allclose(found.to(expected), expected, atol=1e-5):
            raise Wrong(
                f"{case}: the values differ; do overlapping stamps add up, is the kernel "
                "unflipped, and does x[row, column] scale the stamp that starts at (row * "
                "stride, column * stride)?"
            )


def exercise_2(last_crop) -> None:
    """p - 1 - 5 * 2**n / 2: 19 for the paper's five poolings and padding of 100."""
    for n, p in [(5, 100), (4, 100), (3, 100), (3, 60), (2, 31), (1, 6), (5, 120)]:
        expected = p - 1 - 5 * 2 ** (n - 1)
        found = last_crop(n, p)
        if found != expected:
            hint = f"; the paper's network has {expected} there" if (n, p) == (5, 100) else ""
            raise Wrong(f"n = {n}, p = {p}: {found} is not the offset{hint}")
        if not isinstance(found, int):
            raise Wrong(
                f"n = {n}, p = {p}: an offset must be an int, to slice with; found "
                f"{type(found).__name__}"
            )
