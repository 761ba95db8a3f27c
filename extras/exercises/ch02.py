"""Checkers of chapter 02: pixels lost, receptive field of a chain of layers, legal sizes."""

from extras.exercises import Wrong
from helpers.sizes import valid_size


def exercise_1(answer) -> None:
    """lost_pixels(depth, kernel=3) -> input size minus output size."""
    for depth, kernel in ((4, 3), (3, 3), (1, 3), (0, 3), (5, 3), (4, 5), (2, 7), (3, 1)):
        down = up = 0
        size = bottom = 16 * 1000  # at the bottom; walk up to the input and to the output
        size += 2 * (kernel - 1)
        for _ in range(depth):
            size = 2 * size + 2 * (kernel - 1)
        down = size
        for _ in range(depth):
            bottom = 2 * bottom - 2 * (kernel - 1)
        up = bottom
        got = answer(depth) if kernel == 3 and depth == 3 else answer(depth, kernel)
        if got != down - up:
            raise Wrong(
                f"at depth {depth} with {kernel}x{kernel} convolutions {down} pixels become {up}, "
                f"so {down - up} are lost; you say {got}"
            )


def exercise_2(answer) -> None:
    """receptive_field([(kernel, stride), ...]) -> (field, jump)."""
    unet = [(3, 1), (3, 1)] + [(2, 2), (3, 1), (3, 1)] * 4
    vgg = sum(([(3, 1)] * n + [(2, 2)] for n in (2, 2, 3, 3, 3)), []) + [(7, 1)]
    for name, layers in (
        ("no layer", []),
        ("one 3x3", [(3, 1)]),
        ("one pooling", [(2, 2)]),
        ("a 7x7 with stride 2 and a 3x3", [(7, 2), (3, 1)]),
        ("a 1x1 with stride 3, a 3x3 with stride 2 and a 3x3", [(1, 3), (3, 2), (3, 1)]),
        ("U-Net's contracting path", unet),
        ("FCN's chain up to fc6", vgg),
    ):
        first, last, jump = 0, 0, 1
        for kernel, stride in reversed(layers):  # walk one value back to the input
            first, last, jump = first * stride, last * stride + kernel - 1, jump * stride
        expected, got = (last - first + 1, jump), tuple(answer(list(layers)))
        if got != expected:
            raise Wrong(f"{name}: (field, jump) is {expected}, you say {got}")


def exercise_3(answer) -> None:
    """is_legal(n, depth=4) -> bool."""
    for depth in (4, 3, 2, 1):
        for n in range(1, 700):
            got, expected = (
                bool(answer(n) if depth == 4 else answer(n, depth)),
                valid_size(n, depth),
            )
            if got != expected:
                raise Wrong(
                    f"{n} is {'legal' if expected else 'not legal'} at depth {depth}, you say "
                    "the opposite"
                )
