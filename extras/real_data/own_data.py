"""Your own pictures and masks, laid out so that the whole course runs on them (chapter 13).

    python -m extras.real_data.own_data IMAGES MASKS --classes classes.txt --root data/mine
    python -m helpers.training --root data/mine --classes data/mine/classes.json

classes.txt has one class a line: "road" (masks hold 0, 1, 2, ... in this order), "road, 7" (the
value in gray or palette masks) or "road, 128, 64, 128" (its color). A class called "ignore" is left
out of training and scores.
"""

import argparse
import colorsys
import hashlib
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers import command
from helpers.csv_index import IMAGE_END, LABEL_END
from helpers.files import write_image, write_json
from helpers.images import read_photograph
from helpers.labels import IGNORE, KNOWN_IDS, LabelSet
from helpers.progress import progress_bar

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
MASK_ENDINGS = re.compile(
    r"[-_ .](masks?|labels?|labelids|seg|segmentation|gt|annot|annotation)$", re.I
)


class OwnData(NamedTuple):
    """What `prepare` made: the dataset root, the label set, and the number of frames per split."""

    root: Path
    label_set: LabelSet
    frames: dict[str, int]


class Classes(NamedTuple):
    """The class list: names and colors of the classes, and what the masks hold: value or color ->
    train id.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    codes: dict  # int or (r, g, b) -> train id, 255 for "ignore"
    by_color: bool


def read_classes(classes) -> Classes:
    """A class list from a text file, or from its lines. Raises ValueError that names the line."""
    is_file = isinstance(classes, (str, Path))
    lines = Path(classes).read_text(encoding="utf-8").splitlines() if is_file else list(classes)
    lines = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    names, colors, codes, kinds, ignored = [], [], {}, set(), set()
    for number, line in enumerate(lines):
        name, *rest = (part.strip() for part in line.split(","))
        if len(rest) not in (0, 1, 3) or not name or not all(r.isdigit() for r in rest):
            raise ValueError(
                f'class list, "{line}": expected "name", "name, value" or "name, red, green, blue"'
            )
        values = tuple(map(int, rest))
        (ignored if name == "ignore" else kinds).add(len(values))
        code = values if len(values) == 3 else values[0] if values else number
        if code in codes or name in names:
            raise ValueError(f'class list, "{line}": this name or value stands there twice')
        codes[code] = IGNORE if name == "ignore" else len(names)
        if name != "ignore":
            names.append(name)
            colors.append(values if len(values) == 3 else None)
    mixed = len(kinds) > 1
    if ignored and 3 in kinds ^ ignored:  # names alone go with "ignore, 255", not with a color
        mixed = True
    if mixed:
        raise ValueError(
            "class list: give every class a value, or every class a color, or none of them anything"
        )
    if not 1 <= len(names) <= len(KNOWN_IDS) - 1:
        raise ValueError(
            f"{len(names)} classes; label files in Cityscapes' layout hold 1 to "
            f"{len(KNOWN_IDS) - 1}"
        )
    colors = [color or _color(i) for i, color in enumerate(colors)]
    return Classes(tuple(names), tuple(colors), codes, 3 in kinds)


def _color(index: int) -> tuple[int, int, int]:
    """Well-separated colors: the hue moves on by the golden ratio."""
    rgb = colorsys.hsv_to_rgb(
        index * 0.618034 % 1, 0.75 - 0.25 * (index % 2), 0.9 - 0.25 * (index // 2 % 2)
    )
    return tuple(round(255 * value) for value in rgb)


def read_mask(path, classes: Classes) -> np.ndarray:
    """Train ids uint8 [H, W] of a palette, gray (8 or 16 bits, black and white) or color mask.

    Raises ValueError with the values or colors that the class list does not have, and how many
    pixels they fill.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            if classes.by_color or picture.mode in ("RGBA", "CMYK", "LA"):
                picture = picture.convert("RGB")
            pixels = np.asarray(picture)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    if classes.by_color:
        pixels = pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1)
        codes = {
            (r << 16) + (g << 8) + b: train_id for (r, g, b), train_id in classes.codes.items()
        }
    else:
        if pixels.ndim == 3:  # gray saved as RGB
            if (pixels != pixels[..., :1]).any():
                raise ValueError(
                    f"{path}: a color mask, but the class list has no colors (name, red, green, "
                    "blue)"
                )
            pixels = pixels[..., 0]
        codes = classes.codes
    values, where, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    unknown = [(int(v), int(n)) for v, n in zip(values, counts) if int(v) not in codes]
    if unknown:
        shown = ", ".join(
            f"{(v >> 16, v >> 8 & 255, v & 255) if classes.by_color else v} ({n} pixels)"
            for v, n in sorted(unknown, key=lambda u: -u[1])[:5]
        )
        why = ""
        if Path(path).suffix.lower() in (".jpg", ".jpeg"):
            why = "; masks must be PNG: JPEG blurs colors"
        raise ValueError(
            f"{path}: {len(unknown)} values that are not in the class list: {shown}{why}"
        )
    return np.array([codes[int(v)] for v in values], np.uint8)[where.reshape(pixels.shape)]


