"""Whether a figure shows what is stored of it: strict nbval compares texts, and no two processors
round alike. scripts.figure_text writes the descriptions, conftest.py compares them.
"""

import numpy as np


def same_figure(now: str, stored: str) -> bool:
    """Whether two descriptions agree: every word, and the data within one percent.

    Processors round differently: a mean of 0.12349999 is 0.123 here and 0.124 there.
    """
    words_now = now.split(" ")
    words_stored = stored.split(" ")
    if len(words_now) != len(words_stored):
        return False
    data = False
    for word, other in zip(words_now, words_stored):
        if word != other and not (data and _close(word, other)):
            return False
        # Data follow these words, up to the next comma or semicolon.
        if word in ("mean", "quarters") or word.startswith("#"):
            data = True
        if word.endswith((",", ";")):
            data = False
    return True


def _close(word: str, other: str) -> bool:
    """Whether two numbers, or two sizes such as 0.2x31, are the same but for rounding."""
    if word[-1:] in ",;" and word[-1:] != other[-1:]:
        return False
    try:
        values = [float(number) for number in word.rstrip(",;").split("x")]
        others = [float(number) for number in other.rstrip(",;").split("x")]
    except ValueError:
        return False
    return len(values) == len(others) and np.allclose(values, others, rtol=0.0101, atol=1e-3)
