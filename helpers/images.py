"""Pictures read as arrays: frames and label maps of a data set, and any photograph."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# What pillow raises for truncated, broken and huge files.
BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, Image.DecompressionBombError)


def open_image(path) -> np.ndarray:
    """A frame as uint8 RGB [H, W, 3]. Another mode, or a file that is no whole picture, raises
    ValueError.
    """
    return _open(path, "RGB", "8-bit RGB: scale deeper values to 8 bits, then .convert('RGB')")


def open_label(path) -> np.ndarray:
    """A label map as uint8 [H, W], the ids as they stand in the file. Errors as in `open_image`."""
    return _open(path, "L", "one 8-bit channel of label ids; take the file gtFine_labelIds.png")


def checked_picture(path) -> Image.Image:
    """The picture at `path`, its checksums compared, which reading the pixels of a PNG does not do.

    Raises what pillow raises: one of BROKEN.
    """
    with Image.open(path) as picture:
        picture.verify()  # and then this one is used up
    return Image.open(path)


def _open(path, mode: str, expected: str) -> np.ndarray:
    try:
        with checked_picture(path) as picture:
            array = np.asarray(picture)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist; was the dataset moved after its CSV was written?"
        ) from None
    except BROKEN as error:
        raise ValueError(f"{path}: cannot be read ({error}); download or build it again") from error
    if picture.mode != mode:
        raise ValueError(f"{path}: mode {picture.mode}, expected {expected}")
    if mode == "L" and picture.format == "JPEG":
        raise ValueError(f"{path}: a JPEG, which changes ids; expected {expected}")
    return array


def read_photograph(path) -> np.ndarray:
    """Any picture that pillow opens as uint8 RGB [H, W, 3], turned upright as its EXIF says.

    Gray becomes RGB, transparent parts become white, 16-bit gray is scaled to 8, floats of 0 to 1
    are scaled to 255. Raises FileNotFoundError, or ValueError for a file that is no picture, is
    truncated, has floats below 0 or no numbers, or more than pillow's limit of 179 million pixels.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path}: no such file; give the path of a photograph (JPEG, PNG, ...)"
        )
    try:
        with warnings.catch_warnings():
            # Up to 179 megapixels are welcome.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = ImageOps.exif_transpose(checked_picture(path))
            # 16 and 32 bits per pixel, and floats: brought to 8 bits.
            if picture.mode.startswith(("I", "F")):
                values = np.asarray(picture, np.float64)
                scale = 257 if picture.mode.startswith("I") else _float_scale(values)
                if scale == 257 and 0 < values.max() < 2**14:
                    raise ValueError(f"its values end at {values.max():g} of 65535: scale it first")
                picture = Image.fromarray(np.clip(values / scale, 0, 255).round().astype(np.uint8))
            # What shines through is white, as on a page.
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            return np.asarray(picture.convert("RGB"))
    except BROKEN as error:
        raise ValueError(
            f"{path} cannot be read as a picture ({error}); open it in a picture program and save "
            "it as PNG or JPEG"
        ) from error


def _float_scale(values: np.ndarray) -> float:
    """What a float picture is divided by, so that it lies in 0..255."""
    if not (np.isfinite(values).all() and values.min() >= 0):
        raise ValueError("it holds floats below 0, or that are no numbers")
    largest = float(values.max())
    return 1 / 255 if largest <= 1 else max(1.0, largest / 255)
