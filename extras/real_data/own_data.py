"""Your own pictures and masks, laid out so that the whole course runs on them (chapter 13).

    python -m extras.real_data.own_data IMAGES MASKS --classes classes.txt --to data/mine

`class_list` says what classes.txt holds, `pairs` which mask belongs to which picture and which
pictures validate, `pictures`, `masks` and `polygons` what is read.
"""

import argparse
import hashlib
import math
import os
import re
import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from extras.real_data.class_list import Classes, read_classes
from extras.real_data.label_new import PREPARATION, Preparation
from extras.real_data.masks import Mask, read_mask
from extras.real_data.pairs import choose_val, composed, find_pairs
from extras.real_data.pictures import (
    is_read,
    name_of_size,
    orientation,
    read_picture,
    value_range,
)
from extras.real_data.polygons import paint
from helpers import command
from helpers.csv_index import IMAGE_END, LABEL_END, find_rows, index_folder, write_csv
from helpers.files import listed, locked, write_image, write_json
from helpers.labels import IGNORE, LabelSet
from helpers.normalization import channel_statistics, write_statistics
from helpers.paths import ROOT, runs_dir
from helpers.progress import progress_bar
from helpers.sizes import require

OURS = {"classes.json", "sources.json", PREPARATION, "gtFine", "leftImg8bit"}


class OwnData(NamedTuple):
    """What `prepare` made: the dataset root, the label set, the number of frames per split, their
    sizes as (width, height), what the user should know, and whether pictures were changed (scaled
    from more than 8 bits, or resized), so that new ones must be, too.
    """

    root: Path
    label_set: LabelSet
    frames: dict[str, int]
    sizes: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    changed: bool


class Options(NamedTuple):
    """How pictures and masks are read."""

    classes: Classes
    size: tuple[int, int] | None
    limits: tuple[float, float] | None
    nearest: float | None


def prepare(
    images,
    masks,
    classes,
    root,
    val: float = 0.2,
    size: tuple[int, int] | None = None,
    group: str | None = None,
    limits: tuple[float, float] | None = None,
    nearest: float | None = None,
    progress: bool = True,
) -> OwnData:
    """Lay out pictures and masks at `root` in Cityscapes' layout; class i gets the label id i + 1,
    "ignore" gets 0.

    `size` = (width, height) brings all to one size (pictures smoothly, masks by nearest pixel).
    `group` is a regular expression for what keeps pictures together (`pairs.find_groups`), `limits`
    the values of deep pictures that become 0 and 255, `nearest` how far a color may be from the
    class list's. sources.json says which frame was which file, preparation.json what was done to
    the pictures (`label_new` does it to new ones), classes.json is the label set; index and
    statistics are written too. Raises ValueError with every file that is not as expected: then
    nothing is changed.
    """
    root = Path(root)
    classes = read_classes(classes)
    if size is not None:
        require(1, 1e5, size=min(size))
    require(0, 1e9, nearest_color=nearest)
    if limits is not None and not -math.inf < limits[0] < limits[1] < math.inf:
        raise ValueError(f"--range: the first number must be below the second, found {limits}")
    check_target(root, images, masks)
    pairs, notes = find_pairs(images, masks)
    val_names = choose_val([name for name, _, _ in pairs], val, group)
    found = value_range([picture for _, picture, _ in pairs])
    if found is not None:
        limits = limits or found
        low, high = limits
        notes.append(
            f"pictures of more than 8 bits, values {found[0]:g} to {found[1]:g}: {low:g} to "
            f"{high:g} become 0 to 255 (--range {low:g} {high:g})"
        )
    elif limits is not None:
        notes.append("--range: no picture has more than 8 bits, so nothing was scaled")

    preparation = Preparation(size and tuple(size), found and tuple(limits))

    # All is written beside, and takes its place only when nothing was wrong. A link stays one.
    place = root.resolve()
    part = place.with_name(f".{place.name}.part")
    with locked(index_folder(root)):
        shutil.rmtree(part, ignore_errors=True)
        try:
            options = Options(classes, size, limits, nearest)
            sources, counts, sizes, told = write_frames(part, pairs, val_names, options, progress)
            ids = tuple(range(1, len(classes.names) + 1))
            label_set = LabelSet(classes.names, classes.colors, ids)
            write_json(part / "classes.json", label_set.as_dict())
            write_json(part / "sources.json", sources)
            write_json(part / PREPARATION, preparation._asdict())
            replace_folder(part, place)
        finally:
            shutil.rmtree(part, ignore_errors=True)

        for split in ("train", "val"):
            write_csv(root, split, index_folder(root) / f"{split}.csv")
        rows = find_rows(root, "train")
        statistics = channel_statistics([root / row.image for row in rows], progress=progress)
        write_statistics(root, rows, statistics)

    for split in ("train", "val"):
        absent = [name for name, n in zip(classes.names, counts[split]) if n == 0]
        if absent:
            notes.append(f"in no {split} mask: {', '.join(absent)}")
    splits = Counter(split for _, _, split in sources.values())
    frames = {split: splits[split] for split in ("train", "val")}
    changed = preparation != Preparation()
    return OwnData(root, label_set, frames, sizes, tuple(notes + told), changed)


