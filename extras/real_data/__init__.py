"""CamVid, Cityscapes, Colab, and your own pictures (chapter 13).

`own_data` lays out pictures and masks; `class_list`, `pairs`, `pictures`, `masks` and `polygons`
are its parts. `leaves` draws a data set to try with.
"""
