"""A training that one can watch: curves, and the network's answer for one street (chapter 07)."""

import io

import ipywidgets as widgets
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from extras.explorers.picture_box import still_bundle
from helpers.labels import IGNORE


class LiveTraining(widgets.Image):
    """A picture that is drawn anew after every epoch; `fit(..., watch=live.update)`.

    The street is pair number `index` of `dataset`. `answers` keeps the network's answer after each
    epoch, train ids uint8 [h, w].
    """

    # ipywidgets 7 has this method; it would keep the picture out of stored notebooks.
    _ipython_display_ = None

    def __init__(self, dataset, index: int = 0):
        self.dataset = dataset
        self.index = index
        self.answers: list[np.ndarray] = []
        super().__init__(value=b"", format="png")
        self.value = self.draw([])

    def update(self, model: torch.nn.Module, history: list[dict]) -> None:
        """Look at the street with `model`, and draw history and answer."""
        image, target = self.dataset[self.index]
        device = next(model.parameters()).device
        was_training = model.training
        model.eval()
        with torch.no_grad():
            logits = model(image[None].to(device))
        model.train(was_training)
        answer = logits[0].argmax(0).cpu().numpy().astype(np.uint8)
        answer[target.numpy() == IGNORE] = IGNORE
        self.answers.append(answer)
        self.value = self.draw(history)

    def draw(self, history: list[dict]) -> bytes:
        """Loss, scores and the newest answer side by side, as a PNG file."""
        figure = Figure(figsize=(13, 3), dpi=80, facecolor="white", layout="constrained")
        losses, scores, street = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
        epochs = [row["epoch"] for row in history]
        for name in ("train_loss", "val_loss"):
            losses.plot(epochs, [row[name] for row in history], label=name.replace("_", " "))
        for name, label in (("val_pixel_accuracy", "pixel accuracy"), ("val_mean_iou", "mIoU")):
            scores.plot(epochs, [row[name] for row in history], label=label)
        losses.set(xlabel="epoch", title="loss", yscale="log")
        losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        losses.yaxis.set_major_formatter("{x:g}")
        losses.yaxis.set_minor_locator(NullLocator())
        chance = np.log(len(self.dataset.label_set))
        losses.axhline(chance, color="gray", linestyle=":", label="a blind guess")
        scores.set(xlabel="epoch", title="on the validation frames", ylim=(0, 1))
        losses.legend(frameon=False)
        scores.legend(frameon=False)
        street.axis("off")
        if self.answers:
            street.imshow(self.dataset.label_set.colorize(self.answers[-1]))
            street.set_title(f"the street after epoch {len(self.answers)}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return buffer.getvalue()

    def __repr__(self) -> str:
        return f"LiveTraining({len(self.answers)} epochs)"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        return still_bundle(self, self.value, "png")
