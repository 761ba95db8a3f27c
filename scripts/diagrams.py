"""Diagrams for images/, drawn from the real modules: sizes and channels are traced, not typed (see
scripts/figures.py).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

from helpers.fcn import FCN8s
from helpers.labels import LABELS, TRAIN_19
from helpers.unet import UNet
from helpers.windows import View, cut

BLUE, ORANGE, RED, GREEN, GRAY, INK = (
    "#3b6fb6",
    "#d9822b",
    "#c0392b",
    "#3a8f5c",
    "#8a8f98",
    "#222222",
)
PALE, YELLOW = "#dbe6f4", "#ffb000"


def trace(model: nn.Module, size: int, kinds=(nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d)) -> list:
    """[(name, kind, channels, pixels)] of every such layer, in the order in which they run on a
    size x size frame.
    """
    rows = []
    for name, layer in model.named_modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(
                lambda layer, i, out, name=name: rows.append(
                    (name, type(layer).__name__, out.shape[1], out.shape[2])
                )
            )
    model.eval()(torch.zeros(1, 3, size, size, device="meta"))
    return rows


def canvas(width: float, height: float):
    """A figure of `width` x `height` inches whose axis has the same units and no frame."""
    figure = plt.figure(figsize=(width, height))
    axis = figure.add_axes([0, 0, 1, 1])
    axis.set_xlim(0, width)
    axis.set_ylim(0, height)
    axis.axis("off")
    return figure, axis


def arrow(axis, start, end, color, width=2.2, style="-|>"):
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            color=color,
            linewidth=width,
            mutation_scale=16,
            shrinkA=0,
            shrinkB=0,
            zorder=3,
        )
    )


def words_at_box(axis, middle, top, above, bottom, below, small):
    """What stands above a box from `top` on, and below it from `bottom` on in `small` points."""
    axis.text(middle, top, above, ha="center", va="bottom", fontsize=13, color=INK)
    axis.text(middle, bottom, f"{below}", ha="center", va="top", fontsize=small, color="#555555")


def unet():
    """The U of Fig. 1 for the course's 19 classes, from the layers of helpers.unet.UNet."""
    with torch.device("meta"):
        model = UNet()
    rows = {name: (channels, size) for name, _, channels, size in trace(model, 572)}
    step, tops = 0.67, [7.85]
    for level in range(4):  # one level below the other, with room for numbers and an arrow
        tops.append(tops[-1] - 0.06 * rows[f"down.{level}.0"][1] ** 0.5 - 0.82)
    figure, axis = canvas(13.6, 8.9)

    def box(x, level, channels, size, color=BLUE, split=False):
        height, width = 0.06 * size**0.5, 0.08 + 0.035 * np.log2(channels / 2)
        bottom = tops[level] - height
        axis.add_patch(
            Rectangle((x, bottom), width, height, facecolor=color, edgecolor="white", linewidth=0.8)
        )
        if split:  # the left half came through the skip
            axis.add_patch(
                Rectangle(
                    (x, bottom), width / 2, height, facecolor=PALE, edgecolor=BLUE, linewidth=0.8
                )
            )
        top = tops[level]
        words_at_box(axis, x + width / 2, top + 0.05, channels, bottom - 0.05, size, small=12)
        return x, x + width, tops[level] - height / 2, bottom

    x, ends = 0.45, []
    channels, size = 3, 572
    for level in range(5):
        boxes = [box(x, level, channels, size, GRAY if level == 0 else BLUE)]
        for i in (0, 2):
            channels, size = rows[f"down.{level}.{i}"]
            x += step
            boxes.append(box(x, level, channels, size))
            arrow(
                axis, (boxes[-2][1] + 0.03, boxes[-1][2]), (boxes[-1][0] - 0.03, boxes[-1][2]), BLUE
            )
        ends.append((boxes[-1], size))
        if level < 4:
            size //= 2
            middle = (boxes[-1][0] + boxes[-1][1]) / 2
            arrow(axis, (middle, boxes[-1][3] - 0.27), (middle, tops[level + 1] + 0.28), RED)
    last, _ = ends[-1]
    for i, level in enumerate(reversed(range(4))):
        up_channels, up_size = rows[f"up.{i}"]
        skip, skip_size = ends[level]
        middle = (last[0] + last[1]) / 2
        joined = box(x, level, 2 * up_channels, up_size, ORANGE, split=True)
        arrow(axis, (middle, tops[level + 1] + 0.28), (middle, joined[3] - 0.27), GREEN)
        height = (joined[2] + skip[2]) / 2
        arrow(axis, (skip[1] + 0.05, height), (joined[0] - 0.05, height), GRAY)
        axis.text(
            (skip[1] + joined[0]) / 2,
            height + 0.05,
            # The lowest gap is too narrow for one line.
            f"crop {skip_size}\nto {up_size}" if level == 3 else f"crop {skip_size} to {up_size}",
            ha="center",
            va="bottom",
            fontsize=11,
            color="#555555",
        )
        last = joined
        for j in (0, 2):
            channels, size = rows[f"merge.{i}.{j}"]
            x += step
            now = box(x, level, channels, size, ORANGE)
            arrow(axis, (last[1] + 0.03, now[2]), (now[0] - 0.03, now[2]), BLUE)
            last = now
    channels, size = rows["head"]
    head = box(x + step + 0.1, 0, channels, size, GRAY)
    arrow(axis, (last[1] + 0.03, head[2]), (head[0] - 0.03, head[2]), INK)
    count = sum(p.numel() for p in model.parameters())
    axis.text(
        0.45,
        8.48,
        f"U-Net: {count:,} parameters, {len(rows) - ('pool' in rows)} convolutions",
        fontsize=16,
        weight="bold",
        color=INK,
    )
    axis.text(
        head[1],
        8.48,
        "number above a box: channels; below: pixels along a side",
        fontsize=11,
        ha="right",
        color="#555555",
    )
    keys = [
        (BLUE, "3x3 convolution, ReLU"),
        (RED, "2x2 max pooling"),
        (GREEN, "2x2 up-convolution"),
        (GRAY, "crop and concatenate"),
        (INK, "1x1 convolution"),
    ]
    for i, (color, name) in enumerate(keys):
        y = 2.1 - 0.36 * i
        arrow(axis, (0.45, y), (0.95, y), color)
        axis.text(1.08, y, name, va="center", fontsize=12, color=INK)
    y = 2.1 - 0.36 * len(keys)
    axis.add_patch(Rectangle((0.6, y - 0.12), 0.2, 0.24, facecolor=PALE, edgecolor=BLUE))
    axis.text(1.08, y, "cropped skip", va="center", fontsize=12, color=INK)
    return figure


