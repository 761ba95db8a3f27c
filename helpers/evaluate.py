"""Evaluate a model on a split: one confusion matrix, IoU per class, mIoU and the two average losses (chapter 08).

    python -m helpers.evaluate --checkpoint data/checkpoints/demo.pt --split val
"""
import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from helpers.checkpoints import load_model
from helpers.csv_index import write_csv
from helpers.dataset import CityscapesCsv
from helpers.device import amp_dtype, find_device
from helpers.labels import CAMVID_11, IGNORE, TRAIN_19, LabelSet
from helpers.metrics import ConfusionMatrix
from helpers.paths import find_root
from helpers.progress import progress_bar


@dataclass
class Scores:
    """What one pass over a split measured.

    `loss_per_pixel` weighs every labelled pixel alike; `loss_per_batch` is the plain mean of the batches' losses,
    which many training scripts print. `per_frame` holds one ConfusionMatrix a frame, in the dataset's order.
    """

    confusion: ConfusionMatrix
    loss_per_pixel: float
    loss_per_batch: float
    pixels: int
    names: tuple[str, ...]
    per_frame: list[ConfusionMatrix] = field(repr=False, default_factory=list)

    iou = property(lambda self: self.confusion.iou())
    mean_iou = property(lambda self: self.confusion.mean_iou())
    pixel_accuracy = property(lambda self: self.confusion.pixel_accuracy())

    def as_dict(self) -> dict:
        """The scores as plain numbers; None where a class does not occur."""
        iou = {name: None if np.isnan(v) else float(v) for name, v in zip(self.names, self.iou)}
        return {"frames": len(self.per_frame), "pixels": self.pixels, "mean_iou": self.mean_iou,
                "pixel_accuracy": self.pixel_accuracy, "loss_per_pixel": self.loss_per_pixel,
                "loss_per_batch": self.loss_per_batch, "iou": iou}


def pixel_loss(logits: torch.Tensor, target: torch.Tensor, weight=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy summed over the labelled pixels (float32), and their number. All void: 0 and 0, no nan."""
    how = "none" if torch.are_deterministic_algorithms_enabled() else "sum"  # on CUDA only "none" is repeatable
    loss = F.cross_entropy(logits.float(), target, weight=weight, ignore_index=IGNORE, reduction=how).sum()
    return loss, (target != IGNORE).sum()


@torch.no_grad()
def evaluate(model, dataset, batch_size: int = 1, device=None, progress: bool = False,
             per_frame: bool = True) -> Scores:
    """Scores of `model` on every pair of `dataset`. The model is put in eval mode, and back as it was afterwards.

    `per_frame=False` allows to leave the matrices of the single frames out, which saves waiting for a GPU.

    Raises ValueError for a split without any labelled pixel (Cityscapes withholds the test labels).
    """
    device = torch.device(device or next(model.parameters()).device)
    was_training, half = model.training, amp_dtype(device)
    model.eval()
    names = dataset.label_set.names
    total, frames, losses = ConfusionMatrix(len(names)), [], []
    for image, target in progress_bar(DataLoader(dataset, batch_size), "evaluate", progress):
        image = image.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, half, enabled=half is not None):
            logits = model(image)
        if logits.shape != (len(image), len(names), *target.shape[1:]):
            raise ValueError(f"logits {list(logits.shape)} do not fit labels {list(target.shape)} of {len(names)} "
                             "classes: the view and the label set must be those the model was trained with")
        target = target.to(device)
        losses.append(torch.stack(pixel_loss(logits, target)))
        if device.type == "cuda" and not per_frame:  # counted on the GPU
            total.update(logits.argmax(1), target)
            continue
        for one, truth in zip(logits.argmax(1).cpu().numpy(), target.cpu().numpy()):
            frame = ConfusionMatrix(len(names))
            frame.update(one, truth)
            total.update(one, truth)
            frames.append(frame)
    model.train(was_training)
    losses = torch.stack(losses).cpu().double()
    pixels = int(losses[:, 1].sum())
    if pixels == 0:
        raise ValueError("this split has no labelled pixel (the test labels of Cityscapes are withheld): "
                         "evaluate on val, or write a submission")
    if not losses.isfinite().all():
        raise ValueError("the model's loss is not a finite number: its weights are broken, no score would mean a thing")
    valid = losses[losses[:, 1] > 0]
    return Scores(total, float(losses[:, 0].sum() / pixels), float((valid[:, 0] / valid[:, 1]).mean()), pixels,
                  names, frames)


def merge_scores(scores: Scores, label_set: LabelSet = TRAIN_19, into: LabelSet = CAMVID_11) -> ConfusionMatrix:
    """The confusion matrix of `scores` with its classes merged into those of another set (19 -> CamVid's 11)."""
    return scores.confusion.merged(into.encode(np.array(label_set.ids)))


def dataset_for(info: dict, root, split: str, csv=None, limit: int | None = None, cache=None) -> CityscapesCsv:
    """The dataset that fits a loaded checkpoint's `info`; without `csv` the index is made on the fly."""
    with tempfile.TemporaryDirectory() as folder:
        if csv is None:
            csv = Path(folder) / f"{split}.csv"
            write_csv(root, split, csv)
        return CityscapesCsv(csv, root, info["view"], info["label_set"], info["mean"], info["std"], limit=limit,
                             cache=cache)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.evaluate", description="Scores of a checkpoint.")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--root", help="dataset root (default: found as everywhere in the course)")
    parser.add_argument("--split", default="val")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    args = parser.parse_args(arguments)
    device = find_device()
    model, info = load_model(args.checkpoint, device)
    dataset = dataset_for(info, find_root(args.root), args.split)
    scores = evaluate(model, dataset, args.batch_size, device, progress=not args.json)
    result = scores.as_dict()
    if info["label_set"] == TRAIN_19:
        result["mean_iou_camvid11"] = merge_scores(scores).mean_iou()
    if args.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.pop("iou").items():
        print(f"  {name:20s} {'absent' if value is None else f'{value:.4f}'}")
    for name, value in result.items():
        print(f"{name:22s} {value:.4f}" if isinstance(value, float) else f"{name:22s} {value}")


if __name__ == "__main__":
    main()
