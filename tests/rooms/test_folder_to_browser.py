"""Own pictures, from the folder to the browser: some dozens of folders as people bring them."""

import hashlib
import os
import shlex

import numpy as np
import pytest
from PIL import Image

from extras.browser.__main__ import main as browser_main
from extras.browser.predictions import Predictions
from extras.browser.views import State
from extras.browser.views import picture as paint_browser
from extras.real_data.own_data import main, prepare, report, training_command
from extras.real_data.pictures import read_picture
from helpers.checkpoints import load_model
from helpers.config import parse
from helpers.csv_index import check_csv, find_rows, index_folder
from helpers.evaluate import dataset_for, evaluate
from helpers.evaluate import main as evaluate_main
from helpers.images import open_image, open_label
from helpers.inference import main as inference_main
from helpers.training import main as training_main
from helpers.training import train
from tests.rooms import own_folders
from tests.rooms.own_folders import REFUSED, WORKS, fill

SMALL = ["--width", "2", "--depth", "2", "--epochs", "1", "--batch-size", "2", "--pictures", "1"]


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))


def lay_out(folder, build):
    classes, options = build(folder)
    masks = folder / options.pop("masks", "masks")
    return prepare(folder / "images", masks, classes, folder / "mine", progress=False, **options)


@pytest.mark.parametrize("build", WORKS, ids=lambda build: build.__name__)
def test_from_folder_to_browser(tmp_path, build):
    data = lay_out(tmp_path, build)
    assert sum(data.frames.values()) == 6 and min(data.frames.values()) > 0
    tables = [index_folder(data.root) / f"{split}.csv" for split in ("train", "val")]
    assert check_csv(tables, data.root) == []

    words = shlex.split(training_command(data))
    assert words[:3] == ["python", "-m", "helpers.training"]
    config = parse(words[3:] + SMALL)
    history = train(config, progress=False)
    assert np.isfinite(history[0]["val_loss"]) and history[0]["val_loss"] > 0

    checkpoint = tmp_path / "runs" / "mine" / "best.pt"
    model, info = load_model(checkpoint)
    assert info["label_set"] == data.label_set
    dataset = dataset_for(info, data.root, "val")
    scores = evaluate(model, ([t[None] for t in pair] for pair in dataset), data.label_set)
    assert scores.pixels > 0
    predictions = Predictions(checkpoint, data.root, progress=False)
    assert predictions.problems == {}
    assert paint_browser([predictions], State()).ndim == 3


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_is_refused_in_the_words_that_fit(tmp_path, name):
    fill(tmp_path / "before")
    before = tmp_path / "before"
    prepare(before / "images", before / "masks", ["a", "b"], tmp_path / "mine", progress=False)
    here = contents(tmp_path / "mine")
    build, words = REFUSED[name]
    with pytest.raises(ValueError, match=f"(?s){words}"):
        lay_out(tmp_path, build)
    assert contents(tmp_path / "mine") == here
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def contents(root) -> dict:
    """Every file of a data set, by its hash."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# -- What stands in the frames


def labels(data) -> list[np.ndarray]:
    """The label ids of all frames, in the order of the pictures."""
    rows = find_rows(data.root, "train") + find_rows(data.root, "val")
    return [open_label(data.root / row.label) for row in sorted(rows, key=lambda row: row.frame)]


def frames(data) -> list[np.ndarray]:
    rows = find_rows(data.root, "train") + find_rows(data.root, "val")
    return [open_image(data.root / row.image) for row in sorted(rows, key=lambda row: row.frame)]


EXACT = [
    own_folders.palette_masks,
    own_folders.color_masks,
    own_folders.black_and_white_masks,
    own_folders.black_and_white_masks_by_value,
    own_folders.gif_masks,
    own_folders.deep_masks,
    own_folders.float_masks,
    own_folders.coco,
]


@pytest.mark.parametrize("build", EXACT, ids=lambda build: build.__name__)
def test_every_kind_of_mask_says_the_same(tmp_path, build):
    for number, found in enumerate(labels(lay_out(tmp_path, build))):
        assert (found == own_folders.truth(number) + 1).all()


def test_labelme_shapes_are_painted_in_their_order(tmp_path):
    for number, found in enumerate(labels(lay_out(tmp_path, own_folders.labelme))):
        assert (found[:59] == own_folders.truth(number)[:59] + 1).all()
        assert found[61, 63] == 0 and found[63, 0] == 1


def test_a_changed_file_of_polygons_is_read_again(tmp_path):
    lay_out(tmp_path, own_folders.labelme)
    path = tmp_path / "masks" / "p0.json"
    path.write_text(path.read_text().replace("leaf", "background"))
    os.utime(path, (1, 1))
    data = lay_out_again(tmp_path)
    assert (labels(data)[0] == 2).sum() == 0


def lay_out_again(folder):
    names = ["background", "leaf", "ignore"]
    images, masks = folder / "images", folder / "masks"
    return prepare(images, masks, names, folder / "mine", progress=False)


def test_nearest_colors_are_counted(tmp_path):
    data = lay_out(tmp_path, own_folders.jpeg_masks_with_nearest_color)
    assert any("--nearest-color 80" in note and "%" in note for note in data.notes)
    for number, found in enumerate(labels(data)):
        assert (found == own_folders.truth(number) + 1).mean() > 0.97


@pytest.mark.parametrize(
    "build", [own_folders.pictures_of_12_bits, own_folders.float_pictures], ids=["12", "float"]
)
def test_gray_levels_are_kept(tmp_path, build):
    data = lay_out(tmp_path, build)
    assert any("become 0 to 255" in note for note in data.notes)
    gray = np.stack(frames(data))[..., 0]
    plain = [own_folders.picture(n, own_folders.truth(n))[..., 1] for n in range(6)]
    assert len(np.unique(gray)) == len(np.unique(plain))
    assert gray.min() == 0 and gray.max() == 255


def test_16_bits_become_8(tmp_path):
    data = lay_out(tmp_path, own_folders.pictures_of_16_bits)
    for number, frame in enumerate(frames(data)):
        pixels = own_folders.picture(number, own_folders.truth(number))
        assert (frame[..., 0] == pixels[..., 1]).all()


def test_groups_stay_together(tmp_path):
    data = lay_out(tmp_path, own_folders.groups_by_name)
    sources = [path.name for path in (tmp_path / "images").iterdir()]
    assert data.frames == {"train": 4, "val": 2} and len(sources) == 6


def test_one_odd_subfolder_does_not_decide(tmp_path):
    fill(tmp_path, count=10)
    for kind in ("images", "masks"):
        (tmp_path / kind / "odd").mkdir()
        (tmp_path / kind / "p3.png").rename(tmp_path / kind / "odd" / "p3.png")
    data = prepare(
        tmp_path / "images", tmp_path / "masks", ["a", "b"], tmp_path / "mine", progress=False
    )
    assert data.frames == {"train": 8, "val": 2}


def test_the_notes_and_the_commands_are_printed(tmp_path, capsys):
    own_folders.other_files_beside(tmp_path)
    (tmp_path / "classes.txt").write_text("soil\nleaf\nflower\n")
    words = [str(tmp_path / "images"), str(tmp_path / "masks"), "--to", str(tmp_path / "mine")]
    main([*words, "--classes", str(tmp_path / "classes.txt")])
    said = capsys.readouterr().out
    for phrase in (
        "3 classes: soil, leaf",
        "Thumbs.db",
        "1 masks without a picture: p9.png",
        "in no train mask: flower",
    ):
        assert phrase in said
    for module in ("helpers.training", "helpers.evaluate", "extras.browser"):
        assert f"python -m {module} " in said


@pytest.mark.parametrize("build", [own_folders.subfolders, own_folders.mixed_sizes])
def test_the_printed_commands_work_as_printed(tmp_path, build, capsys):
    said = report(lay_out(tmp_path, build))
    commands = [shlex.split(line) for line in said.splitlines() if line.startswith("  python")]
    new = str(next(path for path in (tmp_path / "images").rglob("*") if path.is_file()))
    more = {
        "helpers.training": (training_main, SMALL),
        "helpers.evaluate": (evaluate_main, []),
        "extras.browser": (browser_main, ["--no-open"]),
        "helpers.inference": (inference_main, ["--output", str(tmp_path / "predictions")]),
    }
    assert [words[2] for words in commands] == list(more)
    for words in commands:
        run, options = more[words[2]]
        run([new if word == "NEW.jpg" else word for word in words[3:]] + options)
    assert "mean_iou" in capsys.readouterr().out
    assert len(list((tmp_path / "predictions").iterdir())) == 3
    assert (tmp_path / "runs" / "browser.html").is_file()


def test_mixed_sizes_are_told(tmp_path):
    data = lay_out(tmp_path, own_folders.mixed_sizes)
    assert "2 sizes" in report(data) and "--size WIDTH HEIGHT" in report(data)
    assert "--view crop --size 32 --cache none" in report(data)
    one = lay_out(tmp_path, own_folders.mixed_sizes_brought_to_one)
    assert one.sizes == ((48, 64),) and "--view crop" not in report(one)


def test_a_data_set_of_others_is_left_alone(tmp_path):
    own_folders.plain(tmp_path)
    images, masks = tmp_path / "images", tmp_path / "masks"
    (tmp_path / "mine" / "gtFine").mkdir(parents=True)
    with pytest.raises(ValueError, match="another data set"):
        prepare(images, masks, ["a", "b"], tmp_path / "mine", progress=False)
    for target in (images, tmp_path, images / "mine"):
        with pytest.raises(ValueError, match="lie in one another"):
            prepare(images, masks, ["a", "b"], target, progress=False)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="other files .thesis.txt"):
        prepare(images, masks, ["a", "b"], tmp_path / "notes", progress=False)


def test_four_bands_of_a_tiff_are_named(tmp_path):
    image = Image.fromarray(np.zeros((8, 8, 4), np.uint8), mode="RGBX")
    image.save(tmp_path / "x.tif")
    with pytest.raises(ValueError, match="has 4 bands"):
        read_picture(tmp_path / "x.tif")
