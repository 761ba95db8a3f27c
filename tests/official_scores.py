"""iIoU, the instance-weighted IoU of Cityscapes' countable classes, and every other official score
beside it.

A large car holds as many pixels as thirty small ones, so IoU barely notices whether the small ones
are found. iIoU weighs the found and the missed pixels of an instance by (average size of its class)
/ (its size), so that each instance counts alike. False alarms belong to no instance and keep weight
1. Cordts et al. 2016, Sec. 4.1; the average sizes are the constants of cityscapesscripts'
evalPixelLevelSemanticLabeling.
"""

import numpy as np

from helpers.labels import LABELS
from helpers.metrics import ConfusionMatrix

AVERAGE_SIZE = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}
EVALUATED = [label for label in LABELS if not label.ignore_in_eval]
COUNTABLE = [label for label in EVALUATED if label.has_instances]

# The seven that are evaluated; void is not.
CATEGORIES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")


class OfficialScores:
    """All scores of the official evaluation from label ids (0..33) and instance ids, frame after
    frame.

    `.matrix` counts label ids, int64 [34, 34], rows truth. An ignored id that is predicted on a
    valid pixel is a miss of the true class and a false alarm of nobody, except that caravan and
    trailer count as vehicles for the iIoU of that category.
    """

    def __init__(self):
        self._confusion = ConfusionMatrix(34)
        # Weighted pixels of each countable class: of the right class, of the right category, all
        self._found = {label.id: 0.0 for label in COUNTABLE}
        self._found_category = {label.id: 0.0 for label in COUNTABLE}
        self._all = {label.id: 0.0 for label in COUNTABLE}

    def update(self, prediction: np.ndarray, truth: np.ndarray, instances: np.ndarray) -> None:
        """Add one frame: label ids predicted and true, and instance ids (label id * 1000 + number),
        all [H, W].
        """
        if instances.shape != truth.shape:
            raise ValueError(
                f"instance ids {instances.shape} and label ids {truth.shape} differ in shape: "
                "take the _instanceIds.png of the same frame"
            )
        self._confusion.update(prediction, truth)
        countable = instances > 1000
        ids, index = np.unique(instances[countable], return_inverse=True)
        sizes = np.bincount(index, minlength=len(ids))
        predicted, classes = prediction[countable], ids // 1000
        categories = np.array([label.category_id for label in LABELS[:34]])
        right = np.bincount(index, predicted == classes[index], len(ids))
        near = np.bincount(index, categories[predicted] == categories[classes[index]], len(ids))
        for label in COUNTABLE:
            own = classes == label.id
            weight = AVERAGE_SIZE[label.name] / sizes[own]
            self._found[label.id] += float((right[own] * weight).sum())
            self._found_category[label.id] += float((near[own] * weight).sum())
            self._all[label.id] += len(weight) * AVERAGE_SIZE[label.name]

    @property
    def matrix(self) -> np.ndarray:
        return self._confusion.matrix

    def _rows(self, labels) -> list[int]:
        return [label.id for label in labels]

    def iou(self) -> dict[str, float]:
        """IoU of the 19 classes; nan for a class that is neither in the truth nor predicted."""
        valid = self.matrix[self._rows(EVALUATED)]
        scores = {}
        for label in EVALUATED:
            hits = self.matrix[label.id, label.id]
            union = self.matrix[label.id].sum() + valid[:, label.id].sum() - hits
            scores[label.name] = _divide(hits, union)
        return scores

    def instance_iou(self) -> dict[str, float]:
        """iIoU of the 8 countable classes."""
        scores = {}
        for label in COUNTABLE:
            others = self._rows(other for other in EVALUATED if other.id != label.id)
            false = self.matrix[others, label.id].sum()
            scores[label.name] = _divide(self._found[label.id], self._all[label.id] + false)
        return scores

    def category_iou(self) -> dict[str, float]:
        """IoU of the 7 categories."""
        scores = {}
        for category in CATEGORIES:
            own = self._rows(x for x in EVALUATED if x.category == category)
            others = self._rows(x for x in EVALUATED if x.category != category)
            hits = self.matrix[np.ix_(own, own)].sum()
            false = self.matrix[np.ix_(others, own)].sum()
            scores[category] = _divide(hits, self.matrix[own].sum() + false)
        return scores

    def category_instance_iou(self) -> dict[str, float]:
        """iIoU of the two categories whose classes are all countable: human and vehicle."""
        scores = {}
        for category in ("human", "vehicle"):
            own = [x.id for x in COUNTABLE if x.category == category]
            columns = [x.id for x in LABELS if x.category == category and x.id >= 0]
            others = self._rows(x for x in EVALUATED if x.category != category)
            false = self.matrix[np.ix_(others, columns)].sum()
            scores[category] = _divide(
                sum(self._found_category[i] for i in own), sum(self._all[i] for i in own) + false
            )
        return scores


def mean(scores: dict[str, float]) -> float:
    """The mean of the scores that are defined; nan if none is."""
    defined = [v for v in scores.values() if not np.isnan(v)]
    return float(np.mean(defined)) if defined else float("nan")


def _divide(part, whole) -> float:
    return float(part) / float(whole) if whole else float("nan")
