"""The confusion matrix and every score read off it. Chapter 08 builds it by hand.

One integer matrix is filled over the whole split and divided once at the end, as Cityscapes' official
`evalPixelLevelSemanticLabeling` does: IoU = TP / (TP + FP + FN), pooled over all pixels whose truth is evaluated.
"""
import numpy as np
import torch

from helpers.labels import IGNORE, LABELS


def _checked(name: str, array) -> None:
    if "int" not in str(array.dtype):
        raise ValueError(f"{name} has dtype {array.dtype}, expected class indices (take argmax of logits over dim 1)")


class ConfusionMatrix:
    """Counts of (truth, prediction) pairs: `.matrix` int64 [classes, classes], rows truth, columns prediction.

    Where the truth is 255 nothing is counted. A prediction of 255 on a valid pixel, a class outside the set, counts
    as missed (FN) and as nobody's false alarm, as in the official script; such pixels stand in `.missed` [classes].
    """

    def __init__(self, classes: int):
        self.classes = classes
        self._counts = None  # [classes + 1, classes + 1] numpy, or a tensor on the device of the predictions

    def update(self, prediction, target) -> None:
        """Add integer arrays or tensors of one shape, values 0..classes-1 or 255 (any other raises ValueError).

        Tensors are counted on their own device without waiting for it; values are checked when scores are read.
        """
        tensors = isinstance(prediction, torch.Tensor)
        prediction = prediction if tensors else np.asarray(prediction)
        target = torch.as_tensor(target, device=prediction.device) if tensors else np.asarray(target)
        if tuple(prediction.shape) != tuple(target.shape):
            raise ValueError(f"prediction {tuple(prediction.shape)} and truth {tuple(target.shape)} differ in shape")
        _checked("prediction", prediction)
        _checked("truth", target)
        counts = self._count(prediction, target) if tensors else self._count_arrays(prediction, target)
        if self._counts is not None and type(self._counts) is not type(counts):  # arrays after tensors, or vice versa
            self._counts, counts = self._read(self._counts), self._read(counts)
        self._counts = counts if self._counts is None else self._counts + counts

    def _count_arrays(self, prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
        for name, array in (("prediction", prediction), ("truth", target)):
            if array.size and (array.min() < 0 or array.max() > IGNORE):
                raise ValueError(f"{name} has values {array.min()} to {array.max()}, expected 0..{self.classes - 1} "
                                 f"or {IGNORE}")
        # One 16-bit code a pixel; both are below 256, so no mask and no second pass over the pixels is needed.
        codes = (target.astype(np.uint16) << 8) | prediction.astype(np.uint16)
        return self._folded(np.bincount(codes.ravel(), minlength=1 << 16).reshape(256, 256))

    def _folded(self, table: np.ndarray) -> np.ndarray:
        """[256, 256] counts as [classes + 1, classes + 1], last row and column the ignored; refuses other values."""
        k = self.classes
        if table[k:IGNORE].any() or table[:IGNORE, k:IGNORE].any():
            rows, columns = np.nonzero(table)
            wrong = sorted({int(i) for i in (*rows, *columns)} - set(range(k)) - {IGNORE})
            raise ValueError(f"class {', '.join(map(str, wrong))} is outside 0..{k - 1} and is not {IGNORE} "
                             "(ignored): were label ids counted as train ids?")
        keep = [*range(k), IGNORE]
        table = table[np.ix_(keep, keep)].astype(np.int64)
        table[k, :] = 0  # where the truth is ignored, the prediction does not matter
        return table

    def _count(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        codes = target.reshape(-1).to(torch.int64).clamp(-1, 256) * 258 + prediction.reshape(-1).to(
            torch.int64).clamp(-1, 256) + 259  # -1 and 256 stand for "out of range": noticed when the table is read
        return torch.bincount(codes, minlength=258 * 258)

    @property
    def counts(self) -> np.ndarray:
        """int64 [classes + 1, classes + 1]; the last column is "predicted as ignored", the last row is zero."""
        return np.zeros((self.classes + 1,) * 2, np.int64) if self._counts is None else self._read(self._counts)

    def _read(self, counts) -> np.ndarray:
        if isinstance(counts, np.ndarray):
            return counts
        table = counts.cpu().numpy().reshape(258, 258)
        if table[0].any() or table[-1].any() or table[:-2, 0].any() or table[:-2, -1].any():
            raise ValueError(f"predictions or truth have values outside 0..{IGNORE}")
        return self._folded(table[1:-1, 1:-1])

    matrix = property(lambda self: self.counts[:-1, :-1], doc="int64 [classes, classes], rows are the truth")
    missed = property(lambda self: self.counts[:-1, -1], doc="int64 [classes]: labelled pixels predicted as 255")

    def iou(self) -> np.ndarray:
        """IoU of each class, float64 [classes]; nan for a class that is neither in the truth nor predicted."""
        return self._ratio(self._hits(), self.counts[:-1].sum(1) + self.matrix.sum(0) - self._hits())

    def mean_iou(self) -> float:
        """The mean of the IoUs that are defined; nan if there is not one labelled pixel."""
        return self._mean(self.iou())

    def class_accuracy(self) -> np.ndarray:
        """Share of each class's pixels that were found (recall), float64 [classes]; nan where the class is absent."""
        return self._ratio(self._hits(), self.counts[:-1].sum(1))

    def mean_class_accuracy(self) -> float:
        return self._mean(self.class_accuracy())

    def pixel_accuracy(self) -> float:
        """Share of all labelled pixels whose class is right."""
        return float(self._ratio(self._hits().sum(), self.counts.sum()))

    def frequency_weighted_iou(self) -> float:
        """IoU weighted by how many pixels each class has in the truth (FCN paper, Sec. 5)."""
        pixels, iou = self.counts[:-1].sum(1), self.iou()
        return float(self._ratio((pixels * np.nan_to_num(iou)).sum(), pixels.sum()))

    def merged(self, groups) -> "ConfusionMatrix":
        """The matrix after classes are merged: groups[i] is the new class of class i, or 255 to leave it out."""
        groups = np.array([*groups, IGNORE])
        result = ConfusionMatrix(int(groups[groups != IGNORE].max()) + 1)
        slots = np.where(groups == IGNORE, result.classes, groups)
        counts = np.zeros((result.classes + 1,) * 2, np.int64)
        np.add.at(counts, (slots[:, None], slots[None, :]), self.counts)
        counts[-1] = 0
        result._counts = counts
        return result

    def _hits(self) -> np.ndarray:
        return np.diag(self.matrix)

    @staticmethod
    def _ratio(part, whole):
        part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
        return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)

    @staticmethod
    def _mean(values: np.ndarray) -> float:
        return float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float("nan")


def category_groups(label_set) -> tuple[tuple[str, ...], list[int]]:
    """Names of the categories that occur in a label set, and for each class the index of its category (7 in all)."""
    of_id = {label.id: label.category for label in LABELS}
    categories = [of_id[i] for i in label_set.ids]
    names = tuple(dict.fromkeys(categories))
    return names, [names.index(c) for c in categories]
