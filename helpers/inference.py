"""Labels for whole frames and photographs, by overlap-tile (U-Net paper, Fig. 2). Chapter 10 builds it by hand.

    python -m helpers.inference photo.jpg --checkpoint data/checkpoints/demo.pt --output predictions
"""
import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from helpers.checkpoints import load_model
from helpers.dataset import normalize
from helpers.device import amp_dtype, find_device
from helpers.files import write_image
from helpers.images import read_photograph
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD
from helpers.windows import View, cut, reduce_image

BUDGET = 2 << 30  # bytes one forward pass may take, roughly; a larger frame goes through in tiles
REACH = 112  # same padding: context around a tile, a multiple of 16 above the 107 pixels that any output sees


def bytes_needed(model, height: int, width: int) -> int:
    """Roughly what a forward pass of a U-Net allocates; its widest moment is the last merge."""
    return 4 * height * width * (6 * next(model.parameters()).shape[0] + 32)


def spans(length: int, tile: int, step: int) -> list[tuple[int, int]]:
    """(first, end) of the pieces that tiles of `tile` pixels, `step` apart, contribute to `length` pixels."""
    firsts = range(0, max(1, length - (tile - step)), step)
    return [(first, first + step if first + tile < length else length) for first in firsts]


@torch.no_grad()
def tile_logits(model, image: np.ndarray, info: dict, tile: int | None = None, budget: int = BUDGET, flip=False):
    """Yield (top, left, logits float32 [classes, h, w]): pieces that cover `image`, uint8 [H, W, 3], exactly once.

    One mirrored pass where `budget` bytes allow it, else tiles of `tile` pixels (388, with same padding 384) whose
    step is a multiple of 2**depth: only so do all tiles pool on one grid and agree with the single pass. `tile`
    forces tiles. `flip` averages the logits with those of the mirror image. Puts the model in eval mode.
    """
    model.eval()
    view, device = info["view"], next(model.parameters()).device
    half, (rows, columns) = amp_dtype(device), image.shape[:2]
    height, width, margin = view.legal(rows), view.legal(columns), view.margin
    top, left = (rows - height) // 2, (columns - width) // 2  # where the label window begins, as in View.pair
    fits = bytes_needed(model, height + 2 * margin, width + 2 * margin) <= budget
    tile = max(height, width) if tile is None and fits else view.legal(tile or view.size)
    grid, reach = 2**view.depth, REACH if view.padding == "same" else 0
    step = max(grid, tile // grid * grid)
    for y, end_y in spans(height, tile, step):
        for x, end_x in spans(width, tile, step):
            y0, x0 = max(0, y - reach), max(0, x - reach)
            h, w = min(height, y + tile + reach) - y0, min(width, x + tile + reach) - x0
            window = cut(image, top + y0 - margin, left + x0 - margin, h + 2 * margin, w + 2 * margin)
            inputs = normalize(window, info["mean"], info["std"])[None].to(device, memory_format=torch.channels_last)
            with torch.autocast(device.type, half, enabled=half is not None):
                logits = model(inputs).float()
                if flip:
                    logits = (logits + model(inputs.flip(-1)).float().flip(-1)) / 2
            a, b = max(y, -top), max(x, -left)  # rows and columns that mirroring added are not of the frame
            c, d = min(end_y, rows - top), min(end_x, columns - left)
            yield top + a, left + b, logits[0, :, a - y0 : c - y0, b - x0 : d - x0]


def assemble(pieces, height: int, width: int) -> torch.Tensor:
    """Pieces (top, left, [classes, h, w]) put together: float32 [classes, height, width] on the CPU."""
    result = torch.empty(0)
    for top, left, piece in pieces:
        if piece.shape[1:] == (height, width):
            return piece.cpu()
        result = result if len(result) else torch.empty(len(piece), height, width)
        result[:, top : top + piece.shape[1], left : left + piece.shape[2]] = piece
    return result


def frame_pieces(model, frame: np.ndarray, info: dict | None = None, scales=(1.0,), **options):
    """As tile_logits, at full resolution whatever the view: the logits of a reduced frame grow bilinearly.

    `info` is what load_model returns; without it the recipe's crop view, mean and deviation are taken. The logits
    are averaged over `scales` by which the network's input is resized (their memory: 4 * classes bytes a pixel).
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise ValueError(f"a frame is uint8 RGB [H, W, 3], found {frame.dtype} {list(frame.shape)}: .convert('RGB')")
    info = info or {"view": View(padding=model.padding, depth=model.depth), "mean": CITYSCAPES_MEAN,
                    "std": CITYSCAPES_STD}
    factor, (height, width), total = info["view"].factor(len(frame)), frame.shape[:2], 0
    if factor == 1 and tuple(scales) == (1.0,):
        return (yield from tile_logits(model, frame, info, **options))
    small = reduce_image(frame, factor)
    for scale in scales:
        rows, columns = (max(1, round(n * scale)) for n in small.shape[:2])
        image = np.asarray(Image.fromarray(small).resize((columns, rows), Image.Resampling.BILINEAR))
        logits = assemble(tile_logits(model, image, info, **options), rows, columns)
        total = total + F.interpolate(logits[None], small.shape[:2], mode="bilinear") / len(scales)
    total = F.pad(total, (0, 0, 1, 1), mode="replicate")
    step = max(1, 64 // factor)  # a strip at a time: a large photograph's logits at full size would fill the memory
    for y in range(0, len(small), step):
        strip = F.interpolate(total[:, :, y : y + step + 2], scale_factor=factor, mode="bilinear")[0]
        yield y * factor, 0, strip[:, factor : strip.shape[1] - factor, :width][:, : height - y * factor]


def frame_logits(model, frame: np.ndarray, info: dict | None = None, **options) -> torch.Tensor:
    """Logits float32 [classes, H, W] of a whole frame (160 MB for Cityscapes); options as in predict_frame."""
    return assemble(frame_pieces(model, frame, info, **options), *frame.shape[:2])


def predict_frame(model, frame: np.ndarray, info: dict | None = None, **options) -> np.ndarray:
    """Train ids uint8 [H, W] of a whole frame uint8 [H, W, 3]. Options: tile, budget, flip, scales."""
    result = np.empty(frame.shape[:2], np.uint8)
    for top, left, piece in frame_pieces(model, frame, info, **options):
        result[top : top + piece.shape[1], left : left + piece.shape[2]] = piece.argmax(0).cpu().numpy()
    return result


def label_photograph(path, model, info: dict, folder, **options) -> list[Path]:
    """Label one photograph; write colour map, label ids and overlay into `folder` and return their paths.

    <name>_color.png is RGB, <name>_labelIds.png has regular label ids, <name>_overlay.jpg is half photograph and
    half colours. All have the size of the (upright) photograph. Options as in `predict_frame`.
    """
    photograph = read_photograph(path)
    train_ids = predict_frame(model, photograph, info, **options)
    colors = Image.fromarray(info["label_set"].colorize(train_ids))
    mixed = Image.blend(Image.fromarray(photograph), colors, 0.5)
    ids = Image.fromarray(info["label_set"].decode(train_ids))
    name = Path(folder) / Path(path).stem
    return [
        write_image(f"{name}_color.png", colors),
        write_image(f"{name}_labelIds.png", ids),
        write_image(f"{name}_overlay.jpg", mixed),
    ]


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.inference",
                                     description="Any photograph in, a label map out.")
    parser.add_argument("photographs", nargs="+", help="pictures of any size and mode")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--output", default="predictions", help="folder to write to (default: predictions)")
    parser.add_argument("--flip", action="store_true", help="average with the prediction of the mirror image")
    parser.add_argument("--budget", type=float, default=2.0, help="GiB one pass may take, else tiles (default: 2)")
    args = parser.parse_args(arguments)
    try:
        model, info = load_model(args.checkpoint, find_device())
        for path in args.photographs:
            for written in label_photograph(path, model, info, args.output, flip=args.flip,
                                            budget=int(args.budget * 2**30)):
                print(written)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
