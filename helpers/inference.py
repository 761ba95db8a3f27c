"""Labels for whole frames and photographs, by overlap-tile (U-Net paper, Fig. 2).

    python -m helpers.inference photo.jpg --checkpoint data/checkpoints/unet.pt

Chapter 10 builds the tiles.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from helpers import command
from helpers.checkpoints import load_for_frames
from helpers.dataset import normalize
from helpers.device import find_device, mixed_precision
from helpers.files import listed, write_image
from helpers.images import read_photograph
from helpers.normalization import from_histogram, histogram
from helpers.sizes import require
from helpers.windows import View, cut, reduce_image

# Bytes that one forward pass may take, roughly; a larger frame goes through in tiles.
BUDGET = 2 * 2**30

# What is written of a photograph, after its name.
ENDS = ("_color.png", "_labelIds.png", "_overlay.jpg")


def bytes_needed(model, height: int, width: int) -> int:
    """Roughly what a forward pass of a U-Net allocates; its widest moment is the last merge."""
    width_of_network = next(model.parameters()).shape[0]
    floats_per_pixel = 6 * width_of_network + 32
    return 4 * floats_per_pixel * height * width


class Span(NamedTuple):
    """One tile along one axis, in pixels of the frame."""

    # What the network reads; outside the frame it reads mirrored pixels.
    read_start: int
    read_length: int

    # The pixels of the frame whose logits are kept, and how many outputs come before them.
    keep_start: int
    keep_length: int
    skip: int


def grid_and_reach(model, view: View) -> tuple[int, int]:
    """The pixels that all poolings together divide by, and the context that a tile gets on each
    side: none without padding, where the view's margin is the context.
    """
    # An FCN says both: its view may have any depth.
    grid = getattr(model, "grid", 2**view.depth)
    if view.padding == "valid":
        return grid, 0
    # A U-Net's output sees 7 * 2**depth - 5 pixels on each side: 107 at depth 4.
    return grid, getattr(model, "reach", 7 * grid)


def plan_axis(length: int, view: View, tile: int, grid: int, reach: int) -> list[Span]:
    """Tiles of `tile` label pixels along an axis of `length` pixels.

    Together they keep every pixel exactly once. `grid` and `reach` are those of `grid_and_reach`.
    """
    # As in View.pair, the label window is centered and may be larger than the frame.
    window = view.legal(length)
    offset = (length - window) // 2

    # All tiles must pool on one grid: only then do they agree with a single pass over the frame.
    step = max(grid, tile // grid * grid)
    # An FCN takes a tile of any size; only one that ends on the grid fits to the next.
    if view.padding == "same" and tile < window:
        tile = step

    spans = []
    start = 0
    last = False
    while not last:
        last = start + tile >= window
        end = window if last else start + step
        read_start = max(0, start - reach)
        read_end = min(window, start + tile + reach)
        keep_start = max(start, -offset)
        keep_end = min(end, length - offset)
        spans.append(
            Span(
                read_start=offset + read_start - view.margin,
                read_length=read_end - read_start + 2 * view.margin,
                keep_start=offset + keep_start,
                keep_length=keep_end - keep_start,
                skip=keep_start - read_start,
            )
        )
        start += step
    return spans


def tile_size(model, view: View, rows: int, columns: int, budget: int) -> int:
    """The whole frame if one pass over it takes at most `budget` bytes, else the view's size."""
    height = view.legal(rows)
    width = view.legal(columns)
    need = bytes_needed(model, height + 2 * view.margin, width + 2 * view.margin)
    return max(height, width) if need <= budget else view.legal(view.size)


def forward(model, inputs: torch.Tensor, flip: bool = False) -> torch.Tensor:
    """Logits float32 [N, classes, h, w]; with `flip`, averaged with those of the mirror image."""
    with mixed_precision(inputs.device):
        logits = model(inputs).float()
        if flip:
            mirrored = model(inputs.flip(-1)).float()
            logits = (logits + mirrored.flip(-1)) / 2
    return logits


