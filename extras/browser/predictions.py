"""What a checkpoint predicts for a split, kept on disk and sorted: the model behind the widget
(chapter 09).
"""

import hashlib
import json
import os
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import extras.training_tools.pretrained  # noqa: F401 (its networks can be loaded, too)
from helpers.checkpoints import load_for_frames
from helpers.csv_index import Row, find_rows, read_csv
from helpers.dataset import normalize, read_pair
from helpers.device import find_device, mixed_precision
from helpers.files import atomic_file
from helpers.images import read_photograph
from helpers.inference import for_photograph, scaled_logits
from helpers.labels import IGNORE, check_classes
from helpers.metrics import ConfusionMatrix
from helpers.paths import cache_dir, find_root, shown
from helpers.progress import progress_bar
from helpers.sizes import require
from helpers.windows import reduce_image

ORDERS = (
    "as listed",
    "worst first",
    "most wrong pixels first",
    "most uncertain first",
    "most of a class",
    "most of a mistake",
    "most disagreement",
)


class Frame(NamedTuple):
    """Arrays of uint8: image [h, w, 3]; truth, train ids [h, w]; best three classes and their
    chances in 255ths.
    """

    image: np.ndarray
    truth: np.ndarray
    classes: np.ndarray
    chances: np.ndarray


