"""Figures that describe their data: whatever a reader would see changed must change the line that
is compared.
"""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from helpers import plots
from helpers.files import read_json
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from scripts.figure_text import describe

MAP = np.repeat(np.arange(16, dtype=np.uint8).reshape(4, 4), 3, axis=1)


def draw(label=MAP, title="truth", heights=(1.0, 2.0), names=("road", "car"), color="#336699"):
    figure = plots.panels([TRAIN_19.colorize(label)], [title])
    plots.legend(figure, label)
    axis = figure.add_axes((0, 0, 0.5, 0.5))
    axis.bar(range(2), heights, color=color)
    axis.set_xticks(range(2), names)
    axis.plot([0, 1], heights)
    return describe(figure)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


def test_same_data_same_words():
    assert draw() == draw() and "sidewalk #f423e8" in draw() and "ticks road car" in draw()


@pytest.mark.parametrize(
    "change",
    [
        {"label": MAP[:, ::-1]},
        {"label": MAP[::-1]},
        {"label": np.where(MAP == 3, 255, MAP)},
        {"title": "prediction"},
        {"heights": (1.0, 2.1)},
        {"names": ("road", "bus")},
        {"color": "#996633"},
    ],
)
def test_another_picture_other_words(change):
    assert draw(**change) != draw()


def test_void_leaves_the_frame_and_opacity_mixes():
    frame = np.full((1, 2, 3), 100, np.uint8)
    colors = np.array([[[0, 0, 0], [200, 0, 0]]], np.uint8)
    assert plots.overlay(frame, colors, 0.25)[0].tolist() == [[100, 100, 100], [125, 75, 75]]
    assert plots.overlay(frame, colors)[0].tolist() == [[100, 100, 100], [150, 50, 50]]


def test_legend_names_what_occurs():
    figure = plots.panels([MAP, MAP], ["a", "b"], columns=1)
    plots.legend(figure, np.array([[0, 255], [13, 0]]))
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["road", "car", "ignored"]
    assert len(figure.axes) == 2 and [a.get_title() for a in figure.axes] == ["a", "b"]


@pytest.mark.parametrize("chapter", ["00", "04", "11"])
def test_the_map_lights_the_box_of_the_chapter(chapter):
    left, top, right, bottom = read_json(ROOT / "images" / "map.json")[chapter]
    figure = plots.course_map(chapter)
    [frame] = figure.axes[0].patches
    assert (frame.get_x(), frame.get_y()) == (left, top)
    assert (frame.get_width(), frame.get_height()) == (right - left, bottom - top)
    plt.close(figure)
