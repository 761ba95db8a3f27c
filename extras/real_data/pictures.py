"""Own pictures as uint8 RGB: any mode that can be read without losing anything silently.

Pictures of more than 8 bits are scaled by one range for the whole folder, so that equal values stay
equal in all pictures. What cannot be read right is refused, with the reason and the way out.
"""

import warnings
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from helpers.images import BROKEN, checked_picture

READ = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif"}
SAMPLES_PER_PIXEL = 277  # a TIFF tag: the number of bands


def open_picture(path) -> Image.Image:
    """A picture with its pixels loaded, turned upright as its EXIF says; ValueError if it cannot be
    read, or holds more than one. (Of a telephone's JPEG with a preview or depth: the first.)
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with checked_picture(path) as picture:
                pages = getattr(picture, "n_frames", 1)
                if pages > 1 and picture.format != "MPO":
                    raise ValueError(f"it holds {pages} pictures; save each as a file of its own")
                bits = bits_of(picture)
                bands = bands_of(picture)
                kind = picture.format
                picture = ImageOps.exif_transpose(picture)
                picture.load()
    except BROKEN as error:
        raise ValueError(
            f"{path} cannot be read ({error}); if it opens in a picture program, save it there as "
            "PNG with three bands of 8 bits"
        ) from error
    picture.info["bits"] = bits
    picture.info["bands"] = bands
    picture.info["kind"] = kind
    return picture


def bits_of(picture: Image.Image) -> int:
    """16 for a picture whose file has 16 bits a band, 32 for other deep ones, else 8."""
    if picture.mode.startswith(("I;16", "I;12")):
        return 16
    if picture.mode in ("I", "F"):
        return 32
    # Pillow opens colors of 16 bits as 8: only its plan for reading them tells.
    return 16 if any("16" in raw_mode(tile) for tile in getattr(picture, "tile", [])) else 8


def raw_mode(tile) -> str:
    """How the pixels lie in the file, "RGB;16B" for example: the first argument of a decoder, whose
    others may be any number.
    """
    arguments = tile[3]
    if isinstance(arguments, (tuple, list)) and arguments:
        arguments = arguments[0]
    return str(arguments)


def bands_of(picture: Image.Image) -> int:
    """How many bands the file has: of a TIFF, pillow may leave some away."""
    tags = getattr(picture, "tag_v2", {})
    return int(tags.get(SAMPLES_PER_PIXEL, len(picture.getbands())))


def is_deep(picture: Image.Image) -> bool:
    """Whether the picture has one band of more than 8 bits."""
    return picture.mode.startswith(("I", "F"))


def value_range(paths) -> tuple[float, float] | None:
    """(smallest, largest) value in all pictures of more than 8 bits; None if there are none.

    Raises ValueError if some have 8 bits and others more, or for floats that are no numbers.
    """
    deep = []
    others = []
    low = np.inf
    high = -np.inf
    for path in paths:
        try:
            with Image.open(path) as picture:
                one_is_deep = is_deep(picture)
                values = np.asarray(picture, np.float64) if one_is_deep else None
        except BROKEN:
            continue  # whoever reads it for good says why
        if not one_is_deep:
            others.append(path)
            continue
        deep.append(path)
        if not np.isfinite(values).all():
            raise ValueError(f"{path} holds values that are no numbers (nan or infinite)")
        low = min(low, float(values.min()))
        high = max(high, float(values.max()))
    if not deep:
        return None
    if others:
        raise ValueError(
            f"{len(deep)} pictures have more than 8 bits ({deep[0]}), {len(others)} have 8 "
            f"({others[0]}): bring all to one kind"
        )
    return low, high


def read_picture(path, limits=None) -> np.ndarray:
    """A picture as uint8 RGB [H, W, 3]. `limits` (low, high) become 0 and 255 in a picture of more
    than 8 bits; those of 8 bits stay as they are.

    Raises ValueError for what would lose something: 16-bit colors, a fourth band, several pages.
    """
    picture = open_picture(path)
    bands = picture.info["bands"]
    if is_deep(picture):
        return scale(np.asarray(picture, np.float64), limits)
    if picture.info["bits"] > 8:
        raise ValueError(
            f"{path} has colors of 16 bits, of which only the upper 8 would be read: scale it to 8 "
            "bits in a picture program first, all pictures alike"
        )
    if bands > 4 or (bands == 4 and picture.mode == "RGB"):
        raise ValueError(
            f"{path} has {bands} bands; a network of this course reads three: choose three of them "
            "and save those as RGB"
        )
    if picture.has_transparency_data:
        lowest, highest = picture.convert("RGBA").getchannel("A").getextrema()
        if lowest != highest:
            raise ValueError(
                f"{path} has a fourth band that varies from {lowest} to {highest}: is it "
                "transparency, or data (near infrared, depth)? Save the picture as RGB without it"
            )
        return np.asarray(picture.convert("RGBA"))[..., :3]
    return np.asarray(picture.convert("RGB"))


def scale(values: np.ndarray, limits) -> np.ndarray:
    """Gray values [H, W] as uint8 RGB [H, W, 3], `limits` (low, high) becoming 0 and 255."""
    low, high = limits
    gray = (values - low) * (255 / max(high - low, 1e-12))
    gray = np.clip(gray, 0, 255).round().astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def name_of_size(shape) -> str:
    """ "640x480" for an array of 480 rows and 640 columns."""
    return f"{shape[1]}x{shape[0]}"


def is_read(path) -> bool:
    """Whether the ending is one that is read."""
    return Path(path).suffix.lower() in READ


def orientation(path) -> int:
    """How a picture lies in its file, as EXIF counts: 1 is upright, 3 is upside down."""
    with Image.open(path) as picture:
        return picture.getexif().get(ExifTags.Base.Orientation, 1)
