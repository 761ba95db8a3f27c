"""Draw every figure of images/ from the real modules, the sample city of the tests and the demo
checkpoint.

    python -m scripts.figures                  # all of them
    python -m scripts.figures unet classes     # some
    python -m scripts.figures --root data/cityscapes --checkpoint runs/recipe/best.pt

The last command draws yours, into runs/figures.

Beside the pictures stands images/figures.json: for each figure its alt text, what it shows (its
texts, colors and data in rounded numbers), the hash of the picture and, where one is used, of the
checkpoint. A test draws every figure again and compares what it shows.
"""

import argparse
import hashlib
import io
import json
import re
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from PIL import Image

from helpers import command
from helpers.checkpoints import load_model
from helpers.csv_index import find_rows
from helpers.evaluate import dataset_for
from helpers.figure_text import describe
from helpers.images import open_image, open_label
from helpers.labels import TRAIN_19
from helpers.paths import ROOT, check_root, runs_dir
from helpers.windows import View
from scripts import diagrams
from scripts.city_pictures import STREET
from scripts.pinned import CITY, build_city, pin

IMAGES = ROOT / "images"
CHECKPOINT = ROOT / "data" / "checkpoints" / "demo.pt"
LIMIT = 250_000  # bytes a picture

ALT = {
    "unet": "Diagram of U-Net: boxes shrink from 572 to 28 pixels and grow from 64 to 1024 "
    "channels on the way down, and come back to 388 pixels and 19 classes on the way up; gray "
    "arrows carry cropped maps across.",
    "fcn": "Diagram of FCN-8s: the convolutions of VGG16 shrink the frame by 32, two layers that "
    "were fully connected follow, and class scores are up-sampled in three steps while scores of "
    "pool4 and pool3 are added.",
    "valid_convolution": "Two grids: a 3x3 average over six by six ones gives four by four ones "
    "without padding, with padding six by six, and less than one at the border, where zeros were "
    "invented.",
    "overlap_tile": "A street frame with a mirrored border, in dotted tiles; two blue input "
    "squares of 572 pixels, and inside each the yellow square of 388 pixels that it answers.",
    "classes": "The 19 evaluated classes of Cityscapes with color, train id and label id, "
    "grouped into seven categories, and below them the names of the ids that are ignored.",
    "label_kinds": "Four pictures of one street frame: the frame itself, its label ids in gray, "
    "its train ids in the class colors with a legend, and its instances, each in a color of its "
    "own.",
    "crop": "A street frame with two nested squares of 572 and 388 pixels in its middle; beside "
    "it the input crop and the smaller label that belongs to its center.",
    "train_result": "Two training frames in rows, each as frame, truth and prediction of the "
    "demo network, with a legend of the classes.",
    "val_result": "Two validation frames, never seen in training, each as frame, truth and "
    "prediction of the demo network, with a legend of the classes.",
    "receptive_field": "Left: a crop of a street frame and the boxes of 204 and 188 pixels that "
    "two output pixels see. Right: a heat map of how strongly, with squares for 50, 90 and 99 "
    "percent.",
}


@cache
def rows(split: str):
    return find_rows(CITY, split)


@cache
def by_light() -> list[int]:
    """Numbers of the first twelve validation frames, the brightest first: a picture should be easy
    to see.
    """
    light = [open_image(CITY / row.image)[::8, ::8].mean() for row in rows("val")[:12]]
    return np.argsort(light)[::-1].tolist()


def pictures(place: int = 0):
    """Frame uint8 [H, W, 3] and label ids uint8 [H, W] of the validation frame at that place in
    `by_light`.
    """
    row = rows("val")[by_light()[place]]
    return open_image(CITY / row.image), open_label(CITY / row.label)


