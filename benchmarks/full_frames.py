"""Whole frames at full resolution: labels enlarged in blocks against logits enlarged, and where the
prediction is wrong.

    python -m benchmarks.full_frames

The shipped U-Net on the 20 validation frames; chapter 10 draws the result.
"""

import argparse
import json

import numpy as np
from PIL import Image

from extras.benchmark_server.where import (
    EDGE_NAMES,
    SIZE_NAMES,
    found_things,
    right_by_distance,
    size_band,
)
from helpers import command
from helpers.checkpoints import load_model
from helpers.csv_index import find_rows
from helpers.files import write_json
from helpers.images import open_image, open_label
from helpers.inference import assemble, predict_frame, tile_logits
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.windows import reduce_image
from scripts.pinned import build_city

RESULT = ROOT / "benchmarks" / "results" / "full_frames.json"
CHECKPOINT = ROOT / "data" / "checkpoints" / "unet.pt"


def in_blocks(model, frame: np.ndarray, info: dict) -> np.ndarray:
    """Train ids [H, W]: every label of the reduced frame as a block of pixels."""
    factor = info["view"].factor(len(frame))
    small = reduce_image(frame, factor)
    labels = assemble(tile_logits(model, small, info), *small.shape[:2]).argmax(0).numpy()
    blocks = labels.astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)
    return blocks[: frame.shape[0], : frame.shape[1]]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    root = build_city()
    model, info = load_model(CHECKPOINT)
    label_set = info["label_set"]
    ways = {"labels in blocks": in_blocks, "logits enlarged": predict_frame}
    matrices = {name: ConfusionMatrix(len(label_set)) for name in ways}
    by_distance = 0
    things = []
    rows = find_rows(root, "val")
    for row in rows:
        frame = open_image(root / row.image)
        truth = label_set.encode(open_label(root / row.label))
        for name, predict in ways.items():
            prediction = predict(model, frame, info)
            matrices[name].update(prediction, truth)
        # From here on the second way: logits enlarged.
        by_distance = by_distance + right_by_distance(prediction, truth)
        path = root / row.label.replace("labelIds", "instanceIds")
        things.append(found_things(prediction, np.asarray(Image.open(path)), label_set))
    pixels, shares = np.concatenate(things).T
    bands = size_band(pixels)

    scores = {}
    for name, matrix in matrices.items():
        accuracy = matrix.pixel_accuracy()
        scores[name] = {"mean_iou": matrix.mean_iou(), "pixel_accuracy": accuracy}
    distance = []
    for name, right, asked in zip(EDGE_NAMES, *by_distance.tolist()):
        distance.append({"pixels": name, "right": right, "asked": asked})
    sizes = []
    for band, name in enumerate(SIZE_NAMES):
        inside = shares[bands == band]
        found = float(inside.mean()) if len(inside) else None
        sizes.append({"pixels": name, "things": len(inside), "found": found})
    result = {"frames": len(rows), "scores": scores, "distance": distance, "size": sizes}
    write_json(RESULT, result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    command.run(main)
