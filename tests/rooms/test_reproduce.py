"""The reproduction, rehearsed from start to end on a small city with Cityscapes' names;
augmentation; costs.
"""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from extras.reproduction import certificate, reproduce, tables
from extras.reproduction.reproduce import Reproduction, main
from helpers.checkpoints import load_model
from helpers.config import TrainConfig
from helpers.csv_index import find_rows
from helpers.evaluate import dataset_for, evaluate
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.metrics import ConfusionMatrix
from helpers.training import Run
from helpers.windows import reduce_image, reduce_label

CITIES = {
    "train": ("aachen", "bochum", "zurich"),
    "val": ("frankfurt", "lindau", "munster"),
    "test": ("berlin",),
}


SMALL = {"width": 2, "epochs": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four frames of the pinned city in train, three in val, one in test, at a quarter of the size:
    512x256.
    """
    city, root = os.environ["CITYSCAPES_DATASET"], tmp_path_factory.mktemp("cityscapes")
    for split, count in (("train", 4), ("val", 3), ("test", 1)):
        for number, row in enumerate(find_rows(city, split)[:count]):
            name = CITIES[split][number % len(CITIES[split])]
            for kind, end, array in (
                ("leftImg8bit", "leftImg8bit", reduce_image(open_image(f"{city}/{row.image}"), 4)),
                ("gtFine", "gtFine_labelIds", reduce_label(open_label(f"{city}/{row.label}"), 4)),
            ):
                folder = root / kind / split / name
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / f"{name}_{number:06d}_000019_{end}.png")
    return root


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Caches and runs of their own for this module."""
    place, before = tmp_path_factory.mktemp("runs"), dict(os.environ)
    os.environ.update(COURSE_RUNS=str(place / "runs"), COURSE_CACHE=str(place / "cache"))
    yield place
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def whole(root, folders):
    """A rehearsal in one go: (folder, certificate)."""
    options = [f"--{k.replace('_', '-')}={v}" for k, v in SMALL.items()]
    main(["--root", str(root), "--folder", str(folders / "whole"), *options])
    return folders / "whole", json.loads((folders / "whole" / "certificate.json").read_text())


def test_the_rehearsal_measures_what_the_helpers_measure(root, whole):
    folder, found = whole
    assert {s: found["csv"][s]["rows"] for s in CITIES} == {"train": 4, "val": 3, "test": 1}
    assert found["layout"]["val"] == {"frames": 3, "cities": 3} and found["files"] == {
        "checked": True
    }
    assert len(found["training"]["history"]) == 2 and not found["statistics"]["equal_to_six_digits"]
    model, info = load_model(folder / "training" / "last.pt")
    crops = evaluate(model, DataLoader(dataset_for(info, root, "val"), 2), info["label_set"])
    for name in ("mean_iou", "pixel_accuracy", "loss_per_pixel", "loss_per_batch"):
        assert found["center crops"][name] == pytest.approx(getattr(crops, name), rel=1e-5)
    assert found["center crops"]["loss_per_pixel"] != pytest.approx(
        found["center crops"]["loss_per_batch"], rel=1e-9
    )
    frames = ConfusionMatrix(19)
    for row in find_rows(root, "val"):
        truth = info["label_set"].encode(open_label(root / row.label))
        frames.update(predict_frame(model, open_image(root / row.image), info), truth)
    assert found["whole frames"]["mean_iou"] == pytest.approx(frames.mean_iou(), rel=1e-12)
    assert len(found["protocols"]) == 54
    for region, scores in (("whole frame", frames.mean_iou()), ("center crop", crops.mean_iou)):
        assert found["protocols"][f"pooled | left out | left out | {region}"] == pytest.approx(
            scores, rel=1e-12
        )


def test_the_report_holds_no_pixel_and_the_pictures_lie_beside(whole):
    folder, found = whole
    page = (folder / "report.html").read_text()
    assert (
        "data:" not in page
        and "rehearsal" in page
        and "center crop" in page
        and found["digest"] in page
    )
    assert len(found["pictures"]) == 12
    for name in found["pictures"]:
        size = Image.open(folder / name).size
        assert f'src="{name}"' in page and size == (
            (3 * 388, 388) if "crop" in name else (3 * 256, 128)
        )


def test_a_rehearsal_says_what_it_is(whole):
    found = whole[1]
    assert not found["complete"]
    for text in (
        "train: 4 rows, expected 2975",
        "val: 3 rows, expected 500",
        "train: 3 cities, expected 18",
        "mean and deviation differ from the constants",
        "width: 2, standard 64",
        "epochs: 2, standard 30",
    ):
        assert text in found["deviations"]
    assert found["reported"]["mean_iou"] == 0.6426 and len(found["code_sha256"]) == 64
    assert (
        "deviation" in certificate.as_text(found)
        and found["machines"][0]["torch"] == torch.__version__
    )


def test_a_changed_certificate_is_noticed(whole, tmp_path, capsys):
    folder, found = whole
    main(["--verify", str(folder / "certificate.json")])
    assert "unchanged, a rehearsal of recipe" in capsys.readouterr().out
    found = json.loads(json.dumps(found))
    found["whole frames"]["mean_iou"] += 0.1
    (tmp_path / "c.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match="something in it was changed"):
        certificate.verify(tmp_path / "c.json")
    (tmp_path / "c.json").write_text("[]")
    with pytest.raises(ValueError, match="no certificate"):
        certificate.verify(tmp_path / "c.json")


def test_interrupted_everywhere_it_ends_alike(root, folders, whole, monkeypatch, capsys):
    folder, options = folders / "broken", [f"--{k.replace('_', '-')}={v}" for k, v in SMALL.items()]
    command = ["--root", str(root), "--folder", str(folder), *options]
    monkeypatch.setattr(reproduce, "EVERY", 1)
    epochs, frames, pieces, train = [], [], reproduce.frame_pieces, Run.train_epoch

    def break_off(place):
        def run(*arguments, **options):
            (epochs if place == "epoch" else frames).append(arguments[1])
            if place == "epoch" and len(epochs) == 2 or place == "frame" and len(frames) == 2:
                raise KeyboardInterrupt
            return (train if place == "epoch" else pieces)(*arguments, **options)

        return run

    monkeypatch.setattr(Run, "train_epoch", break_off("epoch"))
    monkeypatch.setattr(reproduce, "frame_pieces", break_off("frame"))
    for _ in range(2):  # once in the second epoch, once at the second whole frame
        with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
            main(command)
    main(command)
    said = capsys.readouterr().out
    assert epochs == [0, 1, 1] and len(frames) == 4
    assert said.count("training ...") == 2 and said.count("training: done before") == 1
    found = json.loads((folder / "certificate.json").read_text())
    for step in ("layout", "csv", "statistics", "center crops", "whole frames", "protocols"):
        assert found[step] == whole[1][step], step
    assert (
        found["training"]["history"] == whole[1]["training"]["history"]
        and len(found["machines"]) == 3
    )
    main(command)
    assert "..." not in capsys.readouterr().out.split("kind")[0]  # all steps were done before


def test_another_plan_needs_another_folder(root, whole):
    with pytest.raises(ValueError, match="other config.*--folder"):
        Reproduction(root, folder=whole[0], **{**SMALL, "width": 8})
    with pytest.raises(FileNotFoundError):
        main(["--root", str(root / "nothing")])


def test_bad_files_are_found_before_training(root, tmp_path, folders):
    import shutil

    shutil.copytree(root, tmp_path / "root")
    row = find_rows(tmp_path / "root", "train")[2]
    path = tmp_path / "root" / row.image
    path.write_bytes(path.read_bytes()[:1000])
    reproduction = Reproduction(tmp_path / "root", folder=tmp_path / "out", progress=False, **SMALL)
    with pytest.raises(ValueError, match=f"(?s)start again.*{path.name}: cannot be read"):
        reproduction.run()
    assert "training" not in reproduction.state["seconds"]
    shutil.rmtree(tmp_path / "root" / "leftImg8bit" / "val")
    with pytest.raises(FileNotFoundError, match="no frames of val: unpack"):
        Reproduction(tmp_path / "root", folder=tmp_path / "other", progress=False).run()


def test_what_a_full_reproduction_takes(root, tmp_path):
    reproduction = Reproduction(root, folder=tmp_path, workers=8)
    reproduction.state["steps"] = {
        "layout": {s: {"cities": n} for s, n in reproduce.CITIES.items()},
        "csv": {s: {"rows": n} for s, n in reproduce.ROWS.items()},
        "statistics": {"equal_to_six_digits": True},
    }
    assert reproduction.deviations() == []
    reproduction.state["steps"]["statistics"]["equal_to_six_digits"] = False
    assert reproduction.deviations() == ["mean and deviation differ from the constants"]
    assert TrainConfig() == TrainConfig(
        width=64, epochs=30, learning_rate=1e-4, padding="valid", augment=False, norm=None
    )


def test_scratch_rehearsal(root, folders):
    main(
        [
            "--root",
            str(root),
            "--config",
            "scratch",
            "--folder",
            str(folders / "scratch"),
            "--width",
            "4",
            "--limit",
            "3",
            "--epochs",
            "1",
            "--workers",
            "0",
            "--crop",
            "64",
            "128",
            "--quick",
        ]
    )
    found = json.loads((folders / "scratch" / "certificate.json").read_text())
    assert {
        "crop: (64, 128), standard (512, 1024)",
        "train_limit: 3, standard None",
        "files were not opened one by one",
    } <= set(found["deviations"])
    state = torch.load(folders / "scratch" / "training" / "last.pt", weights_only=True)
    group = state["optimizer"]["param_groups"][0]
    # One step, the first
    assert group["momentum"] == 0.9 and group["weight_decay"] == 5e-4 and group["lr"] == 0.01
    assert (
        "momentum_buffer" in state["optimizer"]["state"][0] and found["whole frames"]["frames"] == 3
    )


def test_counts_of_another_evaluation_are_refused(tmp_path):
    store = tmp_path / "counts.npz"
    tables.save(store, [np.eye(3, dtype=np.int64)] * 2, [(1.0, 3)] * 2)
    found, losses = tables.load(store, frames=2, classes=2)
    assert (np.array(found) == np.eye(3)).all() and np.array(losses).tolist() == [[1.0, 3.0]] * 2
    for frames, classes in ((1, 2), (2, 3)):
        with pytest.raises(ValueError, match="belongs to another evaluation"):
            tables.load(store, frames, classes)


def test_another_code_has_another_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(certificate, "ROOT", tmp_path)
    (tmp_path / "helpers").mkdir()
    hashes = set()
    for name, text in (("a.py", "1"), ("a.py", "2"), ("b.py", "2")):
        (tmp_path / "helpers" / name).write_text(text)
        hashes.add(certificate.code_hash())
    assert len(hashes) == 3


def test_summary_of_stored_counts():
    """Two classes and three frames, counted by hand; batches of two frames, the last one alone."""
    counts = [
        np.array([[3, 1, 0], [0, 2, 0], [9, 9, 0]]),
        np.array([[1, 0, 1], [0, 0, 0], [0, 0, 0]]),
        np.array([[0, 0, 0], [2, 2, 0], [0, 0, 0]]),
    ]
    found = tables.summary(counts, [(6.0, 6), (2.0, 2), (8.0, 4)], ("a", "b"), batch_size=2)
    assert found["pixels"] == 12 and found["frames"] == 3 and found["pixel_accuracy"] == 8 / 12
    assert found["iou"] == {"a": 4 / 8, "b": 4 / 7} and found["mean_iou"] == pytest.approx(
        (4 / 8 + 4 / 7) / 2
    )
    assert found["loss_per_pixel"] == 16 / 12 and found["loss_per_batch"] == (8 / 8 + 8 / 4) / 2
