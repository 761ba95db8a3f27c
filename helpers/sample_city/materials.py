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
    "plain": (0.02, 0.01, False),
    "paint": (0.01, 0.02, False),
    "plaster": (0.035, 0.022, False),
    "stone": (0.085, 0.035, False),
    "bark": (0.11, 0.03, False),
    "glass": (0.01, 0.10, False),
    "leaves": (0.20, 0.06, False),
    "cloth": (0.05, 0.05, False),
    "metal": (0.03, 0.03, False),
    "asphalt": (0.075, 0.022, True),
    "paving": (0.075, 0.022, True),
    "grass": (0.20, 0.07, True),
    "gravel": (0.20, 0.05, True),
    "marking": (0.06, 0.07, True),
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

    grain = random.noise(size, size) + smooth(size // 2) + 0.5 * smooth(size // 4)
    patches = smooth(size // 16) + smooth(size // 48 + 1) + smooth(4)
    return tuple((t / t.std()).astype(np.float32) for t in (grain, patches))


def grey(random: Random, low: int, high: int, cast: int = 8) -> tuple[int, int, int]:
    """A grey, warm or cool."""
    level, warm, green = random.integer(low, high), random.integer(-cast, cast), random.integer(-cast // 3, cast // 3)
    return level + warm, level + green, level - warm


def plaster(random: Random) -> tuple[int, int, int]:
    """Plaster, stone or brick of a facade."""
    base = random.choice([(176, 168, 152), (158, 154, 147), (190, 184, 169), (140, 137, 131), (150, 134, 117),
                          (126, 117, 107), (168, 152, 130), (146, 106, 90), (182, 166, 134), (148, 154, 148),
                          (196, 192, 182), (110, 104, 98), (166, 140, 122)])
    shift, warm = random.integer(-26, 10), random.integer(-6, 6)
    return base[0] + shift + warm, base[1] + shift, base[2] + shift - warm


def car_paint(random: Random, plain: float = 0.75) -> tuple[int, int, int]:
    """Mostly greys, black and white, sometimes a colour; as on real streets."""
    if random.chance(plain):
        return grey(random, *random.choice([(22, 48), (22, 48), (70, 110), (130, 170), (190, 218)]), 4)
    return random.choice([(128, 30, 30), (38, 56, 104), (44, 78, 66), (138, 118, 58), (74, 62, 80), (138, 78, 44),
                          (70, 98, 124), (96, 34, 40), (120, 126, 96)])


def cloth(random: Random, dark: float = 0.6) -> tuple[int, int, int]:
    """Clothes: dark more often than bright."""
    if random.chance(dark):
        return random.choice((grey(random, 22, 80, 8), (36, 44, 66), (52, 58, 82), (74, 66, 56)))
    level = random.integer(50, 160)
    return tuple(max(20, min(205, level + random.integer(-50, 50))) for _ in range(3))


def skin(random: Random) -> tuple[int, int, int]:
    return random.choice([(205, 165, 142), (186, 140, 112), (146, 106, 82), (98, 70, 55), (212, 176, 154)])


def hair(random: Random) -> tuple[int, int, int]:
    return random.choice([(40, 34, 30), (64, 48, 36), (92, 72, 50), (128, 106, 76), (120, 118, 114), (30, 28, 28)])


def leaf(random: Random) -> tuple[int, int, int]:
    """Green to yellow to brown, as the season has it."""
    base = random.choice([(82, 98, 58), (92, 104, 60), (70, 88, 58), (104, 108, 64), (114, 104, 66), (62, 80, 54), (74, 94, 52), (90, 104, 66)])
    shift = random.integer(-12, 10)
    return tuple(c + shift for c in base)
