"""Pictures for the chapters: rows of panels, color legends, overlays.

Importing it sets one style.
"""

import math

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch, Patch
from matplotlib.patheffects import withStroke

from helpers.files import read_json
from helpers.labels import IGNORE, TRAIN_19, LabelSet
from helpers.paths import ROOT

matplotlib.rcParams.update(
    {
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "axes.facecolor": "white",
        "figure.dpi": 80,
        "savefig.dpi": 80,
        "font.size": 11,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "image.interpolation": "nearest",
        "legend.frameon": False,
    }
)


def photos(quality: int = 85) -> None:
    """From here on this notebook stores its figures as JPEG: a fifth of the size of PNG."""
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("jpeg", pil_kwargs={"quality": quality})


def overlay(image: np.ndarray, colors: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Label colors over a frame, both uint8 [H, W, 3]; black (void) leaves the frame as it is."""
    mixed = image * (1 - opacity) + colors * opacity
    return np.where(colors.any(-1, keepdims=True), mixed, image).astype(np.uint8)


def legend(figure, train_ids, label_set: LabelSet = TRAIN_19, columns: int = 10) -> None:
    """Below the figure, color and name of every class that occurs in the map(s) `train_ids`."""
    # Only what is visible: a legend of all 19 classes would hide the five that matter.
    patches = []
    for train_id in np.unique(np.asarray(train_ids)):
        if train_id == IGNORE:
            patches.append(Patch(color="black", label="ignored"))
        else:
            color = np.array(label_set.colors[train_id]) / 255
            patches.append(Patch(color=color, label=label_set.names[train_id]))
    figure.legend(
        handles=patches,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=min(columns, len(patches)),
        fontsize=9,
        handlelength=1,
        columnspacing=1,
    )


def panels(pictures, titles, columns: int | None = None, width: float = 12.0):
    """A figure of pictures in rows, each below its title.

    Pictures are uint8 RGB [H, W, 3], or one channel [H, W]; `width` is the figure's, in inches.
    """
    if columns is None:
        columns = len(pictures)
    rows = math.ceil(len(pictures) / columns)
    picture_height, picture_width = np.shape(pictures[0])[:2]
    panel_height = width / columns * picture_height / picture_width
    figure, axes = plt.subplots(
        rows,
        columns,
        squeeze=False,
        layout="constrained",
        figsize=(width, rows * (panel_height + 0.3)),
    )
    # All panels lose their axes, also those that stay empty in the last row.
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, title in zip(axes.flat, pictures, titles):
        axis.imshow(picture, cmap="gray")
        axis.set_title(title)
    return figure


def numbers(axis, values: np.ndarray) -> None:
    """Write each value of a small integer array [h, w] into its pixel of `axis`.

    A dark outline lets white numbers be read on bright pixels too.
    """
    outline = [withStroke(linewidth=2, foreground="black")]
    how = {"ha": "center", "va": "center", "path_effects": outline, "color": "white"}
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, value, **how)


def picture_file(name: str, width: float = 12.0):
    """A figure that shows images/<name>, `width` inches wide."""
    picture = plt.imread(ROOT / "images" / name)
    height, across = picture.shape[:2]
    figure = plt.figure(figsize=(width, width * height / across))
    axis = figure.add_axes([0, 0, 1, 1])
    axis.imshow(picture, interpolation="antialiased")
    axis.axis("off")
    return figure


def course_map(chapter: str):
    """The pipeline of the course with the box of one chapter lit; `chapter` is "00" to "09"."""
    figure = picture_file("map.png", width=10.2)
    axis = figure.axes[0]
    left, top, right, bottom = read_json(ROOT / "images" / "map.json")[chapter]
    frame = FancyBboxPatch(
        (left, top),
        right - left,
        bottom - top,
        boxstyle="round,pad=2",
        facecolor="none",
        edgecolor="#f0a202",
        linewidth=3,
    )
    axis.add_patch(frame)
    return figure
