"""Exact mean and standard deviation of a set of frames (chapter 04 builds it by hand)."""

import hashlib
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.csv_index import index_folder
from helpers.files import read_derived, write_json
from helpers.images import open_image
from helpers.progress import parallel_map, progress_bar

# The constants in wide circulation for Cityscapes' 2,975 training frames (origin unknown; chapter
# 04 compares).
CITYSCAPES_MEAN = (0.28689554, 0.32513303, 0.28389177)
CITYSCAPES_STD = (0.18696375, 0.19017339, 0.18720214)


class ChannelStatistics(NamedTuple):
    """Pooled over all pixels: `mean` and `std` of R, G, B on the scale 0..1, and the number of
    `pixels`.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    pixels: int

    @property
    def divisors(self) -> tuple[float, ...]:
        """The deviations to divide by: at least one gray level, as a channel may be constant."""
        return tuple(max(one, 1 / 255) for one in self.std)


def histogram(image: np.ndarray) -> np.ndarray:
    """How often each channel of uint8 [H, W, 3] takes each of its 256 values: int64 [3, 256]."""
    return np.array(Image.fromarray(image).histogram(), np.int64).reshape(3, 256)


def frame_histogram(path) -> np.ndarray:
    """The histogram of the frame at `path`. Errors as in helpers.images.open_image."""
    return histogram(open_image(path))


def from_histogram(counts: np.ndarray) -> ChannelStatistics:
    """Mean and standard deviation from counts [3, 256], in exact integer arithmetic until the last
    step.
    """
    mean = []
    std = []
    pixels = int(counts[0].sum())
    if pixels == 0:
        raise ValueError("no pixels: the list of images is empty")
    # mean = sum x / N, and variance = (N sum x^2 - (sum x)^2) / N^2, both as exact fractions.
    for channel in counts.tolist():  # Python's integers do not overflow
        first = sum(value * n for value, n in enumerate(channel))
        second = sum(value * value * n for value, n in enumerate(channel))
        mean.append(float(Fraction(first, pixels * 255)))
        std.append(sqrt(Fraction(pixels * second - first * first, (pixels * 255) ** 2)))
    return ChannelStatistics(tuple(mean), tuple(std), pixels)


def channel_statistics(paths, progress=False, workers=None) -> ChannelStatistics:
    """Pooled mean and population standard deviation of the images at `paths`, exact to the last
    float digit.

    Counts are whole numbers, so that the result is the same for any number of `workers` (default:
    all cores). Raises ValueError or FileNotFoundError naming a bad file.
    """
    paths = list(paths)
    counts = np.zeros((3, 256), np.int64)
    histograms = parallel_map(frame_histogram, paths, workers)
    # 3 x 256 counts are all that is kept of a frame.
    for one in progress_bar(histograms, "statistics", progress, total=len(paths)):
        counts += one
    return from_histogram(counts)


def find_statistics(root, rows, progress: bool = False) -> ChannelStatistics:
    """The statistics of the training frames `rows` below `root`, as chapter 04 stores them.

    They are read from statistics.json beside the index if it is of these very files, else computed
    and written there; a line says so.
    """
    path = index_folder(root) / "statistics.json"
    if path.is_file():
        stored = read_derived(path)
        if stored.pop("files", None) == _fingerprint(root, rows) and len(stored) == 3:
            return ChannelStatistics(tuple(stored["mean"]), tuple(stored["std"]), stored["pixels"])
        print("statistics.json is of other frames: computed anew")
    else:
        print("statistics.json was not there (chapter 04 writes it): computed now")
    statistics = channel_statistics([Path(root) / row.image for row in rows], progress=progress)
    write_statistics(root, rows, statistics)
    return statistics


def write_statistics(root, rows, statistics: ChannelStatistics) -> Path:
    """Store the statistics of `rows` in statistics.json beside the index; returns its path."""
    values = {**statistics._asdict(), "files": _fingerprint(root, rows)}
    return write_json(index_folder(root) / "statistics.json", values)


def _fingerprint(root, rows) -> str:
    """A hash of the names, sizes and times of change of the frames' files."""
    hashed = hashlib.sha256()
    for row in rows:
        info = (Path(root) / row.image).stat()
        hashed.update(f"{row.image} {info.st_size} {info.st_mtime_ns}\n".encode())
    return hashed.hexdigest()