@torch.no_grad()
def tile_logits(
    model, image: np.ndarray, info: dict, tile: int | None = None, budget: int = BUDGET, flip=False
):
    """Yield (top, left, logits float32 [classes, h, w]) that cover `image` exactly once.

    `image` is uint8 [H, W, 3]. One mirrored pass where `budget` bytes allow it, else tiles; `tile`
    forces tiles of about that many label pixels. Both give the same but for rounding; an FCN's do
    so where the frame's sides are multiples of 32, else its one pass stretches the coarse maps.
    Puts the model in eval mode.
    """
    model.eval()
    view = info["view"]
    device = next(model.parameters()).device
    height, width = image.shape[:2]
    if tile is None:
        tile = tile_size(model, view, height, width, budget)
    else:
        tile = view.legal(tile)
    grid, reach = grid_and_reach(model, view)
    for rows in plan_axis(height, view, tile, grid, reach):
        for columns in plan_axis(width, view, tile, grid, reach):
            window = cut(
                image, rows.read_start, columns.read_start, rows.read_length, columns.read_length
            )
            inputs = normalize(window, info["mean"], info["std"])[None]
            inputs = inputs.to(device, memory_format=torch.channels_last)
            logits = forward(model, inputs, flip)[0]
            piece = logits.narrow(1, rows.skip, rows.keep_length)
            piece = piece.narrow(2, columns.skip, columns.keep_length)
            yield rows.keep_start, columns.keep_start, piece


def assemble(pieces, height: int, width: int) -> torch.Tensor:
    """Pieces (top, left, [classes, h, w]) as one tensor [classes, height, width] on the CPU."""
    result = None
    for top, left, piece in pieces:
        if piece.shape[1:] == (height, width):
            return piece.cpu()
        if result is None:
            result = torch.empty(len(piece), height, width)
        bottom = top + piece.shape[1]
        right = left + piece.shape[2]
        result[:, top:bottom, left:right] = piece
    return result


def frame_pieces(model, frame: np.ndarray, info: dict, scales=(1.0,), **options):
    """As tile_logits, at full resolution: the logits of a reduced frame are interpolated.

    `info` is what load_model returns. The logits are averaged over `scales` by which the network's
    input is resized (their memory: 4 * classes bytes per pixel).
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise ValueError(
            f"a frame is uint8 RGB [H, W, 3], found {frame.dtype} {list(frame.shape)}: "
            ".convert('RGB')"
        )
    factor = info["view"].factor(len(frame))
    if factor == 1 and tuple(scales) == (1.0,):
        yield from tile_logits(model, frame, info, **options)
        return
    small = reduce_image(frame, factor)
    total = 0
    for scale in scales:
        total = total + scaled_logits(model, small, info, scale, **options) / len(scales)
    yield from enlarged_strips(total, factor, *frame.shape[:2])


def scaled_logits(model, image: np.ndarray, info: dict, scale: float, **options) -> torch.Tensor:
    """Logits [1, classes, H, W] of an image that the network sees resized by `scale`."""
    rows = max(1, round(image.shape[0] * scale))
    columns = max(1, round(image.shape[1] * scale))
    resized = np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BILINEAR))
    logits = assemble(tile_logits(model, resized, info, **options), rows, columns)
    return F.interpolate(logits[None], image.shape[:2], mode="bilinear")


def enlarged_strips(logits: torch.Tensor, factor: int, height: int, width: int):
    """Yield (top, 0, strip): logits [1, classes, h, w] grown by `factor`, cut to height x width.

    A strip at a time: a large photograph's logits at full size would fill the memory.
    """
    rows = logits.shape[2]
    step = max(1, 64 // factor)
    # Every strip gets a neighbor above and below, which interpolation looks at.
    padded = F.pad(logits, (0, 0, 1, 1), mode="replicate")
    for first in range(0, rows, step):
        strip = padded[:, :, first : first + step + 2]
        strip = F.interpolate(strip, scale_factor=factor, mode="bilinear")[0]
        strip = strip[:, factor:-factor, :width]
        top = first * factor
        yield top, 0, strip[:, : height - top]


def frame_logits(model, frame: np.ndarray, info: dict, **options) -> torch.Tensor:
    """Logits float32 [classes, H, W] of a whole frame; options as in predict_frame.

    19 classes of a Cityscapes frame are 160 MB.
    """
    height, width = frame.shape[:2]
    return assemble(frame_pieces(model, frame, info, **options), height, width)


def predict_frame(model, frame: np.ndarray, info: dict, **options) -> np.ndarray:
    """Train ids uint8 [H, W] of a whole frame uint8 [H, W, 3].

    The options are those of tile_logits and frame_pieces: tile, budget, flip, scales.
    """
    # Tile by tile: the logits of a large photograph at full size would take gigabytes.
    train_ids = np.empty(frame.shape[:2], np.uint8)
    for top, left, logits in frame_pieces(model, frame, info, **options):
        classes = logits.argmax(0).cpu().numpy()
        height, width = classes.shape
        train_ids[top : top + height, left : left + width] = classes
    return train_ids


def own_statistics(photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel of one photograph uint8 [H, W, 3], on the scale 0 to 1."""
    own = from_histogram(histogram(photograph))
    return np.array(own.mean), np.array(own.divisors)


