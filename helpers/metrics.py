"""The confusion matrix and every score read off it. Chapter 08 builds it by hand.

One integer matrix is filled over the whole split and divided once at the end, as Cityscapes'
official `evalPixelLevelSemanticLabeling` does: IoU = TP / (TP + FP + FN), over all pixels whose
truth is evaluated.
"""

import numpy as np
import torch

from helpers.labels import IGNORE


def count_pairs(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How often each pair occurs: int64 [256, 256], rows the truth, columns the prediction.

    Both are int32 or int64 tensors of one shape with values 0..255; a byte is too small for the
    codes.
    """
    # One code per pixel, so that a single bincount counts all pairs.
    codes = 256 * target + prediction
    counts = torch.bincount(codes.flatten(), minlength=256 * 256)
    return counts.reshape(256, 256)


class ConfusionMatrix:
    """Counts of (truth, prediction) pairs; rows are the truth, columns the prediction.

    Where the truth is 255 nothing is counted. A prediction of 255 on a labeled pixel is a class
    outside the set: missed (FN), and nobody's false alarm, as in the official script. Such pixels
    stand in the last column of `counts`.
    """

    def __init__(self, num_classes: int):
        self.num_classes = num_classes
        self.counts = np.zeros((num_classes, num_classes + 1), np.int64)

    def update(self, prediction, target) -> None:
        """Add class indices of one shape, arrays or tensors: 0..num_classes-1, or 255.

        Raises ValueError for other values, floats, and shapes that differ.
        """
        prediction = _class_indices("prediction", prediction)
        target = _class_indices("truth", target).to(prediction.device)
        if prediction.shape != target.shape:
            raise ValueError(
                f"prediction {tuple(prediction.shape)} and truth {tuple(target.shape)} differ in "
                "shape"
            )
        self.add_pairs(count_pairs(prediction, target))

    def add_pairs(self, pairs: torch.Tensor) -> None:
        """Add what `count_pairs` counted. Raises ValueError for a class that is none."""
        pairs = pairs.cpu().numpy()
        # Rows of truth 255 are not looked at; predictions of 255 stay, in the last column.
        classes = list(range(self.num_classes))
        counts = pairs[classes][:, [*classes, IGNORE]]
        outside = pairs[:IGNORE].sum() - counts.sum()
        if outside:
            raise ValueError(
                f"{outside} pixels have a class outside 0..{self.num_classes - 1} that is not "
                f"{IGNORE} (ignored): were label ids counted as train ids?"
            )
        self.counts += counts

    @property
    def matrix(self) -> np.ndarray:
        """int64 [num_classes, num_classes]: the pixels whose prediction is one of the classes."""
        return self.counts[:, :-1]

    def iou(self) -> np.ndarray:
        """IoU per class, float64 [num_classes]: TP / (TP + FP + FN).

        nan for a class that is neither in the truth nor predicted.
        """
        found = np.diag(self.matrix)
        in_truth = self.counts.sum(axis=1)
        predicted = self.matrix.sum(axis=0)
        return _ratio(found, in_truth + predicted - found)

    def mean_iou(self) -> float:
        """The mean of the IoUs that are defined; nan if there is not one labeled pixel."""
        return _mean(self.iou())

    def pixel_accuracy(self) -> float:
        """The share of all labeled pixels whose class is right."""
        return float(_ratio(np.trace(self.matrix), self.counts.sum()))


def _class_indices(name: str, values) -> torch.Tensor:
    """`values` as an int32 tensor; ValueError if they cannot be class indices."""
    # A picture that pillow opened cannot be written to, and PyTorch warns of such arrays.
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()
    values = torch.as_tensor(values)
    if values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(
            f"{name} has dtype {values.dtype}, expected class indices: take argmax of the logits "
            "over dim 1"
        )
    values = values.int()
    if values.numel() and (values.min() < 0 or values.max() > IGNORE):
        raise ValueError(
            f"{name} has values {values.min()} to {values.max()}, expected classes or {IGNORE}"
        )
    return values


def _ratio(part, whole) -> np.ndarray:
    """part / whole, nan where whole is 0."""
    part = np.asarray(part, np.float64)
    whole = np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are not nan; nan if all are."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
