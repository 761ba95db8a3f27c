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
from helpers.labels import IGNORE
from helpers.metrics import ConfusionMatrix
from helpers.paths import cache_dir, find_root
from helpers.progress import progress_bar
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
    and the sources; only eight stay in memory. Frames that cannot be read are left out and named in
    `.problems`.
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
        if self.photos:
            self.rows = [Row(str(p), "", "photograph", Path(p).stem) for p in photos][:limit]
        elif csv is not None:
            self.rows = read_csv(csv)[:limit]
        else:
            self.rows = find_rows(self.root, split)[:limit]
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
        sources = [Path(self.root, name) for name in (row.image, row.label) if name]
        plan = [
            self.info["sha256"],
            asdict(self.info["view"]),
            self.whole,
            [str(p) for p in sources],
            [[(s := os.stat(p)).st_size, s.st_mtime_ns] for p in sources],
        ]
        key = hashlib.sha256(json.dumps(plan).encode()).hexdigest()
        path = (
            cache_dir()
            / "predictions"
            / f"{self.name}-{self.info['sha256'][:8]}"
            / f"{key[:24]}.npy"
        )
        if not path.is_file():
            stack = self._predict(row)
            with atomic_file(path) as temporary, open(temporary, "wb") as file:
                np.save(file, stack)
        stack = np.load(path)
        return Frame(stack[:3].transpose(1, 2, 0), stack[3], stack[4:7], stack[7:])

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
