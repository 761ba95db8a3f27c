"""Own pictures that were once refused, read wrong, or labeled otherwise than they were learned."""

import json
import os
import shlex
import sys
import unicodedata
from collections import namedtuple
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from extras.real_data import colab, label_new
from extras.real_data.class_list import read_classes
from extras.real_data.own_data import prepare, report, training_command, turned_alone
from extras.real_data.pairs import find_pairs
from extras.real_data.pictures import bits_of, open_picture, read_picture
from extras.reproduction.reproduce import Reproduction
from helpers.checkpoints import load_model
from helpers.config import parse
from helpers.csv_index import find_rows, write_csv
from helpers.images import open_image, open_label
from helpers.inference import check_results, predict_frame
from helpers.normalization import find_statistics
from helpers.recipes import make_datasets
from helpers.training import train
from helpers.windows import View
from tests.faults.conftest import make_root
from tests.rooms import own_folders
from tests.rooms.own_folders import NAMES, fill, save

SMALL = ["--width", "4", "--depth", "2", "--epochs", "1", "--batch-size", "2", "--pictures", "1"]


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


def lay_out(folder, classes=NAMES, to="mine", **options):
    root = folder / to
    return prepare(folder / "images", folder / "masks", classes, root, progress=False, **options)


def train_once(data):
    config = parse(shlex.split(training_command(data))[3:] + SMALL)
    return train(config, progress=False)


# -- New pictures are seen as those of the training were


def deep(folder):
    """Gray values of 0 to 20000, neither 12 bits nor 16."""

    def save_picture(images, name, pixels):
        save(images / f"{name}.png", pixels[..., 1].astype(np.uint16) * 90)

    fill(folder, save_picture)
    return NAMES, {}


def made_smaller(folder):
    fill(folder)
    return NAMES, {"size": (48, 32)}


def deep_and_smaller(folder):
    return deep(folder)[0], {"size": (48, 32), "limits": (1000, 19000)}


@pytest.mark.parametrize("build", [deep, made_smaller, deep_and_smaller])
def test_the_printed_command_labels_as_the_training_saw(tmp_path, build):
    classes, options = build(tmp_path)
    data = lay_out(tmp_path, classes, **options)
    words = shlex.split(report(data).splitlines()[-1].strip())
    assert words[:4] == ["python", "-m", "extras.real_data.label_new", "NEW.jpg"]
    train_once(data)
    words = words[4:]
    sources = json.loads((data.root / "sources.json").read_text())
    pictures = [tmp_path / "images" / name for name, _, _ in sources.values()]
    label_new.main([*map(str, pictures), *words, "--output", str(tmp_path / "found")])

    model, info = load_model(tmp_path / "runs" / "mine" / "best.pt")
    preparation = label_new.read_preparation(data.root)
    rows = {row.frame: row for row in find_rows(data.root, "train") + find_rows(data.root, "val")}
    for path, row in zip(pictures, (rows[frame] for frame in sorted(rows)), strict=True):
        frame = open_image(data.root / row.image)
        assert (label_new.prepared(path, preparation)[1] == frame).all()
        expected = Image.fromarray(info["label_set"].decode(predict_frame(model, frame, info)))
        expected = np.asarray(expected.resize((64, 64), Image.Resampling.NEAREST))
        assert (open_label(tmp_path / "found" / f"{path.stem}_labelIds.png") == expected).all()
    assert len(list((tmp_path / "found").iterdir())) == 3 * len(pictures)


def test_new_pictures_of_another_kind_are_refused(tmp_path):
    deep(tmp_path)
    preparation = label_new.read_preparation(lay_out(tmp_path).root)
    save(tmp_path / "new.png", np.zeros((8, 8), np.uint8))
    with pytest.raises(ValueError, match="new.png has 8 bits, those .* had more than 8 bits"):
        label_new.prepared(tmp_path / "new.png", preparation)
    save(tmp_path / "new.png", np.zeros((8, 8), np.uint16))
    with pytest.raises(ValueError, match="new.png has more than 8 bits, those .* had 8 bits"):
        label_new.prepared(tmp_path / "new.png", label_new.Preparation())
    with pytest.raises(FileNotFoundError, match="lay the data out again"):
        label_new.read_preparation(tmp_path)


def test_a_network_of_other_classes_labels_nothing(tmp_path, checkpoint):
    fill(tmp_path)
    root = lay_out(tmp_path).root
    words = [str(tmp_path / "images" / "p0.png"), "--output", str(tmp_path / "found")]
    with pytest.raises(ValueError, match="the classes of .*mine are soil, leaf .*, not road"):
        label_new.main([*words, "--checkpoint", str(checkpoint), "--root", str(root)])
    assert not (tmp_path / "found").exists()


def test_no_result_takes_the_place_of_another(tmp_path):
    with pytest.raises(ValueError, match="photographs of one name"):
        check_results(["a/x.png", "b/x.jpg"], tmp_path)
    with pytest.raises(ValueError, match="take the place of photographs"):
        check_results([tmp_path / "x.png", tmp_path / "x_color.png"], tmp_path)


