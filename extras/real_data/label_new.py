"""Labels for new pictures of the kind of your own data: each is first scaled and resized as
`own_data` did with those of the training.

    python -m extras.real_data.label_new NEW.png --checkpoint runs/mine/best.pt --root data/mine

`helpers.inference` knows nothing of that range and size.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from extras.real_data.pictures import is_deep, open_picture, read_picture
from helpers import command
from helpers.checkpoints import load_model
from helpers.device import find_device
from helpers.files import listed, read_json, write_image
from helpers.inference import ENDS, predict_frame

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
    stored = read_json(path)
    return Preparation(stored["size"], stored["limits"])


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
    colors = Image.fromarray(info["label_set"].colorize(train_ids))
    mixed = Image.blend(Image.fromarray(frame), colors, 0.5)
    ids = Image.fromarray(info["label_set"].decode(train_ids))
    name = Path(folder) / Path(path).stem
    return [write_image(f"{name}{end}", one) for end, one in zip(ENDS, (colors, ids, mixed))]


def check_results(paths, folder) -> None:
    """Raises ValueError if a result would replace another one, or one of the pictures."""
    results = [Path(folder, Path(path).stem + end).resolve() for path in paths for end in ENDS]
    twice = sorted({path.name for path in results if results.count(path) > 1})
    if twice:
        raise ValueError(f"pictures of one name; label them one by one:{listed(twice)}")
    lost = [str(path) for path in paths if Path(path).resolve() in results]
    if lost:
        raise ValueError(f"results would take the place of pictures:{listed(lost)}\n(--output)")


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
    check_results(args.pictures, args.output)
    preparation = read_preparation(args.root)
    model, info = load_model(args.checkpoint, find_device())
    problems = []
    for path in args.pictures:
        try:
            print(*label_new(path, model, info, args.output, preparation), sep="\n")
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))


if __name__ == "__main__":
    command.run(main)
