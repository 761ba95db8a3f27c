"""The golden values. Every call into the project's API stands here; nothing is asserted.

When a name or a constructor changes, this file is adapted and values.json stays as it is. Each
function of ENTRIES takes an empty folder and returns sections, whose names say how exactly their
floats must be met (TOLERANCES in test_golden.py). Integers and texts must be met exactly, except in
the section "counts".
"""

import json
import os
import zipfile
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from extras.benchmark_server.submission import (
    write_prediction,
    write_submission,
    zip_submission,
)
from extras.experiments.trials import WeightedLoss
from helpers.checkpoints import load_model
from helpers.config import TrainConfig
from helpers.csv_index import find_rows, read_csv, write_csv
from helpers.dataset import CityscapesDataset
from helpers.evaluate import evaluate, pixel_loss
from helpers.fcn import FCN8s, FCN16s, FCN32s
from helpers.frame_cache import FrameCache
from helpers.inference import frame_logits, predict_frame, tile_logits
from helpers.labels import ALL_30, CAMVID_11, TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.normalization import channel_statistics
from helpers.sizes import nearest_sizes, output_size, valid_size
from helpers.training import Run
from helpers.training import make_run as run_of
from helpers.unet import UNet
from helpers.windows import View
from sample_city import make_scene, paint_labels, render
from sample_city.write import frame_plan, write_frame
from tests.golden.inputs import (
    GRAY_MEAN,
    GRAY_STD,
    category_groups,
    digest,
    fill,
    nearest_gray,
    noise,
    numbers,
    numpy_dropout,
    plain,
    save,
    short,
    small_root,
    summary,
)

PROJECT = Path(__file__).resolve().parent.parent.parent
MEAN = (0.3, 0.4, 0.5)
STD = (0.2, 0.25, 0.3)
LABEL_SETS = {"train19": TRAIN_19, "all30": ALL_30, "camvid11": CAMVID_11}


# --- How the project's things are made ------------------------------------------------------------


def make_unet(width=4, depth=2, padding="valid", norm=None, dropout=0.5, classes=19):
    return UNet(3, classes, width, depth, padding, norm, dropout)


def make_fcn(stride: int):
    kind = {32: FCN32s, 16: FCN16s, 8: FCN8s}[stride]
    return kind(num_classes=19, width=2, hidden=8)


def make_view(kind="crop", size=32, padding="valid", depth=2, height=32):
    return View(kind, size, padding, depth, height)


def make_info(view) -> dict:
    """What goes with a model when it predicts whole frames."""
    return {"view": view, "label_set": TRAIN_19, "mean": MEAN, "std": STD}


def make_dataset(root, view, split="train", labels=TRAIN_19, augment=False, seed=0, limit=None):
    path = root.with_name(f"{root.name}_{split}.csv")
    write_csv(root, split, path)
    rows = read_csv(path)[:limit]
    return CityscapesDataset(rows, root, view, labels, MEAN, STD, augment, seed)


def add_cache(dataset, cropped=False):
    dataset.cache = FrameCache(
        dataset.rows, dataset.root, dataset.view, dataset.label_set, cropped, progress=False
    )
    return dataset


def make_run(root, **changes) -> Run:
    settings = {"size": 32, "height": 32, "width": 4, "depth": 2, "epochs": 2, "batch_size": 2}
    settings |= {"learning_rate": 1e-2, "pictures": 1}
    return run_of(TrainConfig(root=str(root), **(settings | changes)), progress=False)


@contextmanager
def own_folders(folder: Path):
    """Runs and caches go to `folder`, and everything is computed on the CPU."""
    changes = {
        "COURSE_RUNS": str(folder / "runs"),
        "COURSE_CACHE": str(folder / "cache"),
        "COURSE_DEVICE": "cpu",
    }
    with mock.patch.dict(os.environ, changes):
        yield


# --- Networks -------------------------------------------------------------------------------------