# -- Files


def test_a_telephones_picture_is_the_first_of_its_file(tmp_path):
    pixels = own_folders.picture(0, own_folders.truth(0))
    first = Image.fromarray(pixels)
    exif = first.getexif()
    exif[0x0112] = 6
    preview = Image.new("RGB", (16, 16), "white")
    options = {"save_all": True, "append_images": [preview], "quality": 95, "exif": exif}
    first.crop((0, 0, 64, 48)).save(tmp_path / "phone.jpg", format="MPO", **options)
    found = read_picture(tmp_path / "phone.jpg")
    assert found.shape == (64, 48, 3)
    difference = np.abs(found.astype(int) - np.rot90(pixels[:48], -1))
    assert difference.mean() < 10


def test_a_place_in_a_file_is_no_depth(tmp_path):
    Tiled = namedtuple("Tiled", "mode tile")
    compressed = ("libtiff", (0, 0, 9, 9), 0, ("RGB", "tiff_lzw", False, 96316))
    assert bits_of(Tiled("RGB", [compressed])) == 8
    assert bits_of(Tiled("RGB", [(*compressed[:3], ("RGB;16L", "tiff_lzw", False, 8))])) == 16
    assert bits_of(Tiled("RGB", [("zip", (0, 0, 9, 9), 41, "RGB;16B")])) == 16
    assert bits_of(Tiled("RGB", [("zip", (0, 0, 9, 9), 16, "RGB")])) == 8
    assert bits_of(Tiled("RGB", [("raw", (0, 0, 9, 9), 0, None)])) == 8


def test_a_compressed_tiff_is_read_wherever_its_pixels_lie(tmp_path):
    random = np.random.default_rng(0)
    places = []
    for columns in range(100, 200):
        pixels = random.integers(0, 256, (53, columns, 3), np.uint8)
        save(tmp_path / "x.tif", pixels, compression="tiff_lzw")
        places.append(str(Image.open(tmp_path / "x.tif").tile[0]))
        assert (read_picture(tmp_path / "x.tif") == pixels).all()
    assert any("16" in place.split("(")[-1] for place in places)
    assert open_picture(tmp_path / "x.tif").info["bits"] == 8


def save_turned(path, array, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(path, array, exif=exif)


@pytest.mark.parametrize(
    ("picture", "mask", "count"), [(1, 1, 0), (2, 1, 6), (3, 1, 6), (4, 1, 6), (3, 3, 0)]
)
def test_pictures_that_were_turned_without_their_masks_are_told(tmp_path, picture, mask, count):
    fill(
        tmp_path,
        lambda folder, name, array: save_turned(folder / f"{name}.png", array, picture),
        lambda folder, name, array: save_turned(folder / f"{name}.png", array, mask),
    )
    notes = [note for note in lay_out(tmp_path).notes if "EXIF" in note]
    assert len(notes) == bool(count)
    assert all(note.startswith(f"{count} pictures") and "(p0.png)" in note for note in notes)


def test_a_square_picture_that_lies_on_its_side_is_told(tmp_path):
    def save_square(folder, name, array, orientation):
        side = min(array.shape[:2])
        save_turned(folder / f"{name}.png", array[:side, :side], orientation)

    fill(
        tmp_path,
        lambda folder, name, array: save_square(folder, name, array, 6),
        lambda folder, name, array: save_square(folder, name, array, 1),
    )
    assert any("EXIF" in note for note in lay_out(tmp_path).notes)


def test_a_range_for_pictures_of_8_bits_does_nothing_and_says_so(tmp_path):
    fill(tmp_path)
    notes = lay_out(tmp_path, limits=(0, 4095)).notes
    assert any(note.startswith("--range: no picture has more than 8 bits") for note in notes)
    assert not any("--range" in note for note in lay_out(tmp_path).notes)


# -- One color channel


def test_pictures_in_green_alone_are_trained_on(tmp_path):
    def save_picture(images, name, pixels):
        save(images / f"{name}.png", pixels * np.array([0, 1, 0], np.uint8))

    fill(tmp_path, save_picture)
    data = lay_out(tmp_path)
    assert np.isfinite(train_once(data)[0]["val_loss"])
    _, info = load_model(tmp_path / "runs" / "mine" / "best.pt")
    # What is stored stays exact; what is divided by is at least one gray level.
    exact = find_statistics(data.root, find_rows(data.root, "train"))
    assert exact.std[0] == exact.std[2] == 0 < exact.std[1]
    assert tuple(info["std"]) == exact.divisors == (1 / 255, exact.std[1], 1 / 255)

    config = parse(shlex.split(training_command(data))[3:] + SMALL)
    config = replace(config, train_limit=2, cache=None)
    assert min(make_datasets(config, progress=False)[0].std) == 1 / 255


def test_other_rooms_divide_by_one_gray_level_too(tmp_path):
    root = make_root(tmp_path / "root", height=64, width=64)
    for path in root.rglob("*_leftImg8bit.png"):
        save(path, np.zeros((64, 64, 3), np.uint8))
    folder = colab.pack(root, tmp_path / "pack", View(size=36), progress=False)
    assert json.loads((folder / "pack.json").read_text())["std"] == [1 / 255] * 3
    write_csv(root, "train", tmp_path / "csv" / "train.csv")
    step = SimpleNamespace(folder=tmp_path, root=root, limit=None, progress=False)
    assert Reproduction.statistics(step)["std"] == (1 / 255,) * 3


# -- Folders and names


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_as_the_target_stays_one(tmp_path):
    fill(tmp_path)
    (tmp_path / "disk" / "large").mkdir(parents=True)
    (tmp_path / "mine").symlink_to(tmp_path / "disk" / "large", target_is_directory=True)
    for _ in range(3):
        data = lay_out(tmp_path)
        assert (tmp_path / "mine").is_symlink() and data.root == tmp_path / "mine"
        assert (tmp_path / "disk" / "large" / "classes.json").is_file()
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["large"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("äpfel", "äpfel"),
        (unicodedata.normalize("NFD", "äpfel"), "äpfel"),
        ("my plants (2)", "my-plants-2"),
        ("-x", "x"),
        ("!!", "own"),
    ],
)
def test_a_run_is_called_like_its_folder(tmp_path, monkeypatch, to, name):
    fill(tmp_path)
    data = lay_out(tmp_path, to=to)
    config = parse(shlex.split(training_command(data))[3:])
    assert config.name == name
    for runs in (f"{tmp_path.as_posix()}/runs", "runs"):
        for line in report(data).splitlines():
            if "best.pt" in line:
                assert f"{runs}/{name}/best.pt" in shlex.split(line)
        monkeypatch.delenv("COURSE_RUNS", raising=False)


