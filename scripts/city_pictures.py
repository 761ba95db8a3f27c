"""Pictures of the sample city that are kept in the repository: images/sample_city.jpg and
data/frame/.

    python -m scripts.city_pictures            # all of them
    python -m scripts.city_pictures sheet      # 24 frames on one page, from the tests' city
    python -m scripts.city_pictures frame      # the frame that chapter 00 predicts on
    python -m scripts.city_pictures street     # the street of all chapters, into data/frame/street

Of the frame three files are kept, of the street all five that Cityscapes has, the image as a
lossless WebP. Both are frames of val, as every machine makes them.
"""

import io
import json
import sys

from PIL import Image

from helpers.files import write_bytes, write_image
from helpers.paths import ROOT
from sample_city import make_scene, paint_labels, render
from sample_city.write import frame_plan
from scripts.pinned import CITY

SHEET, FRAME, NUMBER = ROOT / "images" / "sample_city.jpg", ROOT / "data" / "frame", 14
STREET = FRAME / "street"
STREET_NUMBER = 15  # in the generator's plan: kastanienbad_000005_000019, val frame 5 by name
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
    picture = Image.new("RGB", (columns * width, -(-len(FRAMES) // columns) * width // 2))
    for k, (split, index) in enumerate(FRAMES):
        city, stem, _, _ = frame_plan(split, index, 1)
        with Image.open(CITY / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png") as frame:
            small = frame.resize((width, width // 2), Image.LANCZOS)
        picture.paste(small, (k % columns * width, k // columns * width // 2))
    write_image(SHEET, picture, quality=80, optimize=True)


def frame_files(number: int = NUMBER, labels: tuple[str, ...] = ("labelIds",)) -> dict[str, bytes]:
    """The files of one val frame, made anew: the image, the polygons, and these label images."""
    _, _, seed, theme = frame_plan("val", number, 1)
    image, polygons = render(make_scene(seed, theme))
    document = {"imgHeight": 1024, "imgWidth": 2048, "objects": polygons}
    files = {"polygons.json": json.dumps(document).encode()}

    # A lossless WebP has 2/3 of a PNG's bytes.
    webp = io.BytesIO()
    Image.fromarray(image).save(webp, format="webp", lossless=True, quality=75, method=6)
    files["frame.webp"] = webp.getvalue()
    painted = paint_labels(polygons)
    for name in labels:
        png = io.BytesIO()
        painted[name].save(png, format="png", compress_level=9)
        files[f"{name}.png"] = png.getvalue()
    return files


def street_files() -> dict[str, bytes]:
    """The five files of data/frame/street, made anew."""
    return frame_files(STREET_NUMBER, ("labelIds", "instanceIds", "color"))


def frame() -> None:
    for name, content in frame_files().items():
        write_bytes(FRAME / name, content)


def street() -> None:
    for name, content in street_files().items():
        write_bytes(STREET / name, content)


if __name__ == "__main__":
    pictures = {"sheet": sheet, "frame": frame, "street": street}
    for wanted in sys.argv[1:] or pictures:
        pictures[wanted]()
