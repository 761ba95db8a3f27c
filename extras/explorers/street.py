"""Two explorers for chapter 00: a line between photograph and classes, and a lamp that dims."""

import ipywidgets as widgets
import numpy as np

from extras.explorers.picture_box import PictureBox, as_jpeg
from helpers.inference import predict_frame
from helpers.labels import IGNORE, LabelSet
from helpers.plots import overlay

GAP = 255  # the gray level of the line and of the space between two pictures


class Wipe(PictureBox):
    """A frame on the left, its classes on the right of a line that a slider moves.

    `frame` is uint8 [H, W, 3], `classes` train ids uint8 [H, W].
    """

    def __init__(self, frame: np.ndarray, classes: np.ndarray, label_set: LabelSet):
        colors = label_set.colorize(classes)
        self.frame = frame[::2, ::2]
        self.mixed = overlay(frame, colors, opacity=0.7)[::2, ::2]
        width = self.frame.shape[1]
        self.line = widgets.IntSlider(
            value=width * 2 // 5, min=0, max=width, description="line", readout=False
        )
        self.line.layout.width = "900px"
        super().__init__([self.line])

    def summary(self) -> str:
        return f"line at column {self.line.value} of {self.frame.shape[1]}"

    def encoded(self) -> bytes:
        column = self.line.value
        both = np.concatenate([self.frame[:, :column], self.mixed[:, column:]], axis=1)
        both[:, column : column + 3] = GAP
        return as_jpeg(both)


class Lamp(PictureBox):
    """The same frame in less and less light, and what the network makes of it.

    `truth` is train ids uint8 [H, W]; `info` is what load_model returns. A picture is computed when
    it is first looked at, and kept.
    """

    def __init__(self, frame: np.ndarray, truth: np.ndarray, model, info: dict):
        self.frame = frame
        self.truth = truth
        self.model = model
        self.info = info
        self.seen: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self.light = widgets.SelectionSlider(
            options=[("100 %", 100), ("80 %", 80), ("60 %", 60), ("40 %", 40), ("20 %", 20)],
            value=100,
            description="light",
            continuous_update=False,
        )
        super().__init__([self.light])

    def look(self) -> tuple[np.ndarray, np.ndarray]:
        """The darkened frame and the network's classes for it."""
        percent = self.light.value
        if percent not in self.seen:
            dark = (self.frame * (percent / 100)).astype(np.uint8)
            classes = predict_frame(self.model, dark, self.info)
            classes[self.truth == IGNORE] = IGNORE
            self.seen[percent] = dark, classes
        return self.seen[percent]

    def share_right(self) -> float:
        """The share of the labeled pixels whose class is right."""
        _, classes = self.look()
        asked = self.truth != IGNORE
        return float((classes[asked] == self.truth[asked]).mean())

    def summary(self) -> str:
        return f"{self.light.value} % of the light: {self.share_right():.2f} of the pixels right"

    def encoded(self) -> bytes:
        dark, classes = self.look()
        colors = self.info["label_set"].colorize(classes)
        gap = np.full((dark.shape[0], 24, 3), GAP, np.uint8)
        return as_jpeg(np.concatenate([dark, gap, colors], axis=1)[::3, ::3])
