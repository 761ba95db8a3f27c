"""Score the networks that the chapters show on the 20 val frames, whole, at quarter scale.

    python -m scripts.score_checkpoints        # a few minutes; writes data/checkpoints/scores.json

For each network: mIoU, pixel accuracy and the IoU of every class; the same for each frame; for
pixels near an edge; for thin, small and large classes; parameters, multiplications and time. For
pairs of networks: the difference of their mIoU with a 95 % interval over the frames.
"""

import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from extras.experiments.trials import small_city
from helpers import command
from helpers.checkpoints import load_model
from helpers.evaluate import dataset_for
from helpers.files import write_json
from helpers.images import open_image
from helpers.inference import predict_frame
from helpers.labels import IGNORE, TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.paths import ROOT, data_dir
from helpers.windows import reduce_label
from sample_city import VERSION, build
from scripts.train_checkpoints import CHECKPOINTS, CONFIGS, SEED

SCORES = CHECKPOINTS / "scores.json"
NETWORKS = ("fcn32s", "fcn16s", "fcn8s", "unet", "unet_photo", "unet_valid")
PAIRS = (
    ("fcn32s", "fcn16s"),
    ("fcn16s", "fcn8s"),
    ("fcn32s", "fcn8s"),
    ("fcn32s", "unet"),
    ("fcn16s", "unet"),
    ("fcn8s", "unet"),
)
STREET = "kastanienbad_000005_000019"
EDGE = 3  # pixels
GROUPS = {
    "thin": ("fence", "pole", "traffic light", "traffic sign"),
    "small": ("person", "rider", "motorcycle", "bicycle"),
    "large": (
        "road",
        "sidewalk",
        "building",
        "wall",
        "vegetation",
        "terrain",
        "sky",
        "car",
        "truck",
        "bus",
        "train",
    ),
}


def quarter_val():
    """The root of the 20 val frames at quarter scale, made when they are missing."""
    return small_city(data_dir() / "quarter_city", train=0, val=20, factor=4, seed=SEED)


