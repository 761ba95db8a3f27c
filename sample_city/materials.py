"""What surfaces look like: palettes that overlap between classes, and two tiling textures.

A city in which every class had its own color would teach nothing, so asphalt, plaster, concrete and
an overcast sky share their grays, and clothes, cars and signs share all colors.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from sample_city.camera import Random

# How strong grain and patches are; the first is the sky, which has neither. What lies on the ground
# comes last.
_TABLE = {
    "sky": (0.0, 0.0),
    "plain": (0.02, 0.01),
    "paint": (0.01, 0.02),
    "plaster": (0.035, 0.022),
    "stone": (0.085, 0.035),
    "bark": (0.11, 0.03),
    "glass": (0.01, 0.10),
    "leaves": (0.20, 0.06),
    "cloth": (0.05, 0.05),
    "metal": (0.03, 0.03),
    "asphalt": (0.075, 0.022),
    "paving": (0.075, 0.022),
    "grass": (0.20, 0.07),
    "gravel": (0.20, 0.05),
    "marking": (0.06, 0.07),
}
MATERIALS = list(_TABLE)
AMPLITUDE = np.array(list(_TABLE.values()), np.float32)
GROUND = np.arange(len(_TABLE)) >= MATERIALS.index("asphalt")
# Of vehicles, cycles and people
SHAPES = json.loads((Path(__file__).parent / "shapes.json").read_text())
_CARS = [(22, 48), (22, 48), (70, 110), (130, 170), (190, 218)]
_PAINTS = [
    (128, 30, 30),
    (38, 56, 104),
    (44, 78, 66),
    (138, 118, 58),
    (74, 62, 80),
    (138, 78, 44),
    (70, 98, 124),
    (96, 34, 40),
    (120, 126, 96),
]
_FACADES = [
    (176, 168, 152),
    (158, 154, 147),
    (190, 184, 169),
    (140, 137, 131),
    (150, 134, 117),
    (126, 117, 107),
    (168, 152, 130),
    (146, 106, 90),
    (182, 166, 134),
    (148, 154, 148),
    (196, 192, 182),
    (110, 104, 98),
    (166, 140, 122),
]
_SKINS = [(205, 165, 142), (186, 140, 112), (146, 106, 82), (98, 70, 55), (212, 176, 154)]
_HAIR = [(40, 34, 30), (64, 48, 36), (92, 72, 50), (128, 106, 76), (120, 118, 114), (30, 28, 28)]
_LEAVES = [
    (82, 98, 58),
    (92, 104, 60),
    (70, 88, 58),
    (104, 108, 64),
    (114, 104, 66),
    (62, 80, 54),
    (74, 94, 52),
    (90, 104, 66),
]


@cache
def textures(size: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """(grain, patches): two tiling float32 [size, size] textures with standard deviation 1."""
    random = Random(4711)

    def smooth(cells):
        wide = Image.fromarray(np.tile(random.noise(cells, cells), (3, 3))).resize(
            (3 * size, 3 * size), Image.BICUBIC
        )
        return np.asarray(wide)[size : 2 * size, size : 2 * size]

    grain = random.noise(size, size) + smooth(size // 2) + 0.5 * smooth(size // 4)
    patches = smooth(size // 16) + smooth(size // 48 + 1) + smooth(4)
    return tuple((t / t.std()).astype(np.float32) for t in (grain, patches))


def gray(random: Random, low: int, high: int, cast: int = 8) -> tuple[int, int, int]:
    """A gray, warm or cool."""
    level = random.integer(low, high)
    warm = random.integer(-cast, cast)
    green = random.integer(-cast // 3, cast // 3)
    return level + warm, level + green, level - warm


def plaster(random: Random) -> tuple[int, int, int]:
    """Plaster, stone or brick of a facade."""
    base, shift, warm = random.choice(_FACADES), random.integer(-26, 10), random.integer(-6, 6)
    return base[0] + shift + warm, base[1] + shift, base[2] + shift - warm


def car_paint(random: Random, plain: float = 0.75) -> tuple[int, int, int]:
    """Mostly grays, black and white, sometimes a color; as on real streets."""
    return (
        gray(random, *random.choice(_CARS), 4) if random.chance(plain) else random.choice(_PAINTS)
    )


def cloth(random: Random, dark: float = 0.6) -> tuple[int, int, int]:
    """Clothes: dark more often than bright."""
    if random.chance(dark):
        return random.choice((gray(random, 22, 80, 8), (36, 44, 66), (52, 58, 82), (74, 66, 56)))
    level = random.integer(50, 160)
    return tuple(max(20, min(205, level + random.integer(-50, 50))) for _ in range(3))


def skin(random: Random) -> tuple[int, int, int]:
    return random.choice(_SKINS)


def hair(random: Random) -> tuple[int, int, int]:
    return random.choice(_HAIR)


def leaf(random: Random) -> tuple[int, int, int]:
    """Green to yellow to brown, as the season has it."""
    base, shift = random.choice(_LEAVES), random.integer(-12, 10)
    return tuple(c + shift for c in base)
