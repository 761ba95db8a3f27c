"""The CSV index of a dataset: one row per frame, paths relative to the root.

Chapter 03 writes it by hand; `frame_row` is the function that its reader writes.
"""

import csv
import hashlib
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.files import listed, stays_inside, visible_files, write_table
from helpers.images import open_image, open_label
from helpers.labels import TRAIN_19, read_label_set
from helpers.paths import check_root, runs_dir, shown

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

    Raises FileNotFoundError for a wrong root, an empty split, an image without its label (train and
    val), a label without its image, and a name in another spelling: no file is left out silently.
    """
    root = check_root(root)
    images = _files(root / "leftImg8bit" / split, IMAGE_END)
    labels = set(_files(root / "gtFine" / split, LABEL_END))
    if not images:
        there = ", ".join(sorted(p.name for p in (root / "leftImg8bit").iterdir())) or "nothing"
        raise FileNotFoundError(
            f"no frame matches {root}/leftImg8bit/{split}/*/*{IMAGE_END} (splits there: {there})"
        )

    # One row per image; whether it has a label is known from the set of labels.
    rows = []
    for city, name in images:
        row = Row(**frame_row(Path("leftImg8bit", split, city, name + IMAGE_END)))
        rows.append(row if (city, name) in labels else row._replace(label=""))

    unlabeled = [row.image for row in rows if not row.label and split != "test"]
    if unlabeled:
        raise FileNotFoundError(
            f"images without a label below {root}/gtFine/{split} "
            f"(was only one of the two archives unpacked?):{listed(unlabeled)}"
        )
    lost = [f"{city}/{name}{LABEL_END}" for city, name in sorted(labels - set(images))]
    if lost:
        raise FileNotFoundError(
            f"labels without an image below {root}/leftImg8bit/{split} "
            f"(was the unpacking interrupted?):{listed(lost)}"
        )
    return rows


def _files(folder: Path, end: str) -> list[tuple[str, str]]:
    """(city, name) of the files <folder>/<city>/<name><end>, sorted by path.

    Raises FileNotFoundError for names that only look alike, such as x_leftImg8bit.PNG: one system
    would find them, another would not.
    """
    found = []
    odd = []
    kind = end.rpartition("_")[2].partition(".")[0].lower()
    if not folder.is_dir():  # the withheld labels of a test split, for example
        return found
    for path in visible_files(folder):
        parts = path.relative_to(folder).parts
        if len(parts) == 2 and path.name.endswith(end):
            found.append((parts[0], path.name.removesuffix(end)))
        elif kind in path.name.lower():
            odd.append("/".join(parts))
    if odd:
        raise FileNotFoundError(f"expected {folder}/<city>/<name>{end}, found:{listed(odd)}")
    return found


def write_csv(root, split: str, path) -> int:
    """Write the index of one split to `path`, as UTF-8, and return its number of rows."""
    rows = find_rows(root, split)
    write_table(path, Row._fields, rows)
    return len(rows)


def read_csv(path) -> list[Row]:
    """The rows of an index; raises ValueError that names the file if its header or a row is not as
    expected, or if it has no rows.
    """
    try:
        # With or without the mark that Excel writes before UTF-8.
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist; write it with write_csv") from None
    except (UnicodeError, csv.Error) as error:
        raise ValueError(f"{path}: {error}; save it as UTF-8, separated by commas") from error

    # A wrong header is a wrong file: nothing in it can be trusted.
    expected = list(Row._fields)
    header = lines[0] if lines else ["an empty file"]
    if header != expected:
        raise ValueError(
            f"{path}: expected the header {','.join(expected)}, found {','.join(header)}; write it "
            "with write_csv"
        )
    if len(lines) == 1:
        raise ValueError(f"{path} has no rows; write it with write_csv")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        place = f"{path}, line {number}"
        if len(line) != len(expected):
            raise ValueError(f"{place}: expected {len(expected)} fields, found {len(line)}")
        row = Row(*line)
        # A CSV from somebody else must not make us read files outside the data set.
        # Nor write any: pictures of predictions are named after city and frame.
        for name in row:
            if name and not stays_inside(name):
                raise ValueError(f"{place}: {name!r} leads out of the dataset root")
        rows.append(row)
    return rows


def check_csv(paths, root) -> list[str]:
    """Every problem of one or several CSV files, as readable lines; an empty list means all is
    well.

    Opens every image and label: missing, unreadable, damaged, wrong mode, sizes that differ,
    unknown ids, train ids instead of label ids, a row twice, a frame in two files, no rows.
    """
    root = Path(root)
    # A data set with classes of its own says so in this file.
    own = root / "classes.json"
    highest_id = (read_label_set(own) if own.is_file() else TRAIN_19).highest_id
    problems = []
    seen = {}
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    for path in paths:
        try:
            rows = read_csv(path)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue

        pixels = np.zeros(256, np.int64)  # of each label id
        for row, times in Counter(rows).items():
            if times > 1:
                problems.append(f"{path}: {row.image} stands in {times} rows")
            if row.image in seen:
                problems.append(
                    f"{row.image} is in {seen[row.image]} and in {path}: splits must not share "
                    "frames"
                )
            seen[row.image] = path
            problems += _check_row(row, root, pixels, highest_id)
        if not own.is_file() and _look_like_train_ids(pixels):
            problems.append(f"{path}: its labels hold train ids; take the files gtFine_labelIds")
    return problems


def _look_like_train_ids(pixels: np.ndarray) -> bool:
    """Whether pixels [256] of each id are those of train ids 0 to 18.

    As label ids, 1 to 6 are void (the car's hood, borders) and rare; 19 to 33 (vegetation, sky,
    people, cars) are in every split. The withheld test labels have nothing above 3.
    """
    highest = int(pixels.nonzero()[0].max(initial=0))
    return 3 < highest <= 18 and pixels[1:7].sum() > 0.2 * pixels[1:].sum()


def _check_row(row: Row, root: Path, pixels: np.ndarray, highest_id: int) -> list[str]:
    """The problems of one row; the pixels of each label id are added to `pixels` [256]."""
    problems = []
    if not row.image:
        problems.append(f"{row.frame}: no image in its row; write the CSV again")
    if not row.label and "/test/" not in row.image:
        problems.append(f"{row.image or row.frame}: no label in its row; write the CSV again")

    sizes = []
    for name, opener in ((row.image, open_image), (row.label, open_label)):
        if not name:
            continue
        try:
            array = opener(root / name)
        except (OSError, ValueError) as error:
            problems.append(str(error))
            continue
        sizes.append(f"{array.shape[1]}x{array.shape[0]}")
        if opener is open_label:
            counts = np.bincount(array.ravel(), minlength=256)
            pixels += counts
            unknown = [i for i in counts.nonzero()[0].tolist() if i > highest_id]
            if unknown:
                problems.append(
                    f"{root / name}: unknown label ids {unknown}, expected 0 to {highest_id}"
                )
    if len(set(sizes)) > 1:
        problems.append(f"{row.image} is {sizes[0]} but {row.label} is {sizes[1]}")
    return problems


def index_folder(root) -> Path:
    """Where the index of a data set stands: runs/index/<name>-<8 hex digits of its path>."""
    # Two data sets of one name get two folders, by the hash of their paths.
    place = Path(root).resolve()
    digest = hashlib.sha256(place.as_posix().encode()).hexdigest()
    return runs_dir() / "index" / f"{place.name}-{digest[:8]}"


def find_index(root, split: str) -> Path:
    """The CSV of a split, as chapter 03 writes it; made here if it is missing or out of date.

    A line says when it is. Rows that somebody took out on purpose stay out; rows whose files are
    gone, or whose label is another frame's, do not stay.
    """
    path = index_folder(root) / f"{split}.csv"
    if not path.is_file():
        count = write_csv(root, split, path)
        print(f"{split}.csv was not there (chapter 03 writes it): made now, {count} rows")
        return path
    # Compare with what is on the disk now.
    known = find_rows(root, split)
    rows = read_csv(path)
    if not set(known).issuperset(rows):
        # What somebody took out stays out, unless nothing else is left.
        there = {row.image: row for row in known}
        rows = [there[row.image] for row in rows if row.image in there] or known
        write_table(path, Row._fields, rows)
        print(f"{split}.csv did not fit the files that are there: written anew, {len(rows)} rows")
    if len(set(rows)) < len(known):
        print(f"{shown(path)} has {len(set(rows))} of {len(known)} frames: remove it to take all")
    return path


def fingerprint(split: str, rows: list[Row], root) -> dict:
    """What a run remembers of its data: how many rows, a hash of them, and one of their labels.

    The last is left out where the label files are gone and a cache stands for them.
    """
    names = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    found = {f"{split}_frames": len(rows), f"{split}_rows": names[:16]}
    labels = hashlib.sha256()
    with suppress(OSError):
        for row in rows:
            labels.update(Path(root, row.label).read_bytes())
        found[f"{split}_labels"] = labels.hexdigest()[:16]
    return found
