"""Own pictures and masks: class lists, kinds of masks, pairing, splits, and training that reloads
its own classes.
"""

import json

import numpy as np
import pytest
from PIL import Image

from extras.real_data.class_list import read_classes
from extras.real_data.masks import read_mask
from extras.real_data.own_data import main, prepare
from extras.real_data.pairs import choose_val, find_pairs
from helpers.checkpoints import load_model
from helpers.config import TrainConfig, parse
from helpers.csv_index import check_csv, find_rows, write_csv
from helpers.dataset import CityscapesDataset
from helpers.images import open_label
from helpers.labels import TRAIN_19, find_label_set, read_label_set
from helpers.training import train
from helpers.windows import View

COLORS = ["sky, 0, 128, 255", "wall, 200, 30, 30", "ground, 90, 90, 90", "ignore, 0, 0, 0"]
TRUTH = np.add.outer(np.arange(32) // 8, np.arange(48) // 16) % 4  # 0 to 3


def save_mask(path, kind):
    """TRUTH as a mask file of one kind."""
    if kind == "gray":
        picture = Image.fromarray(TRUTH.astype(np.uint8))
    elif kind == "grey16":
        picture = Image.fromarray(TRUTH.astype(np.uint16))
    elif kind == "gray as rgb":
        picture = Image.fromarray(TRUTH.astype(np.uint8)).convert("RGB")
    elif kind == "palette":
        picture = Image.fromarray(TRUTH.astype(np.uint8), mode="P")
        picture.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    else:
        table = np.array([[int(v) for v in line.split(",")[1:]] for line in COLORS], np.uint8)
        picture = Image.fromarray(table[TRUTH])
        if kind == "rgba":
            picture.putalpha(255)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


LISTS = {"color": COLORS, "rgba": COLORS}
NAMES = ["sky", "wall", "ground", "ignore"]


@pytest.mark.parametrize("kind", ["gray", "grey16", "gray as rgb", "palette", "color", "rgba"])
def test_every_kind_of_mask(tmp_path, kind):
    save_mask(tmp_path / "m.png", kind)
    classes = read_classes(LISTS.get(kind, NAMES))
    assert classes.names == ("sky", "wall", "ground")
    train_ids = read_mask(tmp_path / "m.png", classes).train_ids
    assert train_ids.dtype == np.uint8 and (train_ids == np.where(TRUTH == 3, 255, TRUTH)).all()


def read_ids(path, lines):
    return read_mask(path, read_classes(lines)).train_ids


def test_black_and_white_masks_and_values(tmp_path):
    Image.fromarray(TRUTH == 1).save(tmp_path / "m.png")
    assert (read_ids(tmp_path / "m.png", ["rest", "cell"]) == (TRUTH == 1)).all()
    Image.fromarray(np.where(TRUTH == 1, 255, 0).astype(np.uint8)).save(tmp_path / "m.png")
    assert (read_ids(tmp_path / "m.png", ["rest, 0", "cell, 255"]) == (TRUTH == 1)).all()
    # Names in their order, and what is left out
    found = read_ids(tmp_path / "m.png", ["rest", "other", "ignore, 255"])
    assert (found == np.where(TRUTH == 1, 255, 0)).all()


def save_palette(path, numbers, colors):
    """TRUTH as a palette picture: class i has numbers[i], shown in colors[i]."""
    picture = Image.fromarray(np.array(numbers, np.uint8)[TRUTH])
    palette = np.zeros((256, 3), np.uint8)
    palette[numbers] = np.array(colors).reshape(4, -1)
    picture.putpalette(palette.tobytes())
    picture.save(path)


def test_a_gray_mask_that_became_a_palette_is_refused(tmp_path):
    """As ImageMagick and pillow's quantize make it: in the next file the order is another."""
    save_palette(tmp_path / "m.png", [1, 0, 2, 3], [0, 1, 2, 3])
    with pytest.raises(ValueError, match=r"m.png: a palette whose .* save it as gray PNG"):
        read_ids(tmp_path / "m.png", NAMES)


@pytest.mark.parametrize(
    "colors",
    [
        [0, 1, 2, 3],  # each gray is its number
        [0, 80, 160, 240],  # grays to look at
        [0, 1, 1, 2],  # two numbers of one gray
        [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)],  # as PASCAL VOC has them
        [(1, 1, 1), (0, 0, 0), (2, 2, 2), (3, 0, 0)],
    ],
)
def test_a_palette_to_look_at_is_read_by_its_numbers(tmp_path, colors):
    save_palette(tmp_path / "m.png", [0, 1, 2, 3], colors)
    found = read_ids(tmp_path / "m.png", NAMES)
    assert (found == np.where(TRUTH == 3, 255, TRUTH)).all()


