"""A pinhole camera on the roof of a car, and random numbers that are the same everywhere.

Coordinates in meters: x right, y up, z forward; the ground is y = 0. Pixels: u right, v down. The
defaults are near Cityscapes' camera (focal length 2262 px, horizon at row 513, 1.2 m above the
road; chapter 03).
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

WIDTH, HEIGHT = 2048, 1024
NEAR = 1.6  # meters; what is nearer is cut away


class Random:
    """Random numbers made from the raw integers of PCG64, whose stream numpy has promised never to
    change.
    """

    def __init__(self, *seed: int):
        self.bits = np.random.PCG64(list(seed))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * (self.bits.random_raw() >> 11) / 2**53

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return low + self.bits.random_raw() % (high - low + 1)

    def chance(self, probability: float) -> bool:
        return self.uniform() < probability

    def choice(self, items):
        return items[self.bits.random_raw() % len(items)]

    def noise(self, *shape: int) -> np.ndarray:
        """float32 noise, about normal with standard deviation 1 (the sum of four uniform bytes)."""
        count = int(np.prod(shape))
        four = self.bits.random_raw((count + 1) // 2).astype("<u8").view("<u4")[:count]
        two = (four & 0xFF00FF) + ((four >> 8) & 0xFF00FF)  # bytes added in pairs, side by side
        return ((((two & 0xFFFF) + (two >> 16)).astype(np.float32) - 510) / 147.8).reshape(shape)


@dataclass(frozen=True)
class Camera:
    """Where the camera is and how it looks; `horizon` is the row of y = height at infinity."""

    focal: float = 2262.0
    center: float = 1024.0
    horizon: float = 513.0
    height: float = 1.2

    def project(self, point) -> tuple[float, float]:
        """(u, v) of a point (x, y, z) in front of the camera."""
        x, y, z = point
        return self.center + self.focal * x / z, self.horizon - self.focal * (y - self.height) / z

    def polygon(self, points) -> list[tuple[int, int]]:
        """Integer pixel vertices of a polygon in space, cut at the near plane; empty if nothing is
        in front.
        """
        kept = []
        for a, b in zip(points, [*points[1:], points[0]]):
            if a[2] >= NEAR:
                kept.append(a)
            if (a[2] >= NEAR) != (b[2] >= NEAR):
                t = (NEAR - a[2]) / (b[2] - a[2])
                kept.append((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), NEAR))
        return [(floor(u + 0.5), floor(v + 0.5)) for u, v in map(self.project, kept)]

    def depth_of_row(self, v):
        """Distance in meters of the ground at row v (or rows); above the horizon infinite."""
        below = np.maximum(np.asarray(v, np.float32) - np.float32(self.horizon), 1e-3)
        return self.focal * self.height / below


def hull(points) -> list[tuple[int, int]]:
    """The convex hull of integer points, counter-clockwise (Andrew's monotone chain)."""
    points = sorted(set(points))
    if len(points) < 3:
        return points

    def half(ordered):
        chain = []
        for p in ordered:
            while (
                len(chain) > 1
                and (
                    (chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1])
                    - (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])
                )
                <= 0
            ):
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return half(points) + half(points[::-1])


def box_of(polygon, margin: int = 2):
    """The part of the picture (left, top, right, bottom) that a polygon touches, or None."""
    us, vs = [p[0] for p in polygon], [p[1] for p in polygon]
    box = (
        max(0, floor(min(us)) - margin),
        max(0, floor(min(vs)) - margin),
        min(WIDTH, ceil(max(us)) + margin),
        min(HEIGHT, ceil(max(vs)) + margin),
    )
    return box if box[0] < box[2] and box[1] < box[3] else None
