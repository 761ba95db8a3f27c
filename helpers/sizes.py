"""Which sizes an image may have and what comes out: the arithmetic of U-Net's layers (chapter 02
derives it).

Without padding, a level of depth d takes 2 * 4 = 8 pixels for itself and twice what the levels
below it take; the two bottom convolutions take 4. So the whole network takes loss(d) = 2 * loss(d -
1) + 8 with loss(0) = 4, which is 12 * 2**d - 8: 184 pixels at depth 4 (572 -> 388).
"""


def margin(depth: int = 4, padding: str = "valid") -> int:
    """Pixels that the network takes away on each side: 92 at depth 4, none with same padding."""
    return 0 if padding == "same" else 6 * 2**depth - 4


def valid_size(n: int, depth: int = 4, padding: str = "valid") -> bool:
    """Whether an input of n pixels is legal: every 2x2 pooling meets an even size, and something is
    left at the end.

    Unpadded, depth 4: n = 12 (mod 16) and n >= 188. Padded: a multiple of 2**depth. (Paper, Sec. 2,
    last sentence.)
    """
    grid = 2**depth
    if padding == "same":
        return n > 0 and n % grid == 0
    return n > 2 * margin(depth) and (n + 4) % grid == 0


def nearest_sizes(n: int, depth: int = 4, padding: str = "valid") -> list[int]:
    """The legal input sizes next to n: the largest that is not above it (if there is one) and the
    smallest above.
    """
    below = next((size for size in range(n, 0, -1) if valid_size(size, depth, padding)), None)
    above = n + 1
    while not valid_size(above, depth, padding):
        above += 1
    return [above] if below is None else [below, above]


def output_size(n: int, depth: int = 4, padding: str = "valid") -> int:
    """Pixels out for n pixels in (572 -> 388). Raises ValueError with the nearest legal sizes if n
    is not legal.
    """
    if not valid_size(n, depth, padding):
        near = " or ".join(str(size) for size in nearest_sizes(n, depth, padding))
        raise ValueError(
            f"input size {n} is not legal for depth {depth} and {padding} padding: a 2x2 pooling "
            f"would drop a row, or nothing would be left; the nearest legal size is {near}"
        )
    return n - 2 * margin(depth, padding)
