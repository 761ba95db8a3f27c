"""The figures of images/ are current: drawn again, each shows what figures.json says, by data and
not by pixels.
"""

import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import helpers.plots as plots
from scripts import figures
from scripts.figure_text import describe

ENTRIES = json.loads((figures.IMAGES / "figures.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def closed():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def test_every_figure_is_there_with_its_alt_text():
    assert list(ENTRIES) == list(figures.FIGURES)
    assert {name: entry["alt"] for name, entry in ENTRIES.items()} == figures.ALT
    assert all(40 < len(alt) < 300 for alt in figures.ALT.values())


@pytest.mark.parametrize("name", figures.FIGURES)
def test_picture_is_the_one_that_was_drawn(name):
    path = figures.IMAGES / f"{name}.png"
    assert figures.sha256(path) == ENTRIES[name]["png"] and path.stat().st_size <= figures.LIMIT
    with Image.open(path) as picture:
        # Legible, opaque
        assert picture.width >= 900 and picture.convert("RGBA").getextrema()[3] == (
            255,
            255,
        )


@pytest.mark.parametrize("name", figures.FIGURES)
def test_figure_is_current(name):
    now, stored = (
        figures.without_means(t)
        for t in (describe(figures.FIGURES[name]()), ENTRIES[name]["shows"])
    )
    assert now[0] == stored[0], "run python -m scripts.figures and look at the picture"
    assert len(now[1]) == len(stored[1]) and np.allclose(now[1], stored[1], rtol=0.01, atol=0.5)


def test_description_notices_another_picture():
    drawn = "Figure 3x2; frame, image 4x4x3 mean 12 100 1e-05; line #fff mean -0.5 quarters 1 2"
    text, means = figures.without_means(drawn)
    assert means == [12, 100, 1e-05, -0.5, 1, 2]
    assert text == "Figure 3x2; frame, image 4x4x3 mean; line #fff mean quarters"
    figure = figures.FIGURES["classes"]()
    before = describe(figure)
    figure.axes[0].texts[0].set_text("another")
    assert describe(figure) != before


def test_png_keeps_the_class_colors():
    """Also the rare ones: fence and pole must not become one gray in a legend."""
    busy = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    busy[:4, :76] = np.repeat(np.array(figures.TRAIN_19.colors, np.uint8), 4, axis=0)
    figure = plots.panels([busy], ["noise and the 19 classes"])
    pixels = np.asarray(Image.open(io.BytesIO(figures.png(figure))).convert("RGB")).reshape(-1, 3)
    found = {tuple(c) for c in np.unique(pixels, axis=0).tolist()}
    assert set(figures.TRAIN_19.colors) | {(255, 255, 255)} <= found


def test_an_unknown_figure_is_named():
    with pytest.raises(ValueError, match="no figure nope; there are unet, fcn"):
        figures.main(["nope"])
