"""One set of predictions, many "mIoU": the switches that published numbers differ by (chapter 08).

A protocol is four choices: what is averaged, what an absent class is worth, what happens to void
pixels, and which part of the frame is scored. The official one is ("pooled", "left out", "left
out", "whole frame").
"""

from itertools import product

import numpy as np

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