def label_kinds():
    """One frame, its label ids as gray values, its train ids and its instances in color."""
    frame, ids = pictures()
    path = CITY / rows("val")[by_light()[0]].label.replace("_labelIds", "_instanceIds")
    instances = np.asarray(Image.open(path)).astype(np.int64)
    hues = plt.cm.hsv(np.modf(instances * 0.61803398875)[0])[..., :3]
    hues = np.where((instances >= 1000)[..., None], hues * 255, 40).astype(np.uint8)
    gray = np.repeat((ids.astype(np.uint16) * 7).astype(np.uint8)[..., None], 3, axis=2)
    truth = TRAIN_19.encode(ids)
    return shown_in_rows(
        [frame, gray, TRAIN_19.colorize(truth), hues],
        [
            "leftImg8bit: the frame",
            "labelIds: ids 0 to 33 (here as gray values, times 7)",
            "train ids in Cityscapes' colors",
            "instanceIds: every object for itself",
        ],
        2,
        truth,
        2,
    )


def crop():
    """The frame with both windows, and the windows."""
    frame, ids = pictures(1)
    view = View()
    image, label = view.pair(frame, TRAIN_19.encode(ids))  # train ids, 255 where a small frame ends
    inner = TRAIN_19.colorize(label)
    canvas = np.full_like(image, 255)
    m = view.margin
    canvas[m : m + view.size, m : m + view.size] = inner
    widths = [frame.shape[1] / frame.shape[0], 1, 1]
    figure, axes = plt.subplots(
        1, 3, figsize=(13.6, 3.9), layout="constrained", width_ratios=widths
    )
    figure.get_layout_engine().set(h_pad=0.1)
    for axis, picture, title in zip(
        axes,
        (frame[::2, ::2], image, canvas),
        (
            f"frame, {frame.shape[1]} x {frame.shape[0]}",
            f"in: {image.shape[1]} x {image.shape[0]}",
            f"out: {label.shape[1]} x {label.shape[0]}",
        ),
    ):
        axis.imshow(picture, extent=(0, picture.shape[1], picture.shape[0], 0))
        axis.set_title(title, fontsize=15)
        axis.axis("off")
    for size, color in ((image.shape[0], "#ffb000"), (view.size, "white")):
        top, left = (frame.shape[0] - size) / 2, (frame.shape[1] - size) / 2
        axes[0].add_patch(
            Rectangle(
                (left / 2, top / 2), size / 2, size / 2, fill=False, edgecolor=color, linewidth=3
            )
        )
    axes[1].add_patch(
        Rectangle((m, m), view.size, view.size, fill=False, edgecolor="white", linewidth=3)
    )
    axes[2].add_patch(Rectangle((0.5, 0.5), 571, 571, fill=False, edgecolor="#ffb000", linewidth=3))
    return figure


