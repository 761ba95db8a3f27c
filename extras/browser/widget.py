"""The prediction browser: any frame beside its truth and what a network makes of it. Chapter 09
uses it.

The widget stands here. What it shows is plain Python without a front end: `predictions` predicts a
split once, keeps it on disk and sorts the frames; `views` paints; `page` writes it as one HTML
page.
"""

import base64
from html import escape
from pathlib import Path

import ipywidgets as widgets

from extras.browser import controls, views
from extras.browser.page import write_page
from extras.browser.predictions import Predictions
from helpers.files import write_bytes
from helpers.paths import runs_dir, shown


def _control(name: str) -> property:
    """Reading and setting `browser.order` reads and moves the control itself, so its callback runs.

    A choice that is not on the menu raises ValueError with those that are.
    """

    def get(self):
        return self.controls[name].value

    def choose(self, value) -> None:
        control = self.controls[name]
        options = getattr(control, "options", None)
        if options is not None:
            choices = [entry[1] if isinstance(entry, tuple) else entry for entry in options]
            if value not in choices:
                raise ValueError(f"invalid {name} {value!r}; there are {choices}")
        control.value = value

    return property(get, choose)


class PredictionBrowser(widgets.VBox):
    """Sliders and menus in front of `Predictions`; pictures change by `Image.value`, so every front
    end shows them.

    `compare` is a second checkpoint with the same view and classes; the other options are those of
    Predictions. What the controls do, code does too: `browser.order = "worst first"`,
    `browser.position = 3`, `browser.opacity = 0.3`.
    """

    position, order, focus, view, checkpoint = map(
        _control, ("position", "order", "focus", "view", "checkpoint")
    )
    opacity, outlines, zoom, row, column, mark = map(
        _control, ("opacity", "outlines", "zoom", "row", "column", "mark")
    )
    # ipywidgets 7 has this method; it would keep the contact sheet out of notebooks.
    _ipython_display_ = None

    def __init__(self, checkpoint, root=None, split="val", compare=None, **options):
        self.predictions = [
            Predictions(c, root, split, **options) for c in (checkpoint, compare) if c
        ]
        first, last = self.predictions[0], self.predictions[-1]
        if first.label_set != last.label_set or first.info["view"] != last.info["view"]:
            raise ValueError(
                f"{compare} has {last.info['view']} and {len(last.label_set)} classes, "
                f"{checkpoint} has {first.info['view']} and {len(first.label_set)}: only like can "
                "be compared with like"
            )
        self.image, self.caption, self.readout, self.notice = controls.outputs()
        self.controls, self.switches, self.numbers = controls.inputs(self.predictions)
        self.slider, self._quiet = self.controls["position"], False
        super().__init__(controls.arrange(self))
        for control in (*self.controls.values(), *self.switches):
            control.observe(self._changed, "value")
        self._draw()

    @property
    def state(self):
        """What is to be shown, a views.State read off the controls."""
        hidden = frozenset(i for i, switch in enumerate(self.switches) if not switch.value)
        return views.State(
            hidden=hidden, **{name: control.value for name, control in self.controls.items()}
        )

    def switch(self, names) -> None:
        """Show only the classes in `names`."""
        self._quiet = True
        for switch in self.switches:
            switch.value = switch.description in names
        self._quiet = False
        self._draw()

    def save(self, path=None) -> Path:
        """Write the picture as it is shown, as PNG, and return its path (in runs/views/ unless
        given).
        """
        frame = self.predictions[0].title(views.index_of(self.predictions, self.state))
        title = f"{frame} {self.view}"
        path = Path(path or runs_dir() / "views" / f"{title.replace(' ', '_')}.png")
        data = views.encode(views.picture(self.predictions, self.state), "png")
        write_bytes(path, data)
        self.notice.value = f"saved as {escape(shown(path))}"
        return path

    def to_html(self, path, frames: int = 12) -> Path:
        """Write one self-contained page with the first `frames` frames of the chosen order; no
        kernel, no network.
        """
        return write_page(path, self.predictions, self.state, frames)

    def _changed(self, change) -> None:
        if self._quiet:
            return
        c = self.controls
        if change["owner"] in (c["order"], c["focus"]) and self.position:
            self.position = 0  # its own change draws
        elif change["owner"] in (c["row"], c["column"]) and not self.mark:
            self.mark = True
        else:
            self._draw()

    def _draw(self) -> None:
        controls.skip_unreadable(self)
        state = self.state
        self.image.value = views.encode(views.picture(self.predictions, state))
        caption = escape(views.caption(self.predictions, state))
        self.caption.value = (
            f'<div role="status" aria-live="polite" style="line-height:1.4">{caption}</div>'
        )
        self.readout.value = escape(views.readout(self.predictions, state))
        for number, (_, color, ious) in zip(self.numbers, views.legend(self.predictions, state)):
            number.value = f'<span style="border:1px solid;background:{color}">&emsp;</span> {ious}'
        self.controls["focus"].disabled = state.order != controls.ORDERS[3]

    def __repr__(self) -> str:
        return f"PredictionBrowser: {views.caption(self.predictions, self.state)}"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The live widget, and a contact sheet for pages without a kernel."""
        sheet = base64.b64encode(views.contact_sheet(self.predictions, self.state)).decode()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            "text/plain": repr(self),
            "image/png": sheet,
            "application/vnd.jupyter.widget-view+json": view,
        }