def test_unknown_values_are_named(tmp_path):
    save_mask(tmp_path / "m.png", "gray")
    with pytest.raises(
        ValueError, match=r"1 value that is not in the class list: 3 \(\d+ pixels\)"
    ):
        read_mask(tmp_path / "m.png", read_classes(["a", "b", "c"]))
    save_mask(tmp_path / "c.png", "color")
    with pytest.raises(ValueError, match=r"\(90, 90, 90\)"):
        read_mask(tmp_path / "c.png", read_classes(COLORS[:2] + COLORS[3:]))
    with pytest.raises(ValueError, match="class list has no colors"):
        read_mask(tmp_path / "c.png", read_classes(NAMES))
    Image.open(tmp_path / "c.png").save(tmp_path / "c.jpg", quality=60)
    with pytest.raises(ValueError, match="JPEG blurs"):
        read_mask(tmp_path / "c.jpg", read_classes(COLORS))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["road, 1, 2"], 'expected "name'),
        (["road, x"], 'expected "name'),
        (["road", "road"], "twice"),
        (["road, 3", "car, 3"], "twice"),
        (["road, 5", "car"], "every class"),
        (["road, 1, 2, 3", "car, 4, 5, 6", "ignore, 0"], "every class"),
        (["road", "car", "ignore, 1, 2, 3"], "every class"),
        ([], "0 classes to learn"),
        (["cell", "ignore, 9"], "1 class to learn"),
    ],
)
def test_bad_class_lists(lines, message):
    with pytest.raises(ValueError, match=message):
        read_classes(lines)


def test_colors_differ():
    assert len(set(read_classes([f"class {i}" for i in range(40)]).colors)) == 40


