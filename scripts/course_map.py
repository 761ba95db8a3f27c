"""Draw images/map.png, the pipeline of the course, and images/map.json, where its boxes are.

    python -m scripts.course_map

`helpers.plots.course_map("05")` shows it at the top of a chapter, with the chapter's box lit.
"""

import argparse

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers import command
from helpers.checkpoints import load_model
from helpers.dataset import normalize
from helpers.files import write_json
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.labels import IGNORE, TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import reduce_image, reduce_label

WIDTH = 14.0  # inches; one box is BOX wide, and GAP lies between two boxes
HEIGHT = 3.42
BOX = 1.3
GAP = 0.44
LEFT = 0.25
IDEAS = 1.98  # the bottoms of the two rows of boxes
PIPELINE = 0.36
TALL = 0.82
DPI = 110

# chapter, title, and what it hands to the next one
CHAPTERS = [
    ("03", "CSV files", "train.csv"),
    ("04", "statistics", "mean, std"),
    ("05", "dataset", "a batch"),
    ("06", "the U-Net", "logits"),
    ("07", "training", "best.pt"),
    ("08", "mIoU", "scores"),
    ("09", "browser", ""),
]


def street():
    """The street at quarter scale: uint8 [256, 512, 3] and train ids uint8 [256, 512]."""
    folder = ROOT / "data" / "frame"
    frame = reduce_image(open_image(folder / "frame.webp"), 4)
    truth = TRAIN_19.encode(reduce_label(open_label(folder / "labelIds.png"), 4))
    return frame, truth


def untrained(frame: np.ndarray) -> np.ndarray:
    """What a U-Net with fresh weights makes of the street: train ids uint8 [256, 512]."""
    torch.manual_seed(0)
    model = UNet(width=12, padding="same", norm="batch", dropout=0.0)
    image = normalize(frame, (0.29, 0.32, 0.27), (0.16, 0.17, 0.16))
    with torch.no_grad():
        logits = model(image[None])
    return logits.argmax(1)[0].numpy().astype(np.uint8)


def box(figure, left: float, bottom: float, title: str):
    """An empty axis in a rounded box with its title above; all in inches."""
    place = [left / WIDTH, bottom / HEIGHT, BOX / WIDTH, TALL / HEIGHT]
    axis = figure.add_axes(place)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color("#8a94a6")
    axis.set_title(title, fontsize=10, pad=4)
    return axis


def arrow(figure, start, end, text: str = "") -> None:
    """An arrow between two points in inches, with a word above its middle."""
    points = [(x / WIDTH, y / HEIGHT) for x, y in (start, end)]
    line = FancyArrowPatch(
        *points,
        arrowstyle="-|>",
        mutation_scale=11,
        color="#4a5568",
        transform=figure.transFigure,
    )
    figure.add_artist(line)
    x = (points[0][0] + points[1][0]) / 2
    y = points[0][1] - 0.215
    figure.text(x, y, text, ha="center", fontsize=8, color="#4a5568")


def draw_csv(axis) -> None:
    lines = ["image,label,city", "left…05_l…,gtF…", "left…06_l…,gtF…", "left…07_l…,gtF…"]
    for number, line in enumerate(lines):
        axis.text(0.05, 0.8 - 0.21 * number, line, fontsize=7, family="monospace", va="center")


def draw_histogram(axis, frame) -> None:
    for channel, color in enumerate(("tab:red", "tab:green", "tab:blue")):
        counts, _ = np.histogram(frame[..., channel], bins=32, range=(0, 256))
        axis.plot(counts, color=color, linewidth=1.2)


def draw_batch(axis, frame, truth) -> None:
    colors = TRAIN_19.colorize(truth)
    crops = []
    for left in (0, 150, 300):
        window = np.s_[60:220, left : left + 160]
        crops.append(np.concatenate([frame[window], colors[window]]))
    gap = np.full((320, 8, 3), 255, np.uint8)
    axis.imshow(np.concatenate([crops[0], gap, crops[1], gap, crops[2]], axis=1), aspect="auto")


def draw_curve(axis) -> None:
    steps = np.linspace(0, 1, 60)
    axis.plot(steps, 0.15 + 0.8 * np.exp(-4 * steps), color="tab:blue")
    axis.plot(steps, 0.9 - 0.75 * np.exp(-3 * steps), color="tab:orange")
    axis.text(0.55, 0.26, "loss", fontsize=7, color="tab:blue")
    axis.text(0.5, 0.87, "mIoU", fontsize=7, color="tab:orange")
    axis.set(ylim=(0, 1.05))


