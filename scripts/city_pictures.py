"""Pictures of the sample city that are kept in the repository: the contact sheet and the street.

    python -m scripts.city_pictures            # both
    python -m scripts.city_pictures sheet      # images/sample_city.jpg: 24 of the tests' frames
    python -m scripts.city_pictures street     # data/frame/: the street, with its five files

Every chapter opens the street in data/frame, whatever data set is used; it is frame 5 of val, as
every machine makes it.
"""

import argparse
import io
import json
import math

from PIL import Image

from helpers import command
from helpers.files import write_bytes, write_image
from helpers.paths import ROOT
from sample_city import make_scene, paint_labels, render
from sample_city.write import frame_plan
from scripts.pinned import CITY

SHEET = ROOT / "images" / "sample_city.jpg"
STREET = ROOT / "data" / "frame"
STREET_NUMBER = 15  # of the generator; by name it is frame 5 of val: kastanienbad_000005_000019
SEED = 1  # of the sample city

# Lossless; two thirds of the size of a PNG.
WEBP = {"format": "webp", "lossless": True, "quality": 75, "method": 6}
PNG = {"format": "png", "compress_level": 9}

FRAMES = [
    ("val", 14),
    ("val", 12),
    ("val", 8),
    ("train", 20),
    ("val", 3),
    ("train", 6),
    ("val", 15),
    ("train", 1),
    ("train", 34),
    ("val", 10),
    ("train", 13),
    ("val", 7),
    ("train", 8),
    ("train", 0),
    ("val", 18),
    ("train", 15),
    ("val", 4),
    ("train", 29),
    ("val", 1),
    ("train", 16),
    ("train", 23),
    ("train", 25),
    ("val", 19),
    ("train", 32),
]


def sheet(columns: int = 4, width: int = 400) -> None:
    """24 frames of the tests' city, whole, 400 pixels wide each; below 700 kB."""
    height = width // 2
    rows = math.ceil(len(FRAMES) / columns)
    picture = Image.new("RGB", (columns * width, rows * height))
    for number, (split, index) in enumerate(FRAMES):
        city, stem, _, _ = frame_plan(split, index, SEED)
        row, column = divmod(number, columns)
        path = CITY / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
        with Image.open(path) as frame:
            small = frame.resize((width, height), Image.LANCZOS)
        picture.paste(small, (column * width, row * height))
    write_image(SHEET, picture, quality=80, optimize=True)


def street_files() -> dict[str, bytes]:
    """The five files of data/frame, made anew: frame, polygons, label ids, colors, instance ids."""
    _, _, seed, theme = frame_plan("val", STREET_NUMBER, SEED)
    image, polygons = render(make_scene(seed, theme))
    document = {"imgHeight": 1024, "imgWidth": 2048, "objects": polygons}
    files = {
        "frame.webp": encode(Image.fromarray(image), WEBP),
        "polygons.json": json.dumps(document).encode(),
    }
    for kind, picture in paint_labels(polygons).items():
        files[f"{kind}.png"] = encode(picture, PNG)
    return files


def encode(picture: Image.Image, options: dict) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()


def street() -> None:
    for name, content in street_files().items():
        write_bytes(STREET / name, content)


def main(arguments=None) -> None:
    pictures = {"sheet": sheet, "street": street}
    parser = argparse.ArgumentParser(
        prog="python -m scripts.city_pictures", description=__doc__.splitlines()[0]
    )
    parser.add_argument("pictures", nargs="*", help=f"{' or '.join(pictures)}; default: both")
    wanted = parser.parse_args(arguments).pictures or list(pictures)
    if not set(wanted) <= pictures.keys():
        parser.error(f"there are the pictures {', '.join(pictures)}")
    for name in wanted:
        pictures[name]()


if __name__ == "__main__":
    command.run(main)