@pytest.fixture
def own(tmp_path):
    """Ten pictures of 48x32 in two formats with masks, and a class list with comments."""
    rng = np.random.default_rng(1)
    (tmp_path / "images").mkdir()
    for number in range(10):
        shade = np.array([[40, 90, 220], [220, 60, 60], [120, 120, 110], [0, 0, 0]])[TRUTH]
        picture = np.clip(shade + rng.integers(-20, 20, (32, 48, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(
            tmp_path / "images" / f"p{number}.{'jpg' if number % 2 else 'png'}", quality=95
        )
        save_mask(tmp_path / "masks" / f"p{number}_mask.png", "palette")
    (tmp_path / "classes.txt").write_text("# my classes\nsky\nwall\n\nground\nignore\n")
    return tmp_path


def test_prepare_gives_a_root_for_the_course(own):
    data = prepare(own / "images", own / "masks", own / "classes.txt", own / "root", progress=False)
    assert data.frames == {"train": 8, "val": 2} and data.label_set.names == (
        "sky",
        "wall",
        "ground",
    )
    for split in ("train", "val"):
        write_csv(data.root, split, own / f"{split}.csv")
    assert check_csv([own / "train.csv", own / "val.csv"], data.root) == []
    row = find_rows(data.root, "val")[0]
    ids = open_label(data.root / row.label)
    assert (ids == np.where(TRUTH == 3, 0, TRUTH + 1)).all()
    assert (data.label_set.encode(ids) == np.where(TRUTH == 3, 255, TRUTH)).all()
    view = View("frame", padding="same")
    dataset = CityscapesDataset(find_rows(data.root, "val"), data.root, view, data.label_set)
    assert set(dataset[0][1].unique().tolist()) == {0, 1, 2, 255}
    sources = json.loads((data.root / "sources.json").read_text())
    assert sources["own_000000_000003"][0] == "p3.jpg" and len(sources) == 10
    assert read_label_set(data.root / "classes.json") == data.label_set


def test_prepared_again_nothing_old_is_left(own):
    prepare(own / "images", own / "masks", own / "classes.txt", own / "root", progress=False)
    (own / "images" / "p0.png").unlink()
    data = prepare(
        own / "images",
        own / "masks",
        own / "classes.txt",
        own / "root",
        size=(26, 18),
        progress=False,
    )
    assert sum(data.frames.values()) == 9 == len(list(data.root.rglob("*_leftImg8bit.png")))
    ids = open_label(data.root / find_rows(data.root, "val")[0].label)
    # The nearest pixel, nothing mixed
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in ((18, 32), (26, 48)))
    whole = np.where(TRUTH == 3, 0, TRUTH + 1)
    assert (ids == whole[rows.astype(int)][:, columns.astype(int)]).all()
    (data.root / "sources.json").unlink()
    with pytest.raises(ValueError, match="another data set"):
        prepare(own / "images", own / "masks", own / "classes.txt", own / "root", progress=False)


def test_problems_are_reported_together(own):
    (own / "images" / "p0.png").write_bytes(b"no picture")
    save_mask(own / "masks" / "p1_mask.png", "color")
    Image.new("L", (10, 10)).save(own / "masks" / "p2_mask.png")
    with pytest.raises(ValueError) as caught:
        prepare(own / "images", own / "masks", own / "classes.txt", own / "root", progress=False)
    for phrase in ("p0.png cannot be read", "p1_mask.png: a color mask", "48x32", "10x10"):
        assert phrase in str(caught.value)
    (own / "masks" / "p3_mask.png").unlink()
    with pytest.raises(ValueError, match="1 of 10 pictures have no mask: p3.jpg"):
        find_pairs(own / "images", own / "masks")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_pairs(own / "nothing", own / "masks")


def test_a_place_is_never_in_both_splits():
    names = [f"place{p}/{i}" for p in range(5) for i in range(10)]
    val = choose_val(names)
    assert len(val) == 10 and len({n.split("/")[0] for n in val}) == 1
    assert len(choose_val(["a/1", "b/1"])) == 1 and len(choose_val(["1", "2", "3"])) == 1
    assert len(choose_val([str(i) for i in range(100)], 0.25)) == 25
    with pytest.raises(ValueError, match="two pictures"):
        choose_val(["1"])


def test_training_keeps_its_own_classes(own, monkeypatch, capsys):
    main(
        [
            str(own / "images"),
            str(own / "masks"),
            "--classes",
            str(own / "classes.txt"),
            "--root",
            str(own / "root"),
        ]
    )
    assert "3 classes" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_RUNS", str(own / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(own / "cache"))
    config = parse(
        [
            "--preset",
            "demo",
            "--name",
            "own",
            "--epochs",
            "4",
            "--width",
            "4",
            "--depth",
            "1",
            "--learning-rate",
            "0.03",
            "--pictures",
            "1",
            "--root",
            str(own / "root"),
            "--classes",
            str(own / "root" / "classes.json"),
        ]
    )
    history = train(config, progress=False)
    assert history[-1]["val_mean_iou"] > 0.6, history[-1]
    model, info = load_model(own / "runs" / "own" / "best.pt")
    assert info["label_set"].names == ("sky", "wall", "ground") and model.head.out_channels == 3
    assert info["label_set"].colorize([[0, 255]]).tolist() == [
        [list(info["label_set"].colors[0]), [0, 0, 0]]
    ]


def test_wrong_class_sets_are_named(tmp_path):
    with pytest.raises(ValueError, match="no label set 'mine'; there are train19"):
        find_label_set("mine")
    assert find_label_set("train19") is TRAIN_19 and TrainConfig().label_set == "train19"
    for content in ("no JSON", "[1, 2]", '{"names": ["road"]}'):
        (tmp_path / "classes.json").write_text(content)
        with pytest.raises(ValueError, match="classes.json is no list of classes"):
            read_label_set(tmp_path / "classes.json")
    with pytest.raises(ValueError, match="none.json is no list of classes"):
        read_label_set(tmp_path / "none.json")
    with pytest.raises((OSError, ValueError)):
        main(
            [
                str(tmp_path),
                str(tmp_path),
                "--classes",
                str(tmp_path / "none.txt"),
                "--root",
                str(tmp_path / "root"),
            ]
        )


def test_eight_pictures_without_a_mask_are_named(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "images").mkdir()
    for number in range(10):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / f"p{number}.png")
    with pytest.raises(
        ValueError, match="10 of 10 pictures have no mask: p0.png, .*p7.png .* has 0 masks"
    ):
        find_pairs(tmp_path / "images", tmp_path / "masks")
