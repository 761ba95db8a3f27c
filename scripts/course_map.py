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

WIDTH = 12.0  # inches; one box is BOX wide, and GAP lies between two boxes
HEIGHT = 3.1
BOX = 0.93
GAP = 0.56
LEFT = 0.3
IDEAS = 1.78  # the bottoms of the two rows of boxes
PIPELINE = 0.13
TALL = 0.8
TITLE = 0.5  # the height of the two lines above a box
DPI = 130
DARK = "#4a5568"

# chapter, title, and what it hands to the next one, above and below the arrow
CHAPTERS = [
    ("03", "CSV files", "train\n.csv"),
    ("04", "statistics", "mean,\nstd"),
    ("05", "dataset", "a\nbatch"),
    ("06", "the U-Net", "\nlogits"),
    ("07", "training", "best\n.pt"),
    ("08", "mIoU", "\nscores"),
    ("09", "browser", ""),
]
FURTHER = [
    ("10", "full frames"),
    ("11", "bug lab"),
    ("12", "experiments"),
    ("13", "real data"),
    ("14", "many GPUs"),
]
LINE = 0.23  # of the list of further chapters, in inches


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


def box(figure, left: float, bottom: float, chapter: str, title: str):
    """An empty axis in a box, its chapter and title in two lines above it; all in inches."""
    place = [left / WIDTH, bottom / HEIGHT, BOX / WIDTH, TALL / HEIGHT]
    axis = figure.add_axes(place)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color("#8a94a6")
    axis.set_title(f"{chapter}\n{title}", fontsize=13, pad=4, linespacing=1.05)
    return axis


def arrow(figure, start, end, text: str = "") -> None:
    """An arrow between two points in inches, with one or two words above it."""
    points = [(x / WIDTH, y / HEIGHT) for x, y in (start, end)]
    line = FancyArrowPatch(
        *points,
        arrowstyle="-|>",
        mutation_scale=13,
        shrinkA=0,
        shrinkB=0,
        color=DARK,
        transform=figure.transFigure,
    )
    figure.add_artist(line)
    x = (points[0][0] + points[1][0]) / 2
    y = points[0][1] + 0.06 / HEIGHT
    figure.text(x, y, text, ha="center", va="bottom", fontsize=10, color=DARK, linespacing=1.0)


def draw_csv(axis) -> None:
    lines = ["image,label", "…05_l,…05_g", "…06_l,…06_g", "…07_l,…07_g"]
    for number, line in enumerate(lines):
        axis.text(0.05, 0.82 - 0.21 * number, line, fontsize=8.5, family="monospace", va="center")


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
    axis.text(0.55, 0.24, "loss", fontsize=10, color="tab:blue")
    axis.text(0.42, 0.93, "mIoU", fontsize=10, color="tab:orange")
    axis.set(ylim=(0, 1.15))


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

    start = box(figure, LEFT, PIPELINE, "00", "a street")
    start.imshow(frame, aspect="auto")
    places["00"] = (LEFT, PIPELINE)
    axes = {}
    middle = PIPELINE + TALL / 2
    for number, (chapter, title, _) in enumerate(CHAPTERS):
        left = LEFT + (number + 1) * (BOX + GAP)
        axes[chapter] = box(figure, left, PIPELINE, chapter, title)
        places[chapter] = (left, PIPELINE)
        before = "" if number == 0 else CHAPTERS[number - 1][2]
        arrow(figure, (left - GAP, middle), (left, middle), before)

    # The ideas, above: they lead to the network of chapter 06.
    for number, (chapter, title) in enumerate((("01", "FCN"), ("02", "U-Net"))):
        left = LEFT + number * (BOX + GAP)
        axes[chapter] = box(figure, left, IDEAS, chapter, title)
        places[chapter] = (left, IDEAS)
    height = IDEAS + TALL / 2
    arrow(figure, (LEFT + BOX, height), (LEFT + BOX + GAP, height), "\nskips")
    network = places["06"][0] + BOX / 2
    begin = (places["02"][0] + BOX) / WIDTH
    across = plt.Line2D([begin, network / WIDTH], [height / HEIGHT] * 2, color=DARK, linewidth=1)
    figure.add_artist(across)
    arrow(figure, (network, height), (network, PIPELINE + TALL + TITLE))
    place = ((places["02"][0] + BOX + network) / 2 / WIDTH, (height + 0.06) / HEIGHT)
    figure.text(*place, "the ideas", ha="center", va="bottom", fontsize=13, color=DARK)

    # The chapters after the core, a list
    left = places["07"][0] + 0.25
    figure.text(left / WIDTH, 2.86 / HEIGHT, "and further", fontsize=13, color=DARK)
    boxes = {}
    for number, (chapter, title) in enumerate(FURTHER):
        top = HEIGHT - 2.78 + LINE * number
        text = f"{chapter}  {title}"
        figure.text(left / WIDTH, 1 - (top + LINE / 2) / HEIGHT, text, fontsize=12, va="center")
        boxes[chapter] = (left - 0.08, top, left + 1.6, top + LINE)

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
    for chapter, (left, bottom) in places.items():
        top = HEIGHT - bottom - TALL - TITLE
        boxes[chapter] = (left - 0.01, top, left + BOX + 0.01, HEIGHT - bottom + 0.05)
    stored = {}
    for chapter in sorted(boxes):
        stored[chapter] = [round(inches * DPI) for inches in boxes[chapter]]
    write_json(ROOT / "images" / "map.json", stored)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    draw(ROOT / "data" / "checkpoints" / "unet.pt")


if __name__ == "__main__":
    command.run(main)
