"""Any photograph in, a label map out: what `python -m helpers.inference photo.jpg` does."""
import argparse
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from helpers.checkpoints import load_model
from helpers.device import find_device
from helpers.inference import predict_frame
from helpers.paths import write_atomically


def read_photograph(path) -> np.ndarray:
    """Any picture that pillow opens as uint8 RGB [H, W, 3], turned upright as its EXIF says.

    Grey becomes RGB, transparent parts become white, 16-bit grey is scaled to 8. Raises FileNotFoundError, or
    ValueError for a file that is no picture, is truncated, or has more than pillow's limit of 179 million pixels.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; give the path of a photograph (JPEG, PNG, ...)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # up to 179 megapixels are welcome
            picture = ImageOps.exif_transpose(Image.open(path))
            if picture.mode.startswith(("I", "F")):
                values = np.asarray(picture, np.float64)
                scale = 257 if picture.mode.startswith("I") else max(1.0, float(values.max()) / 255)
                picture = Image.fromarray(np.clip(values / scale, 0, 255).round().astype(np.uint8))
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise ValueError(f"{path} cannot be read as a picture ({error}); open it in a picture program and save it "
                         "as PNG or JPEG") from error


def label_photograph(path, model, info: dict, folder, **options) -> list[Path]:
    """Label one photograph; write colour map, label ids and overlay into `folder` and return their paths.

    <name>_color.png is RGB, <name>_labelIds.png has regular label ids, <name>_overlay.jpg is half photograph and
    half colours. All have the size of the (upright) photograph. Options as in `predict_frame`.
    """
    photograph = read_photograph(path)
    train_ids = predict_frame(model, photograph, info, **options)
    colors = Image.fromarray(info["label_set"].colorize(train_ids))
    mixed = Image.blend(Image.fromarray(photograph), colors, 0.5)
    written = []
    for picture, end in ((colors, "_color.png"), (Image.fromarray(info["label_set"].decode(train_ids)),
                         "_labelIds.png"), (mixed, "_overlay.jpg")):
        kind = "PNG" if end.endswith("png") else "JPEG"
        target = Path(folder) / (Path(path).stem + end)
        written.append(write_atomically(target, lambda t, p=picture, k=kind: p.save(t, k)))
    return written


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.inference", description=__doc__.splitlines()[0])
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
