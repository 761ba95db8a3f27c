"""Pictures read as arrays: frames and label maps of a data set, and any photograph."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


def open_image(path) -> np.ndarray:
    """A frame as uint8 RGB [H, W, 3]. Another mode, or a file that is no whole picture, raises
    ValueError.
    """
    return _open(path, "RGB", "8-bit RGB; convert it with pillow: Image.open(path).convert('RGB')")


def open_label(path) -> np.ndarray:
    """A label map as uint8 [H, W], the ids as they stand in the file. Errors as in `open_image`."""
    return _open(path, "L", "one 8-bit channel of label ids; take the file gtFine_labelIds.png")


def _open(path, mode: str, expected: str) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            if picture.mode != mode:
                raise ValueError(f"{path}: mode {picture.mode}, expected {expected}")
            return np.asarray(picture)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist; was the dataset moved after its CSV was written?"
        ) from None
    except (OSError, SyntaxError) as error:  # what pillow raises for truncated and broken files
        raise ValueError(f"{path}: cannot be read ({error}); download or build it again") from error


def read_photograph(path) -> np.ndarray:
    """Any picture that pillow opens as uint8 RGB [H, W, 3], turned upright as its EXIF says.

    Gray becomes RGB, transparent parts become white, 16-bit gray is scaled to 8. Raises
    FileNotFoundError, or ValueError for a file that is no picture, is truncated, or has more than
    pillow's limit of 179 million pixels.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path}: no such file; give the path of a photograph (JPEG, PNG, ...)"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # up to 179 megapixels are welcome
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
        raise ValueError(
            f"{path} cannot be read as a picture ({error}); open it in a picture program and save "
            "it as PNG or JPEG"
        ) from error