def fcn():
    """FCN-8s on VGG16 for a 512 x 512 frame, from the layers of helpers.fcn.FCN8s."""
    with torch.device("meta"):
        model = FCN8s()
    rows = trace(model, 512)
    figure, axis = canvas(13.6, 6.3)
    named = {name: (channels, size) for name, _, channels, size in rows}
    pooled = [size for _, kind, _, size in rows if kind == "MaxPool2d"]
    base, x, places = 3.85, 0.35, []
    pools = {}
    labels = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    for number, ((channels, size, times), label) in enumerate(zip(_fcn_stages(rows), labels)):
        color = ORANGE if label.startswith("fc") else BLUE
        width = 0.16 + 0.09 * times
        box = _fcn_box(axis, x, base, width, channels, size, label, color)
        if places:
            last = pools.get(f"pool{number}", places[-1])
            arrow_color = INK if label == "fc7" else RED
            if f"pool{number}" in pools:
                arrow_color = BLUE
            arrow(axis, (last[1] + 0.05, base), (x - 0.05, base), arrow_color)
        places.append(box)
        x = box[1] + 0.74
        # The two maps that are scored on their way
        if label in ("conv3", "conv4"):
            name = f"pool{number + 1}"
            pools[name] = _fcn_box(axis, x, base, 0.16, channels, pooled[number], name, RED)
            arrow(axis, (box[1] + 0.05, base), (x - 0.05, base), RED)
            x = pools[name][1] + 0.64
    return _fcn_scores(figure, axis, model, named, places, pools, base)


def _fcn_box(axis, x, y, width, channels, size, label, color):
    """A map as a box with its channels above, its name and size below: (left, right, y, height)."""
    height = max(0.076 * size**0.5, 0.36)
    axis.add_patch(
        Rectangle((x, y - height / 2), width, height, facecolor=color, edgecolor="white")
    )
    top, bottom = y + height / 2 + 0.06, y - height / 2 - 0.06
    words_at_box(axis, x + width / 2, top, channels, bottom, f"{label}\n{size}", small=11)
    return x, x + width, y, height


