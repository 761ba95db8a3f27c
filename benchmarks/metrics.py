"""How fast are the confusion matrices? CPU time, one thread, alternating rounds, all matrices
compared.

    python -m benchmarks.metrics       # needs torchmetrics; writes benchmarks/results/metrics.json
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torchmetrics

from helpers import command
from helpers.metrics import ConfusionMatrix

CLASSES, IMAGES, ROUNDS = 19, 100, 7


def pictures(seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """(prediction, truth) uint8 [388, 388]: blocks of classes, 8 % void, a fifth of the pixels
    wrong.
    """
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(IMAGES):
        truth = (
            random.integers(0, CLASSES, (25, 25))
            .repeat(16, 0)
            .repeat(16, 1)[:388, :388]
            .astype(np.uint8)
        )
        wrong = random.random(truth.shape) < 0.2
        prediction = np.where(wrong, random.integers(0, CLASSES, truth.shape), truth).astype(
            np.uint8
        )
        truth[random.random(truth.shape) < 0.08] = 255
        pairs.append((prediction, truth))
    return pairs


def ours(pairs):
    matrix = ConfusionMatrix(CLASSES)
    for prediction, truth in pairs:
        matrix.update(prediction, truth)
    return matrix.matrix


def masked_bincount(pairs):
    """The few lines that everybody copies."""
    total = np.zeros((CLASSES, CLASSES), np.int64)
    for prediction, truth in pairs:
        valid = (truth >= 0) & (truth < CLASSES)
        codes = CLASSES * truth[valid].astype(int) + prediction[valid]
        total += np.bincount(codes, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return total


def with_torchmetrics(pairs, validate=True):
    metric = torchmetrics.classification.MulticlassConfusionMatrix(
        CLASSES, ignore_index=255, validate_args=validate
    )
    for prediction, truth in pairs:
        metric.update(torch.from_numpy(prediction).long(), torch.from_numpy(truth).long())
    return metric.compute().numpy()


def main(arguments=None) -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.metrics", description=__doc__.splitlines()[0]
    ).parse_args(arguments)
    torch.set_num_threads(1)
    pairs = pictures()
    ways = {
        "ConfusionMatrix": ours,
        "masked np.bincount": masked_bincount,
        "torchmetrics, no checks": lambda p: with_torchmetrics(p, False),
        "torchmetrics": with_torchmetrics,
    }
    times, results = {name: [] for name in ways}, {}
    for round_ in range(ROUNDS):
        for name, way in ways.items():
            # The slow ones: scaled
            part = pairs if "torchmetrics" not in name or round_ == 0 else pairs[:20]
            start = time.process_time()
            result = way(part)
            times[name].append((time.process_time() - start) * len(pairs) / len(part))
            if round_ == 0:
                results[name] = result
    assert all((result == results["ConfusionMatrix"]).all() for result in results.values())
    base = times["ConfusionMatrix"]
    report = {
        "what": f"{IMAGES} pictures of 388x388, {CLASSES} classes, CPU time, one thread, "
        f"{ROUNDS} rounds",
        "numpy": np.__version__,
        "torch": torch.__version__,
        "torchmetrics": torchmetrics.__version__,
        "milliseconds": {name: round(1000 * median(t), 1) for name, t in times.items()},
        "ours_times_faster": {
            name: round(median(a / b for a, b in zip(t, base)), 2) for name, t in times.items()
        },
        "matrices_equal": True,
    }
    print(json.dumps(report, indent=1))
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command.run(main)
