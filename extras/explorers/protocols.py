"""One set of predictions, many "mIoU": the switches that published numbers differ by, and an
explorer (chapter 08).

A protocol is four choices: what is averaged, what an absent class is worth, what happens to void
pixels, and which part of the frame is scored. The official one is ("pooled", "left out", "left
out", "whole frame").
"""

from itertools import product

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from extras.explorers.layers import Explorer
from helpers.labels import IGNORE

AVERAGE = ("pooled", "per image", "per batch")
ABSENT = ("left out", "as 0", "as 1")
VOID = ("left out", "as false alarms", "as a class")
REGION = ("whole frame", "center crop")
OFFICIAL = ("pooled", "left out", "left out", "whole frame")


def count(prediction: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """int64 [classes + 1, classes + 1], rows truth, columns prediction, the last of each is void
    (255).

    Unlike ConfusionMatrix it keeps the row of the void pixels, which some protocols count.
    """
    size = classes + 1
    rows = np.where(truth == IGNORE, classes, truth).astype(np.int64).ravel()
    columns = np.where(prediction == IGNORE, classes, prediction).astype(np.int64).ravel()
    return np.bincount(rows * size + columns, minlength=size**2).reshape(size, size)


def class_scores(table: np.ndarray, absent: str, void: str) -> np.ndarray:
    """IoU of each class from one table of `count`, float64; one entry more where void counts as a
    class.
    """
    classes = len(table) if void == "as a class" else len(table) - 1
    hits = np.diag(table)[:classes].astype(np.float64)
    union = table[:classes].sum(1) + table[:classes, :classes].sum(0) - hits
    if void == "as false alarms":
        union += table[-1, :classes]
    value = {"left out": np.nan, "as 0": 0.0, "as 1": 1.0}[absent]
    return np.divide(hits, union, out=np.full(classes, value), where=union > 0)


def groups(tables, average: str, batch: int = 4) -> list[np.ndarray]:
    """The tables that are scored one by one: their sum, each alone, or the sums of consecutive
    batches.
    """
    size = {"pooled": len(tables), "per image": 1, "per batch": batch}[average]
    return [np.sum(tables[i : i + size], axis=0) for i in range(0, len(tables), size)]


def score(tables, average: str, absent: str, void: str, batch: int = 4) -> float:
    """The "mIoU" of some frames: the mean over groups of the mean over classes; nan if nothing can
    be scored.
    """
    means = []
    for table in groups(tables, average, batch):
        iou = class_scores(table, absent, void)
        if not np.isnan(iou).all():
            means.append(np.nanmean(iou))
    return float(np.mean(means)) if means else float("nan")


def all_scores(tables: dict, batch: int = 4) -> dict:
    """Every protocol's score: (average, absent, void, region) -> number. `tables[region]` holds the
    frames' tables.
    """
    return {
        (average, absent, void, region): score(tables[region], average, absent, void, batch)
        for average, absent, void, region in product(AVERAGE, ABSENT, VOID, REGION)
    }


def as_text(scores: dict) -> str:
    """All scores as a table for reading: a row for what is averaged and absent, a column for void
    and region.
    """
    columns = f"{'void: out':>12s}{'false alarm':>12s}{'a class':>12s}"
    lines = [
        f"{'':22s}" + "".join(f"{region:^36s}" for region in REGION),
        f"{'average':11s}{'absent':11s}" + columns * len(REGION),
    ]
    for average, absent in product(AVERAGE, ABSENT):
        values = [scores[average, absent, void, region] for region in REGION for void in VOID]
        lines.append(f"{average:11s}{absent:11s}" + "".join(f"{v:12.3f}" for v in values))
    return "\n".join(lines)


class ProtocolExplorer(Explorer):
    """Four switches and a picture: where the chosen protocol's mIoU lies among all, and the IoU of
    every class.
    """

    def __init__(self, tables: dict, names, reported: float | None = None, batch: int = 4):
        self.tables = tables
        self.names = [*names, "void"]
        self.reported = reported
        self.batch = batch
        self.scores = all_scores(tables, batch)
        self.average = widgets.ToggleButtons(options=AVERAGE, description="average")
        self.absent = widgets.ToggleButtons(options=ABSENT, description="absent class")
        self.void = widgets.ToggleButtons(options=VOID, description="void pixels")
        self.region = widgets.ToggleButtons(options=REGION, description="region")
        switches = [self.average, self.absent, self.void, self.region]
        for switch, value in zip(switches, OFFICIAL):
            switch.value = value
        super().__init__(switches)

    @property
    def chosen(self) -> tuple[str, str, str, str]:
        return self.average.value, self.absent.value, self.void.value, self.region.value

    def summary(self) -> str:
        average, absent, void, region = self.chosen
        score = self.scores[self.chosen]
        return f"{average}, absent {absent}, void {void}, {region}: mIoU {score:.3f}"

    def draw(self) -> Figure:
        average, absent, void, region = self.chosen
        tables = groups(self.tables[region], average, self.batch)
        parts = np.array([class_scores(table, absent, void) for table in tables])

        # Each class's mean over the groups where it is defined; 0 where it is nowhere
        defined = (~np.isnan(parts)).sum(0)
        iou = np.nansum(parts, axis=0) / np.maximum(defined, 1)

        figure = Figure(figsize=(10, 4.6), dpi=80, facecolor="white", layout="constrained")
        ruler, bars = figure.subplots(2, 1, height_ratios=[1, 2.2])
        values = np.array(list(self.scores.values()))
        ruler.plot(values, np.zeros(len(values)), "|", color="#3b6fb6", markersize=22)
        ruler.plot(self.scores[OFFICIAL], 0, "o", color="#222222", markersize=9, zorder=5)
        place = (self.scores[OFFICIAL], 0)
        ruler.annotate("official", place, (0, -22), textcoords="offset points", ha="center")
        ruler.plot(self.scores[self.chosen], 0, "v", color="#d9822b", markersize=16, zorder=4)
        if self.reported is not None:
            ruler.axvline(self.reported, color="#c62828", linestyle="--")
            text = f"reported {self.reported}"
            place = (self.reported, 0.6)
            ruler.annotate(text, place, (5, 0), textcoords="offset points", color="#c62828")
        ruler.set(xlim=(0, 1), ylim=(-1, 1), yticks=[])
        ruler.set(title=self.summary(), xlabel="mIoU of every protocol")
        ruler.spines[["left", "top", "right"]].set_visible(False)
        bars.bar(range(len(iou)), iou, color="#d9822b")
        names = self.names[: len(iou)]
        bars.set_xticks(range(len(iou)), names, rotation=60, ha="right", fontsize=9)
        bars.set(ylim=(0, 1), ylabel="IoU, mean of the groups" if average != "pooled" else "IoU")
        bars.spines[["top", "right"]].set_visible(False)
        return figure