class Predictions:
    """What one checkpoint predicts for the frames of a split (or for `photos`, a list of paths),
    predicted once.

    Crops or reduced frames, as the checkpoint's view says; `whole=True` shows all of a frame to a
    network of crops. A frame is kept on disk as uint8 [10, h, w], keyed by the checkpoint's hash
    and the row; only eight stay in memory. What is kept and damaged, or older than its sources, is
    predicted again. Frames that cannot be read are left out and named in `.problems`.

    `beside` are the predictions of another checkpoint for the same frames: where the two networks
    see frames of different sizes, these are shown and scored at the size of the other's.
    Photographs are normalized with their own mean and deviation, which serves those from elsewhere
    best (benchmarks/photographs.py); `photo_statistics="checkpoint"` takes the checkpoint's.
    """

    def __init__(
        self,
        checkpoint,
        root=None,
        split="val",
        csv=None,
        photos=None,
        whole=False,
        limit=None,
        progress=True,
        beside=None,
        photo_statistics="own",
    ):
        if photo_statistics not in ("checkpoint", "own"):
            raise ValueError(
                f'photo_statistics is "checkpoint" or "own", found {photo_statistics!r}'
            )
        self.model, self.info = load_for_frames(checkpoint, find_device())
        self.name, self.whole, self.label_set = Path(checkpoint).stem, whole, self.info["label_set"]
        if beside is not None and beside.name == self.name:  # runs/one/best.pt and runs/two/best.pt
            names = [Path(path).absolute().parts[-2:] for path in (beside.checkpoint, checkpoint)]
            beside.name, self.name = (f"{run}/{Path(file).stem}" for run, file in names)
        self.checkpoint = checkpoint
        self.photo_statistics = photo_statistics
        self.beside = beside
        if beside is not None:
            self._check_likeness()
        self.root = "" if photos is not None else find_root(root)
        self.rows = self._find_rows(split, csv, photos)
        require(1, 1e9, limit=limit)
        self.rows = self.rows[:limit]
        self.can_keep = True  # until writing the cache fails
        self.load = lru_cache(8)(self._load)

        # What is known of each frame that can be shown, by the number of its row.
        self.scores = {}  # ConfusionMatrix
        self.doubt = {}  # one minus the average probability of the predicted class
        self.pixels = {}  # how many pixels each class has, in the truth where there is one
        self.differs = {}  # the share of pixels that the network beside calls something else
        self.problems = {}  # why a frame is left out
        for index in progress_bar(range(len(self.rows)), "predict", progress):
            try:
                self._measure(index)
            except (OSError, ValueError) as error:
                self.problems[index] = str(error)
        if not self.scores:
            raise ValueError(
                "there is no frame to show:\n  " + "\n  ".join([*self.problems.values()][:5])
            )

    def _check_likeness(self) -> None:
        """Raises ValueError if the two networks do not see the same part or know other classes."""
        views = [p.info["view"] for p in (self, self.beside)]
        crops = {view.size for view in views if view.kind == "crop" and not self.whole}
        same_part = len({view.kind for view in views}) == 1 and len(crops) < 2
        if self.label_set != self.beside.label_set or not same_part:
            found = [
                f"{one.name} has {one.info['view']} and {len(one.label_set)} classes"
                for one in (self, self.beside)
            ]
            raise ValueError(f"only like can be compared with like: {', '.join(found)}")

    def _measure(self, index: int) -> None:
        """Predict a frame, unless it is on the disk, and note what the orders go by."""
        frame = self._load(index)
        prediction = frame.classes[0]
        labeled = frame.truth != IGNORE
        score = ConfusionMatrix(len(self.label_set))
        score.update(prediction, frame.truth)
        self.scores[index] = score
        self.doubt[index] = 1 - float(frame.chances[0].mean()) / 255

        seen = frame.truth if labeled.any() else prediction
        self.pixels[index] = np.bincount(seen.ravel(), minlength=256)[: len(self.label_set)]
        if self.beside is not None:
            asked = labeled if labeled.any() else ~labeled
            other = self.beside.load(index).classes[0]
            self.differs[index] = float((prediction != other)[asked].mean())

    def add_photograph(self, path) -> int:
        """Add a picture of one's own, which has no truth; returns the number of its row.

        Raises OSError or ValueError, naming the file, if it cannot be read.
        """
        self.rows = [*self.rows, photograph_row(path)]
        try:
            self._measure(len(self.rows) - 1)
        except (OSError, ValueError):
            self.rows = self.rows[:-1]
            raise
        return len(self.rows) - 1

    def _find_rows(self, split: str, csv, photos) -> list[Row]:
        if photos is not None:
            if isinstance(photos, (str, Path)) or not photos:
                raise ValueError(f"photos is a list of paths, found {photos!r}")
            return [photograph_row(path) for path in photos]
        check_classes(self.label_set, self.root)
        return find_rows(self.root, split) if csv is None else read_csv(csv)

    def title(self, index: int) -> str:
        return f"{self.rows[index].city} {self.rows[index].frame}".strip()

    def total(self) -> ConfusionMatrix:
        """The confusion matrix of all frames, as helpers.evaluate counts it."""
        result = ConfusionMatrix(len(self.label_set))
        result.counts = sum(score.counts for score in self.scores.values())
        return result

    def frame_iou(self, index: int) -> float:
        """The mean IoU over the classes that are in the frame; nan without a truth.

        The plain mean also counts classes that are only called, with 0: one stray pixel of a class
        that is not there then costs as much as a bus that was missed.
        """
        score = self.scores[index]
        there = score.counts.sum(axis=1) > 0
        return float(score.iou()[there].mean()) if there.any() else float("nan")

    def wrong_pixels(self, index: int) -> int:
        counts = self.scores[index].counts
        return int(counts.sum() - np.trace(counts))

    def mistakes(self, index: int, is_class: int, called: int) -> int:
        """How many pixels of the one class are called the other."""
        return int(self.scores[index].matrix[is_class, called])

    def sequence(self, order: str = ORDERS[0], focus: int = 0, called: int = 0) -> list[int]:
        """Row numbers in one of ORDERS; frames without truth go last.

        `focus` is the train id for "most of a class"; for "most of a mistake", `called` is what
        `focus` is called. These two leave out the frames that have none of it.
        """
        if order == "most of a class":
            many = {i: self.pixels[i][focus] for i in self.scores}
        elif order == "most of a mistake":
            many = {i: self.mistakes(i, focus, called) for i in self.scores}
        else:
            keys = {
                "as listed": lambda i: i,
                "worst first": lambda i: np.nan_to_num(self.frame_iou(i), nan=2.0),
                "most wrong pixels first": lambda i: np.nan_to_num(
                    self.scores[i].pixel_accuracy(), nan=2.0
                ),
                "most uncertain first": lambda i: -self.doubt[i],
                "most disagreement": lambda i: -self.differs.get(i, 0),
            }
            return sorted(self.scores, key=keys[order])
        return sorted((i for i in many if many[i] > 0), key=lambda i: -many[i])

    def _read(self, row: Row) -> tuple[np.ndarray, np.ndarray, dict, float]:
        """A row's picture and label ids, reduced, and how the network sees them: info and scale."""
        info, scale = self.info, 1.0
        if not is_photograph(row):
            return *read_pair(row, self.root, info["view"], self.label_set), info, scale
        image = read_photograph(row.image)
        if self.photo_statistics == "own":
            info, scale = for_photograph(image, info)
        image = reduce_image(image, info["view"].factor(len(image)))
        return image, np.zeros(image.shape[:2], np.uint8), info, scale

    def _load(self, index: int) -> Frame:
        """The frame of a row, from the disk or by predicting it; raises OSError or ValueError
        naming a bad source.
        """
        row = self.rows[index]
        plan = [self.info["sha256"], asdict(self.info["view"]), self.whole, str(self.root), row]
        if is_photograph(row):
            plan.append(f"{self.photo_statistics} statistics, at the training's height")
        key = hashlib.sha256(json.dumps(plan).encode()).hexdigest()
        name = f"{Path(self.checkpoint).stem}-{self.info['sha256'][:8]}"
        folder = cache_dir() / "predictions" / name
        path = folder / f"{key[:24]}.npz"

        if is_photograph(row) and not Path(row.image).is_file():
            raise FileNotFoundError(f"{shown(row.image)}: no such file; give the path of a picture")
        sources = self._state_of_sources(row)
        stack = _stored(path, sources)
        if stack is None:
            stack = self._predict(row)
            self._keep(path, stack, sources)
        frame = Frame(stack[:3].transpose(1, 2, 0), stack[3], stack[4:7], stack[7:])
        return frame if self.beside is None else at_size_of(self.beside.load(index), frame)

    def _state_of_sources(self, row: Row) -> list | None:
        """Size and time of change of a row's files; None if the whole data set is gone."""
        if not Path(self.root).exists():
            return None
        states = [os.stat(Path(self.root, name)) for name in (row.image, row.label) if name]
        return [[state.st_size, state.st_mtime_ns] for state in states]

    def _keep(self, path: Path, stack: np.ndarray, sources: list) -> None:
        """Write a prediction to the cache; where that fails, say so once and go on without."""
        if not self.can_keep:
            return
        try:
            with atomic_file(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, stack=stack, sources=sources)
        except OSError as error:
            self.can_keep = False
            print(f"{error}; until then frames are predicted again whenever they are shown")

    @torch.no_grad()
    def _predict(self, row: Row) -> np.ndarray:
        """uint8 [10, h, w]: image, truth, best three classes, their probabilities in 255ths."""
        image, label, info, scale = self._read(row)
        view = info["view"]
        if view.kind == "frame" or self.whole:
            logits = scaled_logits(self.model, image, info, scale)[0]
            truth = self.label_set.encode(label)
        else:
            window, label = view.pair(image, label)
            truth = np.where(
                label == IGNORE, IGNORE, self.label_set.encode(np.where(label == IGNORE, 0, label))
            )
            device = next(self.model.parameters()).device
            inputs = normalize(window, info["mean"], info["std"])[None].to(device)
            with mixed_precision(device):
                logits = self.model(inputs)[0].float()
            image = window[view.margin :, view.margin :][: len(truth), : len(truth)]
        total, classes, chances = logits.logsumexp(0, keepdim=True), [], []
        for _ in range(3):  # by argmax, as evaluation does; topk breaks ties otherwise
            classes.append(logits.argmax(0, keepdim=True))
            chances.append((logits.gather(0, classes[-1]) - total).exp().mul(255).round())
            logits = logits.scatter(0, classes[-1], -torch.inf)
        stack = [
            image.transpose(2, 0, 1),
            truth[None],
            *(t.cpu().numpy() for t in classes + chances),
        ]
        return np.concatenate(stack).astype(np.uint8)


