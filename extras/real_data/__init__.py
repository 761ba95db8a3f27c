"""CamVid, Cityscapes, Colab, and your own pictures (chapter 13; how common Cityscapes' classes are:
03).

`own_data` lays out pictures and masks; `class_list`, `pairs`, `pictures`, `masks` and `polygons`
are its parts. `label_new` labels new pictures of their kind. `leaves` draws a data set to try with.
"""
