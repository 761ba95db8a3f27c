"""What all objects share: a place on the street, and a pen for those drawn in a plane that faces
the camera.
"""

from dataclasses import dataclass
from math import cos, floor, pi, sin

from sample_city.camera import NEAR, Random


def mixed(p, q, t: float) -> tuple:
    """The point (or color) at share t of the way from p to q."""
    return tuple(a + t * (b - a) for a, b in zip(p, q))


def scaled(color, factor: float) -> tuple:
    """A color made darker or brighter."""
    return tuple(max(0, min(255, int(c * factor))) for c in color)


def rect(a: float, y0: float, b: float, y1: float) -> list:
    """A rectangle from (a, y0) to (b, y1)."""
    return [(a, y0), (a, y1), (b, y1), (b, y0)]


def round_(x: float, y: float, radius: float, count: int, turn: float = 0.0) -> list:
    """A regular polygon."""
    angles = [turn + k * 2 * pi / count for k in range(count)]
    return [(x + radius * cos(a), y + radius * sin(a)) for a in angles]


@dataclass(frozen=True)
class Thing:
    """Base of all: position on the ground, and a seed of its own for details."""

    x: float = 0.0
    z: float = 20.0
    seed: int = 0

    def distance(self) -> float:
        """What decides the painting order: far things first."""
        return self.z

    def footprint(self):
        """Corners (x, z) on the ground, for the shadow; None for none."""

    def around(self, a: float, b: float):
        """A rectangle of half width a and half depth b on the ground."""
        return [(self.x + i * a, self.z + j * b) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]

    def tall(self) -> float:
        return getattr(self, "height", 1.5)

    def random(self) -> Random:
        return Random(self.seed, 5)


class Pen:
    """Draws in the plane through a thing that faces the camera: (sideways, up) in meters, or in
    shares of `size`.

    `stretch` squeezes the sideways axis (a cycle seen nearly from behind) and turns it round if it
    is negative.
    """

    def __init__(self, canvas, thing, stretch: float = 1.0, size: float = 1.0):
        self.canvas, self.z, self.stretch, near = canvas, thing.z, stretch, max(thing.z, NEAR)
        self.scale, self.light = canvas.camera.focal / near * size, canvas.light((0, 0, -1))
        self.u, self.v = canvas.camera.project((thing.x, 0.0, near))
        # Positive: the sun is where sideways is positive
        self.sunny = canvas.sun.direction[0] * stretch

    def polygon(self, points) -> list[tuple[int, int]]:
        if self.z < NEAR:
            return []
        k = self.scale * self.stretch
        return [
            (floor(self.u + a * k + 0.5), floor(self.v - b * self.scale + 0.5)) for a, b in points
        ]

    def fill(self, points, color, material: str = "plain") -> None:
        self.canvas.paint(self.polygon(points), color, self.z, material, self.light)

    def tube(self, points, width: float, color, material: str = "plain") -> None:
        """A line of this width through the points."""
        self.canvas.stroke(
            self.polygon(points), width * self.scale, color, self.z, material, self.light
        )

    def disc(self, center, radius: float, color, material: str = "plain") -> None:
        for u, v in self.polygon([center]):
            a = max(1, int(radius * abs(self.stretch) * self.scale))
            b = max(1, int(radius * self.scale))
            self.canvas.ellipse((u - a, v - b, u + a, v + b), color, self.z, material, self.light)

    def part(self, label: str, points, color, material: str = "plain", inside=()) -> None:
        """A labeled polygon with shapes (points, color) painted inside it."""
        with self.canvas.outline(label, self.polygon(points)) as seen:
            if seen:
                self.fill(points, color, material)
                for shape, tone in inside:
                    self.fill(shape, tone)
