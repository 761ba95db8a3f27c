"""Where a prediction is wrong: by the distance to an edge of the truth, and by the size of a thing
(chapter 10).
"""

import numpy as np
import torch
import torch.nn.functional as F

# Upper ends of the bands of distance, in pixels; the last band has none.
EDGE_BANDS = (1, 2, 4, 8, 16, 32)
EDGE_NAMES = ("1", "2", "3-4", "5-8", "9-16", "17-32", "more")

# Lower ends of the sizes of things, in pixels of the full frame; the last has no upper end.
SIZES = (1, 400, 2_000, 10_000, 50_000)
SIZE_NAMES = ("below 400", "400-1,999", "2,000-9,999", "10,000-49,999", "50,000 and more")


def edge_bands(truth: np.ndarray) -> np.ndarray:
    """For every pixel of a label map [H, W] the band of its distance to the nearest edge.

    int64 [H, W], indices into EDGE_NAMES. A pixel at distance 1 touches a pixel of another label,
    corners included.
    """
    labels = torch.from_numpy(truth.astype(np.float32))[None, None]
    bands = np.full(truth.shape, len(EDGE_BANDS))
    # From far to near, so that each pixel keeps the nearest band in which another label lies.
    for band in reversed(range(len(EDGE_BANDS))):
        size = 2 * EDGE_BANDS[band] + 1
        largest = _largest(labels, size)
        smallest = -_largest(-labels, size)
        bands[(largest != smallest)[0, 0].numpy()] = band
    return bands


def _largest(labels: torch.Tensor, size: int) -> torch.Tensor:
    """The largest label in the square around each pixel: first along columns, then along rows."""
    columns = F.max_pool2d(labels, (size, 1), 1, (size // 2, 0))
    return F.max_pool2d(columns, (1, size), 1, (0, size // 2))


def right_by_distance(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """int64 [2, 7]: the pixels of each band that are right, and all that count."""
    bands = edge_bands(truth)
    asked = truth != 255
    right = asked & (prediction == truth)
    count = len(EDGE_NAMES)
    return np.stack([np.bincount(bands[which], minlength=count) for which in (right, asked)])


def found_things(prediction: np.ndarray, instances: np.ndarray, label_set) -> np.ndarray:
    """Every single thing of a frame: its pixels, and the share of them whose class is right.

    float64 [things, 2]. `instances` are instance ids [H, W]: label id * 1000 + number for a thing
    that can be counted, the label id for everything else, which is left out.
    """
    ids, index = np.unique(instances, return_inverse=True)
    index = index.ravel()
    pixels = np.bincount(index)
    class_of_id = label_set.encode(np.where(ids >= 1000, ids // 1000, 0))
    hits = np.bincount(index, prediction.ravel() == class_of_id[index], minlength=len(ids))
    things = class_of_id != 255
    return np.stack([pixels[things], hits[things] / pixels[things]], axis=1)


def size_band(pixels: np.ndarray) -> np.ndarray:
    """Indices into SIZE_NAMES of sizes in pixels."""
    return np.searchsorted(SIZES, pixels, side="right") - 1
