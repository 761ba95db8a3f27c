"""Small files that describe data: class lists, statistics, an index, polygons, certificates.

One that cannot be right is named or made again, whoever wrote it.
"""

import json
import re
from math import nan

import numpy as np
import pytest
from PIL import Image

from extras.real_data.class_list import read_classes
from extras.real_data.label_new import PREPARATION, read_preparation
from extras.real_data.own_data import OwnData, prepare, training_command
from extras.real_data.polygons import coco_names, paint
from extras.reproduction import certificate
from helpers.csv_index import find_index, find_rows, read_csv
from helpers.files import write_json, write_table
from helpers.labels import LABEL_SETS, TRAIN_19, LabelSet, read_label_set
from helpers.normalization import find_statistics, write_statistics

# -- class lists

OWN = {"names": ["sky", "road"], "colors": [[0, 0, 9], [9, 0, 0]], "ids": [1, 2]}
WRONG = [
    {"ids": [1, 300]},
    {"ids": [-1, 2]},
    {"ids": [0, 255]},  # which stands for what lies outside of a frame
    {"ids": [1]},
    {"ids": [1, 1]},
    {"ids": [1.0, 2.0]},
    {"ids": ["1", "2"]},
    {"colors": [[0, 0, 9]]},
    {"colors": [[0, 0, 300], [9, 0, 0]]},
    {"colors": [[0, 9], [9, 0]]},
    {"names": ["road", "road"]},
    {"names": [], "colors": [], "ids": []},
    {"merged": [[8, 5]]},
    {"merged": [[255, 1]]},
]


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_a_class_list_that_cannot_be_is_named(tmp_path, change):
    path = write_json(tmp_path / "classes.json", {**OWN, **change})
    with pytest.raises(ValueError, match=r"classes.json is no list of classes"):
        read_label_set(path)


def test_class_lists_of_the_course_are_right(tmp_path):
    for label_set in LABEL_SETS.values():
        assert LabelSet.from_dict(label_set.as_dict()) == label_set
    assert read_label_set(write_json(tmp_path / "classes.json", OWN)).ids == (1, 2)


def test_names_that_are_numbers_are_words(tmp_path):
    """They are joined in messages and padded in tables, where a number would be no text."""
    path = write_json(tmp_path / "classes.json", {**OWN, "names": [1, 2]})
    assert read_label_set(path).names == ("1", "2")


# -- statistics.json


@pytest.mark.parametrize("text", [b"{", b"[]", b"", b"\xff\xfe", b'{"files": "%s"}'])
def test_damaged_statistics_are_computed_again(root, text, capsys):
    rows = find_rows(root, "train")
    before = find_statistics(root, rows)
    path = write_statistics(root, rows, before)
    files = json.loads(path.read_text())["files"]
    path.write_bytes(text.replace(b"%s", files.encode()))
    assert find_statistics(root, rows) == before
    assert "computed anew" in capsys.readouterr().out
    assert find_statistics(root, rows) == before
    assert capsys.readouterr().out == ""


# -- the index


@pytest.mark.parametrize("column", ["label", "city", "frame"])
def test_rows_of_the_index_are_those_of_the_folder(root, column, capsys):
    """A row without its label would train as if all of it were void."""
    path = find_index(root, "train")
    rows = read_csv(path)
    first = rows[0]._replace(**{column: "" if column == "label" else "x"})
    write_table(path, first._fields, [first, *rows[1:]])
    assert read_csv(find_index(root, "train")) == rows
    assert "written anew" in capsys.readouterr().out


def test_a_label_of_another_frame_does_not_stay(root):
    path = find_index(root, "train")
    rows = read_csv(path)
    write_table(path, rows[0]._fields, [rows[0]._replace(label=rows[1].label), *rows[1:]])
    assert read_csv(find_index(root, "train")) == rows


# -- polygons

CLASSES = read_classes(["sky", "road"])
SHAPE = {"label": "sky", "points": [[0, 0], [9, 0], [9, 9]]}
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 12, "height": 10}],
    "categories": [{"id": 1, "name": "sky"}],
    "annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]]}],
}


def changed(list_name, **change):
    """COCO with another first entry in one of its lists; None removes a key."""
    entry = {**COCO[list_name][0], **change}
    entry = {key: value for key, value in entry.items() if value is not None}
    return {**COCO, list_name: [entry]}


@pytest.mark.parametrize(
    "content",
    [
        {"shapes": [None]},
        {"shapes": [{"label": "sky"}]},
        {"shapes": [{"points": SHAPE["points"]}]},
        {"shapes": [{**SHAPE, "points": "text"}]},
        {"shapes": [{**SHAPE, "points": [[0], [1], [2]]}]},
        {"shapes": [{**SHAPE, "shape_type": "rectangle", "points": []}]},
        {"shapes": [{**SHAPE, "shape_type": "circle"}]},
        changed("annotations", category_id=9),
        changed("annotations", image_id=77),
        changed("annotations", segmentation=None),
        changed("annotations", segmentation=[]),
        changed("annotations", segmentation={"counts": [5, 6], "size": [10, 12]}),
        changed("images", width=None),
        changed("images", file_name=None),
        changed("categories", name=None),
        {**COCO, "images": [*COCO["images"], {**COCO["images"][0], "id": 2}]},
    ],
    ids=str,
)
def test_polygons_that_are_not_as_expected_are_named(tmp_path, content):
    path = write_json(tmp_path / "polygons.json", content)
    with pytest.raises(ValueError, match="polygons.json: "):
        paint(path, "a.png", (10, 12), CLASSES)