def photograph_row(path) -> Row:
    """A picture of one's own as a row: it has no label and belongs to no city."""
    path = Path(path).expanduser()
    return Row(str(path.absolute()), "", "", path.stem)


def is_photograph(row: Row) -> bool:
    return not row.city


def at_size_of(other: Frame, frame: Frame) -> Frame:
    """`frame` as it is, or its classes at the size of `other`, over the picture and truth of that.

    Each pixel takes the class that stands at its place: classes are names, never averaged.
    """
    height, width = other.truth.shape
    if frame.truth.shape == (height, width):
        return frame
    rows = (2 * np.arange(height) + 1) * frame.truth.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * frame.truth.shape[1] // (2 * width)
    place = (slice(None), rows[:, None], columns)
    return Frame(other.image, other.truth, frame.classes[place], frame.chances[place])


def _stored(path: Path, sources: list | None) -> np.ndarray | None:
    """The prediction in a cache file, uint8 [10, h, w]; None if there is none of these sources.

    Reading compares the checksums of the zip file that it is. If the sources are gone altogether,
    what is stored is all there is.
    """
    try:
        with np.load(path) as stored:
            stack, of_sources = stored["stack"], stored["sources"].tolist()
    except Exception:  # a damaged zip file can raise nearly anything
        return None
    whole = stack.dtype == np.uint8 and stack.ndim == 3 and len(stack) == 10
    return stack if whole and sources in (None, of_sources) else None