def test_a_mask_from_a_mac_belongs_to_its_picture(tmp_path):
    for number, (one, other) in enumerate((("NFC", "NFD"), ("NFD", "NFC"))):
        name = f"Bäume/bäume{number}.png"
        mask = own_folders.truth(number)
        picture = own_folders.picture(number, mask)
        save(tmp_path / "images" / unicodedata.normalize(one, name), picture)
        save(tmp_path / "masks" / unicodedata.normalize(other, name), mask)
    pairs, notes = find_pairs(tmp_path / "images", tmp_path / "masks")
    assert sorted(name for name, _, _ in pairs) == ["Bäume/bäume0", "Bäume/bäume1"]
    assert notes == []
    assert lay_out(tmp_path).frames == {"train": 1, "val": 1}


def test_a_coco_file_from_a_mac_finds_its_pictures(tmp_path):
    own_folders.coco(tmp_path)
    content = (tmp_path / "coco.json").read_text().replace("p0.png", "ba\\u0308ume.png")
    (tmp_path / "coco.json").write_text(content)
    os.rename(tmp_path / "images" / "p0.png", tmp_path / "images" / "bäume.png")
    classes = ["background", "leaf"]
    args = (tmp_path / "images", tmp_path / "coco.json", classes, tmp_path / "mine")
    assert sum(prepare(*args, progress=False).frames.values()) == 6


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (["ignore, 255", "soil", "leaf"], {255: 255, 0: 0, 1: 1}),
        (["soil", "ignore, 255", "leaf"], {0: 0, 255: 255, 1: 1}),
        (["ignore, 0", "soil", "leaf"], {0: 255, 1: 0, 2: 1}),
        (["soil", "leaf", "ignore, 1"], {0: 0, 2: 1, 1: 255}),
        (["soil", "ignore", "leaf"], {0: 0, 1: 255, 2: 1}),
        (["soil", "leaf", "Ignore"], {0: 0, 1: 1, 2: 255}),
        (["soil", "IGNORE, 255", "leaf"], {0: 0, 255: 255, 1: 1}),
    ],
)
def test_ignore_with_a_value_of_its_own_is_not_counted(lines, codes):
    classes = read_classes(lines)
    assert classes.codes == codes and classes.names == ("soil", "leaf")


def test_a_picture_on_its_side_tells_of_itself_by_its_size(tmp_path):
    """Only a square one could be turned without anybody noticing."""
    mask = tmp_path / "mask.png"
    save(mask, np.zeros((4, 6), np.uint8))
    save_turned(tmp_path / "side.png", np.zeros((6, 4), np.uint8), 6)
    assert not turned_alone(tmp_path / "side.png", mask, (4, 6))
    assert turned_alone(tmp_path / "side.png", mask, (6, 6))


def test_bits_of_deep_pictures():
    assert [bits_of(Image.new(mode, (2, 2))) for mode in ("L", "I;16", "I", "F")] == [8, 16, 32, 32]
