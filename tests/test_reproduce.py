"""The reproduction, rehearsed from start to end on a small city with Cityscapes' names;
augmentation; costs.
"""

import json
import os
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from extras.reproduction import certificate, reproduce
from extras.reproduction.reproduce import Reproduction, main
from extras.training_tools import augment, costs
from extras.training_tools.augment import (
    AugmentedCrops,
    ScratchConfig,
    distort,
    random_crop,
    random_scale,
)
from helpers.checkpoints import load_model
from helpers.config import TrainConfig
from helpers.csv_index import find_rows, read_csv
from helpers.dataset import CityscapesDataset
from helpers.evaluate import dataset_for, evaluate
from helpers.images import open_image, open_label
from helpers.inference import predict_frame
from helpers.labels import IGNORE
from helpers.metrics import ConfusionMatrix
from helpers.training import Run
from helpers.unet import UNet
from helpers.windows import View, reduce_image, reduce_label

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
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert caught.value.code == 130
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
    with pytest.raises(SystemExit):
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
    assert (
        group["momentum"] == 0.9 and group["weight_decay"] == 5e-4 and group["lr"] == 0.01
    )  # one step, the first
    assert (
        "momentum_buffer" in state["optimizer"]["state"][0] and found["whole frames"]["frames"] == 3
    )


# -- augmentation
# -------------------------------------------------------------------------------------------------


def coded(height=120, width=200):
    """A frame whose color says its class, in blocks of 20 pixels."""
    target = (np.add.outer(np.arange(height) // 20, np.arange(width) // 20) % 19).astype(np.uint8)
    return np.stack([target * 10, 255 - target * 10, np.full_like(target, 7)], -1), target


def test_scale_and_crop_keep_frame_and_label_together():
    image, target = coded()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        big, labels = random_scale(image, target, rng, (0.5, 2.0))
        assert 60 <= big.shape[0] <= 240 and big.shape[:2] == labels.shape
        window, cut = random_crop(big, labels, rng, (64, 96))
        assert window.shape == (64, 96, 3) and cut.shape == (64, 96)
        inside = cut != IGNORE
        same = np.abs(window[..., 0].astype(int) - cut * 10.0) < 6
        assert same[inside].mean() > 0.8 and (
            inside.all() or big.shape[0] < 64 or big.shape[1] < 96
        )


def test_flips_turn_frame_and_label_alike(monkeypatch):
    monkeypatch.setattr(augment, "distort", lambda image, rng: image)
    base, turned = type("Base", (), {"rows": [], "pair": lambda self, index: coded()})(), 0
    crops = AugmentedCrops(base, (64, 96), (1.0, 1.0))
    for epoch in range(12):
        crops.epoch = epoch
        image, target = crops.pair(0)
        assert (image[..., 0] == target * 10).all()
        turned += int(target[0, 95]) < int(target[0, 0])  # classes grow to the right
    assert 2 <= turned <= 10


def test_a_crop_of_one_class_is_drawn_again():
    target = np.zeros((100, 400), np.uint8)
    target[:, 300:] = 1
    image = np.zeros((100, 400, 3), np.uint8)

    def mixed(tries):
        crops = [
            random_crop(image, target, np.random.default_rng(s), (50, 100), tries=tries)[1]
            for s in range(40)
        ]
        return sum(0.25 < (crop == 0).mean() < 0.75 for crop in crops)

    assert mixed(10) > 2 * mixed(1)


def test_distortion_changes_colors_only():
    image, _ = coded()
    changed = [distort(image, np.random.default_rng(s)) for s in range(10)]
    assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
    assert len({c.tobytes() for c in changed}) > 6
    gray = np.full((4, 4, 3), 128, np.uint8)
    assert all(100 < distort(gray, np.random.default_rng(s)).mean() < 160 for s in range(20))


def test_augmented_crops_depend_on_seed_epoch_and_index(root, tmp_path):
    from helpers.csv_index import write_csv

    write_csv(root, "train", tmp_path / "train.csv")
    base = CityscapesDataset(
        read_csv(tmp_path / "train.csv"), root, View("frame", padding="same", height=1024)
    )
    crops = AugmentedCrops(base, (64, 128), (0.5, 2.0))
    image, target = crops[0]
    assert image.shape == (3, 64, 128) and target.shape == (64, 128) and target.dtype == torch.int64
    assert torch.equal(image, crops[0][0]) and not torch.equal(image, crops[1][0])
    crops.epoch = 1
    assert not torch.equal(image, crops[0][0])
    assert (
        asdict(ScratchConfig())["crop"] == (512, 1024)
        and augment.ScratchConfig().epochs * 2975 // 4 > 159_000
    )


# -- costs
# --------------------------------------------------------------------------------------------------------


def test_costs_of_the_recipe():
    cost = costs.training_cost(572, 572)
    assert cost.parameters == 31_032_915
    assert cost.flop * 2975 * 30 == pytest.approx(
        80.84e15, rel=1e-3
    )  # 3 x 2 x 150.97 GMAC an image
    assert cost.hours(2975, 100, 1.0) == pytest.approx(cost.flop * 2975 / 1e14 / 3600)


def test_memory_count_equals_what_is_kept():
    options = {
        "width": 8,
        "depth": 2,
        "padding": "same",
        "norm": "batch",
        "dropout": 0.0,
        "num_classes": 5,
    }
    kept = {}
    model = UNet(**options).train()
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        logits = model(torch.randn(1, 3, 32, 48))
        torch.nn.functional.cross_entropy(logits, torch.zeros(1, 32, 48, dtype=torch.int64))
    counted = costs.training_cost(32, 48, torch.float32, **options)
    assert counted.kept == pytest.approx(sum(s.nbytes() for s in kept.values()), rel=0.02)
    assert counted.memory(4) - counted.memory(3) == pytest.approx(counted.kept / 1e9)