UNETS = {
    "valid": ({}, (2, 3, 60, 76)),
    "same, batch norm": ({"padding": "same", "norm": "batch"}, (2, 3, 40, 52)),
    "same": ({"padding": "same", "depth": 3, "width": 3}, (1, 3, 40, 56)),
    "valid, batch norm": ({"norm": "batch", "depth": 1, "classes": 5}, (1, 3, 34, 42)),
    "depth 4": ({"depth": 4, "width": 2}, (1, 3, 188, 204)),
}


def unet_logits(folder):
    values = {}
    for name, (options, shape) in UNETS.items():
        model = fill(make_unet(**options))
        images = numbers(*shape)
        with torch.no_grad():
            values[name] = summary(model(images), count=32)
            model.train()
            with numpy_dropout():
                values[f"{name}, training"] = summary(model(images), count=32)
    return {"close": values}


def unet_gradients(folder):
    model = fill(make_unet(dropout=0.0))
    logits = model(numbers(1, 3, 60, 60))
    target = torch.from_numpy(np.random.default_rng(1).integers(0, 19, (1, 20, 20)))
    loss, pixels = pixel_loss(logits, target)
    (loss / pixels).backward()
    gradients = [short(weight.grad.norm()) for weight in model.parameters()]
    return {"close": {"norms": gradients}}


def fcn_logits(folder):
    values = {}
    for stride in (32, 16, 8):
        model = fill(make_fcn(stride))
        for height, width in ((64, 80), (47, 101)):
            with torch.no_grad():
                logits = model(numbers(1, 3, height, width))
            values[f"FCN-{stride}s, {height}x{width}"] = summary(logits, count=32)
    return {"close": values}


def initial_weights(folder):
    models = {
        "U-Net": lambda: make_unet(),
        "U-Net, batch norm": lambda: make_unet(norm="batch", padding="same"),
        "FCN-8s": lambda: make_fcn(8),
    }
    values = {}
    for name, make in models.items():
        torch.manual_seed(0)
        parameters = in_stored_order(make())
        values[name] = {
            "parameters": sum(weight.numel() for weight in parameters),
            "mean_abs": [short(weight.detach().abs().mean()) for weight in parameters],
            "last": [short(weight.detach().flatten()[-1]) for weight in parameters],
        }
    return {"close": values}


def in_stored_order(model) -> list:
    """The parameters of a network; the fixed up-sampling of an FCN comes last, the image's last."""
    named = dict(model.named_parameters())
    up = [f"{name}.weight" for name in ("up_to_pool4", "up_to_pool3", "up_to_image")]
    fixed = [named.pop(name) for name in up if name in named]
    return [*named.values(), *fixed]


def sizes(folder):
    values = {}
    for padding in ("valid", "same"):
        for depth in (1, 2, 4):
            legal = [n for n in range(1, 260) if valid_size(n, depth, padding)]
            out = [output_size(n, depth, padding) for n in legal]
            near = [nearest_sizes(n, depth, padding) for n in (1, 100, 189, 572)]
            values[f"{padding}, depth {depth}"] = {"in": legal, "out": out, "nearest": near}
    views = {
        "recipe": View(),
        "recipe, same": View(padding="same"),
        "frame": View("frame"),
        "frame, same": View("frame", padding="same"),
    }
    for name, view in views.items():
        values[name] = {
            "margin": view.margin,
            "legal": [view.legal(n) for n in (1, 16, 300, 388, 1024)],
            "factor": [view.factor(n) for n in (100, 383, 385, 1024, 1208)],
            "shape": list(view.label_shape(256, 512)),
        }
    return {"exact": values}


# --- Whole frames ---------------------------------------------------------------------------------


def shipped_checkpoint(folder):
    """data/checkpoints/unet.pt on two pieces of val frame 14, one of them reduced by 2."""
    model, info = load_model(PROJECT / "data" / "checkpoints" / "unet.pt")
    _, _, seed, theme = frame_plan("val", 14, 1)
    frame, polygons = render(make_scene(seed, theme))
    label = np.asarray(paint_labels(polygons)["labelIds"])
    pieces = {"256x384": np.s_[400:656, 800:1184], "512x768": np.s_[300:812, 640:1408]}
    close = {}
    counts = {}
    scores = {}
    for name, piece in pieces.items():
        prediction = predict_frame(model, frame[piece], info)
        confusion = ConfusionMatrix(19)
        confusion.update(prediction, TRAIN_19.encode(label[piece]))
        close[name] = summary(frame_logits(model, frame[piece], info), count=48)
        counts[name] = np.bincount(prediction.ravel(), minlength=19).tolist()
        scores[name] = [confusion.mean_iou(), confusion.pixel_accuracy()]
    return {"close": close, "counts": counts, "scores": scores}


