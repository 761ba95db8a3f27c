"""Evaluate a model on a split: one confusion matrix, IoU per class, mIoU and the two average losses
(chapter 08).

python -m helpers.evaluate --checkpoint data/checkpoints/unet.pt --split val
"""

import argparse
import json
import math
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from helpers import command
from helpers.checkpoints import load_for_frames
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.device import find_device, mixed_precision
from helpers.inference import forward
from helpers.labels import IGNORE, LabelSet, check_classes
from helpers.metrics import ConfusionMatrix, count_pairs
from helpers.progress import progress_bar
from helpers.recipes import check_sizes
from helpers.sizes import require


@dataclass
class Scores:
    """What passes over batches measured: plain sums, so that those of several processes can be
    added.

    `loss_per_pixel` weighs every labeled pixel alike; `loss_per_batch` is the plain mean of the
    batches' losses, which many training scripts print. `per_frame` holds one ConfusionMatrix per
    frame, in the order of the frames.
    """

    label_set: LabelSet
    confusion: ConfusionMatrix
    loss_sum: float = 0.0  # over all labeled pixels
    pixels: int = 0
    batch_losses: float = 0.0  # sum of the mean losses of the batches
    batches: int = 0  # that have a labeled pixel
    per_frame: list[ConfusionMatrix] = field(repr=False, default_factory=list)

    @property
    def loss_per_pixel(self) -> float:
        return self.loss_sum / self.pixels

    @property
    def loss_per_batch(self) -> float:
        return self.batch_losses / self.batches

    @property
    def iou(self) -> np.ndarray:
        return self.confusion.iou()

    @property
    def mean_iou(self) -> float:
        return self.confusion.mean_iou()

    @property
    def pixel_accuracy(self) -> float:
        return self.confusion.pixel_accuracy()

    def check(self) -> None:
        """Raises ValueError where no score would mean a thing: no labeled pixel, or a loss that is
        not finite.
        """
        if self.pixels == 0:
            raise ValueError(
                "this split has no labeled pixel: all is void in this label set (the test labels "
                "of Cityscapes are withheld): evaluate on val, or write a submission"
            )
        if not math.isfinite(self.loss_sum):
            raise ValueError("the model's loss is not a finite number: its weights are broken")

    def as_dict(self) -> dict:
        """The scores as plain numbers; None where a class does not occur."""
        iou = {}
        for name, value in zip(self.label_set.names, self.iou):
            iou[name] = None if np.isnan(value) else float(value)
        return {
            "frames": len(self.per_frame),
            "pixels": self.pixels,
            "mean_iou": self.mean_iou,
            "pixel_accuracy": self.pixel_accuracy,
            "loss_per_pixel": self.loss_per_pixel,
            "loss_per_batch": self.loss_per_batch,
            "iou": iou,
        }


def pixel_loss(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy summed over the labeled pixels (float32), and their number. All void: 0 and 0,
    no nan.
    """
    # On CUDA only "none" is repeatable.
    how = "none" if torch.are_deterministic_algorithms_enabled() else "sum"
    loss = F.cross_entropy(logits.float(), target, ignore_index=IGNORE, reduction=how).sum()
    return loss, (target != IGNORE).sum()


@torch.no_grad()
def score_batches(model, batches, label_set: LabelSet, per_frame: bool = False) -> Scores:
    """The scores of `model` on an iterable of (images, targets); the model is left in the mode that
    it was in.

    Runs on the model's device. `per_frame` also keeps the matrix of every frame, which on a GPU
    costs waiting.
    """
    # Batch norm and dropout behave differently in training: scores are for use.
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    scores = Scores(label_set, ConfusionMatrix(len(label_set)))
    # All sums stay on the device until the end: reading one waits for the device.
    pairs = torch.zeros(256, 256, dtype=torch.int64, device=device)
    losses = []
    counts = []
    for images, targets in batches:
        images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
        targets = targets.to(device, non_blocking=True)
        with mixed_precision(device):
            logits = model(images)
        if isinstance(logits, dict):
            raise ValueError("the network returns a dictionary: extras.training_tools.pretrained")
        if logits.shape != (len(images), len(label_set), *targets.shape[1:]):
            raise ValueError(
                f"logits {list(logits.shape)} do not fit labels {list(targets.shape)} of "
                f"{len(label_set)} classes: the view and the label set must be those the model "
                "was trained with"
            )
        loss, pixels = pixel_loss(logits, targets)
        losses.append(loss)
        counts.append(pixels)

        predictions = logits.argmax(1)
        pairs += count_pairs(predictions, targets)
        if per_frame:
            for prediction, target in zip(predictions, targets):
                matrix = ConfusionMatrix(len(label_set))
                matrix.update(prediction, target)
                scores.per_frame.append(matrix)
    # Now everything is read at once.
    scores.confusion.add_pairs(pairs)
    for loss, pixels in zip(losses, counts):
        scores.loss_sum += float(loss)
        scores.pixels += int(pixels)
        if pixels > 0:
            scores.batch_losses += float(loss / pixels)
            scores.batches += 1
    model.train(was_training)
    return scores


def evaluate(model, batches, label_set: LabelSet, per_frame: bool = False) -> Scores:
    """As `score_batches`, of a whole split. Raises ValueError for a split without any labeled
    pixel.
    """
    scores = score_batches(model, batches, label_set, per_frame)
    scores.check()
    return scores


@torch.no_grad()
def side_by_side(model, dataset, index: int) -> np.ndarray:
    """Frame, truth and prediction of one pair as a picture, uint8 [h, 3 w, 3], at label size."""
    images, _ = dataset[index]
    device = next(model.parameters()).device
    was_training = model.training
    logits = forward(model.eval(), images[None].to(device))
    model.train(was_training)
    prediction = logits[0].argmax(0).cpu().numpy()

    # Frame and labels as bytes: what the network was given is normalized.
    frame, truth = dataset.pair(index)
    height, width = truth.shape
    # An unpadded network labels the inner part of its window only.
    margin = dataset.view.margin
    frame = frame[margin : margin + height, margin : margin + width]
    label_set = dataset.label_set
    colors = [label_set.colorize(truth), label_set.colorize(prediction)]
    return np.concatenate([frame, *colors], axis=1)


def dataset_for(info: dict, root, split: str) -> CityscapesDataset:
    """The dataset that fits a loaded checkpoint's `info`: all frames of a split below `root`."""
    check_classes(info["label_set"], root)
    rows = find_rows(root, split)
    return CityscapesDataset(rows, root, info["view"], info["label_set"], info["mean"], info["std"])


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.evaluate", description="Scores of a checkpoint on all frames."
    )
    parser.add_argument("--checkpoint", required=True)
    command.add_root(parser)
    parser.add_argument("--split", default="val")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    args = parser.parse_args(arguments)
    require(1, 1e9, batch_size=args.batch_size)
    root = command.ensure_data(args.root)
    model, info = load_for_frames(args.checkpoint, find_device())
    dataset = dataset_for(info, root, args.split)
    if args.batch_size > 1:
        check_sizes(dataset)
    batches = progress_bar(DataLoader(dataset, args.batch_size), "evaluate", show=not args.json)
    scores = evaluate(model, batches, dataset.label_set, per_frame=True)
    result = scores.as_dict()
    if args.json:
        print(json.dumps(result, indent=1))
        return
    for name, value in result.pop("iou").items():
        print(f"  {name:20s} {'absent' if value is None else f'{value:.4f}'}")
    for name, value in result.items():
        print(f"{name:22s} {value:.4f}" if isinstance(value, float) else f"{name:22s} {value}")


if __name__ == "__main__":
    command.run(main)
