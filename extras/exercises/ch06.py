"""Checkers of chapter 06: crop and concatenate, the block, the forward pass; two exercises."""

import torch
from torch import nn

from extras.exercises import Wrong, explain
from helpers import unet
from helpers.unet import UNet


def turn_a(answer) -> None:
    """crop_and_concat(skip [N, A, H, W], x [N, B, h, w]) -> [N, A + B, h, w], skip first,
    cropped centrally.
    """
    for height, width, margins in ((4, 6, (2, 4)), (5, 3, (4, 1)), (2, 2, (0, 0))):
        skip = torch.arange(
            2 * 3 * (height + 2 * margins[0]) * (width + 2 * margins[1]), dtype=torch.float32
        )
        skip = skip.reshape(2, 3, height + 2 * margins[0], width + 2 * margins[1])
        x = -torch.rand(2, 5, height, width) - 1
        empty = (
            f"with a skip of {tuple(skip.shape)} and x of {tuple(x.shape)} the crop is empty: a "
            "slice [0:-0] holds nothing. Write top : top + height"
        )
        with explain(RuntimeError, "Expected size 0", hint=empty):
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


def turn_b(answer) -> None:
    """double_conv(in_channels, out_channels, padding, norm) -> nn.Sequential."""
    plain = answer(3, 4, "valid", None)
    if not isinstance(plain, nn.Sequential):
        raise Wrong(
            "return nn.Sequential(*layers): section 9 puts trained weights in by the place of each "
            f"layer; found {type(plain).__name__}"
        )
    normed = answer(3, 4, "same", "batch")
    images = torch.zeros(2, 3, 16, 24)
    for block, size, words in (
        (plain, (12, 20), 'without padding ("valid")'),
        (normed, (16, 24), 'with padding "same" (padding=1 for a 3x3 kernel)'),
    ):
        found = tuple(block(images).shape)
        if found != (2, 4, *size):
            raise Wrong(
                f"{words}, (2, 3, 16, 24) must become {(2, 4, *size)}, yours becomes {found}"
            )
    for block, expected in (
        (plain, ["Conv2d", "ReLU"] * 2),
        (normed, ["Conv2d", "BatchNorm2d", "ReLU"] * 2),
    ):
        layers = [type(layer).__name__ for layer in block]
        if layers != expected:
            raise Wrong(f"the order is {', '.join(expected)}; yours is {', '.join(layers)}")
    convolutions = [layer for layer in normed.modules() if isinstance(layer, nn.Conv2d)]
    if any(layer.bias is not None for layer in convolutions):
        raise Wrong(
            "give the convolutions bias=False where batch norm follows: it subtracts the mean, "
            "and any bias with it"
        )
    if any(layer.bias is None for layer in plain.modules() if isinstance(layer, nn.Conv2d)):
        raise Wrong("without batch norm the convolutions need their bias")
    for padding, norm, size in (("same", None, (16, 24)), ("valid", "batch", (12, 20))):
        found = tuple(answer(3, 4, padding, norm)(images).shape[2:])
        if found != size:
            raise Wrong(
                f'with padding="{padding}" and norm={norm!r}, 16 x 24 pixels must become '
                f"{size[0]} x {size[1]}, yours become {found[0]} x {found[1]}: padding and norm do "
                "not depend on each other"
            )


