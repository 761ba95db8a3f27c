"""Checkers of chapter 04: statistics from counts, normalizing a frame and undoing it."""

import numpy as np
import torch

from extras.exercises import Wrong
from helpers.dataset import normalize


def mean_std(counts):
    """Mean and standard deviation, on the scale 0 to 1, of 256 counts."""
    values = np.arange(256)
    pixels = counts.sum()
    mean = (values * counts).sum() / pixels
    variance = ((values - mean) ** 2 * counts).sum() / pixels
    return mean / 255, np.sqrt(variance) / 255


def turn_a(answer) -> None:
    """mean_std(counts) -> (mean, std) on the scale 0 to 1."""
    counts = np.zeros(256, np.int64)
    counts[0] = 300
    counts[255] = 100
    result = answer(counts)
    if not isinstance(result, (tuple, list, np.ndarray)) or len(result) != 2:
        raise Wrong(f"return a pair (mean, std), found {type(result).__name__}")
    mean, std = (float(value) for value in result)
    if abs(mean - counts.mean()) < 1e-9:
        raise Wrong(
            f"{mean:.4f} is the average of the counts. A value v occurs counts[v] times: weigh "
            "the values 0 to 255 with their counts."
        )
    if abs(mean - 63.75) < 1e-9:
        raise Wrong(
            "63.75 is right on the scale 0 to 255; the course counts from 0 to 1, so divide by 255."
        )
    if not abs(mean - 0.25) < 1e-9:
        raise Wrong(
            f"three quarters of the pixels are 0, one quarter is 255: the mean is 0.25, yours is "
            f"{mean:.4f}"
        )
    if abs(std - 0.1875) < 1e-9:
        raise Wrong("0.1875 is the variance; the standard deviation is its square root, 0.4330.")
    if abs(std - 255 * 0.4330127) < 1e-3:
        raise Wrong(f"the mean is right, but {std:.1f} is the deviation on the scale 0 to 255")
    if abs(std - 0.4330127 * np.sqrt(400 / 399)) < 1e-6:
        raise Wrong(
            f"{std:.4f} comes from dividing by one pixel less than there are (ddof=1); we want "
            "the mean over all pixels, and that makes 0.4330"
        )
    if not abs(std - 0.4330127) < 1e-6:
        raise Wrong(f"the standard deviation is 0.4330, yours is {std:.4f}")
    counts = np.arange(256) ** 2
    mean, std = (float(value) for value in answer(counts))
    right_mean, right_std = mean_std(counts)
    if not (abs(mean - right_mean) < 1e-6 and abs(std - right_std) < 1e-6):
        raise Wrong(
            f"right for pixels of 0 and 255, but where counts[v] is v * v, mean and deviation are "
            f"{right_mean:.4f} and {right_std:.4f}; yours are {mean:.4f} and {std:.4f} (in 8 bits, "
            "values * values runs over)"
        )


def turn_b(answer) -> None:
    """normalize(image, mean, std): uint8 [H, W, 3] -> float32 [3, H, W]."""
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = (255, 0, 51)
    image[1, 2] = (102, 153, 204)
    mean, std = (0.5, 0.25, 0.1), (0.5, 0.25, 0.05)
    result = answer(image, mean, std)
    if not isinstance(result, torch.Tensor):
        raise Wrong(f"return a tensor, found {type(result).__name__}")
    if tuple(result.shape) != (3, 2, 3):
        raise Wrong(
            "PyTorch wants channels first: a frame of (2, 3, 3) becomes (3, 2, 3), yours is "
            f"{tuple(result.shape)}"
        )
    if result.dtype != torch.float32:
        raise Wrong(f"the network computes in float32, yours is {result.dtype}")
    if torch.allclose(result, normalize(image.reshape(3, 2, 3).transpose(1, 2, 0), mean, std)):
        raise Wrong(
            "colors and places are mixed up: reshape only cuts the same row of numbers anew; "
            "transpose(2, 0, 1) brings the channels to the front."
        )
    pixel = [round(value, 3) for value in result[:, 0, 0].tolist()]
    if pixel[0] > 100:
        raise Wrong(
            f"a red of 255 became {pixel[0]:.0f}: mean and deviation are on the scale 0 to 1, so "
            "divide the bytes by 255 first."
        )
    if pixel != [1.0, -1.0, 2.0]:
        raise Wrong(
            f"the pixel (255, 0, 51) should become [1.0, -1.0, 2.0], yours is {pixel}: does each "
            "channel get its own mean and deviation?"
        )
    if not torch.allclose(result, normalize(image, mean, std), atol=1e-4):
        raise Wrong("the first pixel is right, others are not: have rows or columns moved?")


TURNS = {"A": mean_std, "B": normalize}


def exercise_1(to_picture) -> None:
    """to_picture(tensor, mean, std): the exact inverse of the normalization."""
    mean, std = (0.2869, 0.3251, 0.2839), (0.1870, 0.1902, 0.1872)
    levels = np.arange(256, dtype=np.uint8)
    channels = [
        np.tile(levels, (2, 1)),
        np.tile(levels[::-1], (2, 1)),
        np.tile(levels // 2, (2, 1)),
    ]
    picture = np.stack(channels, -1)
    tensor = normalize(picture, mean, std)
    kept = tensor.clone()
    result = np.asarray(to_picture(tensor, mean, std))
    if result.shape != picture.shape:
        raise Wrong(f"expected the shape {picture.shape}, [H, W, 3], got {result.shape}.")
    if result.dtype != np.uint8:
        raise Wrong(f"expected uint8, got {result.dtype}.")
    if not torch.equal(tensor, kept):
        raise Wrong("the tensor that was passed in has changed; work on a copy.")
    off = int((result != picture).sum())
    if off:
        raise Wrong(
            f"{off} of {picture.size} bytes did not come back. Does the conversion to uint8 round?"
        )
    extremes = torch.tensor([-9.0, 9.0]).expand(3, 1, 2).clone()
    extremes = np.asarray(to_picture(extremes, mean, std))
    if extremes[0, 0].any() or (extremes[0, 1] != 255).any():
        raise Wrong(
            "values below 0 must become 0 and values above 255 must become 255; yours wrap around."
        )


def exercise_2(percent_off) -> None:
    """percent_off(numbers): by how much a float32 sum, made one by one, falls short."""
    small = float(percent_off(np.arange(100)))
    if not abs(small) < 1e-9:
        raise Wrong(f"a sum of 100 small numbers is exact in float32: 0 percent, not {small:.6f}")
    numbers = np.full(2**24 + 2**23, 1)  # the float32 sum stands still at 2**24
    got = float(percent_off(numbers))
    if abs(got + 100 / 3) < 0.01:
        raise Wrong("the float32 sum is too small, so the answer is positive")
    if abs(got) < 1e-6:
        raise Wrong(
            "you find no difference: np.sum adds in pairs and hides it, np.cumsum adds one by one"
        )
    if not abs(got - 100 / 3) < 0.01:
        raise Wrong(
            f"of 25,165,824 ones the float32 sum counts 16,777,216: {100 / 3:.3f} percent are "
            f"missing, you say {got:.3f}"
        )