def near_edges(target: np.ndarray, distance: int = EDGE) -> np.ndarray:
    """bool [H, W]: pixels with two classes in the square that reaches `distance` around them."""
    classes = torch.from_numpy(target.astype(np.float32))[None]
    ignored = classes == IGNORE
    size = 2 * distance + 1

    def highest(values: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(values, size, stride=1, padding=distance)

    # Ignored pixels are no class: they must win neither the maximum nor the minimum.
    most = highest(classes.masked_fill(ignored, -1.0))
    least = -highest((-classes).masked_fill(ignored, -1000.0))
    return (most > least)[0].numpy()


@torch.no_grad()
def predict(model, info: dict, dataset, index: int) -> np.ndarray:
    """Train ids uint8 [256, 512] of a val frame: in one pass or, for a network of crops, by tiles
    of the frame in full resolution, of which one pixel of each 4x4 block is kept.
    """
    if info["view"].kind == "crop":
        row = dataset.rows[index]
        root = build(data_dir() / "val_city", train=0, val=20, test=0, seed=SEED)
        return reduce_label(predict_frame(model, open_image(root / row.image), info), 4)
    image, _ = dataset[index]
    return model(image[None])[0].argmax(0).numpy().astype(np.uint8)


def score_frames(name: str, indices=range(20), root=None) -> tuple[dict, dict]:
    """Confusion matrices of these val frames by name: of all pixels, and of those near an edge.

    `root` may hold the city at full scale or, as by default, at quarter scale.
    """
    model, info = load_model(CHECKPOINTS / f"{name}.pt")
    whole = {**info, "view": CONFIGS["unet"].make_view()}
    dataset = dataset_for(whole, root or quarter_val(), "val")
    everywhere, at_edges = {}, {}
    for index in indices:
        row = dataset.rows[index]
        _, target = dataset.pair(index)
        prediction = predict(model, info, dataset, index)
        frame = f"{row.city}_{row.frame}"
        everywhere[frame] = ConfusionMatrix(len(TRAIN_19))
        everywhere[frame].update(prediction, target)
        at_edges[frame] = ConfusionMatrix(len(TRAIN_19))
        edge_target = np.where(near_edges(target), target, IGNORE)
        at_edges[frame].update(prediction, edge_target)
    return everywhere, at_edges


def add(matrices) -> ConfusionMatrix:
    """One matrix with the counts of all."""
    total = ConfusionMatrix(len(TRAIN_19))
    for matrix in matrices:
        total.counts += matrix.counts
    return total


def as_scores(matrix: ConfusionMatrix) -> dict:
    """mIoU, pixel accuracy and IoU by class; None for a class that does not occur."""
    iou = {}
    for name, value in zip(TRAIN_19.names, matrix.iou()):
        iou[name] = None if np.isnan(value) else round(float(value), 4)
    return {
        "mean_iou": round(matrix.mean_iou(), 4),
        "pixel_accuracy": round(matrix.pixel_accuracy(), 4),
        "iou": iou,
    }


def mean_iou_of_present(counts: np.ndarray) -> float:
    """The mean IoU of the classes in the truth, from the counts [19, 20] of a ConfusionMatrix.

    In few frames many classes are absent. A speck that is called by such a class has IoU 0, and in
    the usual mean it weighs as much as the road; here it counts as a missed pixel only.
    """
    matrix = ConfusionMatrix(len(TRAIN_19))
    matrix.counts += counts
    present = counts.sum(axis=1) > 0
    return float(matrix.iou()[present].mean())


def multiplications(model: torch.nn.Module) -> int:
    """Multiplications of one frame of 256x512, counted in the convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 256, 512))
    return counter.get_total_flops() // 2


@torch.no_grad()
def seconds_per_frame(model: torch.nn.Module, rounds: int = 7) -> float:
    """Processor seconds of one frame of 256x512 on one thread, the least of some rounds."""
    image = torch.zeros(1, 3, 256, 512).contiguous(memory_format=torch.channels_last)
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        model(image)
        seconds.append(time.process_time() - start)
    return round(min(seconds), 4)


def score(name: str, everywhere: dict, at_edges: dict) -> dict:
    """Everything about one network."""
    model, info = load_model(CHECKPOINTS / f"{name}.pt")
    result = as_scores(add(everywhere.values()))
    result["edge_mean_iou"] = round(add(at_edges.values()).mean_iou(), 4)
    for group, names in GROUPS.items():
        values = [result["iou"][name] for name in names]
        result[f"{group}_mean_iou"] = round(float(np.mean(values)), 4)
    result["parameters"] = sum(p.numel() for p in model.parameters())
    if info["view"].kind == "frame":
        result["multiplications"] = multiplications(model)
        result["seconds_per_frame"] = seconds_per_frame(model)
    result["frames"] = {}
    for frame, matrix in everywhere.items():
        scores = as_scores(matrix)
        result["frames"][frame] = {
            "mean_iou": scores["mean_iou"],
            "mean_iou_of_present": round(mean_iou_of_present(matrix.counts), 4),
            "pixel_accuracy": scores["pixel_accuracy"],
        }
    result["street"] = as_scores(everywhere[STREET])
    result["sha256"] = info["sha256"]
    return result


def compare(first: dict, second: dict, resamples: int = 2000) -> dict:
    """How much the second network's mIoU is above the first's, with a 95 % interval: frames drawn
    with replacement, the same for both (a paired bootstrap), and on how many frames it is better.
    """
    frames = list(first)
    one = np.stack([first[frame].counts for frame in frames])
    two = np.stack([second[frame].counts for frame in frames])

    def difference(chosen) -> float:
        return mean_iou_of_present(two[chosen].sum(0)) - mean_iou_of_present(one[chosen].sum(0))

    random = np.random.default_rng(0)
    drawn = [difference(random.integers(0, len(frames), len(frames))) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "difference": round(difference(np.arange(len(frames))), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "better_frames": sum(difference([number]) > 0 for number in range(len(frames))),
        "of_frames": len(frames),
    }


def blind() -> dict:
    """The mIoU of guesses from a pixel's position, its color, and the 5x5 pixels around it, as
    benchmarks.city_context measured them.
    """
    stored = json.loads((ROOT / "benchmarks" / "results" / "city_context.json").read_text())
    return {name: stored["scores"][name]["mean_iou"] for name in ("position", "pixel", "window")}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    networks, matrices = {}, {}
    for name in NETWORKS:
        if (CHECKPOINTS / f"{name}.pt").is_file():
            matrices[name], at_edges = score_frames(name)
            networks[name] = score(name, matrices[name], at_edges)
            print(f"{name}: mIoU {networks[name]['mean_iou']:.3f}", flush=True)
    pairs = {}
    for first, second in PAIRS:
        if first in matrices and second in matrices:
            pairs[f"{second} - {first}"] = compare(matrices[first], matrices[second])
    result = {
        "command": "python -m scripts.score_checkpoints",
        "data": f"sample city version {VERSION}, seed {SEED}: 20 val frames, whole, 256x512",
        "edge": f"pixels within {EDGE} of an edge between classes",
        "groups": {group: list(names) for group, names in GROUPS.items()},
        "blind": blind(),
        "networks": networks,
        "pairs": pairs,
    }
    write_json(SCORES, result)


if __name__ == "__main__":
    command.run(main)
