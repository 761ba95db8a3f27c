"""Counts of single frames, kept on disk while a long evaluation runs, and the scores read off them
(chapter 13).
"""

from pathlib import Path

import numpy as np

from helpers.files import atomic_file


def load(store: Path, frames: int, classes: int) -> tuple[list, list]:
    """(tables, losses) that an interrupted pass had counted; two empty lists if there is no store,
    or a damaged one: then all is counted again.

    A table is int64 [classes + 1, classes + 1] as of protocols.count, a loss is (sum, labeled
    pixels).
    """
    if not store.is_file():
        return [], []
    try:
        with np.load(store) as kept:
            tables, losses = list(kept["tables"]), list(kept["losses"])
    except Exception:  # a damaged zip file can raise nearly anything
        return [], []
    if len(tables) > frames or tables[0].shape != (classes + 1, classes + 1):
        raise ValueError(f"{store} belongs to another evaluation; remove it")
    return tables, losses


def save(store: Path, tables: list, losses: list) -> None:
    with atomic_file(store) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, tables=np.array(tables), losses=np.array(losses))


def summary(tables: list, losses: list, names, batch_size: int) -> dict:
    """Pooled scores as of helpers.evaluate, and the average loss both ways: over labeled pixels,
    and over batches.
    """
    table, losses = np.sum(tables, axis=0)[:-1], np.array(losses)  # the last row counts void pixels
    hits = np.diag(table).astype(np.float64)
    union = table.sum(1) + table[:, :-1].sum(0) - hits
    iou = [h / u if u else None for h, u in zip(hits.tolist(), union.tolist())]
    batches = [losses[i : i + batch_size].sum(0) for i in range(0, len(losses), batch_size)]
    return {
        "frames": len(losses),
        "pixels": int(losses[:, 1].sum()),
        "loss_per_pixel": float(losses[:, 0].sum() / losses[:, 1].sum()),
        "loss_per_batch": float(np.mean([loss / pixels for loss, pixels in batches if pixels])),
        "mean_iou": float(np.mean([v for v in iou if v is not None])),
        "pixel_accuracy": float(hits.sum() / table.sum()),
        "iou": dict(zip(names, iou)),
    }
