"""Which sizes an image may have and what comes out: the arithmetic of U-Net's layers (chapter 02 derives it)."""


def bottom_size(n: int, depth: int = 4) -> int:
    """The size that enters the two bottom convolutions of the unpadded network, or -1 where a pooling is uneven."""
    for _ in range(depth):
        n -= 4  # two 3x3 convolutions without padding
        if n < 2 or n % 2:
            return -1
        n //= 2
    return n


def valid_size(n: int, depth: int = 4, padding: str = "valid") -> bool:
    """Whether an input of n pixels is legal: every 2x2 pooling meets an even size, and something is left at the end.

    Unpadded, depth 4: n = 12 (mod 16) and n >= 188. Padded: a multiple of 2**depth. (Paper, Sec. 2, last sentence.)
    """
    if padding == "same":
        return n > 0 and n % 2**depth == 0
    bottom = bottom_size(n, depth)
    return bottom > 0 and _expand(bottom, depth) > 0


def _expand(bottom: int, depth: int) -> int:
    size = bottom - 4
    for _ in range(depth):
        if size <= 0:
            return 0
        size = 2 * size - 4
    return size


def nearest_sizes(n: int, depth: int = 4, padding: str = "valid") -> list[int]:
    """The legal input sizes next to n: the largest that is not above it (if there is one) and the smallest above."""
    below = next((m for m in range(n, 0, -1) if valid_size(m, depth, padding)), None)
    above = n + 1
    while not valid_size(above, depth, padding):
        above += 1
    return [above] if below is None else [below, above]


def output_size(n: int, depth: int = 4, padding: str = "valid") -> int:
    """Pixels out for n pixels in (572 -> 388). Raises ValueError with the nearest legal sizes if n is not legal."""
    if not valid_size(n, depth, padding):
        near = " or ".join(map(str, nearest_sizes(n, depth, padding)))
        raise ValueError(f"input size {n} is not legal for depth {depth} and {padding} padding: a 2x2 pooling would "
                         f"drop a row, or nothing would be left; the nearest legal size is {near}")
    return n if padding == "same" else _expand(bottom_size(n, depth), depth)
