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

from helpers.checkpoints import load_model
from helpers.csv_index import Row, find_rows, read_csv
from helpers.dataset import normalize, read_pair
from helpers.device import amp_dtype, find_device
from helpers.files import atomic_file
from helpers.images import read_photograph
from helpers.inference import assemble, tile_logits
from helpers.labels import IGNORE, check_classes
from helpers.metrics import ConfusionMatrix
from helpers.paths import cache_dir, find_root
from helpers.progress import progress_bar
from helpers.sizes import require
from helpers.windows import reduce_image

ORDERS = ("as listed", "worst first", "most uncertain first", "most of a class")


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
    ):
        self.model, self.info = load_model(checkpoint, find_device())
        self.name, self.whole, self.label_set = Path(checkpoint).stem, whole, self.info["label_set"]
        self.photos, self.root = photos is not None, "" if photos is not None else find_root(root)
        self.rows = self._find_rows(split, csv, photos)
        require(1, 1e9, limit=limit)
        self.rows = self.rows[:limit]
        self.can_keep = True  # until writing the cache fails
        self.load = lru_cache(8)(self._load)
        self.scores, self.doubt, self.pixels, self.problems = {}, {}, {}, {}
        for index in progress_bar(range(len(self.rows)), "predict", progress):
            try:
                frame = self._load(index)
            except (OSError, ValueError) as error:
                self.problems[index] = str(error)
                continue
            self.scores[index] = ConfusionMatrix(len(self.label_set))
            self.scores[index].update(frame.classes[0], frame.truth)
            self.doubt[index] = 1 - float(frame.chances[0].mean()) / 255
            seen = frame.truth if np.any(frame.truth != IGNORE) else frame.classes[0]
            self.pixels[index] = np.bincount(seen.ravel(), minlength=256)[: len(self.label_set)]
        if not self.scores:
            raise ValueError(
                "there is no frame to show:\n  " + "\n  ".join([*self.problems.values()][:5])
            )

    def _find_rows(self, split: str, csv, photos) -> list[Row]:
        if self.photos:
            if isinstance(photos, (str, Path)) or not photos:
                raise ValueError(f"photos is a list of paths, found {photos!r}")
            return [Row(str(p), "", "photograph", Path(p).stem) for p in photos]
        check_classes(self.label_set, self.root)
        return find_rows(self.root, split) if csv is None else read_csv(csv)

    def title(self, index: int) -> str:
        return f"{self.rows[index].city} {self.rows[index].frame}"

    def total(self) -> ConfusionMatrix:
        """The confusion matrix of all frames, as helpers.evaluate counts it."""
        result = ConfusionMatrix(len(self.label_set))
        result.counts = sum(score.counts for score in self.scores.values())
        return result

    def sequence(self, order: str = ORDERS[0], focus: int = 0) -> list[int]:
        """Row numbers in one of ORDERS; `focus` is the train id for "most of a class". Frames
        without truth go last.
        """
        keys = {
            "as listed": lambda i: i,
            "worst first": lambda i: np.nan_to_num(self.scores[i].mean_iou(), nan=2.0),
            "most uncertain first": lambda i: -self.doubt[i],
            "most of a class": lambda i: -self.pixels[i][focus],
        }
        return sorted(self.scores, key=keys[order])

    def _read(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        if not self.photos:
            return read_pair(row, self.root, self.info["view"], self.label_set)
        image = read_photograph(row.image)
        image = reduce_image(image, self.info["view"].factor(len(image)))
        return image, np.zeros(image.shape[:2], np.uint8)

    def _load(self, index: int) -> Frame:
        """The frame of a row, from the disk or by predicting it; raises OSError or ValueError
        naming a bad source.
        """
        row = self.rows[index]
        plan = [self.info["sha256"], asdict(self.info["view"]), self.whole, str(self.root), row]
        key = hashlib.sha256(json.dumps(plan).encode()).hexdigest()
        folder = cache_dir() / "predictions" / f"{self.name}-{self.info['sha256'][:8]}"
        path = folder / f"{key[:24]}.npz"

        sources = self._state_of_sources(row)
        stack = _stored(path, sources)
        if stack is None:
            stack = self._predict(row)
            self._keep(path, stack, sources)
        return Frame(stack[:3].transpose(1, 2, 0), stack[3], stack[4:7], stack[7:])

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
        view, (image, label) = self.info["view"], self._read(row)
        if view.kind == "frame" or self.whole:
            logits = assemble(tile_logits(self.model, image, self.info), *label.shape)
            truth = self.label_set.encode(label)
        else:
            window, label = view.pair(image, label)
            truth = np.where(
                label == IGNORE, IGNORE, self.label_set.encode(np.where(label == IGNORE, 0, label))
            )
            device = next(self.model.parameters()).device
            inputs = normalize(window, self.info["mean"], self.info["std"])[None].to(device)
            half = amp_dtype(device)
            with torch.autocast(device.type, half, enabled=half is not None):
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
