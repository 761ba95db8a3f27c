"""Checkers of chapter 02: pixels lost, receptive field of a chain of layers, legal sizes."""

from extras.exercises import Wrong
from helpers.sizes import valid_size


def exercise_1(answer) -> None:
    """lost_pixels(depth, kernel=3) -> input size minus output size."""
    for depth, kernel in ((4, 3), (3, 3), (1, 3), (0, 3), (5, 3), (4, 5), (2, 7), (3, 1)):
        lost = 2 * (kernel - 1)  # by the two convolutions of a level
        bottom = 16_000  # pixels after the deepest level

        # From there back to the input, and on to the output
        pixels_in = bottom + lost
        for _ in range(depth):
            pixels_in = 2 * pixels_in + lost
        pixels_out = bottom
        for _ in range(depth):
            pixels_out = 2 * pixels_out - lost

        expected = pixels_in - pixels_out
        got = answer(depth) if kernel == 3 and depth == 3 else answer(depth, kernel)
        if got != expected:
            raise Wrong(
                f"at depth {depth} with {kernel}x{kernel} convolutions {pixels_in} pixels become "
                f"{pixels_out}, so {expected} are lost; you say {got}"
            )


def exercise_2(answer) -> None:
    """receptive_field([(kernel, stride), ...]) -> (field, jump)."""
    unet = [(3, 1), (3, 1)] + [(2, 2), (3, 1), (3, 1)] * 4
    vgg = []
    for convolutions in (2, 2, 3, 3, 3):
        vgg += [(3, 1)] * convolutions + [(2, 2)]
    vgg.append((7, 1))
    for name, layers in (
        ("no layer", []),
        ("one 3x3", [(3, 1)]),
        ("one pooling", [(2, 2)]),
        ("a 7x7 with stride 2 and a 3x3", [(7, 2), (3, 1)]),
        ("a 1x1 with stride 3, a 3x3 with stride 2 and a 3x3", [(1, 3), (3, 2), (3, 1)]),
        ("U-Net's contracting path", unet),
        ("FCN's chain up to fc6", vgg),
    ):
        field = 1
        jump = 1
        for kernel, stride in reversed(layers):  # walk one value back to the input
            field = (field - 1) * stride + kernel
            jump = jump * stride
        expected = (field, jump)
        got = tuple(answer(list(layers)))
        if got != expected:
            raise Wrong(f"{name}: (field, jump) is {expected}, you say {got}")


def exercise_3(answer) -> None:
    """is_legal(n, depth=4) -> bool."""
    for depth in (4, 3, 2, 1):
        for n in range(1, 700):
            expected = valid_size(n, depth)
            got = answer(n) if depth == 4 else answer(n, depth)
            if bool(got) != expected:
                really = "legal" if expected else "not legal"
                raise Wrong(f"{n} is {really} at depth {depth}, you say the opposite")