VIEWS = {
    "crop, valid": make_view(),
    "crop, same": make_view(padding="same"),
    "frame, valid": make_view("frame", height=24),
    "frame, same": make_view("frame", padding="same", height=24),
}
OPTIONS = {
    "plain": {},
    "tiles": {"tile": 32},
    "flip": {"flip": True},
    "tiles, flip": {"tile": 32, "flip": True},
    "scales": {"scales": (0.5, 1.0, 1.25)},
}
FRAMES = ((40, 57), (97, 64), (1, 1), (3, 50), (120, 150))


def whole_frames(folder):
    close = {}
    counts = {}
    for view_name, view in VIEWS.items():
        model = fill(make_unet(padding=view.padding))
        for height, width in FRAMES:
            frame = noise(height, width)
            for option_name, options in OPTIONS.items():
                name = f"{view_name}, {height}x{width}, {option_name}"
                close[name] = summary(frame_logits(model, frame, make_info(view), **options))
            prediction = predict_frame(model, frame, make_info(view), flip=True)
            found = np.bincount(prediction.ravel(), minlength=19).tolist()
            counts[f"{view_name}, {height}x{width}"] = found
    return {"close": close, "counts": counts}


def tiles(folder):
    places = {}
    close = {}
    for view_name, view in VIEWS.items():
        model = fill(make_unet(padding=view.padding))
        for height, width in ((40, 57), (97, 140)):
            for tile in (None, 32):
                pieces = tile_logits(model, noise(height, width), make_info(view), tile=tile)
                name = f"{view_name}, {height}x{width}, {tile}"
                places[name] = []
                close[name] = []
                for top, left, logits in pieces:
                    places[name].append([top, left, *logits.shape[1:]])
                    close[name].append(short(logits.abs().mean()))
    # The recipe's tiles of 388 pixels, because a budget of nothing allows no larger ones.
    model = fill(make_unet(width=2, depth=4))
    pieces = list(tile_logits(model, noise(500, 420), make_info(View()), budget=0))
    places["recipe"] = [[top, left, *logits.shape[1:]] for top, left, logits in pieces]
    close["recipe"] = [summary(logits) for _, _, logits in pieces]
    return {"exact": places, "close": close}


# --- Data -----------------------------------------------------------------------------------------