@pytest.mark.parametrize("content", [{"shapes": [SHAPE]}, COCO], ids=["LabelMe", "COCO"])
def test_polygons_with_the_mark_of_windows_are_read(tmp_path, content):
    path = tmp_path / "polygons.json"
    path.write_bytes(json.dumps(content).encode("utf-8-sig"))
    assert paint(path, "a.png", (10, 12), CLASSES)[1, 7] == 0
    path.write_bytes(json.dumps(content).encode("utf-16"))
    with pytest.raises(ValueError, match="polygons.json: .*UTF-8"):
        paint(path, "a.png", (10, 12), CLASSES)


def test_a_shape_without_a_kind_is_a_polygon(tmp_path):
    path = write_json(tmp_path / "x.json", {"shapes": [{**SHAPE, "shape_type": None}]})
    assert paint(path, "a.png", (10, 12), CLASSES)[1, 7] == 0


# -- own pictures: the numbers and words of the command


@pytest.fixture
def own(tmp_path):
    """Four pictures with masks, and the class list."""
    random = np.random.default_rng(1)
    for folder, shape in (("images", (8, 12, 3)), ("masks", (8, 12))):
        (tmp_path / folder).mkdir()
        for number in range(4):
            array = random.integers(0, 2, shape, np.uint8)
            Image.fromarray(array).save(tmp_path / folder / f"{number}.png")
    return tmp_path / "images", tmp_path / "masks", ["sky", "road"], tmp_path / "out"


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"group": "("}, "is no regular expression"),
        ({"group": "(nothing)?"}, "finds nothing in these names"),
        ({"limits": (9.0, 1.0)}, "below the second"),
        ({"limits": (1.0, 1.0)}, "below the second"),
        ({"limits": (float("nan"), 1.0)}, "below the second"),
        ({"limits": (0.0, float("inf"))}, "below the second"),
        ({"nearest": float("nan")}, "nearest-color must be at least 0"),
        ({"nearest": -1.0}, "nearest-color must be at least 0"),
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(own, option, says):
    with pytest.raises(ValueError, match=says):
        prepare(*own, progress=False, **option)
    assert not own[-1].exists()


def test_pictures_that_a_coco_file_names_lie_in_their_folder(own):
    images, _, classes, out = own
    Image.new("RGB", (12, 10)).save(images.parent / "a.png")
    path = write_json(images.parent / "coco.json", changed("images", file_name="../a.png"))
    assert coco_names(path) == ["../a.png"]
    with pytest.raises(ValueError, match=re.escape("../a.png")):
        prepare(images, path, classes, out, progress=False)


def test_a_coco_file_may_have_any_ending(own):
    images, _, classes, out = own
    pictures = [
        {"id": number, "file_name": f"{number}.png", "width": 12, "height": 8}
        for number in range(4)
    ]
    areas = [{**COCO["annotations"][0], "image_id": number} for number in range(4)]
    content = {**COCO, "images": pictures, "annotations": areas}
    path = write_json(images.parent / "annotations", content)
    assert prepare(images, path, classes, out, progress=False).frames == {"train": 3, "val": 1}


def test_a_file_in_the_place_of_the_target_is_named(own):
    images, masks, classes, out = own
    out.write_text("a text")
    with pytest.raises(ValueError, match="out is a file; choose a new folder"):
        prepare(images, masks, classes, out, progress=False)
    assert out.read_text() == "a text"


def test_the_printed_training_takes_crops_that_batch_norm_can_take(tmp_path):
    data = OwnData(tmp_path, TRAIN_19, {}, ((20, 30), (40, 50)), (), False)
    assert "--size 32 " in training_command(data)


DAMAGED = [
    {},
    [],
    {"size": None},
    *({"size": size, "limits": None} for size in ([64], "64x48", [64.5, 48], ["64", "48"], 64)),
    *({"size": None, "limits": limits} for limits in (["a", "b"], {"low": 1}, 7, [0], [nan, 3])),
]


@pytest.mark.parametrize("content", DAMAGED, ids=str)
def test_a_preparation_that_is_damaged_is_named(tmp_path, content):
    path = write_json(tmp_path / PREPARATION, content)
    with pytest.raises(ValueError, match=f"{path.name} is damaged; lay the data out again"):
        read_preparation(tmp_path)
    path.write_text("x")
    with pytest.raises(ValueError, match=f"{path.name} is damaged; lay the data out again"):
        read_preparation(tmp_path)


@pytest.mark.parametrize(("size", "limits"), [([0, 0], None), (None, [5, 1]), ([64, -1], None)])
def test_a_preparation_that_cannot_be_is_named(tmp_path, size, limits):
    path = write_json(tmp_path / PREPARATION, {"size": size, "limits": limits})
    with pytest.raises(ValueError, match=f"{path.name}: no size .* lay the data out again"):
        read_preparation(tmp_path)


def test_a_whole_preparation_is_read(tmp_path):
    write_json(tmp_path / PREPARATION, {"size": [64, 48], "limits": [0, 4095.5]})
    assert read_preparation(tmp_path) == ([64, 48], [0, 4095.5])


# -- certificates


@pytest.mark.parametrize("text", ["[]", '"text"', "7"])
def test_what_is_no_certificate_is_named(tmp_path, text):
    path = tmp_path / "certificate.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="certificate.json is no certificate"):
        certificate.verify(path)