def check_target(root: Path, images, masks) -> None:
    """Raises ValueError if what is at `root` was not made here, or holds the pictures."""
    for folder in (Path(images).resolve(), Path(masks).resolve()):
        target = root.resolve()
        if target == folder or target in folder.parents or folder in target.parents:
            raise ValueError(f"{root} and {folder} lie in one another: write to another folder")
    if not root.exists():
        return
    if not root.is_dir():
        raise ValueError(f"{root} is a file; choose a new folder")
    there = {path.name for path in root.iterdir() if path.name[0] != "."}
    if "sources.json" not in there and there & OURS:
        raise ValueError(f"{root} holds another data set; choose a new folder")
    if there - OURS:
        raise ValueError(f"{root} holds other files ({', '.join(sorted(there - OURS)[:5])})")


def replace_folder(part: Path, root: Path) -> None:
    """Put the finished folder `part` in the place of `root`."""
    old = root.with_name(f".{root.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        os.replace(root, old)
    os.replace(part, root)
    shutil.rmtree(old, ignore_errors=True)


def write_frames(root: Path, pairs, val_names, options: Options, progress: bool):
    """Check every pair and write it as a frame below `root`.

    Returns where each frame came from, the pixels of each class per split, the sizes, and notes.
    """
    sources = {}
    problems = []
    seen = {}  # pixels of a picture -> (file, split)
    sizes = Counter()
    counts = {split: np.zeros(len(options.classes.names), np.int64) for split in ("train", "val")}
    pixels = Counter()  # all, and those that --nearest-color moved or ignored
    turned = []
    for number, pair in enumerate(progress_bar(pairs, "prepare", progress)):
        name, image, mask_path = pair
        split = "val" if name in val_names else "train"
        try:
            frame, mask = read_pair(pair, options)
        except ValueError as error:
            problems.append(str(error))
            continue
        digest = hashlib.sha256(frame.tobytes()).hexdigest()
        twin = seen.setdefault(digest, (image, split))
        if twin[1] != split:
            problems.append(
                f"{image} ({split}) and {twin[0]} ({twin[1]}) are one picture: remove one, or keep "
                "them together (--group, or a subfolder)"
            )
            continue
        pixels.update(all=mask.train_ids.size, moved=mask.moved, far=mask.far)
        if turned_alone(image, mask_path, frame.shape):
            turned.append(image.name)
        counts[split] += np.bincount(mask.train_ids.ravel(), minlength=256)[: len(counts[split])]

        picture = Image.fromarray(frame)
        label = Image.fromarray(label_ids(mask.train_ids))
        if options.size is not None:
            picture = picture.resize(options.size, Image.Resampling.LANCZOS)
            label = label.resize(options.size, Image.Resampling.NEAREST)
        sizes[picture.size] += 1
        city = city_of(name)
        stem = f"{city}_000000_{number:06d}"
        write_image(root / "leftImg8bit" / split / city / (stem + IMAGE_END), picture)
        write_image(root / "gtFine" / split / city / (stem + LABEL_END), label)
        sources[stem] = [image.name, mask_path.name, split]
    for split, count in counts.items():
        if not problems and count.sum() == 0:
            problems.append(f"every pixel of every {split} mask is ignored")
    if problems:
        raise ValueError(f"nothing was laid out:{listed(problems)}")
    notes = colors_moved(pixels, options.nearest)
    if turned:
        notes.append(
            f"{len(turned)} pictures were turned or mirrored as their EXIF data say, their masks "
            f"not ({turned[0]}): look whether they fit"
        )
    return sources, counts, tuple(sizes), notes


def read_pair(pair, options: Options) -> tuple[np.ndarray, Mask]:
    """Picture uint8 [H, W, 3] and mask of one size. Raises ValueError that names the files."""
    _, image, mask_path = pair
    frame = read_picture(image, options.limits)
    if not is_read(mask_path):  # polygons; a COCO file may have any ending
        mask = Mask(paint(mask_path, name_in(pair), frame.shape[:2], options.classes))
    else:
        mask = read_mask(mask_path, options.classes, options.nearest)
    if frame.shape[:2] != mask.train_ids.shape:
        raise ValueError(
            f"{image} is {name_of_size(frame.shape)}, turned as its EXIF data say, but its mask "
            f"{mask_path} is {name_of_size(mask.train_ids.shape)}"
        )
    return frame, mask


def turned_alone(image: Path, mask_path: Path, shape) -> bool:
    """Whether EXIF turns or mirrors a picture and not its mask, without any size telling of it."""
    turned = orientation(image)
    same_size = turned in (2, 3, 4) or (turned > 4 and shape[0] == shape[1])
    return same_size and is_read(mask_path) and orientation(mask_path) == 1


def name_in(pair) -> str:
    """What a COCO file calls the picture: its path below the folder of pictures."""
    name, image, _ = pair
    return name + image.suffix


def label_ids(train_ids: np.ndarray) -> np.ndarray:
    """Label ids uint8 of train ids: one more, and 0 for what is ignored."""
    return np.where(train_ids == IGNORE, 0, train_ids + np.uint8(1)).astype(np.uint8)


def city_of(name: str) -> str:
    """The first subfolder of a picture, as a city's name."""
    place = name.split("/")[0].lower() if "/" in name else "own"
    return re.sub("[^0-9a-z]+", "-", place).strip("-") or "own"


def colors_moved(pixels: Counter, nearest: float | None) -> list[str]:
    """What --nearest-color did, if it was given."""
    if nearest is None:
        return []
    moved = pixels["moved"] / pixels["all"]
    far = pixels["far"] / pixels["all"]
    return [
        f"--nearest-color {nearest:g}: {moved:.1%} of the pixels got the nearest color of the "
        f"list; {far:.1%} had none so near and are ignored"
    ]


def run_name(data: OwnData) -> str:
    """The folder's name as a run's: letters of any language, digits, and _ . -"""
    return re.sub(r"[^\w.-]+", "-", composed(data.root.resolve().name)).strip("-.") or "own"


def training_command(data: OwnData) -> str:
    """The command that trains on the data; on crops if the frames have several sizes."""
    root = shlex.quote(data.root.as_posix())
    classes = shlex.quote((data.root / "classes.json").as_posix())
    text = f"python -m helpers.training --preset demo --name {shlex.quote(run_name(data))}"
    text += f" --root {root}"
    text += f" --classes {classes}"
    if len(data.sizes) > 1:
        # The largest crop that fits into the smallest frame, at depth 4 a multiple of 16; one of 16
        # leaves the deepest maps a single pixel, which batch norm cannot take.
        side = min(min(size) for size in data.sizes)
        crop = max(32, min(384, side // 16 * 16))
        text += f" --view crop --size {crop} --cache none"
    return text


def report(data: OwnData) -> str:
    """What was laid out, and the commands that go on with it."""
    root = shlex.quote(data.root.as_posix())
    lines = [
        f"{data.frames['train']} frames to train on, {data.frames['val']} to validate on, "
        f"{len(data.label_set)} classes: {', '.join(data.label_set.names[:12])}",
        *data.notes,
    ]
    if len(data.sizes) > 1:
        lines.append(
            f"{len(data.sizes)} sizes: the training below takes crops, and its score is that of "
            "the center crops. For whole frames lay them out in one size: --size WIDTH HEIGHT"
        )
    runs = runs_dir()
    runs = runs.relative_to(ROOT) if runs.is_relative_to(ROOT) else runs
    checkpoint = shlex.quote((runs / run_name(data) / "best.pt").as_posix())
    lines += [
        "Train, score and look, with the Python that made this (.venv/bin/python):",
        f"  {training_command(data)}",
        f"  python -m helpers.evaluate --checkpoint {checkpoint} --root {root}",
        f"  python -m extras.browser {checkpoint} --root {root}",
    ]
    if data.changed:
        lines += [
            "Label new pictures of the same kind; they are first scaled and resized as these were:",
            "  python -m extras.real_data.label_new NEW.jpg "
            f"--checkpoint {checkpoint} --root {root}",
        ]
    else:
        lines += [
            "Label new pictures of the same kind:",
            f"  python -m helpers.inference NEW.jpg --checkpoint {checkpoint} --like-training",
        ]
    return "\n".join(lines)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.real_data.own_data", description=__doc__.splitlines()[0]
    )
    parser.add_argument("images", help="the folder of pictures")
    parser.add_argument("masks", help="the folder of masks or LabelMe files, or a COCO file")
    parser.add_argument(
        "--classes", required=True, help="text file, one class per line: name[, value | , r, g, b]"
    )
    parser.add_argument(
        "--to", "--root", dest="root", required=True, help="the dataset root to write"
    )
    parser.add_argument(
        "--val", type=float, default=0.2, help="share of the pictures to validate on"
    )
    parser.add_argument("--size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"))
    parser.add_argument(
        "--group", help="regular expression: pictures with the same match stay in one split"
    )
    parser.add_argument(
        "--range", type=float, nargs=2, metavar=("LOW", "HIGH"), help="of deep pictures"
    )
    parser.add_argument(
        "--nearest-color", type=float, metavar="DISTANCE", help="take the nearest listed color"
    )
    args = parser.parse_args(arguments)
    data = prepare(
        args.images,
        args.masks,
        args.classes,
        args.root,
        val=args.val,
        size=args.size,
        group=args.group,
        limits=args.range,
        nearest=args.nearest_color,
    )
    print(report(data))


if __name__ == "__main__":
    command.run(main)
