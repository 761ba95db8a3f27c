"""Turns and exercises of chapter 03: what the checkers refuse, and that the chapter's CSV is the
helper's.
"""

import inspect
import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image, ImageDraw

from extras.exercises import verdict
from extras.exercises.ch03 import TURNS
from extras.real_data.cityscapes import CLASS_SHARES
from helpers.csv_index import find_rows, write_csv
from helpers.labels import LABELS
from helpers.paths import ROOT
from scripts.pinned import CITY

CELLS = nbformat.read(ROOT / "notebooks" / "03_csv_files.ipynb", as_version=4).cells
SOLUTION = re.compile(
    r"<summary>Solution (03\.\w)</summary>\s+```python\n(.*?)\n```\s+</details>", re.S
)
SOLUTIONS = {m[1]: m[2] for cell in CELLS for m in SOLUTION.finditer(cell.source)}
NAMES = {
    "03.A": "frame_row",
    "03.B": "count_pixels",
    "03.1": "broken_rows",
    "03.2": "paint_instances",
}


def answer(number: str, source: str):
    names = {"np": np, "Image": Image, "ImageDraw": ImageDraw, "LABELS": LABELS}
    exec(source, names)
    return names[NAMES[number]]


def starter(number: str) -> str:
    kind = "exercise" if number[-1].isdigit() else "turn"
    [cell] = [c for c in CELLS if c.metadata.get(kind) == number]
    lines = cell.source.rstrip().split("\n")
    assert f'check("{number}"' in lines[-1]
    return "\n".join(lines[:-1])


@pytest.mark.parametrize("number", NAMES)
def test_an_untouched_starter_is_not_written_yet(number):
    with pytest.raises(NotImplementedError):
        verdict(number, answer(number, starter(number)))


@pytest.mark.parametrize("number", NAMES)
def test_the_folded_solution_is_accepted(number):
    assert verdict(number, answer(number, SOLUTIONS[number])) is None


@pytest.mark.parametrize("letter", TURNS)
def test_the_folded_solution_is_the_code_of_the_course(letter):
    assert SOLUTIONS[f"03.{letter}"] == inspect.getsource(TURNS[letter]).rstrip()


# what is replaced in the folded solution, by what, and what the checker then says
WRONG = [
    ("03.A", 'f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"', "str(image_path)", "absolute"),
    ("03.A", '.removesuffix("_leftImg8bit.png")', "", "should be leftImg8bit/train/ulm"),
    (
        "03.A",
        '{name}_gtFine_labelIds.png"',
        '{image_path.stem}_gtFine_labelIds.png"',
        "take _leftImg8bit.png off the name",
    ),
    ("03.A", 'f"gtFine/', 'f"leftImg8bit/', "begin at gtFine"),
    ("03.A", "_gtFine_labelIds.png", "_gtFine_color.png", "ends in _gtFine_labelIds.png"),
    ("03.A", 'f"gtFine/{split}/', 'f"gtFine/train/', "yours is gtFine/train/ulm-west"),
    ("03.A", "image_path.parent.name", 'image_path.name.split("-")[0]', "should be leftImg8bit"),
    ("03.A", '"city": city', '"city": image_path.stem', "the folder has its name"),
    ("03.A", '"city": city', '"city": image_path', "'city' is a PosixPath"),
    ("03.A", 'name.removeprefix(f"{city}_")', "name", "without the city"),
    ("03.A", '"frame":', '"id":', "with the keys image, label, city, frame"),
    ("03.A", "return {", "return [city] or {", "yours is list"),
    (
        "03.A",
        'f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"',
        'image_path.relative_to("/data/sample_city").as_posix()',
        "the root may be any folder",
    ),
    ("03.A", 'f"leftImg8bit/{split}', 'f"leftImg8bit\\\\{split}', "backslashes"),
    ("03.B", "counts +=", "counts =", "add the maps up"),
    (
        "03.B",
        "np.bincount(label_map.ravel(), minlength=34)",
        "np.bincount(np.unique(label_map), minlength=34)",
        "count pixels, not maps",
    ),
    (
        "03.B",
        "counts += np.bincount(label_map.ravel(), minlength=34)",
        "found = np.bincount(label_map.ravel()); n = max(len(counts), len(found)) - 2; "
        "counts = counts[:n]; counts[: len(found)] += found[:n]",
        "minlength=34",
    ),
    ("03.B", "return counts", "return counts.tolist()", "a NumPy array; found list"),
    ("03.B", "np.int64", "np.float64", "make them int64"),
    ("03.B", "label_map.ravel()", "label_map.ravel()[:-1]", "id 7 has 4 pixels"),
    ("03.B", "for label_map in label_maps", "for label_map in label_maps[:]", "not subscriptable"),
    (
        "03.1",
        "image.size != label.size",
        "image.size != np.array(label).shape",
        "rows 0, 2 and 5 are fine",
    ),
    ("03.1", "            continue\n", "            return problems\n", "1 of three rows"),
    ("03.1", "largest > 33", "largest > 255", "has the id 99"),
    ("03.1", "largest > 33", "largest > 6", "rows 0, 2 and 5 are fine"),
    ("03.1", "enumerate(rows)", "enumerate(rows, 2)", "Not seen: the label of row 1"),
    ("03.1", 'problems[number] = "no label"', "problems[number] = True", "say in words"),
    ("03.1", "return problems", "return list(problems)", "return a dictionary"),
    ("03.2", 'Image.new("I"', 'Image.new("L"', "should be"),
    ("03.2", "counted[name] = number + 1", "", "26000"),
    ("03.2", ' or thing.get("deleted")', "", "should be"),
    ("03.2", "label.id < 0 or ", "", "should be"),
    (
        "03.2",
        '(document["imgWidth"], document["imgHeight"])',
        '(document["imgHeight"], document["imgWidth"])',
        "has the shape",
    ),
]


