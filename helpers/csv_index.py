"""The CSV index of a dataset: one row per frame, paths relative to the root.

Chapter 03 writes it by hand; `frame_row` is the function that its reader writes.
"""

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.files import atomic_file
from helpers.images import open_image, open_label
from helpers.labels import KNOWN_IDS
from helpers.paths import check_root, runs_dir

SPLITS = ("train", "val", "test")
IMAGE_END, LABEL_END = "_leftImg8bit.png", "_gtFine_labelIds.png"


class Row(NamedTuple):
    """One frame: `image` and `label` relative to the root with forward slashes; `label` is "" where
    there is none.
    """

    image: str
    label: str
    city: str
    frame: str


def frame_row(image_path) -> dict[str, str]:
    """One row of the index: where frame and label lie, and what the name says."""
    city = image_path.parent.name
    split = image_path.parent.parent.name
    name = image_path.name.removesuffix("_leftImg8bit.png")
    return {
        "image": f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png",
        "label": f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png",
        "city": city,
        "frame": name.removeprefix(f"{city}_"),
    }


def find_rows(root, split: str) -> list[Row]:
    """All frames of `split` below `root`, sorted by path, so that the order is the same on every
    machine.

    Raises FileNotFoundError for a wrong root, an empty split, and (train and val) an image without
    its label.
    """
    root = check_root(root)
    images = sorted(
        (root / "leftImg8bit" / split).glob(f"*/*{IMAGE_END}"), key=lambda p: p.as_posix()
    )
    if not images:
        there = ", ".join(sorted(p.name for p in (root / "leftImg8bit").iterdir())) or "nothing"
        raise FileNotFoundError(
            f"no frame matches {root}/leftImg8bit/{split}/*/*{IMAGE_END} (splits there: {there})"
        )
    rows, orphans = [], []
    for image in images:
        row = Row(**frame_row(image))
        if not (root / row.label).is_file():
            # Only a test split may come without labels.
            if split != "test":
                orphans.append(row.image)
            row = row._replace(label="")
        rows.append(row)
    if orphans:
        listed = "\n  ".join(orphans[:10]) + (
            f"\n  ... {len(orphans)} in all" if len(orphans) > 10 else ""
        )
        raise FileNotFoundError(
            f"images without a label below {root}/gtFine/{split} "
            f"(was only one of the two archives unpacked?):\n  {listed}"
        )
    return rows


def write_csv(root, split: str, path) -> int:
    """Write the index of one split to `path`, as UTF-8, and return its number of rows."""
    rows = find_rows(root, split)
    with atomic_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=Row._fields, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(row._asdict())
    return len(rows)


def read_csv(path) -> list[Row]:
    """The rows of an index; raises ValueError that names the file if its header or a row is not as
    expected.
    """
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if not lines or lines[0] != list(Row._fields):
        raise ValueError(
            f"{path}: expected the header {','.join(Row._fields)}, "
            f"found {','.join(lines[0]) if lines else 'an empty file'}; write it with write_csv"
        )
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(Row._fields):
            raise ValueError(
                f"{path}, line {number}: expected {len(Row._fields)} fields, found {len(line)}"
            )
    return [Row(*line) for line in lines[1:]]


def check_csv(paths, root) -> list[str]:
    """Every problem of one or several CSV files, as readable lines; an empty list means all is
    well.

    Opens every image and label: missing, unreadable, wrong mode, sizes that differ, unknown ids, a
    row twice, a frame in two files.
    """
    root, problems, seen = Path(root), [], {}
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    for path in paths:
        try:
            rows = read_csv(path)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        for row, times in Counter(rows).items():
            if times > 1:
                problems.append(f"{path}: {row.image} stands in {times} rows")
            if row.image in seen:
                problems.append(
                    f"{row.image} is in {seen[row.image]} and in {path}: splits must not share "
                    "frames"
                )
            seen[row.image] = path
            problems.extend(_check_row(row, root))
    return problems


def _check_row(row: Row, root: Path) -> list[str]:
    problems, sizes = [], []
    for name, opener in ((row.image, open_image), (row.label, open_label)):
        if not name:
            if opener is open_image or "/test/" not in row.image:
                problems.append(
                    f"{row.image or row.frame}: no {opener.__name__[5:]} in its row; write the "
                    "CSV again"
                )
            continue
        try:
            array = opener(root / name)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        sizes.append(f"{array.shape[1]}x{array.shape[0]}")
        unknown = (
            sorted(set(np.unique(array).tolist()) - set(KNOWN_IDS)) if opener is open_label else []
        )
        if unknown:
            problems.append(
                f"{root / name}: unknown label ids {unknown}, expected 0 to {KNOWN_IDS[-1]}"
            )
    if len(set(sizes)) > 1:
        problems.append(f"{row.image} is {sizes[0]} but {row.label} is {sizes[1]}")
    return problems


def index_folder(root) -> Path:
    """Where the index of a data set stands: runs/index/<name>-<8 hex digits of its path>."""
    place = Path(root).resolve()
    digest = hashlib.sha256(place.as_posix().encode()).hexdigest()
    return runs_dir() / "index" / f"{place.name}-{digest[:8]}"


def find_index(root, split: str) -> Path:
    """The CSV of a split, as chapter 03 writes it; made here if it is missing or out of date.

    A line says when it is. Rows that somebody took out on purpose stay out; rows whose files are
    gone do not stay.
    """
    path = index_folder(root) / f"{split}.csv"
    if not path.is_file():
        count = write_csv(root, split, path)
        print(f"{split}.csv was not there (chapter 03 writes it): made now, {count} rows")
        return path
    known = {row.image for row in find_rows(root, split)}
    if not all(row.image in known for row in read_csv(path)):
        count = write_csv(root, split, path)
        print(f"{split}.csv named frames that are gone: written anew, {count} rows")
    return path
