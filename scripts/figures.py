"""Draw the diagrams of images/ from the real modules and the street of the course.

    python -m scripts.figures                  # all of them
    python -m scripts.figures unet classes     # some

Beside the pictures stands images/figures.json: for each figure its alt text, what it shows (its
texts, colors and data in rounded numbers), and the hash of the picture. A test draws every figure
again and compares what it shows.
"""

import argparse
import hashlib
import io
import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from helpers import command
from helpers.images import open_image
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from scripts import diagrams
from scripts.city_pictures import STREET
from scripts.figure_text import describe
from scripts.pinned import pin

IMAGES = ROOT / "images"
LIMIT = 250_000  # bytes a picture

ALT = {
    "unet": "Diagram of U-Net: boxes shrink from 572 to 28 pixels and grow from 64 to 1024 "
    "channels on the way down, and come back to 388 pixels and 19 classes on the way up; gray "
    "arrows carry cropped maps across.",
    "fcn": "Diagram of FCN-8s: the convolutions of VGG16 shrink the frame by 32, two layers that "
    "were fully connected follow, and class scores are up-sampled in three steps; below pool4 and "
    "pool3 a 1x1 convolution makes scores, which are added on the way up.",
    "overlap_tile": "A street frame with a mirrored border, in dotted tiles; two blue input "
    "squares of 572 pixels, and inside each the yellow square of 388 pixels that it answers.",
    "classes": "The 19 evaluated classes of Cityscapes with color, train id and label id, "
    "grouped into seven categories, and below them the names of the ids that are ignored.",
}


FIGURES = {
    "unet": diagrams.unet,
    "fcn": diagrams.fcn,
    "overlap_tile": lambda: diagrams.overlap_tile(open_image(STREET / "frame.webp")),
    "classes": diagrams.classes,
}
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


def main(names) -> None:
    """Draw figures into images/, all of them if `names` is empty."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        raise ValueError(f"no figure {', '.join(unknown)}; there are {', '.join(FIGURES)}")
    pin()
    index = IMAGES / "figures.json"
    IMAGES.mkdir(exist_ok=True, parents=True)
    entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    for name in names or FIGURES:
        figure = FIGURES[name]()
        (IMAGES / f"{name}.png").write_bytes(png(figure))
        picture = sha256(IMAGES / f"{name}.png")
        entries[name] = {"alt": ALT[name], "shows": describe(figure), "png": picture}
        plt.close(figure)
        print(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size} bytes")
    text = json.dumps(
        {name: entries[name] for name in FIGURES if name in entries}, indent=1, ensure_ascii=False
    )
    index.write_text(text + "\n", encoding="utf-8", newline="\n")


def from_command_line() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=", ".join(ALT))
    main(**vars(parser.parse_args()))


if __name__ == "__main__":
    command.run(from_command_line)
