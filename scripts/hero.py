"""Draw images/hero.webp, the first picture of README and site: the street, and beyond a slanted
line what the shipped U-Net makes of it.

    python -m scripts.hero
"""

import argparse
import io

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image, ImageDraw

from helpers import command
from helpers.checkpoints import load_model
from helpers.files import write_image
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.labels import IGNORE, TRAIN_19
from helpers.paths import ROOT, shown
from helpers.plots import legend
from scripts.city_pictures import STREET
from scripts.train_checkpoints import CHECKPOINTS

PICTURE = ROOT / "images" / "hero.webp"
ROWS = slice(60, 920)  # without the car's own hood
SEAM = (900, 560)  # where the line meets the upper and the lower edge, in columns
OPACITY = 0.8


def street_and_prediction() -> tuple[np.ndarray, np.ndarray]:
    """The street, uint8 [1024, 2048, 3], and the U-Net's train ids, ignored pixels 255 as there."""
    frame = open_image(STREET / "frame.webp")
    truth = TRAIN_19.encode(open_label(STREET / "labelIds.png"))
    model, info = load_model(CHECKPOINTS / "unet.pt")
    prediction = predict_frame(model, frame, info)
    prediction[truth == IGNORE] = IGNORE
    return frame, prediction


def halves(frame: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """One picture: the frame left of the seam, the classes in their colors right of it."""
    height, width = frame.shape[:2]
    top, bottom = SEAM
    columns = np.arange(width)[None, :]
    seam = np.linspace(top, bottom, height)[:, None]
    colors = TRAIN_19.colorize(prediction).astype(float)
    painted = OPACITY * colors + (1 - OPACITY) * frame
    mixed = np.where((columns >= seam)[..., None], painted, frame)
    picture = Image.fromarray(mixed.round().astype(np.uint8))
    line = ImageDraw.Draw(picture)
    line.line([(top, 0), (bottom, height)], fill="white", width=8)
    return np.asarray(picture)


def draw():
    """The figure: the picture, and below it the classes that are seen."""
    frame, prediction = street_and_prediction()
    frame, prediction = frame[ROWS], prediction[ROWS]
    height, width = prediction.shape
    figure = plt.figure(figsize=(12, 12 * height / width), facecolor="white")
    axis = figure.add_axes([0, 0, 1, 1])
    axis.imshow(halves(frame, prediction), aspect="auto", interpolation="lanczos")
    axis.axis("off")
    legend(figure, prediction[:, SEAM[1] :], columns=8)
    for text in figure.legends[0].get_texts():
        text.set_fontsize(13)
    return figure


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    buffer = io.BytesIO()
    draw().savefig(buffer, dpi=133, bbox_inches="tight", pad_inches=0.04)
    with Image.open(buffer) as picture:
        write_image(PICTURE, picture.convert("RGB"), quality=86, method=6)
    print(f"{shown(PICTURE)}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    command.run(main)
