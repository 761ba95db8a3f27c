"""The map of chapter 11: in which order to look when a number is wrong."""

import matplotlib.pyplot as plt
from matplotlib.patches import FancyBboxPatch

ORDER = (
    ("the picture\nof a batch", "Would I label\nit like this?"),
    ("the values\nof a target", "Are they classes,\nor 255?"),
    ("the first\nloss", "Is it that of\nknowing nothing?"),
    ("one batch\nby heart", "Does the loss\ngo to 0?"),
    ("the score", "Is it the same with\nother batches?"),
)


def order_of_looking():
    """Five boxes in a row, each with its question."""
    figure = plt.figure(figsize=(11, 1.7))
    axis = figure.add_axes([0, 0, 1, 1])
    axis.set(xlim=(0, 110), ylim=(0, 17))
    axis.axis("off")
    for place, (title, question) in enumerate(ORDER):
        left = 2 + 22 * place
        box = FancyBboxPatch(
            (left, 8),
            15,
            7.5,
            boxstyle="round,pad=0.6",
            facecolor="#eef1f5",
            edgecolor="#52606d",
        )
        axis.add_patch(box)
        axis.text(left + 7.5, 11.7, title, ha="center", va="center", weight="bold")
        axis.text(left + 7.5, 3.7, question, ha="center", va="center", color="#3e4c59")
        if place < len(ORDER) - 1:
            arrow = {"arrowstyle": "->", "color": "#52606d", "linewidth": 1.5}
            axis.annotate("", (left + 21, 11.7), (left + 16, 11.7), arrowprops=arrow)
    return figure