def _fcn_stages(rows) -> list:
    """(channels, pixels after the stage, convolutions) of conv1 ... conv5, fc6, fc7."""
    stages, fresh = [], True
    for name, kind, channels, size in rows:
        if kind == "MaxPool2d":
            fresh = True
        elif kind == "Conv2d" and not name.startswith("score"):
            if fresh or name.startswith("fc"):
                stages.append([channels, size, 0])
            stages[-1] = [channels, size, stages[-1][2] + 1]
            fresh = False
    return stages


def _fcn_scores(figure, axis, model, named, places, pools, base):
    """The right-hand part: scores of fc7, pool4 and pool3, added and up-sampled to the frame's
    size.
    """
    classes, size = named["score_fc7"]
    x = places[-1][1] + 0.74
    now = _fcn_box(axis, x, base, 0.2, classes, size, "score", GRAY)
    arrow(axis, (places[-1][1] + 0.05, base), (now[0] - 0.05, base), INK)
    crops = {"pool4": 5, "pool3": 9}  # as in helpers.fcn.FCN8s
    for level, (name, offset) in zip((1.78, 0.72), crops.items()):
        x = now[1] + 0.84
        _, up_size = named[f"up_to_{name}"]
        joined = _fcn_box(axis, x, base, 0.2, classes, up_size, "sum", GREEN)
        arrow(axis, (now[1] + 0.05, base), (joined[0] - 0.05, base), GREEN)

        # Below its map a 1x1 convolution makes scores, and these go across.
        left, right, _, height = pools[name]
        middle = (left + right) / 2
        _, score_size = named[f"score_{name}"]
        tall = 0.076 * score_size**0.5
        axis.add_patch(
            Rectangle(
                (middle - 0.1, level - tall / 2), 0.2, tall, facecolor=GRAY, edgecolor="white"
            )
        )
        start = base - height / 2 - 0.5
        arrow(axis, (middle, start), (middle, level + tall / 2 + 0.04), INK)
        axis.text(middle - 0.17, level, classes, ha="right", va="center", fontsize=13, color=INK)
        end = joined[0] + 0.1
        axis.plot([middle + 0.1, end], [level, level], color=GRAY, linewidth=2.2, zorder=0)
        arrow(axis, (end, level), (end, base - joined[3] / 2 - 0.5), GRAY)
        axis.text(
            (middle + end) / 2,
            level + 0.05,
            f"scores of {name}, {score_size} x {score_size}, cropped by {offset}, added",
            ha="center",
            va="bottom",
            fontsize=11,
            color="#555555",
        )
        now = joined
    x = now[1] + 0.84
    out = _fcn_box(axis, x, base, 0.2, classes, 512, "scores", GREEN)
    arrow(axis, (now[1] + 0.05, base), (out[0] - 0.05, base), GREEN)
    count = sum(p.numel() for p in model.parameters())
    axis.text(
        0.35, 5.92, f"FCN-8s on VGG16: {count:,} parameters", fontsize=16, weight="bold", color=INK
    )
    axis.text(
        13.3,
        5.95,
        "number above or beside a box: channels; below: pixels along a side",
        fontsize=11,
        ha="right",
        color="#555555",
    )
    strides = [m.stride[0] for m in (model.up_to_pool4, model.up_to_pool3, model.up_to_image)]
    keys = [
        (RED, "2x2 max pooling; into blue and orange, convolutions too"),
        (BLUE, "3x3 convolutions"),
        (INK, "1x1 convolution; to a gray box: class scores"),
        (GREEN, f"bilinear up-sampling, by {', '.join(map(str, strides))}"),
        (GRAY, "skip: class scores are added"),
    ]
    for i, (color, name) in enumerate(keys):
        place, y = 2.4 + 5.9 * (i % 2), 5.55 - 0.33 * (i // 2)
        arrow(axis, (place, y), (place + 0.5, y), color)
        axis.text(place + 0.62, y, name, va="center", fontsize=12, color=INK)
    return figure


def overlap_tile(image: np.ndarray):
    """A frame mirrored at its border; one output tile and the larger input tile that it needs
    (paper, Fig. 2).
    """
    size, margin = 388, View().margin
    rows, columns = image.shape[:2]
    wide = cut(image, -margin, -margin, rows + 2 * margin, columns + 2 * margin)
    outside = np.ones(wide.shape[:2], bool)
    outside[margin : margin + rows, margin : margin + columns] = False
    wide = np.where(outside[..., None], 255 - (255 - wide) // 2, wide)
    step = 384  # a multiple of 16, so that tiles agree exactly
    figure, axis = canvas(13.6, 13.6 * wide.shape[0] / wide.shape[1])
    axis.set_xlim(0, wide.shape[1])
    axis.set_ylim(wide.shape[0], 0)
    axis.imshow(wide[::2, ::2], extent=(0, wide.shape[1], wide.shape[0], 0), aspect="auto")
    for y in range(0, rows, step):
        for x in range(0, columns, step):
            axis.add_patch(
                Rectangle(
                    (x + margin, y + margin),
                    min(step, columns - x),
                    min(step, rows - y),
                    fill=False,
                    edgecolor="white",
                    linewidth=1,
                    linestyle=":",
                )
            )
    for x, y in ((0, 0), (3 * step, step)):
        axis.add_patch(
            Rectangle(
                (x, y),
                size + 2 * margin,
                size + 2 * margin,
                facecolor="#3b6fb633",
                edgecolor="#1f5fd0",
                linewidth=4,
            )
        )
        axis.add_patch(
            Rectangle(
                (x + margin, y + margin),
                size,
                size,
                facecolor="#ffb00040",
                edgecolor=YELLOW,
                linewidth=4,
            )
        )
    for x, y, text, color in (
        (3 * step + 12, step + margin - 26, f"input tile, {size + 2 * margin} pixels", "#1f5fd0"),
        (3 * step + margin + 12, step + margin + 62, f"its answer, {size} pixels", "#8a5a00"),
        (size + 2 * margin + 30, margin - 26, f"mirrored border, {margin} pixels", INK),
    ):
        axis.text(
            x,
            y,
            text,
            fontsize=15,
            weight="bold",
            color=color,
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 3},
        )
    return figure


def classes():
    """The 19 evaluated classes with color, train id and label id, by category; and the ids that are
    ignored.
    """
    figure, axis = canvas(13.6, 4.9)
    rows = [label for label in LABELS if not label.ignore_in_eval]
    categories = list(dict.fromkeys(label.category for label in rows))
    columns = [["flat", "construction"], ["object", "nature"], ["sky", "human"], ["vehicle"]]
    assert sorted(sum(columns, [])) == sorted(categories)
    axis.text(
        0.35, 4.5, "The 19 classes that Cityscapes evaluates", fontsize=17, weight="bold", color=INK
    )
    axis.text(13.25, 4.52, "train id · name · (label id)", fontsize=12, ha="right", color="#555555")
    for column, names in enumerate(columns):
        x, y = 0.35 + 3.3 * column, 4.0
        for category in names:
            axis.text(x, y, category, fontsize=13, color="#555555", style="italic", va="center")
            y -= 0.42
            for label in (la for la in rows if la.category == category):
                color = np.array(TRAIN_19.colors[label.train_id]) / 255
                axis.add_patch(
                    Rectangle(
                        (x, y - 0.16),
                        0.5,
                        0.32,
                        facecolor=color,
                        edgecolor="#999999",
                        linewidth=0.5,
                    )
                )
                axis.text(
                    x + 0.25,
                    y,
                    label.train_id,
                    ha="center",
                    va="center",
                    fontsize=12,
                    color="white" if color @ [0.3, 0.6, 0.1] < 0.55 else "black",
                )
                axis.text(
                    x + 0.64, y, f"{label.name} ({label.id})", va="center", fontsize=14, color=INK
                )
                y -= 0.42
            y -= 0.12
    ignored = [label for label in LABELS if label.ignore_in_eval and label.id >= 0]
    rest = ("static", "dynamic", "ground")
    lines = {
        "bookkeeping": [label for label in ignored if label.id < 4],
        "what has no class": [label for label in ignored if label.name in rest],
        "too rare": [label for label in ignored if label.id > 3 and label.name not in rest],
    }
    axis.text(0.35, 0.78, "ignored (255)", fontsize=11, color="#555555", va="center")
    for number, (reason, labels) in enumerate(lines.items()):
        names = ", ".join(f"{label.name} ({label.id})" for label in labels)
        y = 0.78 - 0.27 * number
        axis.text(1.75, y, reason, fontsize=11, color="#555555", va="center", style="italic")
        axis.text(3.65, y, names, fontsize=11, color="#555555", va="center")
    return figure
