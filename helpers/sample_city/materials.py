"""What surfaces look like: palettes that overlap between classes, and two tiling textures.

A city in which every class had its own colour would teach nothing, so asphalt, plaster, concrete and an overcast sky
share their greys, and clothes, cars and signs share all colours.
"""
from functools import cache

import numpy as np
from PIL import Image

from helpers.sample_city.camera import Random

# name: (grain, patches, lies on the ground); the first is the sky, which has neither
_TABLE = {
    "sky": (0.0, 0.0, False),
    "plain": (0.02, 0.02, False),
    "paint": (0.015, 0.05, False),
    "plaster": (0.04, 0.06, False),
    "brick": (0.10, 0.08, False),
    "glass": (0.01, 0.18, False),
    "leaves": (0.30, 0.16, False),
    "cloth": (0.07, 0.08, False),
    "metal": (0.04, 0.06, False),
    "asphalt": (0.10, 0.07, True),
    "paving": (0.13, 0.08, True),
    "grass": (0.26, 0.16, True),
    "gravel": (0.24, 0.10, True),
    "marking": (0.08, 0.10, True),
}
MATERIALS = list(_TABLE)
AMPLITUDE = np.array([row[:2] for row in _TABLE.values()], np.float32)
GROUND = np.array([row[2] for row in _TABLE.values()])


@cache
def textures(size: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """(grain, patches): two tiling float32 [size, size] textures with standard deviation 1."""
    random = Random(4711)

    def smooth(cells):
        noise = random.noise(cells, cells)
        wide = Image.fromarray(np.tile(noise, (3, 3))).resize((3 * size, 3 * size), Image.BICUBIC)
        return np.asarray(wide)[size : 2 * size, size : 2 * size]

    grain = random.noise(size, size) + smooth(size // 2) + smooth(size // 4)
    patches = smooth(size // 16) + smooth(size // 48 + 1) + smooth(4)
    return tuple((t / t.std()).astype(np.float32) for t in (grain, patches))


def grey(random: Random, low: int, high: int, cast: int = 8) -> tuple[int, int, int]:
    """A grey with a slight cast."""
    level = random.integer(low, high)
    return tuple(level + random.integer(-cast, cast) for _ in range(3))


def plaster(random: Random) -> tuple[int, int, int]:
    """Plaster, stone or brick of a facade."""
    base = random.choice([(190, 175, 150), (170, 165, 158), (150, 120, 100), (205, 195, 175), (140, 140, 142),
                          (165, 95, 75), (120, 112, 105), (180, 160, 120), (135, 150, 150), (110, 100, 95)])
    return tuple(max(40, c + random.integer(-22, 14)) for c in base)


def car_paint(random: Random) -> tuple[int, int, int]:
    """Mostly greys, black and white, sometimes a colour; as on real streets."""
    if random.chance(0.72):
        return grey(random, *random.choice([(25, 55), (90, 130), (150, 190), (205, 235)]), 6)
    return random.choice([(140, 25, 25), (25, 45, 110), (30, 80, 60), (150, 120, 40), (70, 40, 90), (165, 80, 30)])


def cloth(random: Random) -> tuple[int, int, int]:
    """Clothes: dark more often than bright."""
    if random.chance(0.6):
        return grey(random, 25, 95, 10)
    return tuple(random.integer(30, 200) for _ in range(3))


def skin(random: Random) -> tuple[int, int, int]:
    return random.choice([(215, 170, 145), (190, 140, 110), (150, 105, 80), (100, 70, 55), (225, 185, 160)])


def leaf(random: Random) -> tuple[int, int, int]:
    """Green to yellow to brown, as the season has it."""
    return random.choice([(70, 95, 45), (85, 100, 50), (60, 80, 50), (100, 105, 55), (110, 95, 55), (50, 70, 45)])
