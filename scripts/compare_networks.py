"""Draw the comparison that the course's title promises: one street, as the three FCN and the
U-Net see it after equal training.

    python -m scripts.compare_networks         # writes images/fcn_unet_compared.png

A part of the street, enlarged: the photograph, the truth, and the answers. Ignored pixels are
black.
"""

import argparse

import numpy as np
import torch

from helpers import command
from helpers.checkpoints import load_model
from helpers.dataset import normalize
from helpers.images import open_image, open_label
from helpers.labels import IGNORE, TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.plots import legend, panels
from helpers.windows import reduce_image, reduce_label
from scripts.city_pictures import STREET
from scripts.train_checkpoints import CHECKPOINTS

PICTURE = ROOT / "images" / "fcn_unet_compared.png"
NAMES = {"fcn32s": "FCN-32s", "fcn16s": "FCN-16s", "fcn8s": "FCN-8s", "unet": "U-Net"}
TOP, LEFT, HEIGHT, WIDTH = 70, 40, 96, 96  # of the enlarged part, in pixels at quarter scale


def street() -> tuple[np.ndarray, np.ndarray]:
    """The street at quarter scale: uint8 [256, 512, 3], and its train ids uint8 [256, 512]."""
    image = reduce_image(open_image(STREET / "frame.webp"), 4)
    label = reduce_label(open_label(STREET / "labelIds.png"), 4)
    return image, TRAIN_19.encode(label)


@torch.no_grad()
def predict(name: str, image: np.ndarray) -> np.ndarray:
    """Train ids uint8 [256, 512] that a shipped network gives the street."""
    model, info = load_model(CHECKPOINTS / f"{name}.pt")
    logits = model(normalize(image, info["mean"], info["std"])[None])
    return logits[0].argmax(0).numpy().astype(np.uint8)


def maps() -> list[tuple[str, np.ndarray]]:
    """Title and train ids uint8 [256, 512] of truth and predictions, ignored pixels 255 in all.

    The percentage in a title is that of the whole street.
    """
    image, target = street()
    result = [("truth", target)]
    for name, title in NAMES.items():
        prediction = predict(name, image)
        matrix = ConfusionMatrix(len(TRAIN_19))
        matrix.update(prediction, target)
        prediction[target == IGNORE] = IGNORE
        result.append((f"{title}: {matrix.pixel_accuracy():.0%} of the street right", prediction))
    return result


def draw():
    """The figure: six panels of the enlarged part."""
    rows = slice(TOP, TOP + HEIGHT)
    columns = slice(LEFT, LEFT + WIDTH)
    classes = [(title, train_ids[rows, columns]) for title, train_ids in maps()]
    pictures = [street()[0][rows, columns]]
    pictures += [TRAIN_19.colorize(train_ids) for _, train_ids in classes]
    titles = ["the street", *[title for title, _ in classes]]
    figure = panels(pictures, titles, columns=3, width=10)
    legend(figure, np.stack([train_ids for _, train_ids in classes]), columns=8)
    return figure


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    draw().savefig(PICTURE, dpi=130, bbox_inches="tight")


if __name__ == "__main__":
    command.run(main)
