"""The CSV index: its rows, its order, and every problem that a check reports."""

import shutil

import numpy as np
import pytest
from PIL import Image

from helpers.csv_index import check_csv, read_csv, write_csv
from tests.roots import indexed


def test_csv_is_sorted_relative_and_exact(tiny_root):
    path = tiny_root / "train.csv"
    assert write_csv(tiny_root, "train", path) == 2
    assert path.read_bytes() == (
        b"image,label,city,frame\n"
        b"leftImg8bit/train/astadt/astadt_000000_000019_leftImg8bit.png,"
        b"gtFine/train/astadt/astadt_000000_000019_gtFine_labelIds.png,astadt,000000_000019\n"
        b"leftImg8bit/train/bdorf/bdorf_000000_000019_leftImg8bit.png,"
        b"gtFine/train/bdorf/bdorf_000000_000019_gtFine_labelIds.png,bdorf,000000_000019\n"
    )
    assert [row.city for row in read_csv(path)] == ["astadt", "bdorf"]


def test_check_csv_reports_everything_at_once(tiny_root):
    train, val = indexed(tiny_root), indexed(tiny_root, "val")
    assert check_csv([train, val], tiny_root) == []
    rows = read_csv(train)
    Image.fromarray(np.full((24, 40), 99, np.uint8)).save(tiny_root / rows[0].label)  # unknown id
    # Truncated
    (tiny_root / rows[1].image).write_bytes((tiny_root / rows[1].image).read_bytes()[:300])
    # Another size
    Image.fromarray(np.zeros((20, 40), np.uint8)).save(tiny_root / read_csv(val)[0].label)
    with open(val, "a") as file:
        file.write(",".join(rows[0]) + "\n" + ",".join(rows[0]) + "\n")
    text = "\n".join(check_csv([train, val], tiny_root))
    for phrase in (
        "unknown label ids [99]",
        "cannot be read",
        "40x24",
        "40x20",
        "2 rows",
        "must not share",
    ):
        assert phrase in text
    (tiny_root / rows[1].label).unlink()
    assert "does not exist" in "\n".join(check_csv(train, tiny_root))


def test_rows_that_name_nothing_are_reported(tiny_root):
    train = indexed(tiny_root)
    row = read_csv(train)[0]
    train.write_text(
        "image,label,city,frame\n"
        + ",".join(row._replace(label=""))
        + "\n"
        + ",".join(row._replace(image="", label=""))
        + "\n"
    )
    text = "\n".join(check_csv(train, tiny_root))
    assert (
        f"{row.image}: no label" in text
        and f"{row.frame}: no image" in text
        and f"{row.frame}: no label" in text
    )
    # Cityscapes withholds test labels
    test_row = row._replace(image=row.image.replace("train", "test"), label="")
    (tiny_root / test_row.image).parent.mkdir(parents=True)
    shutil.copy(tiny_root / row.image, tiny_root / test_row.image)
    (tiny_root / "test.csv").write_text("image,label,city,frame\n" + ",".join(test_row) + "\n")
    assert check_csv(tiny_root / "test.csv", tiny_root) == []


def test_broken_indices_are_named(tiny_root):
    path = tiny_root / "train.csv"
    for text, message in (
        ("", "an empty file"),
        ("a,b\n", "found a,b"),
        ("image,label,city,frame\nx,y\n", "line 2"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            read_csv(path)
        assert str(path) in str(error.value)
        assert check_csv(path, tiny_root) == [str(error.value)]


def test_order_does_not_depend_on_the_folder(tiny_root):
    for city in ("a", "a-b", "a_b", "aa"):
        stem = f"{city}_000000_000019"
        for kind, end in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            (tiny_root / kind / "train" / city).mkdir(parents=True)
            Image.new("RGB" if kind[0] == "l" else "L", (8, 4)).save(
                tiny_root / kind / "train" / city / f"{stem}_{end}.png"
            )
    images = [row.image for row in read_csv(indexed(tiny_root))]
    # Sorted as text, whatever the file system thinks
    assert images == sorted(images) and len(images) == 6
