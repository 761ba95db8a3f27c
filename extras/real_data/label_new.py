"""Labels for new pictures of the kind of your own data: each is first scaled and resized as
`own_data` did with those of the training.

    python -m extras.real_data.label_new NEW.png --checkpoint runs/mine/best.pt --root data/mine

`helpers.inference` knows nothing of that range and size.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from extras.real_data.pictures import is_deep, open_picture, read_picture
from helpers import command
from helpers.checkpoints import load_for_frames
from helpers.device import find_device
from helpers.files import read_derived
from helpers.inference import label_photographs, predict_frame, write_labels
from helpers.labels import check_classes

PREPARATION = "preparation.json"


class Preparation(NamedTuple):
    """What `own_data` did to the pictures: brought to `size` (width, height), and the values
    `limits` of pictures of more than 8 bits made 0 and 255.
    """

    size: tuple[int, int] | None = None
    limits: tuple[float, float] | None = None


def read_preparation(root) -> Preparation:
    """The preparation of the data at `root`; FileNotFoundError if `own_data` left none."""
    path = Path(root) / PREPARATION
    if not path.is_file():
        raise FileNotFoundError(f"{path}: not there; lay the data out again with own_data")
    stored = read_derived(path)
    size = stored.get("size", "missing")
    limits = stored.get("limits", "missing")
    if not (is_pair(size, (int,)) and is_pair(limits, (int, float))):
        raise ValueError(f"{path} is damaged; lay the data out again with own_data")
    if size is not None and min(size) < 1 or limits is not None and not limits[0] < limits[1]:
        raise ValueError(f"{path}: no size {size} or limits {limits}; lay the data out again")
    return Preparation(size, limits)


def is_pair(found, kinds: tuple[type, ...]) -> bool:
    """Whether a value of the file is two finite numbers of these kinds, or None."""
    if found is None:
        return True
    return (
        isinstance(found, list)
        and len(found) == 2
        and all(type(number) in kinds and math.isfinite(number) for number in found)
    )


def prepared(path, preparation: Preparation) -> tuple[np.ndarray, np.ndarray]:
    """A new picture as uint8 RGB [H, W, 3], in its own size and as the network's training saw such
    pictures. ValueError if it is of another kind than those.
    """
    deep = is_deep(open_picture(path))
    if deep != (preparation.limits is not None):
        kinds = ("8 bits", "more than 8 bits")
        raise ValueError(f"{path} has {kinds[deep]}, those of the training had {kinds[not deep]}")
    frame = read_picture(path, preparation.limits)
    if preparation.size is None:
        return frame, frame
    picture = Image.fromarray(frame).resize(preparation.size, Image.Resampling.LANCZOS)
    return frame, np.asarray(picture)


def label_new(path, model, info: dict, folder, preparation: Preparation) -> list[Path]:
    """Label one picture; returns the paths of the three files that it writes into `folder`, as
    `helpers.inference.label_photograph` does. All have the size of the picture.
    """
    frame, seen = prepared(path, preparation)
    train_ids = predict_frame(model, seen, info)
    size = frame.shape[1::-1]
    train_ids = np.asarray(Image.fromarray(train_ids).resize(size, Image.Resampling.NEAREST))
    return write_labels(path, frame, train_ids, info["label_set"], folder)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.real_data.label_new",
        description="Labels for new pictures of the kind of your own data.",
    )
    parser.add_argument("pictures", nargs="+", help="pictures of the kind of the training's")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--root", required=True, help="the data that own_data laid out")
    parser.add_argument(
        "--output", default="predictions", help="folder to write to (default: predictions)"
    )
    args = parser.parse_args(arguments)
    preparation = read_preparation(args.root)
    model, info = load_for_frames(args.checkpoint, find_device())
    check_classes(info["label_set"], args.root)
    label_photographs(
        args.pictures, model, info, args.output, label=label_new, preparation=preparation
    )


if __name__ == "__main__":
    command.run(main)