def statistics(folder):
    shapes = ((31, 47), (20, 20), (64, 9))
    paths = {"whole": [], "crop": []}
    for number, (height, width) in enumerate(shapes):
        picture = noise(height, width, seed=number)
        paths["whole"].append(save(picture, folder / f"{number}.png"))
        top, left = max(0, (height - 21) // 2), max(0, (width - 16) // 2)
        center = np.ascontiguousarray(picture[top : top + 21, left : left + 16])
        paths["crop"].append(save(center, folder / f"{number}_center.png"))
    values = {}
    for name in paths:
        found = channel_statistics(paths[name])
        values[name] = [list(found.mean), list(found.std), found.pixels]
    return {"exact": values}


def index(folder):
    root = small_root(folder / "city")
    texts = {}
    for split in ("train", "val", "test"):
        write_csv(root, split, folder / f"{split}.csv")
        texts[split] = (folder / f"{split}.csv").read_bytes().decode()
    return {"exact": texts}


DATASETS = {
    "center": (make_view(), {}),
    "center, same": (make_view(size=48, padding="same"), {}),
    "larger than the frame": (make_view(size=100), {}),
    "random": (make_view(), {"augment": True}),
    "random, seed 3": (make_view(), {"augment": True, "seed": 3}),
    "random, larger": (make_view(size=80), {"augment": True}),
    "frame": (make_view("frame"), {}),
    "frame, same": (make_view("frame", padding="same"), {}),
    "frame, random": (make_view("frame"), {"augment": True, "seed": 1}),
    "val": (make_view(), {"split": "val", "limit": 3}),
    "test": (make_view(), {"split": "test"}),
    "all30": (make_view(), {"labels": ALL_30}),
    "camvid11": (make_view(), {"labels": CAMVID_11}),
}


def dataset_pairs(folder):
    """Hashes of the uint8 windows, image and target, of even and of odd frames."""
    pairs = {}
    close = {}
    for height, width in ((64, 96), (61, 93)):
        root = small_root(folder / f"{height}x{width}", (height, width))
        for name, (view, options) in DATASETS.items():
            dataset = make_dataset(root, view, **options)
            for epoch in (0, 1) if dataset.augment else (0,):
                dataset.epoch = epoch
                found = [dataset.pair(number) for number in range(len(dataset))]
                hashes = [[digest(image), digest(target)] for image, target in found]
                pairs[f"{name}, {height}x{width}, epoch {epoch}"] = hashes
        image, target = make_dataset(root, make_view())[0]
        close[f"{height}x{width}"] = summary(image)
        pairs[f"tensor, {height}x{width}"] = digest(target)
    return {"exact": pairs, "close": close}


def cached_pairs(folder):
    """With a cache: whole frames from which random crops are cut, and center crops."""
    root = small_root(folder / "city")
    pairs = {}
    for name, augment in (("random", True), ("center", False)):
        dataset = add_cache(make_dataset(root, make_view(), augment=augment), cropped=not augment)
        found = [dataset.pair(number) for number in range(len(dataset))]
        pairs[name] = [[digest(image), digest(target)] for image, target in found]
    return {"exact": pairs}


def label_tables(folder):
    values = {}
    for name, labels in LABEL_SETS.items():
        train_ids = [*range(len(labels)), 255]
        category_names, category_of_class = category_groups(labels)
        values[name] = {
            "names": list(labels.names),
            "encode": labels.encode(np.arange(-1, 34)).tolist(),
            "decode": labels.decode(train_ids).tolist(),
            "colors": labels.colorize(train_ids).tolist(),
            "categories": list(category_names),
            "groups": list(category_of_class),
        }
    return {"exact": values}


def sample_city(folder):
    """One generated frame: labels and polygons, and the mean colors of 4 x 2 blocks of it."""
    write_frame(folder, "val", 2, 1)
    exact = {}
    for path in sorted((folder / "gtFine").rglob("*")):
        kind = path.name.split("_gtFine_")[-1]
        if path.suffix == ".png":
            with Image.open(path) as picture:
                exact[kind] = digest(np.asarray(picture))
        elif path.suffix == ".json":
            polygons = np.frombuffer(json.dumps(json.loads(path.read_text())).encode(), np.uint8)
            exact[kind] = digest(polygons)
    (path,) = (folder / "leftImg8bit").rglob("*.png")
    exact["image"] = path.relative_to(folder).as_posix()
    with Image.open(path) as picture:
        blocks = np.asarray(picture).reshape(2, 512, 4, 512, 3)
    return {"exact": exact, "gray levels": {"blocks": plain(blocks.mean((1, 3)).round(2))}}


# --- Scores ---------------------------------------------------------------------------------------


def confusion(folder):
    random = np.random.default_rng(3)
    truth = random.integers(0, 19, (40, 50))
    prediction = np.where(random.random(truth.shape) < 0.6, truth, random.integers(0, 17, (40, 50)))
    # Class 18 is nowhere, class 4 only predicted; some pixels have no truth, some no prediction.
    truth[truth == 18] = 0
    truth[truth == 4] = 5
    prediction[prediction == 18] = 1
    truth[:4] = 255
    prediction[:, :3] = 255
    exact = {}
    for kind, convert in (("arrays", np.uint8), ("tensors", torch.from_numpy)):
        matrix = ConfusionMatrix(19)
        matrix.update(convert(prediction[:20]), convert(truth[:20]))
        matrix.update(convert(prediction[20:]), convert(truth[20:]))
        exact[kind] = {
            "matrix": matrix.matrix.tolist(),
            "missed": matrix.counts[:, -1].tolist(),
            "iou": plain(matrix.iou()),
            "class accuracy": plain(class_accuracy(matrix)),
            "mean iou": matrix.mean_iou(),
            "mean class accuracy": float(np.nanmean(class_accuracy(matrix))),
            "pixel accuracy": matrix.pixel_accuracy(),
            "frequency weighted": frequency_weighted_iou(matrix),
        }
    return {"exact": exact}


def class_accuracy(matrix: ConfusionMatrix) -> np.ndarray:
    """The share of each class's pixels that were found; nan for an absent class."""
    with np.errstate(invalid="ignore"):
        return np.diag(matrix.matrix) / matrix.counts.sum(axis=1)


def frequency_weighted_iou(matrix: ConfusionMatrix) -> float:
    """The IoU of the classes that occur, weighted by their share of the labeled pixels."""
    pixels = matrix.counts.sum(axis=1)
    occurs = pixels > 0
    return float((matrix.iou()[occurs] * pixels[occurs]).sum() / pixels.sum())


def losses(folder):
    """Sum over the labeled pixels, and their number."""
    logits = numbers(2, 19, 8, 9)
    target = torch.from_numpy(np.random.default_rng(2).integers(0, 19, (2, 8, 9)))
    target[0, :5] = 255
    weight = torch.linspace(0.5, 2, 19)
    cases = {
        "plain": pixel_loss(logits, target),
        "weighted": WeightedLoss(weight)(logits, target),
        "void": pixel_loss(logits, torch.full_like(target, 255)),
    }
    return {"close": {name: [float(loss), int(n)] for name, (loss, n) in cases.items()}}


def evaluation(folder):
    root = small_root(folder / "city")
    cases = {
        "crop": (make_view(), make_unet()),
        "frame": (make_view("frame", padding="same"), make_unet(padding="same", norm="batch")),
    }
    exact = {}
    close = {}
    counts = {}
    scores = {}
    for name, (view, model) in cases.items():
        # Batches of two frames of five: the two averages of the loss differ.
        dataset = make_dataset(root, view, "val")
        batches = DataLoader(dataset, batch_size=2)
        found = evaluate(fill(model), batches, dataset.label_set, per_frame=True)
        exact[name] = {"pixels": found.pixels, "frames": len(found.per_frame)}
        close[name] = {"per pixel": found.loss_per_pixel, "per batch": found.loss_per_batch}
        counts[name] = found.confusion.matrix.ravel().tolist()
        scores[name] = {"iou": plain(found.iou), "rest": [found.mean_iou, found.pixel_accuracy]}
    return {"exact": exact, "close": close, "counts": counts, "scores": scores}


def exact_evaluation(folder):
    """A model whose rounding cannot matter, so that every pixel is asked for."""
    dataset = make_dataset(small_root(folder / "city"), make_view(padding="same"), "val")
    dataset.mean = GRAY_MEAN
    dataset.std = GRAY_STD
    batches = DataLoader(dataset, batch_size=2)
    found = evaluate(nearest_gray(), batches, dataset.label_set, per_frame=True)
    exact = {
        "matrix": found.confusion.matrix.tolist(),
        "iou": plain(found.iou),
        "mean iou": found.mean_iou,
        "pixel accuracy": found.pixel_accuracy,
        "pixels": found.pixels,
        "mean iou of each frame": plain([frame.mean_iou() for frame in found.per_frame]),
    }
    close = {"per pixel": found.loss_per_pixel, "per batch": found.loss_per_batch}
    return {"exact": exact, "close": close}


def submission(folder):
    """Pixels, names and order; not the bytes of the PNGs, which depend on the version of zlib."""
    root = small_root(folder / "city")
    rows = find_rows(root, "val")[:3]
    view = make_view(padding="same")
    info = make_info(view) | {"mean": GRAY_MEAN, "std": GRAY_STD}
    model = nearest_gray()
    written = write_submission(model, info, rows, root, folder / "out", progress=False)
    train_ids = np.array([[*range(19), 255]], np.uint8)
    written.append(write_prediction(train_ids, folder / "out" / "table.png"))
    exact = {}
    for path in written:
        with Image.open(path) as picture:
            exact[path.name] = [picture.mode, digest(np.asarray(picture))]
    archive = zip_submission(folder / "out", folder / "out.zip")
    with zipfile.ZipFile(archive) as stored:
        exact["zip"] = [
            [entry.filename, list(entry.date_time), entry.compress_type]
            for entry in stored.infolist()
        ]
        same = [stored.read(path.name) == path.read_bytes() for path in written]
        exact["the zip holds the files"] = same
    return {"exact": exact}


# --- Training -------------------------------------------------------------------------------------

RUNS = {
    "crops without padding": {"name": "crops", "dropout": 0.0},
    "frames, batch norm, augmented": {
        "name": "frames",
        "view": "frame",
        "padding": "same",
        "norm": "batch",
        "dropout": 0.0,
        "augment": True,
        "schedule": "cosine",
        "label_set": "all30",
        "seed": 4,
    },
    "accumulated, dropout": {
        "name": "accumulated",
        "padding": "same",
        "dropout": 0.5,
        "accumulate": 2,
        "augment": True,
        "schedule": "poly",
        "mean": MEAN,
        "std": STD,
    },
}


def training(folder):
    root = small_root(folder / "city", train=24)
    exact = {}
    close = {}
    scores = {}
    with own_folders(folder):
        for name, changes in RUNS.items():
            run = make_run(root, **changes)
            with numpy_dropout():
                history = run.fit()
            exact[name] = {
                "batches": [run.batches(epoch) for epoch in range(3)],
                "rates": [run.learning_rate(step) for step in range(run.steps_per_epoch * 2)],
                "statistics": [list(run.config.mean), list(run.config.std)],
            }
            weights = torch.cat([weight.detach().flatten() for weight in run.model.parameters()])
            close[name] = {
                "train loss": [row["train_loss"] for row in history],
                "val loss": [row["val_loss"] for row in history],
                "weights": short(weights.abs().mean()),
            }
            scores[name] = {
                "mean iou": [row["val_mean_iou"] for row in history],
                "pixel accuracy": [row["val_pixel_accuracy"] for row in history],
            }
    return {"exact": exact, "close": close, "scores": scores}


class Interrupted(Exception):
    """Stands for the reader who stops a training."""


def resume(folder):
    """A run stopped after its first epoch and taken up again, beside one that nobody disturbed."""
    root = small_root(folder / "city")
    changes = RUNS["accumulated, dropout"] | {"norm": "batch"}

    def interrupt(history):
        raise Interrupted

    with own_folders(folder):
        whole = make_run(root, **changes | {"name": "whole"})
        whole.fit()
        first = make_run(root, **changes | {"name": "stopped"})
        try:
            first.fit(interrupt)
        except Interrupted:
            done = len(first.history)
        second = make_run(root, **changes | {"name": "stopped"})
        second.fit()
    one = [whole.model.state_dict(), whole.optimizer.state_dict()]
    other = [second.model.state_dict(), second.optimizer.state_dict()]
    exact = {
        "epochs before the stop": done,
        "history": second.history == whole.history,
        "weights": same_bits(one[0], other[0]),
        "optimizer": same_bits(one[1], other[1]),
    }
    return {"exact": exact}


def same_bits(one, other) -> bool:
    """Whether nested dicts, lists and tensors are equal to the last bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_bits(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(same_bits(a, b) for a, b in zip(one, other))
    return one == other


ENTRIES = {
    function.__name__: function
    for function in (
        unet_logits,
        unet_gradients,
        fcn_logits,
        initial_weights,
        sizes,
        shipped_checkpoint,
        whole_frames,
        tiles,
        statistics,
        index,
        dataset_pairs,
        cached_pairs,
        label_tables,
        sample_city,
        confusion,
        losses,
        evaluation,
        exact_evaluation,
        submission,
        training,
        resume,
    )
}


def entry(name: str, folder: Path) -> dict:
    """The values of one entry, as JSON gives them back."""
    with own_folders(folder):
        return json.loads(json.dumps(ENTRIES[name](folder), allow_nan=False))