@pytest.mark.parametrize(("number", "old", "new", "phrase"), WRONG)
def test_a_wrong_answer_is_refused_for_its_reason(number, old, new, phrase):
    right = SOLUTIONS[number]
    assert old in right
    said = verdict(number, answer(number, right.replace(old, new, 1)))
    assert said is not None
    assert phrase in said


def chapter_functions(names: dict, *wanted: str) -> dict:
    """`names` after the cells of the chapter that define the functions `wanted` have run in it."""
    for cell in CELLS:
        if cell.cell_type == "code" and any(f"def {name}(" in cell.source for name in wanted):
            exec(cell.source, names)
    return names


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_chapter_writes_the_helpers_file_byte_for_byte(split, tmp_path, monkeypatch):
    import csv

    from helpers import csv_index

    monkeypatch.setattr(csv_index, "runs_dir", lambda: tmp_path / "runs")
    names = {
        "csv": csv,
        "data": CITY,
        "Path": Path,
        "frame_row": TURNS["A"],
        "index_folder": csv_index.index_folder,
    }
    chapter_functions(names, "write_index")["write_index"](split)
    write_csv(CITY, split, tmp_path / "helper.csv")
    written = csv_index.index_folder(CITY) / f"{split}.csv"
    assert written.read_bytes() == (tmp_path / "helper.csv").read_bytes()


def test_polygons_painted_by_the_chapter_give_the_label_file():
    objects = json.loads((ROOT / "data/frame/polygons.json").read_text())["objects"]
    names = {"np": np, "json": json, "Image": Image, "ImageDraw": ImageDraw, "LABELS": LABELS}
    names["street"] = ROOT / "data" / "frame"
    paint = chapter_functions(names, "paint")["paint"]
    label = np.asarray(Image.open(ROOT / "data/frame/labelIds.png"))
    assert (paint(objects, (2048, 1024)) == label).all()
    # what the chapter says about the order
    labels = [thing["label"] for thing in objects]
    assert len(labels) == 151 and labels.index("car") == 55
    assert labels[-4] == "ego vehicle" and labels[-5] == "traffic sign"


def test_what_the_chapter_says_of_the_sample_city():
    cities = {}
    for split in ("train", "val", "test"):
        cities[split] = {row.city for row in find_rows(CITY, split)}
    assert not cities["train"] & cities["val"]
    assert not cities["test"] & (cities["train"] | cities["val"])
    for row in find_rows(CITY, "test"):
        ids = np.unique(np.asarray(Image.open(CITY / row.label)))
        assert ids.max() <= 3
    assert sum(label.id >= 4 for label in LABELS) == 30 and len(LABELS) == 35
    assert sum(not label.ignore_in_eval for label in LABELS) == 19
    unscored = [label for label in LABELS if label.id >= 4 and label.ignore_in_eval]
    catch_alls = {label.name for label in unscored if label.category == "void"}
    assert catch_alls == {"static", "dynamic", "ground"} and len(unscored) == 8 + 3


def test_what_the_chapter_says_of_the_average_street_of_chapter_01():
    stored = json.loads((ROOT / "benchmarks/results/city_context.json").read_text())
    assert f"{stored['scores']['position']['mean_iou']:.3f}" == "0.122"
    assert stored["settings"]["frames"] > len(find_rows(CITY, "train"))


def test_shares_of_cityscapes_follow_from_published_weights():
    # CGNet's public code: w = 1 / ln(1.10 + share)
    weights = {0: 2.5959933, 1: 6.7415504, 2: 3.5354059, 16: 10.280587, 18: 10.055647}
    for train_id, weight in weights.items():
        assert CLASS_SHARES[train_id] == pytest.approx(np.exp(1 / weight) - 1.10, abs=1e-6)
    assert sum(CLASS_SHARES) == pytest.approx(1, abs=1e-5)