def find_pairs(images, masks) -> list[tuple[str, Path, Path]]:
    """(name, image, mask) of every picture below `images`; the mask has the same path and name
    below `masks`.

    Endings such as "_mask" or "_labels" are taken off a mask's name. Raises ValueError with all
    pictures that lack one.
    """
    images, masks = Path(images), Path(masks)
    found = {}
    for path in _pictures(masks):
        name = path.relative_to(masks).with_suffix("").as_posix()
        found[MASK_ENDINGS.sub("", name)] = path
    pairs = []
    for path in _pictures(images):
        name = path.relative_to(images).with_suffix("").as_posix()
        pairs.append((name, path, found.get(name)))
    lost = [path.relative_to(images).as_posix() for _, path, mask in pairs if mask is None]
    if lost or not pairs:
        what = "no picture"
        if lost:
            what = f"{len(lost)} of {len(pairs)} pictures have no mask: {', '.join(lost[:8])}"
        raise ValueError(f"{images}: {what} ({masks} has {len(found)} masks)")
    return pairs


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    return sorted(
        (p for p in folder.rglob("*") if p.suffix.lower() in PICTURES), key=lambda p: p.as_posix()
    )


def choose_val(names: list[str], share: float = 0.2) -> set[str]:
    """The names that go to val, at least one, the same on every machine.

    Pictures in two or more subfolders (places, days, patients) are split by subfolder, so that no
    place is in both.
    """
    if len(names) < 2:
        raise ValueError("two pictures at least: one to train on, one to validate on")
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.split("/")[0] if "/" in name else "", []).append(name)
    if len(groups) == 1:
        groups = {name: [name] for name in names}
    chosen: set[str] = set()
    order = sorted(groups, key=lambda k: hashlib.sha256(k.encode()).hexdigest())
    for key in order[:-1]:  # one group is for train
        if not chosen or len(chosen) + len(groups[key]) / 2 <= share * len(names):
            chosen.update(groups[key])
    return chosen


def prepare(
    images,
    masks,
    classes,
    root,
    val: float = 0.2,
    size: tuple[int, int] | None = None,
    progress: bool = True,
) -> OwnData:
    """Lay out pictures and masks at `root` in Cityscapes' layout; class i gets the label id i + 1,
    "ignore" gets 0.

    `size` = (width, height) brings all to one size (pictures smoothly, masks by nearest pixel):
    needed to train on whole frames if sizes differ. sources.json says which frame was which file,
    classes.json is the label set. Raises ValueError with every file that is not as expected;
    nothing but whole frames is ever written.
    """
    root, classes = Path(root), read_classes(classes)
    pairs, problems, sources = find_pairs(images, masks), [], {}
    val_names = choose_val([name for name, _, _ in pairs], val)
    if (root / "sources.json").is_file():  # made here before: make it anew
        for kind in ("gtFine", "leftImg8bit"):
            shutil.rmtree(root / kind, ignore_errors=True)
    elif (root / "leftImg8bit").exists() or (root / "gtFine").exists():
        raise ValueError(f"{root} holds another data set; choose a new folder")
    write_json(root / "sources.json", {})
    for number, (name, image, mask) in enumerate(progress_bar(pairs, "prepare", progress)):
        split = "val" if name in val_names else "train"
        place = name.split("/")[0].lower() if "/" in name else "own"
        city = re.sub("[^0-9a-z]+", "-", place).strip("-") or "own"
        stem = f"{city}_000000_{number:06d}"
        try:
            frame, train_ids = read_photograph(image), read_mask(mask, classes)
        except ValueError as error:
            problems.append(str(error))
            continue
        if frame.shape[:2] != train_ids.shape:
            problems.append(
                f"{image} is {frame.shape[1]}x{frame.shape[0]}, turned as its EXIF data say, but "
                f"its mask {mask} is {train_ids.shape[1]}x{train_ids.shape[0]}"
            )
            continue
        label = Image.fromarray(train_ids + np.uint8(1))  # 255, ignored, becomes 0
        picture = Image.fromarray(frame)
        if size is not None:
            label = label.resize(size, Image.Resampling.NEAREST)
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        write_image(root / "gtFine" / split / city / (stem + LABEL_END), label)
        write_image(root / "leftImg8bit" / split / city / (stem + IMAGE_END), picture)
        sources[stem] = [image.name, mask.name, split]
    if problems:
        listed = "\n  ".join(problems[:10])
        if len(problems) > 10:
            listed += f"\n  ... {len(problems)} in all"
        raise ValueError(f"not everything could be laid out:\n  {listed}")
    label_set = LabelSet(classes.names, classes.colors, tuple(range(1, len(classes.names) + 1)))
    write_json(root / "classes.json", label_set.as_dict())
    write_json(root / "sources.json", sources)
    splits = [split for _, _, split in sources.values()]
    frames = {split: splits.count(split) for split in ("train", "val")}
    return OwnData(root, label_set, frames)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.real_data.own_data", description=__doc__.splitlines()[0]
    )
    parser.add_argument("images")
    parser.add_argument("masks")
    parser.add_argument(
        "--classes", required=True, help="text file, one class a line: name[, value | , r, g, b]"
    )
    parser.add_argument("--root", required=True, help="the dataset root to write")
    parser.add_argument(
        "--val", type=float, default=0.2, help="share of the pictures to validate on"
    )
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"))
    args = parser.parse_args(arguments)
    data = prepare(args.images, args.masks, args.classes, args.root, args.val, args.size)
    print(
        f"{data.frames['train']} frames to train on, {data.frames['val']} to validate on, "
        f"{len(data.label_set)} classes.\n"
        f"Now: python -m helpers.training --root {args.root} --classes {args.root}/classes.json"
    )


if __name__ == "__main__":
    command.run(main)
