"""Which mask belongs to which picture, and which pictures validate."""

import hashlib
import re
import unicodedata
from pathlib import Path

from extras.real_data.pictures import READ, is_read
from extras.real_data.polygons import coco_names, is_coco
from helpers.files import listed, stays_inside, visible_files
from helpers.sizes import require

MASK_ENDINGS = re.compile(
    r"[-_ .](masks?|labels?|labelids|seg|segmentation|gt|annot|annotation)$", re.I
)


def find_pairs(images, masks) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """(name, picture, mask) of every picture below `images`, and notes: what else lies there.

    The mask has the picture's path and name below `masks`, where endings such as "_mask" or
    "_labels" are taken off; it is a picture or a LabelMe file. `masks` may also be a COCO file, or
    the folder of the pictures. Raises ValueError that names every picture without a mask, and every
    name that stands there twice.
    """
    images = Path(images)
    masks = Path(masks)
    if masks.is_file() and is_coco(masks):
        return coco_pairs(images, masks)
    for folder in (images, masks):
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder")

    pictures = [path for path in visible_files(images) if is_read(path)]
    mask_files = [p for p in visible_files(masks) if is_read(p) or p.suffix.lower() == ".json"]
    if images.resolve() == masks.resolve():
        pictures = [path for path in pictures if not MASK_ENDINGS.search(path.stem)]
        mask_files = [path for path in mask_files if path not in pictures]
    everything = {*visible_files(images), *visible_files(masks)}
    skipped = sorted(everything - {*pictures, *mask_files})

    names = {}
    problems = []
    for path in pictures:
        name = composed(path.relative_to(images).with_suffix("").as_posix())
        if name in names:
            problems.append(f"two pictures of one name: {names[name]} and {path}")
        names[name] = path
    found = {}
    lonely = []
    for path in mask_files:
        name = composed(path.relative_to(masks).with_suffix("").as_posix())
        if name not in names:
            name = MASK_ENDINGS.sub("", name)
        if name in found:
            problems.append(f"two masks for one picture: {found[name]} and {path}")
        elif name not in names:
            lonely.append(path)
        found[name] = path

    missing = [path for name, path in names.items() if name not in found]
    if missing:
        shown = ", ".join(path.relative_to(images).as_posix() for path in missing[:8])
        problems.insert(
            0,
            f"{len(missing)} of {len(names)} pictures have no mask: {shown} "
            f"({masks} has {len(found)} masks)",
        )
    if not names:
        problems.append(f"{images}: no picture")
    notes = left_over(lonely, skipped)
    if problems:
        raise ValueError("pictures and masks do not fit:" + listed(problems + notes))
    return [(name, path, found[name]) for name, path in names.items()], notes


def composed(name: str) -> str:
    """A name with every letter as one character: a Mac may write "ä" as "a" and two dots."""
    return unicodedata.normalize("NFC", name)


def coco_pairs(images: Path, masks: Path) -> tuple[list[tuple[str, Path, Path]], list[str]]:
    """As `find_pairs`, of the pictures that a COCO file names; the others are not read."""
    pairs = []
    missing = []
    there = {composed(path.relative_to(images).as_posix()): path for path in visible_files(images)}
    for name in coco_names(masks):
        path = there.get(composed(name), images / name)
        if stays_inside(name) and path.is_file():
            pairs.append((Path(name).with_suffix("").as_posix(), path, masks))
        else:
            missing.append(name)
    if missing or not pairs:
        raise ValueError(
            f"{masks} names {len(missing) + len(pairs)} pictures; not in {images}:{listed(missing)}"
        )
    used = {path for _, path, _ in pairs}
    return pairs, left_over([], [path for path in visible_files(images) if path not in used])


def left_over(lonely: list[Path], skipped: list[Path]) -> list[str]:
    """A sentence about masks without a picture, and one about files that are not read."""
    notes = []
    if lonely:
        notes.append(f"{len(lonely)} masks without a picture: {some_names(lonely)}")
    if skipped:
        endings = sorted({path.suffix.lower() or "no ending" for path in skipped})
        notes.append(
            f"{len(skipped)} files are not read ({', '.join(endings)}): {some_names(skipped)}. "
            f"Read are {', '.join(sorted(READ))} and polygons in .json"
        )
    return notes


def some_names(paths: list[Path]) -> str:
    """The first names of many files."""
    return ", ".join(path.name for path in paths[:5]) + (", ..." if len(paths) > 5 else "")


def find_groups(names: list[str], pattern: str | None = None) -> dict[str, list[str]]:
    """The names that must stay together: those of one first subfolder (a place, a day, a patient),
    or those for which the regular expression `pattern` finds the same text.

    Raises ValueError with the names in which the pattern finds nothing.
    """
    if pattern is None:
        # A picture in no subfolder is a group of its own; one subfolder for all is no grouping.
        places = {name.split("/")[0] for name in names if "/" in name}
        grouped = len(places) > 1 or any("/" not in name for name in names)
        groups = {}
        for name in names:
            key = name.split("/")[0] if grouped and "/" in name else name
            groups.setdefault(key, []).append(name)
        return groups

    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"--group {pattern!r} is no regular expression ({error})") from error
    groups = {}
    lost = []
    for name in names:
        match = re.search(pattern, name)
        key = None
        if match is not None:
            key = match.group(1) if match.groups() else match.group()
        if key is None:  # no match, or a group that took no part in it
            lost.append(name)
        else:
            groups.setdefault(key, []).append(name)
    if lost:
        raise ValueError(f"--group {pattern!r} finds nothing in these names:{listed(lost)}")
    if len(groups) < 2:
        raise ValueError(f"--group {pattern!r} finds {[*groups]} in all names: one group")
    return groups


def choose_val(names: list[str], share: float = 0.2, pattern: str | None = None) -> set[str]:
    """The names that go to val: whole groups, at least one, the same on every machine.

    A group of more than half of all pictures trains, unless there is no other.
    """
    require(1e-9, 1, val=share)
    if len(names) < 2:
        raise ValueError("two pictures at least: one to train on, one to validate on")
    groups = find_groups(names, pattern)
    order = sorted(groups, key=lambda key: hashlib.sha256(key.encode()).hexdigest())
    small = [key for key in order if len(groups[key]) <= len(names) / 2]
    chosen: set[str] = set()
    for key in (small or order)[: len(groups) - 1]:  # one group is for train
        if not chosen or len(chosen) + len(groups[key]) / 2 <= share * len(names):
            chosen.update(groups[key])
    return chosen
