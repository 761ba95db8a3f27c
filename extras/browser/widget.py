"""The prediction browser: any frame beside its truth and what a network makes of it. Chapter 09
uses it.

The widget stands here. What it shows is plain Python without a front end: `predictions` predicts a
split once, keeps it on disk and sorts the frames; `views` paints; `page` writes it as one HTML
page.
"""

import hashlib
from contextlib import contextmanager
from html import escape
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from extras.browser import controls, views
from extras.browser.page import do_not_share, write_page
from extras.browser.predictions import Frame, Predictions
from extras.explorers.picture_box import still_bundle
from helpers.files import write_bytes
from helpers.metrics import ConfusionMatrix
from helpers.paths import runs_dir, shown


def browse(checkpoints, root=None, **options) -> "PredictionBrowser":
    """A browser for what one network, or a list of two, makes of the frames of a split.

    Options: `split="val"`, or `photos=[paths]` for pictures of your own; `limit`, `csv`, `whole`
    and `photo_statistics` as in `Predictions`. Two networks must know the same classes.
    """
    if isinstance(checkpoints, (str, Path)):
        checkpoints = [checkpoints]
    if not 1 <= len(checkpoints) <= 2:
        raise ValueError(f"give one checkpoint or two, found {len(checkpoints)}")
    first, *others = checkpoints
    return PredictionBrowser(first, root, compare=others[0] if others else None, **options)


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

    `compare` is a second checkpoint with the same kind of view and the same classes; the other
    options are those of Predictions. What the controls do, code does too: `browser.order = "worst
    first"`, `browser.position = 3`, `browser.mistake = ("rider", "person")`.
    """

    position, order, focus, called, view, checkpoint = map(
        _control, ("position", "order", "focus", "called", "view", "checkpoint")
    )
    opacity, flick, outlines, zoom, row, column, mark = map(
        _control, ("opacity", "flick", "outlines", "zoom", "row", "column", "mark")
    )
    # ipywidgets 7 has this method; it would keep the picture out of stored notebooks.
    _ipython_display_ = None

    def __init__(self, checkpoint, root=None, split="val", compare=None, **options):
        first = Predictions(checkpoint, root, split, **options)
        self.predictions = [first]
        if compare is not None:
            second = Predictions(compare, root, split, beside=first, **options)
            self.predictions.append(second)
        self.image, self.caption, self.readout, self.notice = controls.outputs()
        self.controls, self.switches, self.numbers = controls.inputs(self.predictions)
        self.slider, self._quiet = self.controls["position"], False
        super().__init__(controls.arrange(self))
        for control in (*self.controls.values(), *self.switches):
            control.observe(self._changed, "value")
        self._draw()

    # what is shown, as plain Python

    @property
    def state(self):
        """What is to be shown, a views.State read off the controls."""
        values = {name: control.value for name, control in self.controls.items()}
        names = self.predictions[0].label_set.names
        values["focus"] = names.index(values["focus"])
        values["called"] = names.index(values["called"])
        hidden = frozenset(i for i, switch in enumerate(self.switches) if not switch.value)
        return views.State(hidden=hidden, **values)

    def picture(self) -> np.ndarray:
        """What is shown, uint8 [H, W, 3]."""
        return views.picture(self.predictions, self.state)

    def legend(self) -> list[views.ClassRow]:
        """For each class: name, color, IoU in this frame and in all, pixels in this frame."""
        return views.legend(self.predictions, self.state)

    def frames(self) -> list[views.FrameRow]:
        """The frames in the chosen order: title, mean IoU over the classes that are there, share
        of right pixels, and the pixels that the order is about (else those that are wrong).
        """
        return views.frame_rows(self.predictions, self.state)

    def scores(self) -> ConfusionMatrix:
        """The confusion matrix of all frames, of the chosen checkpoint."""
        return self.predictions[self.checkpoint].total()

    @property
    def frame(self) -> Frame | None:
        """The arrays of the frame that is shown: image, truth, classes, chances."""
        index = views.index_of(self.predictions, self.state)
        return None if index is None else self.predictions[self.checkpoint].load(index)

    @property
    def classes(self) -> list[str]:
        """The names of the classes that are switched on."""
        return [switch.description for switch in self.switches if switch.value]

    @classes.setter
    def classes(self, names) -> None:
        unknown = [n for n in names if n not in self.predictions[0].label_set.names]
        if unknown:
            raise ValueError(
                f"invalid classes {unknown}; there are {self.predictions[0].label_set.names}"
            )
        self.switch(names)

    @property
    def mistake(self) -> tuple[str, str]:
        """(is, called): setting it orders the frames by this mistake and paints it."""
        return self.focus, self.called

    @mistake.setter
    def mistake(self, pair) -> None:
        with self._quietly():
            self.focus, self.called = pair
            self.order, self.view = "most of a mistake", "one mistake"
        self._begin_again()

    @property
    def point(self) -> tuple[int, int]:
        """(row, column) of the chosen point; `browser.readout.value` says what is there."""
        return self.row, self.column

    @point.setter
    def point(self, place) -> None:
        with self._quietly():
            self.row, self.column = (int(n) for n in place)
            self.mark = True
        self._draw()

    # what one can do

    def switch(self, names) -> None:
        """Show only the classes in `names`."""
        with self._quietly():
            for switch in self.switches:
                switch.value = switch.description in names
        self._draw()

    def add(self, path) -> None:
        """Add a picture of your own and show it; what cannot be read is named in the browser."""
        try:
            for one in self.predictions:
                one.add_photograph(path)
        except (OSError, ValueError) as error:
            self.notice.value = escape(str(error))
            return
        with self._quietly():
            self.order, self.view = "as listed", "side by side"
            self.slider.max = len(views.sequence(self.predictions, self.state)) - 1
            self.position = self.slider.max
        self._draw()

    def add_uploads(self, files) -> None:
        """As `add`, of (name, content) pairs, which are kept in runs/pictures.

        Each in a folder called after its content: two pictures of one name are both there.
        """
        for name, content in files:
            folder = hashlib.sha256(content).hexdigest()[:8]
            path = runs_dir() / "pictures" / folder / Path(name).name
            write_bytes(path, content)
            self.add(path)

    def save(self, path=None) -> Path:
        """Write the picture as it is shown, as PNG, and return its path (in runs/views/ unless
        given).
        """
        index = views.index_of(self.predictions, self.state)
        frame = "none" if index is None else self.predictions[0].title(index)
        shown_network = self.predictions[self.checkpoint]
        network = f"{shown_network.name}-{shown_network.info['sha256'][:8]}"
        title = f"{network} {frame} {self.view}".replace(" ", "_").replace("/", "_")
        path = Path(path or runs_dir() / "views" / f"{title}.png")
        write_bytes(path, views.encode(self.picture(), "png"))
        self.notice.value = f"saved as {escape(shown(path))}"
        return path

    def to_html(self, path, frames: int = 12) -> Path:
        """Write one self-contained page with the first `frames` frames of the chosen order; no
        kernel, no network. Says so if the license of the pictures forbids to pass it on.
        """
        warning = do_not_share(self.predictions[0])
        if warning:
            print(warning)
        return write_page(path, self.predictions, self.state, frames)

    # from the controls to the picture

    @contextmanager
    def _quietly(self):
        """Controls may move without drawing at each step."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _changed(self, change) -> None:
        if self._quiet:
            return
        c, who = self.controls, change["owner"]
        order_asks = (c["focus"], controls.ASK_CLASS), (c["called"], controls.ASK_CALLED)
        if who is c["order"] or any(who is m and self.order in asks for m, asks in order_asks):
            self._begin_again()
        elif who in (c["row"], c["column"]) and not self.mark:
            self.mark = True  # its own change draws
        else:
            self._draw()

    def _begin_again(self) -> None:
        """Another order: its first frame."""
        with self._quietly():
            self.position = 0
            self.slider.max = max(0, len(views.sequence(self.predictions, self.state)) - 1)
        self._draw()

    def _draw(self) -> None:
        with self._quietly():
            controls.skip_unreadable(self)
        state = self.state
        self.image.value = views.encode(views.picture(self.predictions, state))
        caption = escape(views.caption(self.predictions, state))
        self.caption.value = (
            f'<div role="status" aria-live="polite" style="line-height:1.4">{caption}</div>'
        )
        self.readout.value = escape(views.readout(self.predictions, state))
        for number, row in zip(self.numbers, self.legend()):
            color = "#{:02x}{:02x}{:02x}".format(*row.color)
            pixels = f"{row.pixels_here:,} pixels here, {row.called_here:,} called so"
            number.value = (
                f'<span title="{pixels}"><span style="border:1px solid;background:{color}">'
                f"&emsp;</span> {views.in_words(row)}</span>"
            )
        controls.show_what_is_needed(self.controls)

    def __repr__(self) -> str:
        return f"PredictionBrowser: {views.caption(self.predictions, self.state)}"

    def _repr_mimebundle_(self, **kwargs) -> dict:
        """The live widget, and its picture for pages without a kernel."""
        still = views.encode(self.picture(), quality=70)
        return still_bundle(self, still, "jpeg")
