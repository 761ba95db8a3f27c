"""A box of controls above a picture: what every interactive picture of the course is built on.

A callback only changes `picture.value`, which strict nbval can check, and a page without a kernel
shows the stored picture.
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
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            "text/plain": repr(self),
            f"image/{self.image_format}": base64.b64encode(self.picture.value).decode(),
            WIDGET: view,
        }


def as_jpeg(picture: np.ndarray, quality: int = 85) -> bytes:
    """The bytes of a JPEG of uint8 [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=quality)
    return buffer.getvalue()
