"""Which sizes an image may have, and what comes out: the arithmetic of U-Net's layers.

Chapter 02 derives it. Without padding, a level takes 8 pixels for its four convolutions and twice
what the levels below it take; the two convolutions at the bottom take 4. At depth d that adds up to
12 * 2**d - 8 pixels, 184 at depth 4: 572 in, 388 out. At the end stand two checks of numbers that
a user gives.
"""

from itertools import count


def margin(depth: int = 4, padding: str = "valid") -> int:
    """Pixels that the network takes away on each side: 92 at depth 4, none with same padding."""
    if padding == "same":
        return 0
    return 6 * 2**depth - 4


def valid_size(n: int, depth: int = 4, padding: str = "valid") -> bool:
    """Whether an input of n pixels is legal: every 2x2 pooling meets an even size.

    Unpadded, at depth 4: n = 12 (mod 16) and n >= 188. Padded: a multiple of 2**depth. (Paper,
    Sec. 2, last sentence.)
    """
    # All poolings together divide by this.
    grid = 2**depth
    if padding == "same":
        return n > 0 and n % grid == 0
    return n > 2 * margin(depth) and (n + 4) % grid == 0


def nearest_sizes(n: int, depth: int = 4, padding: str = "valid") -> list[int]:
    """The legal sizes next to n: the largest of at most n, if there is one, and the next above."""
    below = [size for size in range(1, n + 1) if valid_size(size, depth, padding)]
    above = next(size for size in count(n + 1) if valid_size(size, depth, padding))
    return [*below[-1:], above]


def output_size(n: int, depth: int = 4, padding: str = "valid") -> int:
    """Pixels out for n pixels in: 388 for 572.

    Raises ValueError with the nearest legal sizes if n is not legal.
    """
    if not valid_size(n, depth, padding):
        near = " or ".join(str(size) for size in nearest_sizes(n, depth, padding))
        raise ValueError(
            f"input size {n} is not legal for depth {depth} and {padding} padding: a 2x2 pooling "
            f"would drop a row, or nothing would be left; the nearest legal size is {near}"
        )
    return n - 2 * margin(depth, padding)


def outside(least: float, below: float, **numbers) -> list[str]:
    """A line for every number that is not in [least, below); None stands for one not given."""
    return [
        f"{name.replace('_', '-')} must be at least {least} and below {below:g}, found {value}"
        for name, value in numbers.items()
        if value is not None and not least <= value < below
    ]


def require(least: float, below: float, **numbers) -> None:
    """Raises ValueError with every number that is not in [least, below)."""
    problems = outside(least, below, **numbers)
    if problems:
        raise ValueError("\n".join(problems))