def result(split: str):
    """Two frames of a split: frame, truth and the demo network's prediction."""
    model, info = load_model(CHECKPOINT)
    dataset = dataset_for(info, CITY, split)
    shown, truths, titles = [], [], []
    for index in (0, len(dataset) // 2):
        image, truth = dataset.pair(index)
        with torch.no_grad():
            guess = model(dataset[index][0][None]).argmax(1)[0].numpy().astype(np.uint8)
        m = (image.shape[0] - truth.shape[0]) // 2, (image.shape[1] - truth.shape[1]) // 2
        image = image[m[0] : m[0] + truth.shape[0], m[1] : m[1] + truth.shape[1]]
        right = (guess == truth)[truth != 255].mean()
        shown += [image, info["label_set"].colorize(truth), info["label_set"].colorize(guess)]
        titles += ["frame", "truth", f"prediction, {right:.0%} of the pixels right"]
        truths += [truth, guess]
    return shown_in_rows(shown, titles, 3, np.stack(truths))


def shown_in_rows(shown, titles, columns: int, train_ids, shrink: int = 1):
    """Pictures in rows under large titles, with a legend below."""
    lines = len(shown) // columns
    height, width = shown[0].shape[:2]
    figure, axes = plt.subplots(
        lines,
        columns,
        squeeze=False,
        layout="constrained",
        figsize=(13.6, lines * (13.6 / columns * height / width + 0.45) + 0.85),
    )
    figure.get_layout_engine().set(h_pad=0.1)
    for axis, picture, title in zip(axes.flat, shown, titles):
        axis.imshow(picture[::shrink, ::shrink])
        axis.set_title(title, fontsize=14)
        axis.axis("off")
    diagrams.legend_below(figure, train_ids)
    return figure


FIGURES = {
    "unet": diagrams.unet,
    "fcn": diagrams.fcn,
    "valid_convolution": diagrams.valid_convolution,
    "overlap_tile": lambda: diagrams.overlap_tile(open_image(STREET / "frame.webp")),
    "classes": diagrams.classes,
    "label_kinds": label_kinds,
    "crop": crop,
    "train_result": lambda: result("train"),
    "val_result": lambda: result("val"),
    "receptive_field": lambda: diagrams.receptive_field(pictures(1)[0]),
}
FROM_CHECKPOINT = ("train_result", "val_result")
assert FIGURES.keys() == ALT.keys()


def png(figure, dpi: int = 100) -> bytes:
    """The figure as an opaque PNG with a palette: its commonest colors and those of the classes
    exactly, the others near enough; fewer colors, then fewer pixels, until it fits the limit.
    """
    for colors, scale in ((192, 1), (96, 1), (96, 0.85), (48, 0.85), (48, 0.7)):
        figure.set_dpi(dpi * scale)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
        picture = Image.fromarray(pixels)
        found, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        exact = np.unique(
            np.concatenate([found[np.argsort(-counts)[:40]], TRAIN_19.colors]), axis=0
        ).astype(np.uint8)
        rest = picture.quantize(colors, method=Image.Quantize.MEDIANCUT).getpalette()[: 3 * colors]
        palette = Image.new("P", (1, 1))
        palette.putpalette([*exact.ravel().tolist(), *rest])
        buffer = io.BytesIO()
        mapped = np.asarray(picture.quantize(palette=palette, dither=Image.Dither.NONE)).copy()
        for number, color in enumerate(exact):  # pillow only looks for a near color
            mapped[(pixels == color).all(-1)] = number
        result = Image.fromarray(mapped, "L")
        result.putpalette(palette.getpalette())
        result.save(buffer, "png", optimize=True)
        if buffer.tell() <= LIMIT:
            return buffer.getvalue()
    raise SystemExit(
        f"a figure is larger than {LIMIT} bytes even in few colors: draw a smaller one"
    )


def sha256(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def without_means(text: str) -> tuple[str, list[float]]:
    """A description without the means of its data, and these means, which may differ in the last
    digit elsewhere.
    """
    pattern = r"(mean|quarters)((?: -?[\d.]+(?:e[+-]?\d+)?)+)"
    means = [float(v) for _, values in re.findall(pattern, text) for v in values.split()]
    return re.sub(pattern, r"\1", text), means


def main(names, root=None, checkpoint=None, output=None) -> None:
    """Draw figures into images/; with `root`, those of another data set into `output`, which is not
    for publishing.
    """
    global CITY, CHECKPOINT, IMAGES
    CHECKPOINT = Path(checkpoint or CHECKPOINT)
    if root is None:
        pin()
        build_city()
    else:
        CITY, IMAGES = check_root(Path(root)), Path(output or runs_dir() / "figures")
    index = IMAGES / "figures.json"
    IMAGES.mkdir(exist_ok=True, parents=True)
    entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    for name in names or FIGURES:
        figure = FIGURES[name]()
        (IMAGES / f"{name}.png").write_bytes(png(figure))
        entry = {"alt": ALT[name], "shows": describe(figure), "png": sha256(IMAGES / f"{name}.png")}
        if name in FROM_CHECKPOINT:
            entry["checkpoint"] = sha256(CHECKPOINT)
        entries[name] = entry
        plt.close(figure)
        print(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size} bytes")
    text = json.dumps(
        {name: entries[name] for name in FIGURES if name in entries}, indent=1, ensure_ascii=False
    )
    index.write_text(text + "\n", encoding="utf-8", newline="\n")


def from_command_line() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=", ".join(ALT))
    for option, text in (
        ("--root", "another data set"),
        ("--checkpoint", "another network"),
        ("--output", "where the pictures of another data set go (default: runs/figures)"),
    ):
        parser.add_argument(option, help=text)
    main(**vars(parser.parse_args()))


if __name__ == "__main__":
    command.run(from_command_line)
