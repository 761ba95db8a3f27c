"""Missing, damaged and foreign files of a data set: each is used or named, never passed over."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from extras.real_data.pictures import open_picture
from helpers.csv_index import check_csv, find_index, find_rows, read_csv, write_csv
from helpers.files import write_table
from helpers.images import open_image, open_label, read_photograph
from helpers.labels import TRAIN_19
from helpers.normalization import frame_histogram
from helpers.paths import shown
from tests.faults.conftest import flip_byte, paths


def index(root, split="train"):
    write_csv(root, split, root / f"{split}.csv")
    return root / f"{split}.csv"


# -- W1: a split must not shrink silently


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_label_without_its_image_is_named(root, split):
    gone = paths(root, split=split)[0]
    gone.unlink()
    name = gone.name.replace("leftImg8bit", "gtFine_labelIds")
    with pytest.raises(FileNotFoundError, match=f"(?s)labels without an image.*{name}"):
        find_rows(root, split)


@pytest.mark.parametrize("kind", ["leftImg8bit", "gtFine"])
@pytest.mark.parametrize("change", [lambda n: n.upper(), lambda n: n.replace(".png", " (1).png")])
def test_another_spelling_is_named(root, kind, change):
    """A second file, so that every image still has its label."""
    path = paths(root, kind)[0]
    odd = path.with_name(change(path.name))
    shutil.copy(path, odd)
    with pytest.raises(FileNotFoundError, match="(?s)expected .*found:") as caught:
        find_rows(root, "train")
    assert odd.name in str(caught.value)


def test_a_frame_in_no_city_is_named(root):
    path = paths(root)[0]
    shutil.move(path, path.parent.parent / path.name)
    with pytest.raises(FileNotFoundError, match=path.name):
        find_rows(root, "train")


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", "__MACOSX", "._"])
def test_hidden_copies_are_no_data(root, folder):
    rows = find_rows(root, "train")
    for kind in ("leftImg8bit", "gtFine"):
        path = paths(root, kind)[0]
        if folder == "._":
            path.with_name(f"._{path.name}").write_bytes(b"what macOS adds")
        else:
            city = path.parent.parent / folder
            city.mkdir()
            shutil.copy(path, city / path.name)
    assert find_rows(root, "train") == rows


def test_a_folder_that_cannot_be_read_is_named(root, monkeypatch):
    """The tests may run as a user who can read everything, so the refusal is made here."""
    closed = str(root / "leftImg8bit" / "train" / "astadt")

    def scandir(path, real=os.scandir):
        if os.fspath(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match="astadt: Permission denied"):
        find_rows(root, "train")


def test_a_split_that_is_missing_is_named(root):
    shutil.rmtree(root / "leftImg8bit" / "val")
    shutil.rmtree(root / "gtFine" / "val")
    with pytest.raises(FileNotFoundError, match="splits there: train"):
        find_rows(root, "val")


def test_test_frames_need_no_labels(root):
    shutil.copytree(root / "leftImg8bit" / "val", root / "leftImg8bit" / "test")
    assert [row.label for row in find_rows(root, "test")] == ["", ""]


def test_an_index_of_fewer_frames_says_so(root, capsys):
    path = find_index(root, "train")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    capsys.readouterr()
    find_index(root, "train")
    said = capsys.readouterr().out
    assert "3 of 4 frames" in said and shown(path) in said and str(path) not in said


def test_what_was_taken_out_stays_out_when_another_file_disappears(root, capsys):
    path = find_index(root, "train")
    rows = read_csv(path)
    write_table(path, rows[0]._fields, rows[1:])
    for name in (rows[3].image, rows[3].label):
        (root / name).unlink()
    assert read_csv(find_index(root, "train")) == rows[1:3]
    said = capsys.readouterr().out
    assert "written anew, 2 rows" in said and "has 2 of 3 frames" in said
    for row in rows[1:3]:  # nothing else is left
        for name in (row.image, row.label):
            (root / name).unlink()
    assert read_csv(find_index(root, "train")) == rows[:1]


# -- W2: check_csv says "all is well" only where it is


@pytest.mark.parametrize("train_id", [1, 2, 6])
def test_train_ids_are_no_label_ids(root, train_id):
    table = np.zeros(256, np.uint8)
    table[[7, 23, 26]] = 0, 10, 13
    for path in paths(root, "gtFine"):
        label = table[np.asarray(Image.open(path))]
        label[:, :16] = train_id
        Image.fromarray(label).save(path)
    assert "train ids" in "\n".join(check_csv(index(root), root))
    # Classes of one's own rightly hold 1 to n.
    own = TRAIN_19.as_dict() | {"ids": list(range(1, 20))}
    (root / "classes.json").write_text(json.dumps(own))
    assert check_csv(index(root), root) == []


def test_withheld_test_labels_are_no_train_ids(root):
    for path in paths(root, "gtFine"):
        Image.fromarray(np.full((16, 32), 3, np.uint8)).save(path)
    assert check_csv(index(root), root) == []


def test_an_index_without_rows_is_a_problem(root):
    path = root / "train.csv"
    path.write_text("image,label,city,frame\n")
    assert "has no rows" in "\n".join(check_csv(path, root))
    with pytest.raises(ValueError, match="train.csv has no rows"):
        read_csv(path)


@pytest.mark.parametrize(
    "name", ["../outside.png", "a/../../b.png", "/etc/passwd", "C:/x.png", "..\\x.png", "a\0b.png"]
)
@pytest.mark.parametrize("column", [0, 1, 2, 3])
def test_rows_stay_in_the_root(root, name, column):
    path = index(root)
    row = list(read_csv(path)[0])
    row[column] = name
    path.write_text("image,label,city,frame\n" + ",".join(row) + "\n")
    with pytest.raises(ValueError, match="line 2.*leads out"):
        read_csv(path)
    assert "leads out" in "\n".join(check_csv(path, root))


@pytest.mark.parametrize(
    ("kind", "opener"),
    [("leftImg8bit", open_image), ("gtFine", open_label), ("leftImg8bit", read_photograph)],
)
def test_a_changed_byte_of_a_picture_is_noticed(root, kind, opener):
    path = paths(root, kind)[0]
    whole = opener(path)
    data = path.read_bytes()
    silent = []
    for place in range(60, len(data), 7):
        flip_byte(path, place)
        try:
            if (opener(path) != whole).any():
                silent.append(place)
        except ValueError as error:
            assert path.name in str(error)
        path.write_bytes(data)
    assert silent == []


def test_check_csv_reports_other_pixels(root):
    path = index(root)
    label = paths(root, "gtFine")[1]
    data = label.read_bytes()
    before = np.asarray(Image.open(label))
    for place in range(60, len(data)):  # until pillow shows other pixels without a word
        flip_byte(label, place)
        try:
            if (np.asarray(Image.open(label)) != before).any():
                break
        except (OSError, SyntaxError):
            pass
        label.write_bytes(data)
    assert label.name in "\n".join(check_csv(path, root))


# -- U2: errors of reading name the file


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_named(root, encoding):
    path = index(root)
    text = path.read_text(encoding="utf-8").replace("astadt", "mästadt")
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=r"train.csv.*save it as UTF-8"):
        read_csv(path)
    assert "train.csv" in check_csv(path, root)[0]


def test_a_picture_is_no_index(root):
    with pytest.raises(ValueError, match="leftImg8bit.png.*UTF-8"):
        read_csv(paths(root)[0])


def test_the_mark_of_excel_is_read(root):
    path = index(root)
    rows = read_csv(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_csv(path) == rows


def test_semicolons_are_named(root):
    path = index(root)
    path.write_text(path.read_text().replace(",", ";"))
    with pytest.raises(ValueError, match="expected the header image,label"):
        read_csv(path)


def test_an_index_that_is_missing_says_what_writes_it(root):
    with pytest.raises(
        FileNotFoundError, match="nothing.csv does not exist; write it with write_csv"
    ):
        read_csv(root / "nothing.csv")


def test_a_huge_picture_is_named(root, monkeypatch):
    path = index(root)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="leftImg8bit.png: cannot be read"):
        open_image(paths(root)[0])
    assert len(check_csv(path, root)) == 8


def test_whatever_pillow_raises_the_picture_is_named(root):
    """A text in a PNG that unpacks to more than pillow allows is a ValueError of its own."""
    note = PngInfo()
    note.add_text("x", "y" * (2 << 20), zip=True)
    path = paths(root)[0]
    Image.open(path).save(path, pnginfo=note)
    for read in (open_image, open_label, frame_histogram, read_photograph):
        with pytest.raises(ValueError, match=f"{path.name}.*cannot be read"):
            read(path)


def test_a_tiff_whose_second_page_has_no_size_is_named(tmp_path):
    """Pillow says so with a TypeError, when it is asked for the number of pages."""
    path = tmp_path / "x.tif"
    Image.new("RGB", (5, 4)).save(path)
    data = path.read_bytes()
    # The list of the first page's entries ends with the place of the next list: one of no entries.
    first = int.from_bytes(data[4:8], "little")
    end = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    path.write_bytes(data[:end] + len(data).to_bytes(4, "little") + data[end + 4 :] + bytes(6))
    with pytest.raises(ValueError, match="x.tif cannot be read"):
        open_picture(path)


# -- W18: float pictures


def test_floats_from_0_to_1_are_not_black(tmp_path):
    path = tmp_path / "float.tif"
    Image.fromarray(np.full((4, 5), 0.5, np.float32)).save(path)
    assert abs(int(read_photograph(path)[0, 0, 0]) - 127) <= 1
    Image.fromarray(np.full((4, 5), 200, np.float32)).save(path)
    assert (read_photograph(path) == 200).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -3])
def test_what_is_no_brightness_is_refused(tmp_path, value):
    path = tmp_path / "float.tif"
    picture = np.full((4, 5), 0.5, np.float32)
    picture[1, 1] = value
    Image.fromarray(picture).save(path)
    with pytest.raises(ValueError, match="float.tif"):
        read_photograph(path)
