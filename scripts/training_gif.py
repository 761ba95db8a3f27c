"""Draw images/training.gif: one validation frame's prediction, epoch after epoch, beside frame and
truth.

    python -m scripts.training_gif                          # from runs/demo
    python -m scripts.training_gif --run runs/demo --frame 1 --output images/training.gif

Takes the pictures that a training saves after every epoch (runs/<name>/predictions) and its
history. Draw it from the sample city only: pictures of Cityscapes may not be published.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers import command
from helpers.files import write_image
from helpers.paths import ROOT, runs_dir, shown

LIMIT = 1_500_000
BAND = 26  # pixels below the pictures, for the caption


def pictures(run: Path, frame: int) -> list[tuple[int, Path]]:
    """(epoch, picture) of the `frame`-th validation frame, in the order of the epochs."""
    found = sorted((run / "predictions").glob("*_epoch*.png"))
    frames = sorted({path.name.rsplit("_epoch", 1)[0] for path in found})
    if not 0 <= frame < len(frames):
        raise SystemExit(
            f"{shown(run)} has pictures of {len(frames)} frames, number {frame} was asked for; "
            "train with python -m helpers.training --pictures 3"
        )
    return [
        (int(path.stem.rsplit("_epoch", 1)[1]), path)
        for path in found
        if path.name.startswith(frames[frame])
    ]


def chosen(epochs: list, most: int) -> list:
    """At most `most` entries, denser at the beginning, where the prediction changes most; the last
    one always.
    """
    if len(epochs) <= most:
        return epochs
    places = np.unique(np.round((len(epochs) - 1) * np.linspace(0, 1, most) ** 1.7).astype(int))
    return [epochs[place] for place in places]


def panel(path: Path, caption: str, width: int) -> Image.Image:
    """Frame, truth and prediction with a caption below, reduced to `width`."""
    picture = Image.open(path).convert("RGB")
    height = round(picture.height * width / picture.width)
    canvas = Image.new("RGB", (width, height + BAND), "white")
    canvas.paste(picture.resize((width, height), Image.Resampling.LANCZOS))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(14)
    for text, center in (("frame", 1 / 6), ("truth", 3 / 6), (caption, 5 / 6)):
        draw.text((center * width, height + BAND / 2), text, fill="black", font=font, anchor="mm")
    return canvas


def gif(run: Path, frame: int, output: Path, width: int = 1080, most: int = 16) -> Path:
    """Write the animation, narrower if that is needed to stay below 1.5 MB."""
    with open(run / "history.csv", newline="") as file:
        score = {int(row["epoch"]): float(row["val_mean_iou"]) for row in csv.DictReader(file)}
    steps = [step for step in chosen(pictures(run, frame), most) if step[0] in score]
    while True:
        panels = [
            panel(path, f"epoch {epoch}: val mIoU {score[epoch]:.2f}", width)
            for epoch, path in steps
        ]
        palette = panels[-1].quantize(255, dither=Image.Dither.NONE)
        frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in panels]
        times = [600] * (len(frames) - 1) + [3000]
        write_image(
            output,
            frames[0],
            save_all=True,
            append_images=frames[1:],
            duration=times,
            loop=0,
            optimize=True,
        )
        if output.stat().st_size <= LIMIT:
            return output
        width = round(width * 0.85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=runs_dir() / "demo")
    parser.add_argument("--frame", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "images" / "training.gif")
    args = parser.parse_args()
    path = gif(args.run, args.frame, args.output)
    print(f"{shown(path)}: {path.stat().st_size} bytes, {Image.open(path).n_frames} pictures")


if __name__ == "__main__":
    command.run(main)
