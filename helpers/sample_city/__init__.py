"""The sample city: a generated data set in Cityscapes' own format, for everybody without an account.

    from helpers.sample_city import build, ensure_root, make_scene, render

A wing of its own: camera (projection), scene (what is where), materials, objects (what things look like), render
(layers, light, lens), write (files). Chapter 03 builds one frame up layer by layer.
"""
from helpers.sample_city.render import render
from helpers.sample_city.scene import THEMES, Scene, make_scene
from helpers.sample_city.write import VERSION, build, ensure_root, paint_labels

__all__ = ["THEMES", "VERSION", "Scene", "build", "ensure_root", "make_scene", "paint_labels", "render"]
