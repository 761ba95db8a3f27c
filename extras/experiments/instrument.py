"""The sample city as an instrument: one scene, one thing changed, and what a network makes of it
(chapter 12).

    from extras.experiments.instrument import QUESTIONS
    question = QUESTIONS["distance"]
    # A pedestrian, 40 m away, on a street without other traffic
    scene = question.scene(seed=3, value=40)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from helpers.inference import predict_frame
from helpers.labels import IGNORE, TRAIN_19
from helpers.metrics import ConfusionMatrix
from sample_city import make_scene, objects, paint_labels, people, render, vehicles
from sample_city.camera import Random
from sample_city.people import Cycle, Person
from sample_city.scene import Scene
from sample_city.vehicles import Vehicle

PAINTS = {
    "its own": None,
    "magenta": (255, 0, 255),
    "bright green": (0, 255, 0),
    "orange": (255, 128, 0),
}


def street(seed: int) -> Scene:
    """An ordinary scene of a straight street: the first with this number that has no bend. No frame
    of the data.
    """
    for number in range(1000 * (seed + 1), 1000 * (seed + 2)):
        scene = make_scene(number)
        if all(strip.curve == 0 for strip in scene.ground):
            return scene
    raise ValueError(
        f"no straight street among the scenes {1000 * (seed + 1)} to {1000 * (seed + 2) - 1}"
    )


def empty(seed: int) -> Scene:
    """A straight street without vehicles, people and things on the ground: the next one added is
    the only one.
    """
    scene = street(seed)
    gone = (Vehicle, Person, Cycle, objects.Slab)
    kept = tuple(thing for thing in scene.objects if not isinstance(thing, gone))
    return replace(scene, objects=kept)


def pedestrian(seed: int, z: float) -> Scene:
    """One pedestrian, `z` meters ahead, on an empty street: the last object."""
    who = replace(people.person(Random(seed, 11), x=0.3, z=10.0), height=1.75, child=False)
    return empty(seed).added(replace(who, z=float(z)))


def car(seed: int, paint=None) -> Scene:
    """One car, 13 m ahead, seen from behind, on an empty street: the last object. `paint` is its
    color, if given.
    """
    scene = empty(seed).added(vehicles.car(Random(seed, 12), x=0.8, z=13.0))
    return scene.changed(len(scene.objects) - 1, color=paint) if paint else scene


def hidden(seed: int, share: float) -> Scene:
    """The same car, a `share` of its width (0 to 0.9) behind a box that stands 3 m in front of it;
    from the left.
    """
    scene = car(seed)
    if not share:
        return scene
    car_ahead = scene.objects[-1]
    columns = [scene.camera.project((x, 0.0, z))[0] for x, z in car_ahead.footprint()]

    # The columns of the picture that the box is to hide, and where they lie at its distance
    first = min(columns)
    last = first + share * (max(columns) - first)
    z = car_ahead.distance() - 3.0
    left = (first - scene.camera.center) * z / scene.camera.focal
    right = (last - scene.camera.center) * z / scene.camera.focal
    return scene.added(objects.Slab(x=(left + right) / 2, z=z, width=right - left, high=2.2))


def sun(seed: int, degrees: float) -> Scene:
    """An ordinary street under a clear sky, the sun `degrees` above the horizon behind the camera;
    the same light.
    """
    scene = street(seed)
    elevation = float(np.radians(degrees))
    return replace(scene, sun=replace(scene.sun, elevation=elevation, azimuth=2.6, strength=0.9))


def rain(seed: int, amount: float) -> Scene:
    """An ordinary street in rain of this amount (0 to 1); all else as it was."""
    scene = street(seed)
    return replace(scene, weather=replace(scene.weather, rain=float(amount)))


def exposure(seed: int, factor: float) -> Scene:
    """An ordinary street, `factor` of its light."""
    scene = street(seed)
    return replace(scene, weather=replace(scene.weather, exposure=scene.weather.exposure * factor))


@dataclass(frozen=True)
class Question:
    """What is changed (`values`), how (`make(seed, value)`), and what is scored: a class, or all of
    them (None).
    """

    text: str
    axis: str
    values: tuple
    make: Callable[[int, object], Scene]
    label: str | None

    def scene(self, seed: int, value) -> Scene:
        return self.make(seed, PAINTS[value] if self.make is car else value)


QUESTIONS = {
    "distance": Question(
        "a pedestrian walks away",
        "distance in m",
        (10, 15, 20, 30, 45, 60, 80),
        pedestrian,
        "person",
    ),
    "occlusion": Question(
        "a box hides a car",
        "share that is hidden",
        (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9),
        hidden,
        "car",
    ),
    "color": Question("a car is painted anew", "paint", tuple(PAINTS), car, "car"),
    "sun": Question("the sun sinks", "elevation in degrees", (60, 40, 20, 10, 5, 2), sun, None),
    "light": Question("it gets dark", "share of the light", (1.0, 0.5, 0.25, 0.1), exposure, None),
    "rain": Question("it rains", "amount of rain", (0.0, 0.25, 0.5, 1.0), rain, None),
}


def picture(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """The frame uint8 [1024, 2048, 3] and its train ids uint8 [1024, 2048]."""
    image, polygons = render(scene)
    return image, TRAIN_19.encode(np.asarray(paint_labels(polygons)["labelIds"]))


def window(truth: np.ndarray, train_id: int) -> tuple[slice, slice]:
    """Rows and columns of the box around a class, wider by half its size (16 pixels at least) on
    every side.

    Raises ValueError if the class does not occur.
    """
    found = np.nonzero(truth == train_id)
    if not len(found[0]):
        raise ValueError(
            f"no pixel of {TRAIN_19.names[train_id]} in this scene: it is hidden or outside the "
            "frame"
        )
    spans = []
    for places in found:
        a, b = int(places.min()), int(places.max()) + 1
        margin = max(16, (b - a) // 2)
        spans.append(slice(max(0, a - margin), b + margin))
    return tuple(spans)


def score(prediction: np.ndarray, truth: np.ndarray, label: str | None) -> float:
    """IoU of a class within its `window` (false alarms elsewhere do not count), or without one the
    frame's mIoU.
    """
    if label is None:
        matrix = ConfusionMatrix(len(TRAIN_19))
        matrix.update(prediction, truth)
        return matrix.mean_iou()
    train_id = TRAIN_19.names.index(label)
    box = window(truth, train_id)
    valid = truth[box] != IGNORE
    guess = (prediction[box] == train_id) & valid
    real = truth[box] == train_id
    return float((guess & real).sum() / (guess | real).sum())


def ask(
    model, info: dict, question: Question, seed: int, value
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Score, frame, truth and prediction of `model` for one scene."""
    image, truth = picture(question.scene(seed, value))
    prediction = predict_frame(model, image, info)
    return score(prediction, truth, question.label), image, truth, prediction
