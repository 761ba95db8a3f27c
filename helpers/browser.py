"""The prediction browser: any frame beside its truth and what a network makes of it. Chapter 09 uses it.

`Predictions` is plain Python: it predicts a split once, keeps the result on disk and sorts the frames. What is shown
is painted by helpers.extra.views; `PredictionBrowser` puts the sliders in front, and writes it all as one HTML page.
"""
import base64
import hashlib
import json
import os
from dataclasses import asdict
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import torch

from helpers.checkpoints import load_model
from helpers.csv_index import Row
from helpers.dataset import normalize, read_pair
from helpers.device import amp_dtype, find_device
from helpers.evaluate import dataset_for
from helpers.inference import assemble, tile_logits
from helpers.labels import IGNORE
from helpers.metrics import ConfusionMatrix
from helpers.paths import cache_dir, find_root, runs_dir, shown, write_atomically
from helpers.progress import progress_bar
from helpers.windows import reduce_image

ORDERS = ("as listed", "worst first", "most uncertain first", "most of a class")


class Frame(NamedTuple):
    """Arrays of uint8: image [h, w, 3]; truth, train ids [h, w]; best three classes and their chances in 255ths."""

    image: np.ndarray
    truth: np.ndarray
    classes: np.ndarray
    chances: np.ndarray


class Predictions:
    """What one checkpoint predicts for the frames of a split (or for `photos`, a list of paths), predicted once.

    Crops or reduced frames, as the checkpoint's view says; `whole=True` shows all of a frame to a network of crops.
    A frame is kept on disk as uint8 [10, h, w], keyed by the checkpoint's hash and the sources; only eight stay in
    memory. Frames that cannot be read are left out and named in `.problems`.
    """

    def __init__(self, checkpoint, root=None, split="val", csv=None, photos=None, whole=False, limit=None,
                 progress=True):
        self.model, self.info = load_model(checkpoint, find_device())
        self.name, self.whole, self.label_set = Path(checkpoint).stem, whole, self.info["label_set"]
        self.photos, self.root = photos is not None, "" if photos is not None else find_root(root)
        self.rows = ([Row(str(p), "", "photograph", Path(p).stem) for p in photos][:limit] if self.photos else
                     dataset_for(self.info, self.root, split, csv, limit).rows)
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
            self.pixels[index] = np.bincount(seen.ravel(), minlength=256)[:len(self.label_set)]
        if not self.scores:
            raise ValueError("there is no frame to show:\n  " + "\n  ".join([*self.problems.values()][:5]))

    def title(self, index: int) -> str:
        return f"{self.rows[index].city} {self.rows[index].frame}"

    def total(self) -> ConfusionMatrix:
        """The confusion matrix of all frames, as helpers.evaluate counts it."""
        result = ConfusionMatrix(len(self.label_set))
        result._counts = sum(score.counts for score in self.scores.values())
        return result

    def sequence(self, order: str = ORDERS[0], focus: int = 0) -> list[int]:
        """Row numbers in one of ORDERS; `focus` is the train id for "most of a class". Frames without truth go last."""
        keys = {"as listed": lambda i: i,
                "worst first": lambda i: np.nan_to_num(self.scores[i].mean_iou(), nan=2.0),
                "most uncertain first": lambda i: -self.doubt[i],
                "most of a class": lambda i: -self.pixels[i][focus]}
        return sorted(self.scores, key=keys[order])

    def _read(self, row: Row) -> tuple[np.ndarray, np.ndarray]:
        if not self.photos:
            return read_pair(row, self.root, self.info["view"], self.label_set)
        from helpers.extra.photographs import read_photograph
        image = read_photograph(row.image)
        image = reduce_image(image, self.info["view"].factor(len(image)))
        return image, np.zeros(image.shape[:2], np.uint8)

    def _load(self, index: int) -> Frame:
        """The frame of a row, from the disk or by predicting it; raises OSError or ValueError naming a bad source."""
        row = self.rows[index]
        sources = [Path(self.root, name) for name in (row.image, row.label) if name]
        plan = [self.info["sha256"], asdict(self.info["view"]), self.whole, [str(p) for p in sources],
                [[(s := os.stat(p)).st_size, s.st_mtime_ns] for p in sources]]
        key = hashlib.sha256(json.dumps(plan).encode()).hexdigest()
        path = cache_dir() / "predictions" / f"{self.name}-{self.info['sha256'][:8]}" / f"{key[:24]}.npy"
        if not path.is_file():
            def write(temporary):
                with open(temporary, "wb") as file:
                    np.save(file, self._predict(row))

            write_atomically(path, write)
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
            truth = np.where(label == IGNORE, IGNORE, self.label_set.encode(np.where(label == IGNORE, 0, label)))
            device = next(self.model.parameters()).device
            with torch.autocast(device.type, amp_dtype(device), enabled=amp_dtype(device) is not None):
                logits = self.model(normalize(window, self.info["mean"], self.info["std"])[None].to(device))[0].float()
            image = window[view.margin:, view.margin:][: len(truth), : len(truth)]
        total, classes, chances = logits.logsumexp(0, keepdim=True), [], []
        for _ in range(3):  # by argmax, as evaluation does; topk breaks ties otherwise
            classes.append(logits.argmax(0, keepdim=True))
            chances.append((logits.gather(0, classes[-1]) - total).exp().mul(255).round())
            logits = logits.scatter(0, classes[-1], -torch.inf)
        stack = [image.transpose(2, 0, 1), truth[None], *(t.cpu().numpy() for t in classes + chances)]
        return np.concatenate(stack).astype(np.uint8)


