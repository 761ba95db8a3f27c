"""Two explorers for chapter 02: every layer's size for an input size, and what one output pixel
sees.

Sliders and an Image from ipywidgets; a callback only changes `picture.value`, and a page without a
kernel shows the picture. The arithmetic stands in two plain functions, `layer_sizes` and `sees`,
which the chapter builds by hand.
"""

import base64
import io
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from helpers.dataset import normalize
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD
from helpers.sizes import nearest_sizes, output_size, valid_size

DOWN, UP, BAD, INK = "#3b6fb6", "#d9822b", "#c62828", "#333333"
BOX = "#ffb000"  # on photographs


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


def sees(pixel: int, depth: int = 4) -> tuple[int, int]:
    """First and last input pixel (along one axis) that an output pixel of the unpadded network
    depends on.

    Walks backwards: a 3x3 convolution adds 2 pixels, a pooling doubles, an up-convolution halves.
    At depth 4: 188 pixels for output pixels 0 to 3 (mod 16), 204 for the others.
    """
    first = last = pixel
    # Up: two convolutions, then the up-convolution. Skips see less, and inside of that.
    for _ in range(depth):
        first = first // 2
        last = (last + 4) // 2
    # The bottom, and down
    for _ in range(depth):
        first = 2 * first
        last = 2 * (last + 4) + 1
    return first, last + 4


class Explorer(widgets.VBox):
    """Sliders above a picture; a subclass says how to draw it (`draw`) and how to say it
    (`summary`).
    """

    # ipywidgets 7 has this method; it would keep the picture out of notebooks.
    _ipython_display_ = None

    def __init__(self, sliders):
        self.sliders = sliders
        for slider in sliders:
            slider.observe(self._show, names="value")
        self.picture = widgets.Image(value=_png(self.draw()), format="png", width=900)
        super().__init__([*sliders, self.picture])

    def draw(self) -> Figure:
        raise NotImplementedError

    def summary(self) -> str:
        raise NotImplementedError

    def _show(self, change) -> None:
        self.picture.value = _png(self.draw())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            "text/plain": repr(self),
            "image/png": base64.b64encode(self.picture.value).decode(),
            "application/vnd.jupyter.widget-view+json": view,
        }


class SizeExplorer(Explorer):
    """Choose input size, depth and padding: the size after every layer as a bar, red where
    something is lost.
    """

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


class ReceptiveFieldExplorer(Explorer):
    """Choose an output pixel: the box of input pixels that it depends on, and with a `model` how
    strongly on each.

    `image` uint8 [H, W, 3] has a legal size. `model` is an unpadded UNet of the same depth; the
    right-hand picture is the absolute gradient of its output pixel (summed over classes and
    channels) inside the box.
    """

    def __init__(self, image: np.ndarray, model=None, depth: int = 4):
        self.image, self.model, self.net_depth = image, model, depth
        self.shape = tuple(output_size(n, depth) for n in image.shape[:2])
        rows, columns = self.shape
        self.row = widgets.IntSlider(rows // 2, 0, rows - 1, description="row")
        self.column = widgets.IntSlider(columns // 2, 0, columns - 1, description="column")
        super().__init__([self.row, self.column])

    @property
    def box(self) -> tuple[int, int, int, int]:
        """What the chosen pixel sees of the input: first and last row, first and last column."""
        return *sees(self.row.value, self.net_depth), *sees(self.column.value, self.net_depth)

    def summary(self) -> str:
        top, bottom, left, right = self.box
        return (
            f"output pixel ({self.row.value}, {self.column.value}) sees rows {top} to {bottom} "
            f"and columns {left} to {right}: {bottom - top + 1} x {right - left + 1}"
        )

    def gradient(self) -> np.ndarray:
        """|d output / d input| at the chosen pixel, summed over classes and channels, float32 [H,
        W].
        """
        x = normalize(self.image, CITYSCAPES_MEAN, CITYSCAPES_STD)[None].requires_grad_()
        self.model.eval()(x)[0, :, self.row.value, self.column.value].sum().backward()
        return x.grad[0].abs().sum(0).numpy()

    def draw(self) -> Figure:
        top, bottom, left, right = self.box
        height, width = self.image.shape[:2]
        above = (height - self.shape[0]) / 2
        beside = (width - self.shape[1]) / 2
        figure = Figure(figsize=(9, 4.4), dpi=75, facecolor="white", layout="constrained")
        whole, near = figure.subplots(1, 2)
        whole.imshow(self.image)
        # What comes out, what the pixel sees, and the pixel itself
        corner = (beside - 0.5, above - 0.5)
        dashed = {"fill": False, "color": "white", "linestyle": "--", "linewidth": 1.5}
        whole.add_patch(Rectangle(corner, self.shape[1], self.shape[0], **dashed))
        corner = (left - 0.5, top - 0.5)
        thick = {"fill": False, "color": BOX, "linewidth": 3}
        whole.add_patch(Rectangle(corner, right - left + 1, bottom - top + 1, **thick))
        x = self.column.value + beside
        y = self.row.value + above
        whole.plot(x, y, "o", color=BOX, markersize=7, markeredgecolor="white")
        whole.set_title("input; dashed: output; orange: what the pixel sees", fontsize=10)
        part = self.image[top : bottom + 1, left : right + 1]
        size = f"{bottom - top + 1} x {right - left + 1}"
        if self.model is None:
            near.imshow(part)
            near.set_title(f"the {size} pixels it sees", fontsize=10)
        else:
            strength = self.gradient()[top : bottom + 1, left : right + 1]
            largest = max(strength.max(), np.finfo(np.float32).tiny)
            near.imshow(np.sqrt(strength / largest), cmap="magma")
            near.set_title(f"how strongly, in its {size} pixels", fontsize=10)
        for axis in (whole, near):
            axis.axis("off")
        return figure


def _png(figure: Figure, colors: int = 96) -> bytes:
    """The figure as a PNG with a palette, a quarter of the bytes of full color."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    picture.quantize(colors).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def support(model, size: int, pixel: tuple[int, int]) -> np.ndarray:
    """Which input pixels an output pixel depends on, bool [size, size], measured by gradients in
    float64.

    Every weight is made positive and pooling averages, so that no path from a pixel is cut off by a
    ReLU or a maximum.
    """
    probe = type(model)(**{**model.arguments, "dropout": 0.0}).double().eval()
    probe.pool = torch.nn.AvgPool2d(2)
    with torch.no_grad():
        for parameter in probe.parameters():
            parameter.fill_(0.1)
    channels = model.arguments["in_channels"]
    x = torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    probe(x)[0, :, pixel[0], pixel[1]].sum().backward()
    return (x.grad[0].abs().sum(0) > 0).numpy()
