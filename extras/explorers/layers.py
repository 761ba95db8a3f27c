"""Explorers of networks by their layers: the size after each layer for any input size, and a
street whose skips can be switched off (chapter 02). `layer_sizes` is the chapter's arithmetic as a
plain function.
"""

import io
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from extras.explorers.picture_box import PictureBox
from helpers.labels import IGNORE, TRAIN_19
from helpers.sizes import nearest_sizes, valid_size

DOWN, UP, BAD, INK = "#3b6fb6", "#d9822b", "#c62828", "#333333"


class Layer(NamedTuple):
    """One step of the network: what it is, on which level, the size after it, and what is wrong (""
    if nothing).
    """

    kind: str
    level: int
    size: int
    problem: str


def layer_sizes(n: int, depth: int = 4, padding: str = "valid") -> list[Layer]:
    """The sizes through a U-Net that checks nothing, as most code would run it: poolings round
    down.

    Ends early where no pixel is left. The steps are input, conv, pool, up and head.
    """
    cost = 2 if padding == "valid" else 0
    layers, skips = [Layer("input", 0, n, "")], []

    def double_conv(size: int, level: int) -> int:
        for _ in range(2):
            size -= cost
            layers.append(Layer("conv", level, size, "" if size > 0 else "no pixel is left"))
            if size <= 0:
                return 0
        return size

    for level in range(depth + 1):
        if level:
            problem = f"{n} is odd, the pooling drops the last row" if n % 2 else ""
            n //= 2
            layers.append(Layer("pool", level, n, problem))
        n = double_conv(n, level)
        skips.append(n)
        if n <= 0:
            return layers
    for level in reversed(range(depth)):
        n *= 2
        problem = (
            f"{skips[level]} cannot be cropped to {n} evenly" if (skips[level] - n) % 2 else ""
        )
        layers.append(Layer("up", level, n, problem))
        n = double_conv(n, level)
        if n <= 0:
            return layers
    return [*layers, Layer("head", 0, n, "")]


class SizeExplorer(PictureBox):
    """Choose input size, depth and padding: the size after every layer as a bar, red where
    something is lost.
    """

    image_format = "png"

    def __init__(self, size: int = 572, depth: int = 4, padding: str = "valid", largest: int = 700):
        self.size = widgets.IntSlider(value=size, min=20, max=largest, description="input size")
        self.depth = widgets.IntSlider(value=depth, min=1, max=5, description="depth")
        self.padding = widgets.ToggleButtons(
            value=padding, options=["valid", "same"], description="padding"
        )
        super().__init__([self.size, self.depth, self.padding])

    @property
    def layers(self) -> list[Layer]:
        return layer_sizes(self.size.value, self.depth.value, self.padding.value)

    def summary(self) -> str:
        n = self.size.value
        depth = self.depth.value
        padding = self.padding.value
        layers = self.layers
        came_out = f"{n} -> {layers[-1].size} at depth {depth}, {padding} padding"
        if valid_size(n, depth, padding):
            return f"{came_out}: legal"
        reason = next((layer.problem for layer in layers if layer.problem), "")
        near = " or ".join(map(str, nearest_sizes(n, depth, padding)))
        return f"{came_out}: not legal, {reason}; nearest legal: {near}"

    def encoded(self) -> bytes:
        return as_png(self.draw())

    def draw(self) -> Figure:
        layers, half = self.layers, len(self.layers) // 2
        figure = Figure(figsize=(11, 4), dpi=80, facecolor="white", layout="constrained")
        axis = figure.add_subplot()
        tallest = max(layer.size for layer in layers)
        for x, layer in enumerate(layers):
            color = UP if x > half or layer.kind in ("up", "head") else DOWN
            if layer.problem:
                color = BAD
            axis.bar(x, max(layer.size, 0), bottom=-layer.size / 2, color=color, width=0.7)

            # The size above the bar, the kind of layer below it
            above = layer.size / 2 + tallest * 0.02
            below = -tallest * 0.6
            style = {"ha": "center", "fontsize": 9}
            axis.text(x, above, layer.size, va="bottom", color=INK, **style)
            axis.text(x, below, layer.kind, va="top", color=color, rotation=90, **style)
        legal = valid_size(self.size.value, self.depth.value, self.padding.value)
        axis.set_title(self.summary(), fontsize=11, color=INK if legal else BAD, wrap=True)
        axis.set_ylim(-tallest * 0.78, tallest * 0.62)
        axis.axis("off")
        return figure


class SkipExplorer(PictureBox):
    """Switch the four skips of a U-Net on and off, and see what it makes of the street.

    `segment(silent)` gives the classes, an array [H, W], with the skips of the levels in `silent`
    carrying zeros. `truth` holds train ids, uint8 [H, W].
    """

    image_format = "png"

    def __init__(self, segment, truth: np.ndarray, silent: tuple[int, ...] = ()):
        self.segment = segment
        self.truth = truth
        self.switches = []
        for level in (1, 2, 3, 4):
            switch = widgets.Checkbox(
                value=level not in silent, description=f"skip of level {level}"
            )
            switch.indent = False
            self.switches.append(switch)
        self.said = widgets.Label()
        super().__init__(self.switches)
        self.children = (widgets.HBox(self.switches), self.said, self.picture)

    @property
    def silent(self) -> tuple[int, ...]:
        """The levels whose skips are switched off."""
        return tuple(level for level, switch in enumerate(self.switches, 1) if not switch.value)

    def look(self) -> np.ndarray:
        """The classes of the street, uint8, ignored pixels 255."""
        classes = np.asarray(self.segment(self.silent)).astype(np.uint8)
        classes[self.truth == IGNORE] = IGNORE
        return classes

    def describe(self, classes: np.ndarray) -> str:
        asked = self.truth != IGNORE
        right = (classes == self.truth)[asked].mean()
        levels = ", ".join(str(level) for level in self.silent) or "none"
        return f"silent: {levels}; {right:.2f} of the pixels right"

    def summary(self) -> str:
        return self.describe(self.look())

    def encoded(self) -> bytes:
        classes = self.look()
        self.said.value = self.describe(classes)
        buffer = io.BytesIO()
        picture = Image.fromarray(TRAIN_19.colorize(classes))
        # Each pixel twice: browsers blur what they enlarge.
        larger = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
        larger.quantize(32).save(buffer, "png", optimize=True)
        return buffer.getvalue()


def as_png(figure: Figure, colors: int = 96) -> bytes:
    """The figure as a PNG with a palette, a quarter of the bytes of full color."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    picture.quantize(colors).save(buffer, "png", optimize=True)
    return buffer.getvalue()
