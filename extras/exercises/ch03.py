"""Checkers of chapter 03."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from extras.exercises import Wrong
from helpers.labels import LABELS


def exercise_1(categories) -> None:
    """categories(label_ids): categories 0 to 6 as uint8, 255 for void."""
    ids = np.arange(34, dtype=np.uint8).reshape(2, 17)
    result = np.asarray(categories(ids))
    if result.shape != ids.shape:
        raise Wrong(f"the shape must stay {ids.shape}, got {result.shape}.")
    if result.dtype != np.uint8:
        raise Wrong(f"expected uint8, got {result.dtype}.")
    for row in LABELS:
        if row.id < 0:
            continue
        expected = 255 if row.category == "void" else row.category_id - 1
        found = int(result.reshape(-1)[row.id])
        if found != expected:
            raise Wrong(
                f"{row.name} (id {row.id}, {row.category}) must become {expected}, got {found}."
            )


def exercise_2(paint_instances) -> None:
    """paint_instances(document): id * 1000 + n for countable classes, the plain id for groups and
    the rest.
    """

    def box(name, x, y, size=12, **more):
        return {
            "label": name,
            "polygon": [[x, y], [x + size, y], [x + size, y + size], [x, y + size]],
            **more,
        }

    document = {
        "imgWidth": 90,
        "imgHeight": 60,
        "objects": [
            box("road", 0, 0, 80),
            box("car", 2, 2),
            box("license plate", 5, 5, 4),
            box("person", 20, 2),
            box("car", 8, 8),
            box("cargroup", 40, 2),
            box("car", 40, 30, deleted=1),
            box("persongroup", 60, 2),
            box("polegroup", 2, 40),
            box("car", 60, 40),
            box("person", 22, 30),
        ],
    }
    expected = Image.new("I", (90, 60))
    draw = ImageDraw.Draw(expected)
    # In the order of the objects; None for the license plate and for what was deleted
    values = [7, 26000, None, 24000, 26001, 26, None, 24, 18, 26002, 24001]
    for value, item in zip(values, document["objects"], strict=True):
        if value is not None:
            draw.polygon([tuple(point) for point in item["polygon"]], fill=value)
    expected = np.asarray(expected)
    result = np.asarray(paint_instances(document))
    if result.shape != (60, 90):
        raise Wrong(
            f"an image of width 90 and height 60 has the shape (60, 90), got {result.shape}."
        )
    if result.dtype.kind not in "iu":
        raise Wrong(f"ids are integers, got {result.dtype}.")
    if not (result == expected).all():
        y, x = map(int, np.argwhere(result != expected)[0])
        raise Wrong(
            f"pixel ({y}, {x}) should be {expected[y, x]}, got {result[y, x]}. There should be "
            f"the ids {np.unique(expected).tolist()}, you have {np.unique(result).tolist()}."
        )


def exercise_3(column) -> None:
    """A class of the sample city: 1.2 m wide, 3 m high, label "static", drawn where it stands."""
    from sample_city import make_scene, render

    scene = replace(make_scene(3), objects=())
    before, polygons_before = render(scene)
    for x, z in ((2.0, 12.0), (-1.5, 24.0)):
        after, polygons = render(replace(scene, objects=(column(x=x, z=z),)))
        new = [p for p in polygons if p not in polygons_before]
        if not new:
            raise Wrong(
                "the frame has no polygon that it did not have before: use canvas.outline or "
                "canvas.label."
            )
        names = {p["label"] for p in new}
        if names != {"static"}:
            raise Wrong(f'the label must be "static", found {", ".join(sorted(names))}.')
        points = np.array([point for p in new for point in p["polygon"]])
        left, bottom = scene.camera.project((x - 0.6, 0.0, z))
        right, top = scene.camera.project((x + 0.6, 3.0, z))
        wanted = [round(float(value)) for value in (left, top, right, bottom)]
        found = [int(value) for value in (*points.min(axis=0), *points.max(axis=0))]
        if max(abs(a - b) for a, b in zip(wanted, found)) > 3:
            raise Wrong(
                f"at x={x}, z={z} the column should fill the pixels {wanted} (left, top, right, "
                f"bottom), yours fills {found}."
            )
        for corner in ((left, top), (left, bottom), (right, top), (right, bottom)):
            if np.abs(points - corner).max(axis=1).min() > 3:
                raise Wrong(
                    f"the outline has no point at the corner {[round(float(v)) for v in corner]}: "
                    "the column is a rectangle."
                )
        inside = (slice(int(top) + 4, int(bottom) - 4), slice(int(left) + 4, int(right) - 4))
        changed = np.abs(after[inside].astype(int) - before[inside]).max(axis=2) > 12
        if changed.mean() < 0.5:
            raise Wrong(
                "the label is there, but the picture hardly changes inside it: paint it with "
                "canvas.face."
            )
