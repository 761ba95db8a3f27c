"""Legal sizes against the paper's numbers."""

import pytest

from helpers.sizes import margin, nearest_sizes, output_size, valid_size


def test_paper_sizes():
    assert output_size(572) == 388 and output_size(1212) == 1028 and output_size(2236) == 2052
    legal = [n for n in range(1, 1100) if valid_size(n)]
    assert legal == [n for n in range(1, 1100) if n % 16 == 12 and n >= 188]
    assert nearest_sizes(573) == [572, 588] and nearest_sizes(20) == [188]
    assert nearest_sizes(1, depth=0, padding="same") == [1, 2]
    assert output_size(44, depth=2) == 4 and output_size(64, padding="same") == 64


def through_the_layers(n, depth, padding):
    """The size after every layer in turn, or None where a pooling meets an odd size or nothing is
    left.
    """
    lost = 0 if padding == "same" else 4  # two convolutions
    for _ in range(depth):
        n -= lost
        if n <= 0 or n % 2:
            return None
        n //= 2
    n -= lost
    for _ in range(depth):
        n = 2 * n - lost
    return n if n > 0 else None


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("depth", range(6))
def test_the_formula_agrees_with_the_layers(depth, padding):
    for n in range(1, 900):
        expected = through_the_layers(n, depth, padding)
        assert valid_size(n, depth, padding) == (expected is not None), n
        if expected is not None:
            assert output_size(n, depth, padding) == expected == n - 2 * margin(depth, padding)
    assert nearest_sizes(571) == [556, 572]


def beside(n, depth=4):
    """(pixels out, how many pixels of the input each skip lies beside what it is joined with), the
    deepest skip first, in a network that takes any size: poolings and central crops round down.
    """
    center = 0.0  # where the first value of a map lies in the input
    step = 1
    skips = []
    for level in range(depth + 1):
        if level > 0:
            n //= 2
            center += step / 2
            step *= 2
        n -= 4
        center += 2 * step
        skips.append((n, center))
    skips.pop()
    misses = []
    while skips:
        step //= 2
        n *= 2
        center -= step / 2
        size, start = skips.pop()
        misses.append(start + (size - n) // 2 * step - center)
        n -= 4
        center += 2 * step
    return n, misses


def test_other_sizes_put_the_skips_beside_their_partners():
    """What chapter 02 says of 576."""
    assert beside(572) == (388, [0, 0, 0, 0])
    assert beside(576) == (388, [0, 0, 2, 2])
    for n in range(188, 700):
        size, misses = beside(n)
        if valid_size(n):
            assert size == output_size(n) and not any(misses)