def draw_bars(axis, prediction, truth) -> None:
    matrix = ConfusionMatrix(19)
    matrix.update(prediction, truth)
    iou = matrix.iou()
    order = [i for i in np.argsort(iou) if not np.isnan(iou[i]) and (truth == i).any()]
    colors = np.array(TRAIN_19.colors)[order] / 255
    axis.barh(range(len(order)), iou[order], color=colors)
    axis.set(xlim=(0, 1))


def draw_browser(axis, frame, prediction) -> None:
    mixed = frame.copy()
    colors = TRAIN_19.colorize(prediction)
    mixed[:, 256:] = colors[:, 256:]
    axis.imshow(mixed, aspect="auto")
    axis.axvline(256, color="white", linewidth=1.5)


def draw_fcn(axis, truth) -> None:
    coarse = truth[16::32, 16::32]
    axis.imshow(TRAIN_19.colorize(coarse), aspect="auto")


def draw_unet(axis) -> None:
    heights = [0.8, 0.6, 0.42, 0.25, 0.42, 0.6, 0.8]
    for number, height in enumerate(heights):
        bottom = 0.08 + (0.8 - height) * 0.35
        bar = FancyBboxPatch(
            (0.06 + 0.13 * number, bottom),
            0.07,
            height * 0.9,
            boxstyle="round,pad=0.005",
            facecolor="#4c78a8",
            edgecolor="none",
        )
        axis.add_patch(bar)
    for number in range(3):
        y = 0.75 - 0.13 * number
        axis.annotate(
            "",
            (0.84 - 0.13 * number, y),
            (0.15 + 0.13 * number, y),
            arrowprops={"arrowstyle": "->", "color": "#8a94a6"},
        )


def draw(checkpoint) -> None:
    frame, truth = street()
    model, info = load_model(checkpoint)
    full = open_image(ROOT / "data" / "frame" / "frame.webp")
    prediction = reduce_label(predict_frame(model, full, info), 4)
    prediction[truth == IGNORE] = IGNORE

    figure = plt.figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    places = {}

    start = box(figure, LEFT, PIPELINE, "00  a street")
    start.imshow(frame, aspect="auto")
    places["00"] = (LEFT, PIPELINE)
    axes = {}
    for number, (chapter, title, _) in enumerate(CHAPTERS):
        left = LEFT + (number + 1) * (BOX + GAP)
        axes[chapter] = box(figure, left, PIPELINE, f"{chapter}  {title}")
        places[chapter] = (left, PIPELINE)
        middle = PIPELINE + TALL / 2
        before = "" if number == 0 else CHAPTERS[number - 1][2]
        arrow(figure, (left - GAP, middle), (left, middle), before)
    for number, (chapter, title) in enumerate((("01", "FCN"), ("02", "U-Net"))):
        left = places["06"][0] - (1 - number) * (BOX + GAP) + (BOX + GAP) / 2
        axes[chapter] = box(figure, left, IDEAS, f"{chapter}  {title}")
        places[chapter] = (left, IDEAS)
    line = (PIPELINE + TALL + IDEAS) / 2 + 0.2
    figure.text(LEFT / WIDTH, (line + 0.07) / HEIGHT, "ideas", fontsize=10, color="#8a94a6")
    figure.text(LEFT / WIDTH, (line - 0.2) / HEIGHT, "pipeline", fontsize=10, color="#8a94a6")
    rule = plt.Line2D(
        [LEFT / WIDTH, 1 - LEFT / WIDTH], [line / HEIGHT] * 2, color="#c8d0dc", linewidth=1
    )
    figure.add_artist(rule)

    draw_fcn(axes["01"], truth)
    draw_unet(axes["02"])
    draw_csv(axes["03"])
    draw_histogram(axes["04"], frame)
    draw_batch(axes["05"], frame, truth)
    axes["06"].imshow(TRAIN_19.colorize(untrained(frame)), aspect="auto")
    draw_curve(axes["07"])
    draw_bars(axes["08"], prediction, truth)
    draw_browser(axes["09"], frame, prediction)

    figure.savefig(ROOT / "images" / "map.png", dpi=DPI)
    boxes = {}
    for chapter, (left, bottom) in sorted(places.items()):
        top = HEIGHT - bottom - TALL - 0.27
        corners = (left - 0.08, top, left + BOX + 0.08, HEIGHT - bottom + 0.08)
        boxes[chapter] = [round(inches * DPI) for inches in corners]
    write_json(ROOT / "images" / "map.json", boxes)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    draw(ROOT / "data" / "checkpoints" / "unet.pt")


if __name__ == "__main__":
    command.run(main)
