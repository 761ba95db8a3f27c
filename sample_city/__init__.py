"""The sample city: a generated data set in Cityscapes' own format, for everybody without an
account.

A wing of its own: camera (projection), scene and street (what is where, as data), materials and
shapes.json (palettes, outlines), thing, objects, vehicles, people, houses (what things look like),
render (layers, light, lens), write (files). Version 1 is frozen: the same seed gives the same
labels on every machine. Chapter 03 builds one frame up layer by layer.

A scene is data before it is drawn, so one thing can be changed and everything else kept:

    from dataclasses import replace
    from sample_city import make_scene, objects, people, render, vehicles
    from sample_city.camera import Random

    scene = make_scene(seed=7, theme="crowd")
    picture, polygons = render(scene)    # uint8 [1024, 2048, 3]; Cityscapes' polygon list

    # A pedestrian at 10 and at 80 m
    number = scene.find("person")[0]
    near = scene.changed(number, z=10.0)
    far = scene.changed(number, z=80.0)

    # Other light, other weather
    low_sun = replace(scene.sun, elevation=0.15)
    dusk = replace(scene, sun=low_sun, weather=replace(scene.weather, exposure=0.4))
    rain = replace(scene, weather=replace(scene.weather, rain=0.8, wet=1.0, visibility=120.0))

    # A car more, which is the last object; in a color that no training frame has; half of it hidden
    scene = scene.added(vehicles.car(Random(5), x=0.8, z=13.0))
    pink = scene.changed(len(scene.objects) - 1, color=(255, 0, 255))
    half = scene.added(objects.Slab(x=1.8, z=10.0, width=2.0, high=2.5))

Light, rain and color leave the labels as they are, to the pixel. `paint_labels(polygons)` makes the
label pictures.
"""

from sample_city import objects, people, vehicles
from sample_city.render import render
from sample_city.scene import THEMES, Scene, make_scene
from sample_city.write import VERSION, build, ensure_root, paint_labels

__all__ = [
    "THEMES",
    "VERSION",
    "Scene",
    "build",
    "ensure_root",
    "make_scene",
    "objects",
    "paint_labels",
    "people",
    "render",
    "vehicles",
]
