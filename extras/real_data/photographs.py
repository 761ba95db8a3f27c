"""Label photographs, each normalized with its own mean and deviation (chapter 13).

    python -m extras.real_data.photographs photo.jpg --checkpoint data/checkpoints/unet.pt

`python -m helpers.inference` does the same with the statistics that the network was trained with.
"""

import argparse
from pathlib import Path

import numpy as np

from helpers import command
from helpers.checkpoints import load_model
from helpers.device import find_device
from helpers.images import read_photograph
from helpers.inference import label_photograph


def adapt(photo, info):
    """`info` with the mean and the deviation of one photograph, per channel."""
    pixels = photo.reshape(-1, 3) / 255
    mean = pixels.mean(axis=0)
    # In a photograph of one color the deviation is 0, and one cannot divide by it.
    std = np.maximum(pixels.std(axis=0), 1 / 255)
    return {**info, "mean": mean.tolist(), "std": std.tolist()}


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.real_data.photographs", description=__doc__.splitlines()[0]
    )
    parser.add_argument("photographs", nargs="+", help="pictures of any size")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--output", default="predictions", help="folder to write to")
    args = parser.parse_args(arguments)
    model, info = load_model(args.checkpoint, find_device())
    for path in args.photographs:
        own = adapt(read_photograph(path), info)
        print(*label_photograph(Path(path), model, own, args.output), sep="\n")


if __name__ == "__main__":
    command.run(main)
