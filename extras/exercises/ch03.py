"""Checkers of chapter 03."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from extras.exercises import Wrong, explain
from helpers.csv_index import frame_row

KEYS = ("image", "label", "city", "frame")


def turn_a(frame_row) -> None:
    """frame_row(image_path): image, label, city and frame of a row, paths relative to the root."""
    for split, city, frame in (
        ("train", "ulm", "000003_000019"),
        ("train", "bad-ems", "000003_000019"),
        ("val", "ulm-west", "000000_000294"),
    ):
        name = f"{city}_{frame}"
        folder = Path("/disk/city/leftImg8bit") / split / city
        from_root = (
            "the root may be any folder (here /disk/city), so do not count from yours: build both "
            "paths from the last parts, the split, the city and the name"
        )
        with explain(ValueError, "subpath", hint=from_root):
            row = frame_row(folder / f"{name}_leftImg8bit.png")
        if not isinstance(row, dict) or set(row) != set(KEYS):
            found = sorted(row) if isinstance(row, dict) else type(row).__name__
            raise Wrong(f"return a dictionary with the keys {', '.join(KEYS)}; yours is {found}.")
        for key in KEYS:
            if not isinstance(row[key], str):
                raise Wrong(
                    f"'{key}' is a {type(row[key]).__name__}: a CSV file holds text, so make it "
                    "a str."
                )
        expected = {
            "image": f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png",
            "label": f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png",
            "city": city,
            "frame": frame,
        }
        for key in ("image", "label"):
            _check_path(key, row[key], expected[key])
        if row["city"] != city:
            raise Wrong(
                f"the city of {name} is {city}, yours is {row['city']!r}: the folder has its name."
            )
        if row["frame"] != frame:
            raise Wrong(
                f"the frame of {name} is {frame}, sequence and number without the city; yours is "
                f"{row['frame']!r}."
            )


def _check_path(key: str, path: str, expected: str) -> None:
    if path == expected:
        return
    if path.startswith("/"):
        raise Wrong(
            f"'{key}' is an absolute path. On another machine, or after moving the data, it points "
            "nowhere: begin at leftImg8bit or gtFine."
        )
    if "\\" in path:
        raise Wrong(f"'{key}' has backslashes, which only Windows understands: use /.")
    if "_leftImg8bit_gtFine" in path or "_leftImg8bit.png_gtFine" in path:
        raise Wrong(
            f"there is no file {path}: take _leftImg8bit.png off the name before you add "
            "_gtFine_labelIds.png."
        )
    if path.startswith("leftImg8bit") and key == "label":
        raise Wrong(f"'label' is {path}, but labels are in the other tree: begin at gtFine.")
    if path.endswith(("_color.png", "_instanceIds.png", "_labelTrainIds.png")):
        raise Wrong(f"'label' is {path}: the file with the label ids ends in _gtFine_labelIds.png.")
    raise Wrong(f"'{key}' should be {expected}, yours is {path}.")


def turn_b(count_pixels) -> None:
    """count_pixels(label_maps): int64 [34], the pixels of each id in several maps together."""
    first = np.array([[7, 26, 26], [0, 7, 7]], np.uint8)
    second = np.array([[7, 31, 11]], np.uint8)
    counts = count_pixels([first, second])
    if not isinstance(counts, np.ndarray):
        raise Wrong(f"return the counts, a NumPy array; found {type(counts).__name__}.")
    if counts.shape != (34,):
        why = ""
        if len(counts) < 34:
            why = ": np.bincount stops at the largest id that it sees, unless you give minlength=34"
        raise Wrong(
            f"one count for each id from 0 to 33 makes the shape (34,), yours is {counts.shape}"
            f"{why}."
        )
    road = int(counts[7])
    if road == 1:
        raise Wrong(
            "road (7) has 4 pixels in the two maps together, you count the 1 of the last map: add "
            "the maps up."
        )
    if road == 2:
        raise Wrong("road is in 2 maps, but 4 pixels are road: count pixels, not maps.")
    expected = np.bincount(np.concatenate([first.ravel(), second.ravel()]), minlength=34)
    for label_id in range(34):
        if counts[label_id] != expected[label_id]:
            raise Wrong(
                f"id {label_id} has {expected[label_id]} pixels in the two maps together, you "
                f"count {counts[label_id]}."
            )
    if counts.dtype != np.int64:
        raise Wrong(
            f"the counts are {counts.dtype}; make them int64, which counts exactly and does not "
            "run over."
        )
    if np.asarray(count_pixels(iter([second, first])))[7] != 4:
        raise Wrong("go through label_maps once: it may be a stream that reads file after file.")


def count_pixels(label_maps):
    """How many pixels each label id has in all the maps together: int64 [34]."""
    counts = np.zeros(34, np.int64)
    for label_map in label_maps:
        counts += np.bincount(label_map.ravel(), minlength=34)
    return counts


TURNS = {"A": frame_row, "B": count_pixels}


def broken_city(root: Path) -> list[dict[str, str]]:
    """Six small frames below `root`, three of them broken (rows 1, 3, 4); returns their rows."""
    rows = []
    for number in range(6):
        image = root / f"leftImg8bit/train/ulm/ulm_{number:06d}_000019_leftImg8bit.png"
        row = frame_row(image)
        label = root / row["label"]
        image.parent.mkdir(parents=True, exist_ok=True)
        label.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 20), (90, 90, 90)).save(image)
        size = (20, 40) if number == 3 else (40, 20)
        ids = Image.new("L", size, 7)
        if number == 4:
            ids.putpixel((12, 5), 99)
        if number != 1:
            ids.save(label)
        rows.append(row)
    return rows


def exercise_1(broken_rows) -> None:
    """broken_rows(rows, root): {row number: what is wrong} of the rows that cannot be used."""
    with tempfile.TemporaryDirectory() as folder:
        rows = broken_city(Path(folder))
        found = broken_rows(rows, Path(folder))
    if not isinstance(found, dict):
        raise Wrong(
            f"return a dictionary {{row number: what is wrong}}, not {type(found).__name__}."
        )
    if {0, 2, 5} & set(found) and len(found) > 3:
        raise Wrong(
            f"you report the rows {sorted(found)}, but rows 0, 2 and 5 are fine: a frame of 40 x "
            "20 pixels has .size (40, 20) in pillow and .shape (20, 40) as an array."
        )
    kinds = {
        1: "the label of row 1 is missing",
        3: "in row 3 the frame is 40 x 20 and the label 20 x 40",
        4: "one pixel of the label of row 4 has the id 99",
    }
    missing = [kinds[number] for number in kinds if number not in found]
    if missing:
        raise Wrong(
            f"you report {len(found)} of three rows. Not seen: {'; '.join(missing)}. Go on after a "
            "problem, and number the rows from 0."
        )
    extra = sorted(set(found) - set(kinds), key=str)
    if extra:
        raise Wrong(f"row {extra[0]} is fine; you say: {found[extra[0]]}.")
    for number, reason in found.items():
        if not isinstance(reason, str) or not reason.strip():
            raise Wrong(f"say in words what is wrong with row {number}; yours is {reason!r}.")


def exercise_2(paint_instances) -> None:
    """paint_instances(document): id * 1000 + n for countable classes, the plain id for groups and
    the rest.
    """

    def box(name, x, y, size=12, **more):
        return {
            "label": name,
            "polygon": [[x, y], [x + size, y], [x + size, y + size], [x, y + size]],
            **more,
        }

    document = {
        "imgWidth": 90,
        "imgHeight": 60,
        "objects": [
            box("road", 0, 0, 80),
            box("car", 2, 2),
            box("license plate", 5, 5, 4),
            box("person", 20, 2),
            box("car", 8, 8),
            box("cargroup", 40, 2),
            box("car", 40, 30, deleted=1),
            box("persongroup", 60, 2),
            box("polegroup", 2, 40),
            box("car", 60, 40),
            box("person", 22, 30),
        ],
    }
    expected = Image.new("I", (90, 60))
    draw = ImageDraw.Draw(expected)
    for number, value in {
        0: 7,
        1: 26000,
        3: 24000,
        4: 26001,
        5: 26,
        7: 24,
        8: 18,
        9: 26002,
        10: 24001,
    }.items():
        draw.polygon([tuple(p) for p in document["objects"][number]["polygon"]], fill=value)
    expected = np.asarray(expected)
    result = np.asarray(paint_instances(document))
    if result.shape != (60, 90):
        raise Wrong(
            f"an image of width 90 and height 60 has the shape (60, 90), got {result.shape}."
        )
    if result.dtype.kind not in "iu":
        raise Wrong(f"ids are integers, got {result.dtype}.")
    if not (result == expected).all():
        y, x = map(int, np.argwhere(result != expected)[0])
        raise Wrong(
            f"pixel ({y}, {x}) should be {expected[y, x]}, got {result[y, x]}. There should be "
            f"the ids {np.unique(expected).tolist()}, you have {np.unique(result).tolist()}."
        )