def for_photograph(photograph: np.ndarray, info: dict) -> tuple[dict, float]:
    """How a network sees a photograph that is not of its data set: `info` with the photograph's own
    mean and deviation, and the scale at which it has the rows that the network was trained on.

    Of four ways that was the best (benchmarks/photographs.py).
    """
    mean, std = own_statistics(photograph)
    view = info["view"]
    scale = 1.0
    if view.kind == "frame":
        factor = view.factor(len(photograph))
        rows, columns = (len(range(0, side, factor)) for side in photograph.shape[:2])
        # Frames that are lower than the view's height stay as they are.
        scale = info.get("rows", view.height) / rows
        # A strip of a few rows is enlarged to 4 million pixels at most: its logits are 320 MB.
        scale = min(scale, max(1, (2**22 / (rows * columns)) ** 0.5))
    return {**info, "mean": tuple(mean), "std": tuple(std)}, scale


def predict_photograph(model, photograph: np.ndarray, info: dict, **options) -> np.ndarray:
    """Train ids uint8 [H, W] of a photograph uint8 [H, W, 3] that is not of the network's data set;
    options as in `predict_frame`, without `scales`.
    """
    info, scale = for_photograph(photograph, info)
    return predict_frame(model, photograph, info, scales=(scale,), **options)


def label_photograph(path, model, info: dict, folder, like_training=False, **options) -> list[Path]:
    """Label one photograph; returns the paths of the three files that it writes into `folder`.

    <name>_color.png is RGB, <name>_labelIds.png has regular label ids, <name>_overlay.jpg is half
    photograph and half colors. All have the size of the (upright) photograph. `like_training`: it
    comes from where the training frames came from, and is seen as they were. Options as in
    `predict_frame`.
    """
    photograph = read_photograph(path)
    predict = predict_frame if like_training else predict_photograph
    train_ids = predict(model, photograph, info, **options)
    return write_labels(path, photograph, train_ids, info["label_set"], folder)


def write_labels(path, picture: np.ndarray, train_ids, label_set, folder) -> list[Path]:
    """Write the three files of `label_photograph` for the picture at `path`, uint8 [H, W, 3], and
    its train ids [H, W]; returns their paths.
    """
    colors = Image.fromarray(label_set.colorize(train_ids))
    mixed = Image.blend(Image.fromarray(picture), colors, 0.5)
    ids = Image.fromarray(label_set.decode(train_ids))
    name = Path(folder) / Path(path).stem
    return [write_image(f"{name}{end}", one) for end, one in zip(ENDS, (colors, ids, mixed))]


def check_results(paths, folder) -> None:
    """Raises ValueError if a result in `folder` would replace another one, or one of the
    pictures.
    """
    names = [Path(path).stem for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"photographs of one name: each needs its own --output:{listed(twice)}")
    results = {Path(folder, name + end).resolve() for name in names for end in ENDS}
    lost = [str(path) for path in paths if Path(path).resolve() in results]
    if lost:
        raise ValueError(f"results would take the place of photographs:{listed(lost)}\n(--output)")


def label_photographs(paths, model, info: dict, folder, label=label_photograph, **options) -> None:
    """As `label`, of many; those that cannot be read are named at the end.

    Raises ValueError before the first prediction if something would be lost (`check_results`).
    """
    check_results(paths, folder)
    problems = []
    for path in paths:
        try:
            print(*label(path, model, info, folder, **options), sep="\n")
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.inference", description="Any photograph in, a label map out."
    )
    parser.add_argument("photographs", nargs="+", help="pictures of any size and mode")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument(
        "--output", default="predictions", help="folder to write to (default: predictions)"
    )
    parser.add_argument(
        "--flip", action="store_true", help="average with the prediction of the mirror image"
    )
    parser.add_argument(
        "--like-training",
        action="store_true",
        help="they come from where the training frames came from: normalize with its statistics",
    )
    parser.add_argument(
        "--budget", type=float, default=2.0, help="GiB one pass may take, else tiles (default: 2)"
    )
    args = parser.parse_args(arguments)
    require(0, 1e9, budget=args.budget)
    budget = int(args.budget * 2**30)
    model, info = load_for_frames(args.checkpoint, find_device())
    options = {"like_training": args.like_training, "flip": args.flip, "budget": budget}
    label_photographs(args.photographs, model, info, args.output, **options)


if __name__ == "__main__":
    command.run(main)