def turn_c(answer) -> None:
    """UNet, a class whose forward is written by the learner."""
    images = torch.randn(1, 3, 188, 204, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    reference = UNet(width=2).eval()
    model = answer(width=2).eval()
    model.load_state_dict(reference.state_dict())
    order = (
        "two maps do not fit: throw the deepest map away, then take the skips from the deepest to "
        "the shallowest, each after the up-convolution of its own level"
    )
    with torch.no_grad(), explain(RuntimeError, "size", "channels", hint=order):
        found = model(images)
    if not isinstance(found, torch.Tensor):
        raise Wrong(f"forward must return the logits, found {type(found).__name__}")
    with torch.no_grad():
        expected = reference(images)
    if found.shape != expected.shape:
        why = ""
        if found.ndim == 4 and found.shape[1] == 2:
            why = ": the last step is self.head, one channel per class"
        raise Wrong(
            f"the logits must be {tuple(expected.shape)}, yours are {tuple(found.shape)}{why}"
        )
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3):
        raise Wrong("the sizes are right, but the numbers are not: is every block used once?")

    # A dropout that drops everything shows where it stands.
    for network in (reference, model):
        network.dropout.p = 1.0
        network.train()
    with torch.no_grad():
        found = model(images)
        dropped = reference(images)
    if torch.equal(found, expected):
        raise Wrong("self.dropout is not used: it belongs after the two deepest blocks")
    if not torch.allclose(found, dropped, rtol=1e-3, atol=1e-3):
        raise Wrong(
            "self.dropout is not where it belongs: after the blocks of the two deepest levels and "
            "nowhere else, and before a map is kept"
        )


TURNS = {"A": unet.crop_and_concat, "B": unet.double_conv, "C": unet.UNet}


def exercise_1(answer) -> None:
    """count_parameters(in_channels, num_classes, width) -> int."""
    for in_channels, classes, width in ((3, 19, 64), (1, 2, 64), (3, 11, 16), (5, 7, 3)):
        with torch.device("meta"):
            expected = sum(p.numel() for p in UNet(in_channels, classes, width).parameters())
        got = answer(in_channels, classes, width)
        if got != expected:
            raise Wrong(
                f"for {in_channels} channels, {classes} classes and width {width} the network has "
                f"{expected:,} parameters, you count {got:,}"
            )


def trained_pair(seed: int) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution from 3 to 4 channels and the batch norm behind it, as after a training."""
    generator = torch.Generator().manual_seed(seed)
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    norm = nn.BatchNorm2d(4, eps=0.1)  # large, so that it shows when it is left out
    with torch.no_grad():
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=generator))
        for numbers in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            numbers.copy_(0.5 + 2 * torch.rand(4, generator=generator))
    return conv, norm.eval()


def exercise_2(answer) -> None:
    """fold(conv, norm) -> one Conv2d that gives what both give in eval mode."""
    images = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    for seed in (0, 1):
        conv, norm = trained_pair(seed)
        with torch.no_grad():
            plain = conv(images)
            right = norm(plain)
        shapes = (
            "the shapes do not fit. The weights are (outputs, inputs, 3, 3), so the scale of each "
            "output channel needs the shape (outputs, 1, 1, 1)"
        )
        with explain(RuntimeError, "size of tensor", hint=shapes):
            folded = answer(conv, norm)
        if not isinstance(folded, nn.Conv2d):
            raise Wrong(f"return one nn.Conv2d; found {type(folded).__name__}")
        if folded.bias is None:
            raise Wrong("the new convolution has no bias, so nothing can be added to a channel")
        with torch.no_grad():
            if not torch.equal(conv(images), plain) or not torch.equal(norm(plain), right):
                raise Wrong("conv or norm has changed: make a new nn.Conv2d and copy_ into it")
            found = folded(images)
        if found.shape != right.shape:
            raise Wrong(
                f"{tuple(images.shape)} must become {tuple(right.shape)}, yours become "
                f"{tuple(found.shape)}: kernel 3, padding 1"
            )
        if torch.allclose(found, right, atol=1e-4):
            continue
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        for words, wrong_scale in (
            ("divide by the root of the variance", norm.weight / (norm.running_var + norm.eps)),
            ("norm.eps is missing", norm.weight / torch.sqrt(norm.running_var)),
            ("norm.weight is missing", scale / norm.weight),
        ):
            if torch.allclose(folded.weight, conv.weight * wrong_scale.view(-1, 1, 1, 1)):
                raise Wrong(f"the weights are not scaled by what batch norm scales with: {words}")
        if torch.allclose(folded.weight, conv.weight * scale.view(-1, 1, 1, 1), atol=1e-5):
            raise Wrong(
                "the weights are right, the bias is not: what batch norm subtracts is scaled as "
                "well, and then norm.bias is added"
            )
        raise Wrong("the new convolution does not give what conv and norm give together")
