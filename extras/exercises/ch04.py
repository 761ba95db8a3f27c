"""Checkers of chapter 04."""

import numpy as np
import torch

from extras.exercises import Wrong


def exercise_1(combine) -> None:
    """combine(parts): pooled mean and std of parts (pixels, mean, std)."""
    rng = np.random.default_rng(4)
    for sizes in ((50, 50), (10, 200, 3), (70,)):
        pieces = [rng.normal(rng.uniform(0, 1), rng.uniform(0.1, 0.5), n) for n in sizes]
        everything = np.concatenate(pieces)
        result = combine([(len(p), float(p.mean()), float(p.std())) for p in pieces])
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            raise Wrong(f"return a pair (mean, std), not {type(result).__name__}.")
        mean, std = result
        if abs(mean - everything.mean()) > 1e-9:
            raise Wrong(
                f"for parts of {sizes} pixels the mean is {everything.mean():.6f}, you gave "
                f"{mean:.6f}. A part with more pixels must weigh more."
            )
        if abs(std - everything.std()) > 1e-9:
            raise Wrong(
                f"for parts of {sizes} pixels the standard deviation is {everything.std():.6f}, "
                f"you gave {std:.6f}. Average variances, and add what differs between the parts."
            )


def exercise_2(to_picture) -> None:
    """to_picture(tensor, mean, std): the exact inverse of the normalization."""
    mean, std = (0.2869, 0.3251, 0.2839), (0.1870, 0.1902, 0.1872)
    levels = np.arange(256, dtype=np.uint8)
    picture = np.stack(
        [np.tile(levels, (2, 1)), np.tile(levels[::-1], (2, 1)), np.tile(levels // 2, (2, 1))], -1
    )
    scaled = torch.from_numpy(picture.transpose(2, 0, 1).copy()).float() / 255
    tensor = (scaled - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
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
    extremes = np.asarray(to_picture(torch.tensor([-9.0, 9.0]).expand(3, 1, 2).clone(), mean, std))
    if extremes[0, 0].any() or (extremes[0, 1] != 255).any():
        raise Wrong(
            "values below 0 must become 0 and values above 255 must become 255; yours wrap around."
        )
