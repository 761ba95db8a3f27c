"""Polygons in JSON, as LabelMe and COCO store them, painted to masks.

LabelMe writes one file per picture, COCO one for all. Pixels that no polygon covers get the class
"background" if the class list has one; otherwise they are ignored.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from extras.real_data.class_list import Classes
from helpers.labels import IGNORE


def read_polygons(path) -> dict:
    """The content of a LabelMe file, or of a COCO file with its pictures by name and annotations by
    picture. ValueError for JSON of another kind.
    """
    path = Path(path)
    return read_once(path, path.stat().st_mtime_ns)


@lru_cache(4)
def read_once(path: Path, changed: int) -> dict:
    """As `read_polygons`; a file that was changed since is read again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); save it as UTF-8") from error
    if isinstance(content, dict) and isinstance(content.get("shapes"), list):
        return content
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        raise ValueError(
            f"{path}: no polygons of LabelMe (with the key shapes) or COCO ({', '.join(keys)})"
        )
    with as_written(path):
        by_picture = {image["id"]: [] for image in content["images"]}
        for annotation in content["annotations"]:
            by_picture[annotation["image_id"]].append(annotation)
        pictures = {image["file_name"]: image for image in content["images"]}
        classes = {category["id"]: category["name"] for category in content["categories"]}
        if not len(pictures) == len(by_picture) == len(content["images"]):
            raise ValueError("two pictures have one name or one id")
    return {"pictures": pictures, "by_picture": by_picture, "classes": classes}


@contextmanager
def as_written(path) -> Iterator[None]:
    """A key that is missing, or a value of another kind, becomes a ValueError with the file."""
    try:
        yield
    except (LookupError, TypeError, ArithmeticError, AttributeError, ValueError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(
            f"{path}: not as LabelMe or COCO write it ({type(error).__name__}: {error})"
        ) from error


def is_coco(path) -> bool:
    return "by_picture" in read_polygons(path)


def coco_names(path) -> list[str]:
    """The file names of all pictures in a COCO file."""
    return list(read_polygons(path)["pictures"])


def paint(path, name: str, shape: tuple[int, int], classes: Classes) -> np.ndarray:
    """Train ids uint8 [H, W] of the picture `name` of that shape. Raises ValueError for a class
    that is not in the list, another size, and shapes that are no areas.
    """
    with as_written(path):
        return _paint(path, name, shape, classes)


def _paint(path, name: str, shape: tuple[int, int], classes: Classes) -> np.ndarray:
    shapes, size = coco_shapes(path, name) if is_coco(path) else labelme_shapes(path)
    height, width = shape
    if size is not None and size != (width, height):
        raise ValueError(
            f"{path}: drawn on {size[0]}x{size[1]} pixels, but {name} has {width}x{height}"
        )
    background = classes.train_id("background")
    mask = Image.new("L", (width, height), IGNORE if background is None else background)
    draw = ImageDraw.Draw(mask)
    for class_name, kind, points in shapes:
        train_id = classes.train_id(class_name)
        if train_id is None:
            raise ValueError(f"{path}: {class_name!r} is not in the class list")
        if kind == "circle":
            (x, y), (edge_x, edge_y) = points
            radius = np.hypot(edge_x - x, edge_y - y)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=train_id)
        elif kind == "rectangle":
            xs, ys = zip(*points)
            draw.rectangle((min(xs), min(ys), max(xs), max(ys)), fill=train_id)
        elif kind == "pixels":
            array = np.array(mask)
            array[points] = train_id
            mask = Image.fromarray(array)
            draw = ImageDraw.Draw(mask)
        elif kind == "polygon" and len(points) >= 3:
            draw.polygon([tuple(point) for point in points], fill=train_id)
        else:
            raise ValueError(f"{path}: {class_name!r} is a {kind} of {len(points)} points, no area")
    return np.array(mask)


def labelme_shapes(path) -> tuple[list, tuple[int, int] | None]:
    """(class, kind, points) of every shape, in the order in which they were drawn, and the size."""
    content = read_polygons(path)
    size = content.get("imageWidth"), content.get("imageHeight")
    shapes = []
    for shape in content["shapes"]:
        shapes.append((shape["label"], shape.get("shape_type") or "polygon", shape["points"]))
    return shapes, None if None in size else size


def coco_shapes(path, name: str) -> tuple[list, tuple[int, int]]:
    """(class, kind, points) of every annotation of one picture, large ones first, so that small
    things stay visible; and the picture's size.
    """
    content = read_polygons(path)
    image = content["pictures"][name]
    size = image["width"], image["height"]
    found = content["by_picture"][image["id"]]
    shapes = []
    for one in sorted(found, key=lambda one: -one.get("area", 0)):
        class_name = content["classes"][one["category_id"]]
        segmentation = one["segmentation"]
        if not segmentation:
            raise ValueError(f"{path}: {class_name!r} in {name} has no polygon (a box alone?)")
        if isinstance(segmentation, dict):
            shapes.append((class_name, "pixels", run_lengths(path, segmentation)))
            continue
        for flat in segmentation:
            shapes.append((class_name, "polygon", list(zip(flat[::2], flat[1::2]))))
    return shapes, size


def run_lengths(path, segmentation: dict) -> np.ndarray:
    """COCO's run lengths, which go down the columns, as bool [H, W]."""
    counts = segmentation["counts"]
    if isinstance(counts, str):
        raise ValueError(
            f"{path}: compressed run lengths; decode them with pycocotools, and save masks as PNG"
        )
    height, width = segmentation["size"]
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T