def _control(name: str) -> property:
    """Reading and setting `browser.order` reads and moves the control itself, so its callback runs."""
    return property(lambda self: self.controls[name].value,
                    lambda self, value: setattr(self.controls[name], "value", value))


class PredictionBrowser(widgets.VBox):
    """Sliders and menus in front of `Predictions`; pictures change by `Image.value`, so every front end shows them.

    `compare` is a second checkpoint with the same view and classes; the other options are those of Predictions. What
    the controls do, code does too: `browser.order = "worst first"`, `browser.position = 3`, `browser.opacity = 0.3`.
    """

    position, order, focus, view, checkpoint = map(_control, ("position", "order", "focus", "view", "checkpoint"))
    opacity, outlines, zoom, row, column, mark = map(_control, ("opacity", "outlines", "zoom", "row", "column", "mark"))
    _ipython_display_ = None  # ipywidgets 7 has this method; it would keep the contact sheet out of notebooks

    def __init__(self, checkpoint, root=None, split="val", compare=None, **options):
        from helpers.extra import controls, views
        self.parts, self.views = controls, views
        self.predictions = [Predictions(c, root, split, **options) for c in (checkpoint, compare) if c]
        first, last = self.predictions[0], self.predictions[-1]
        if first.label_set != last.label_set or first.info["view"] != last.info["view"]:
            raise ValueError(f"{compare} has {last.info['view']} and {len(last.label_set)} classes, {checkpoint} has "
                             f"{first.info['view']} and {len(first.label_set)}: only like can be compared with like")
        self.image, self.caption, self.readout, self.notice = controls.outputs()
        self.controls, self.switches, self.numbers = controls.inputs(self.predictions)
        self.slider, self._quiet = self.controls["position"], False
        super().__init__(controls.arrange(self))
        for control in (*self.controls.values(), *self.switches):
            control.observe(self._changed, "value")
        self._draw()

    @property
    def state(self):
        """What is to be shown, a helpers.extra.views.State read off the controls."""
        hidden = frozenset(i for i, switch in enumerate(self.switches) if not switch.value)
        return self.views.State(hidden=hidden, **{name: control.value for name, control in self.controls.items()})

    def switch(self, names) -> None:
        """Show only the classes in `names`."""
        self._quiet = True
        for switch in self.switches:
            switch.value = switch.description in names
        self._quiet = False
        self._draw()

    def save(self, path=None) -> Path:
        """Write the picture as it is shown, as PNG, and return its path (in runs/views/ unless given)."""
        title = f"{self.predictions[0].title(self.views.index_of(self.predictions, self.state))} {self.view}"
        path = Path(path or runs_dir() / "views" / f"{title.replace(' ', '_')}.png")
        data = self.views.encode(self.views.picture(self.predictions, self.state), "png")
        write_atomically(path, lambda temporary: temporary.write_bytes(data))
        self.notice.value = f"saved as {escape(shown(path))}"
        return path

    def to_html(self, path, frames: int = 12) -> Path:
        """Write one self-contained page with the first `frames` frames of the chosen order; no kernel, no network."""
        from helpers.extra.page import write_page
        return write_page(path, self.predictions, self.state, frames)

    def _changed(self, change) -> None:
        if self._quiet:
            return
        c = self.controls
        if change["owner"] in (c["order"], c["focus"]) and self.position:
            self.position = 0  # its own change draws
        elif change["owner"] in (c["row"], c["column"]) and not self.mark:
            self.mark = True
        else:
            self._draw()

    def _draw(self) -> None:
        self.parts.skip_unreadable(self)
        state, views = self.state, self.views
        self.image.value = views.encode(views.picture(self.predictions, state))
        caption = escape(views.caption(self.predictions, state))
        self.caption.value = f'<div role="status" aria-live="polite" style="line-height:1.4">{caption}</div>'
        self.readout.value = escape(views.readout(self.predictions, state))
        for number, (_, color, ious) in zip(self.numbers, views.legend(self.predictions, state)):
            number.value = f'<span style="border:1px solid;background:{color}">&emsp;</span> {ious}'
        self.controls["focus"].disabled = state.order != ORDERS[3]

    def __repr__(self) -> str:
        return f"PredictionBrowser: {self.views.caption(self.predictions, self.state)}"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The live widget, and a contact sheet for pages without a kernel."""
        sheet = base64.b64encode(self.views.contact_sheet(self.predictions, self.state)).decode()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {"text/plain": repr(self), "image/png": sheet, "application/vnd.jupyter.widget-view+json": view}
