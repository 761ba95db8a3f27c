"""Pictures of the sample city that are kept in the repository: images/sample_city.jpg and
data/frame/.

    python -m scripts.city_pictures          # both
    python -m scripts.city_pictures sheet    # the contact sheet of 24 frames, from the tests' city
    python -m scripts.city_pictures frame    # one val frame: frame.webp, labelIds.png, ...

data/frame is what chapter 00 predicts on before anything is built; it is frame 14 of val, as every
machine makes it.
"""

import argparse
import io
import json

from PIL import Image

from helpers.files import write_bytes, write_image
from helpers.paths import ROOT
from sample_city import make_scene, paint_labels, render
from sample_city.write import frame_plan
from scripts.pinned import CITY

SHEET, FRAME, NUMBER = ROOT / "images" / "sample_city.jpg", ROOT / "data" / "frame", 14
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


def frame_files() -> dict[str, bytes]:
    """The three files of data/frame, made anew."""
    _, _, seed, theme = frame_plan("val", NUMBER, 1)
    image, polygons = render(make_scene(seed, theme))
    files = {
        "polygons.json": json.dumps(
            {"imgHeight": 1024, "imgWidth": 2048, "objects": polygons}
        ).encode()
    }
    for name, picture, options in (
        (
            "frame.webp",
            Image.fromarray(image),
            {"lossless": True, "quality": 75, "method": 6},
        ),  # 2/3 of a PNG
        ("labelIds.png", paint_labels(polygons)["labelIds"], {"compress_level": 9}),
    ):
        buffer = io.BytesIO()
        picture.save(buffer, format=name.split(".")[1], **options)
        files[name] = buffer.getvalue()
    return files


def frame() -> None:
    for name, content in frame_files().items():
        write_bytes(FRAME / name, content)


def main(arguments=None) -> None:
    pictures = {"sheet": sheet, "frame": frame}
    parser = argparse.ArgumentParser(
        prog="python -m scripts.city_pictures", description="Pictures of the sample city."
    )
    parser.add_argument("pictures", nargs="*", help=f"{' or '.join(pictures)}; default: both")
    wanted = parser.parse_args(arguments).pictures or list(pictures)
    if not set(wanted) <= pictures.keys():
        parser.error(f"there are the pictures {', '.join(pictures)}")
    for name in wanted:
        pictures[name]()


if __name__ == "__main__":
    main()
