"""A scene as data: light, weather, and (from street.py) who is where. Nothing is drawn here.

from dataclasses import replace

scene = make_scene(seed=7)
darker = replace(scene, sun=replace(scene.sun, strength=0.0))
farther = scene.changed(3, z=80.0)  # the object number 3, moved away
"""

from dataclasses import dataclass, replace
from math import cos, pi, sin

from sample_city.camera import Camera, Random
from sample_city.materials import gray
from sample_city.street import Street
from sample_city.vehicles import Ego

# Rare classes must be seen often enough to be learned: every frame has one of these on its street.
THEMES = (
    "tram",
    "bus",
    "truck",
    "motorcycle",
    "bicycle",
    "lights",
    "wall",
    "fence",
    "crowd",
    "parking",
)


@dataclass(frozen=True)
class Sun:
    """Azimuth (0 behind the scene, pi behind the camera) and elevation in radians; strength 0 is an
    overcast sky.
    """

    azimuth: float = 2.0
    elevation: float = 0.8
    strength: float = 0.7

    @property
    def direction(self) -> tuple[float, float, float]:
        """Unit vector towards the sun."""
        level = cos(self.elevation)
        return level * sin(self.azimuth), sin(self.elevation), level * cos(self.azimuth)


@dataclass(frozen=True)
class Weather:
    """Sky, air, lens and sensor. `visibility` in meters, `rain` 0..1, `noise` in gray levels,
    `blur` in pixels.
    """

    sky_top: tuple = (150, 175, 205)
    sky_low: tuple = (210, 215, 218)
    clouds: float = 8.0
    visibility: float = 420.0
    exposure: float = 0.72
    tint: tuple = (0.93, 1.04, 0.90)
    rain: float = 0.0
    wet: float = 0.0
    lift: float = 6.0  # gray level of black, the veil of a lens
    noise: float = 3.0
    blur: float = 0.8
    shadows: bool = True


@dataclass(frozen=True)
class Scene:
    """Everything that `render` needs. Frozen: change it with `dataclasses.replace` or `changed`."""

    seed: int
    camera: Camera
    sun: Sun
    weather: Weather
    ground: tuple
    objects: tuple
    ego: Ego
    theme: str = ""

    def changed(self, number: int, **fields) -> "Scene":
        """The same scene with the fields of one object changed."""
        things = list(self.objects)
        things[number] = replace(things[number], **fields)
        return replace(self, objects=tuple(things))

    def added(self, thing) -> "Scene":
        """The same scene with one thing more; it gets the last number."""
        return replace(self, objects=(*self.objects, thing))

    def find(self, label: str) -> list[int]:
        """Numbers of the objects with this label (or of the class of this name)."""
        return [
            i
            for i, o in enumerate(self.objects)
            if getattr(o, "label", "") == label or type(o).__name__.lower() == label
        ]


def make_weather(random: Random) -> tuple[Sun, Weather]:
    """A time of day and a sky."""
    kind = random.choice(
        ("clear", "clear", "overcast", "overcast", "evening", "haze", "rain", "after rain")
    )
    sun = Sun(random.uniform(0, 2 * pi), random.uniform(0.4, 1.1), random.uniform(0.5, 1.0))
    tint = tuple(c * random.uniform(0.97, 1.03) for c in (0.915, 1.035, 0.895))
    weather = Weather(
        exposure=random.uniform(0.64, 0.9),
        tint=tint,
        noise=random.uniform(1.5, 4),
        lift=random.uniform(3, 10),
        blur=random.uniform(0.6, 1.1),
        clouds=random.uniform(3, 10),
        visibility=random.uniform(300, 600),
    )
    if kind == "clear":
        return sun, replace(weather, sky_top=(140, 170, 208), sky_low=(208, 218, 226))
    if kind == "evening":
        sun, warm = replace(sun, elevation=random.uniform(0.15, 0.35)), random.uniform(0.3, 1.0)
        tint = (0.94 + 0.1 * warm, 1.01 - 0.02 * warm, 0.89 - 0.06 * warm)
        return sun, replace(weather, sky_top=(150, 158, 178), sky_low=(226, 206, 180), tint=tint)
    level = random.integer(195, 232)
    dull = replace(
        weather,
        sky_top=(level - 4, level - 12, level - 2),
        sky_low=(level + 14, level + 6, level + 14),
    )
    if kind == "haze":
        return replace(sun, strength=0.25), replace(dull, visibility=random.uniform(120, 200))
    if kind == "rain":
        return replace(sun, strength=0.0), replace(
            dull, visibility=200.0, rain=random.uniform(0.3, 0.8), wet=random.uniform(0.5, 1.0)
        )
    if kind == "after rain":
        return replace(sun, strength=random.uniform(0.0, 0.6)), replace(
            dull, wet=random.uniform(0.4, 0.9)
        )
    return replace(sun, strength=random.uniform(0.0, 0.25)), dull


def make_scene(seed: int, theme: str | None = None, city: int = 0) -> Scene:
    """The scene of a seed: the same numbers give the same scene on every machine. `theme` is one of
    THEMES.
    """
    random = Random(seed, city, 1)
    theme = theme or random.choice(THEMES)
    street = Street(random, theme)
    camera = Camera(
        focal=2262 + random.uniform(-40, 40),
        center=1024 + random.uniform(-80, 80),
        horizon=random.uniform(430, 540),
        height=random.uniform(1.15, 1.35),
    )
    sun, weather = make_weather(random)
    for step in (
        street.lay_ground,
        street.line_sides,
        street.special,
        street.construct,
        street.park,
        street.furnish,
        street.people,
    ):
        step()
    ego = Ego(
        rise=random.integer(20, 70), border=random.integer(3, 9), color=gray(random, 18, 60, 4)
    )
    return Scene(
        seed, camera, sun, weather, tuple(street.ground), tuple(street.clear()), ego, theme
    )
