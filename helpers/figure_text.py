"""What a figure shows, as one line of text: stored beside the picture, it lets a test compare
figures by their data.
"""

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.ticker import FixedFormatter, FuncFormatter


def describe(figure) -> str:
    """Size, and for each axis titles, labels, texts, legends with colors, and its data in rounded
    numbers.
    """
    parts = ["x".join(f"{n:.3g}" for n in figure.get_size_inches())]
    for axis in figure.axes:
        text = [axis.get_title(), axis.get_title("left"), axis.get_xlabel(), axis.get_ylabel()]
        text += [t.get_text() for t in axis.texts]
        text += [_ticks(one) for one in (axis.xaxis, axis.yaxis)]
        text += [f"image {_picture(i.get_array())}" for i in axis.images]
        text += [
            f"line {to_hex(line.get_color())} {_numbers(line.get_ydata())}" for line in axis.lines
        ]
        text += [
            f"bar {to_hex(p.get_facecolor())} {p.get_height():.2g}x{p.get_width():.2g}"
            for p in axis.patches
            if hasattr(p, "get_height")
        ]
        text += [f"points {_numbers(c.get_offsets(), axis=0)}" for c in axis.collections]
        parts.append(", ".join(t for t in [*text, _legend(axis.get_legend())] if t))
    return "Figure " + "; ".join([*parts, *filter(None, map(_legend, figure.legends))])


def _ticks(axis) -> str:
    """The words along an axis, where somebody chose them."""
    if not isinstance(axis.get_major_formatter(), (FixedFormatter, FuncFormatter)):
        return ""
    return "ticks " + " ".join(label.get_text() for label in axis.get_ticklabels())


def _legend(legend) -> str:
    if legend is None:
        return ""
    colors = [
        to_hex(h.get_facecolor()) if hasattr(h, "get_facecolor") else ""
        for h in legend.legend_handles
    ]
    return "legend " + " ".join(f"{t.get_text()} {c}" for t, c in zip(legend.get_texts(), colors))


def _picture(values) -> str:
    """Shape, mean of each channel, and mean of each quarter, so that a shift or a flip shows."""
    values = np.ma.masked_invalid(np.asarray(values, np.float64))
    half_h, half_w = (n // 2 or 1 for n in values.shape[:2])
    quarters = [
        values[rows, columns].mean()
        for rows in (slice(half_h), slice(half_h, None))
        for columns in (slice(half_w), slice(half_w, None))
        if values[rows, columns].size
    ]
    return f"{_numbers(values, axis=(0, 1))} quarters {' '.join(f'{q:.3g}' for q in quarters)}"


def _numbers(values, axis=None) -> str:
    """Shape and mean of an array; three digits, so that the last bits of a float do not matter."""
    values = np.ma.masked_invalid(np.asarray(values, np.float64))
    means = np.ma.atleast_1d(values.mean(axis=axis))
    return f"{'x'.join(map(str, values.shape))} mean {' '.join(f'{m:.3g}' for m in means.filled(np.nan))}"
