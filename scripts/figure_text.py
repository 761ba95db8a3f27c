"""What a figure shows, as one line of text.

Stored beside the picture, it lets a test compare figures by their data: `describe_figures` makes
every kernel that the tests start say it of each figure.
"""

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FuncFormatter


def describe(figure) -> str:
    """Size, and of each axis the words, the legends with their colors, and the data, rounded."""
    width, height = figure.get_size_inches()
    parts = [f"{width:.3g}x{height:.3g}"]
    for axis in figure.axes:
        parts.append(_axis(axis))
    for legend in figure.legends:
        parts.append(_legend(legend))
    return "Figure " + "; ".join(parts)


def describe_figures() -> None:
    """From now on the plain text of a figure in a notebook is its description."""
    Figure.__repr__ = describe


def _axis(axis) -> str:
    text = [axis.get_title(), axis.get_title("left"), axis.get_xlabel(), axis.get_ylabel()]
    for word in axis.texts:
        text.append(word.get_text())
    text.append(_ticks(axis.xaxis))
    text.append(_ticks(axis.yaxis))
    for image in axis.images:
        text.append(f"image {_picture(image.get_array())}")
    for line in axis.lines:
        text.append(f"line {to_hex(line.get_color())} {_numbers(line.get_ydata())}")
    for bar in axis.patches:
        if hasattr(bar, "get_height"):
            color = to_hex(bar.get_facecolor())
            text.append(f"bar {color} {bar.get_height():.2g}x{bar.get_width():.2g}")
    for points in axis.collections:
        text.append(f"points {_numbers(points.get_offsets(), axis=0)}")
    if axis.get_legend() is not None:
        text.append(_legend(axis.get_legend()))
    return ", ".join(word for word in text if word)


def _ticks(axis) -> str:
    """The words along an axis, where somebody chose them."""
    chosen = isinstance(axis.get_major_formatter(), (FixedFormatter, FuncFormatter))
    if not chosen:
        return ""
    return "ticks " + " ".join(label.get_text() for label in axis.get_ticklabels())


def _legend(legend) -> str:
    entries = []
    for text, handle in zip(legend.get_texts(), legend.legend_handles):
        color = ""
        if hasattr(handle, "get_facecolor"):
            color = to_hex(handle.get_facecolor())
        entries.append(f"{text.get_text()} {color}")
    return "legend " + " ".join(entries)


def _picture(values) -> str:
    """Shape, mean per channel, and mean of each quarter, so that a shift or a flip shows."""
    values = np.ma.masked_invalid(np.asarray(values, np.float64))
    middle_row = values.shape[0] // 2 or 1
    middle_column = values.shape[1] // 2 or 1
    quarters = []
    for rows in (slice(middle_row), slice(middle_row, None)):
        for columns in (slice(middle_column), slice(middle_column, None)):
            quarter = values[rows, columns]
            if quarter.size:
                quarters.append(f"{quarter.mean():.3g}")
    return f"{_numbers(values, axis=(0, 1))} quarters {' '.join(quarters)}"


def _numbers(values, axis=None) -> str:
    """Shape and mean of an array; three digits, so that the last bits of a float do not matter."""
    values = np.ma.masked_invalid(np.asarray(values, np.float64))
    shape = "x".join(str(n) for n in values.shape)
    means = np.ma.atleast_1d(values.mean(axis=axis)).filled(np.nan)
    return f"{shape} mean {' '.join(f'{mean:.3g}' for mean in means)}"
