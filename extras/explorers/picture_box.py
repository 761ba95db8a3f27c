"""A box of controls above a picture: what every interactive picture of the course is built on.

A callback only changes `picture.value`, which strict nbval can check, and a page without a kernel
shows the stored picture. `with_still` does that for widgets that a chapter puts together by hand.
"""

import base64
import io

import ipywidgets as widgets
import numpy as np
from PIL import Image

WIDGET = "application/vnd.jupyter.widget-view+json"


class PictureBox(widgets.VBox):
    """Controls above a picture; a subclass draws it (`encoded`) and says it (`summary`)."""

    image_format = "jpeg"

    # ipywidgets 7 has this method; it would keep the picture out of stored notebooks.
    _ipython_display_ = None

    def __init__(self, controls, width: int = 900):
        self.picture = widgets.Image(value=self.encoded(), format=self.image_format, width=width)
        for control in controls:
            control.observe(self.redraw, names="value")
        super().__init__([*controls, self.picture])

    def encoded(self) -> bytes:
        """The picture as the bytes of a file in `image_format`."""
        raise NotImplementedError

    def summary(self) -> str:
        """What the picture shows, in words: it stands for the picture where tests compare."""
        raise NotImplementedError

    def redraw(self, change=None) -> None:
        self.picture.value = self.encoded()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary()})"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return still_bundle(self, self.picture.value, self.image_format)


class WithStill(widgets.VBox):
    """Widgets below each other; `picture`, one of them, stands for all where no kernel runs."""

    _ipython_display_ = None

    def __init__(self, parts, picture: widgets.Image):
        self.picture = picture
        super().__init__(parts)

    def __repr__(self) -> str:
        """The controls and where they stand, and what is written beside them."""
        words = []
        for part in self.children:
            if part is not self.picture:
                words.append(f"{part.description} {part.value}".strip())
        return ", ".join(words)

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return still_bundle(self, self.picture.value, self.picture.format)


def with_still(parts, picture: widgets.Image) -> WithStill:
    """The widgets `parts` below each other, and `picture` for pages without a kernel."""
    return WithStill(parts, picture)


def still_bundle(widget, picture: bytes, image_format: str) -> dict:
    """What a notebook stores of a widget: itself, its words, and a picture in its place."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {
        "text/plain": repr(widget),
        f"image/{image_format}": base64.b64encode(picture).decode(),
        WIDGET: view,
    }


def as_jpeg(picture: np.ndarray, quality: int = 85) -> bytes:
    """The bytes of a JPEG of uint8 [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=quality)
    return buffer.getvalue()
