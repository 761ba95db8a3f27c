"""What the prediction browser shows, as arrays and words: no front end, no state of its own. Used
by the widget.

Every function takes the `Predictions` of one or two checkpoints and a `State`. Where the chosen
order holds no frame, there is no picture but a sentence that says so.
"""

import io
from dataclasses import dataclass
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.labels import IGNORE
from helpers.windows import reduce_image, reduce_label

OTHER = " of the other"  # ends the name of a panel that shows the second checkpoint
VIEWS = {
    "side by side": ("frame", "truth", "prediction", "difference"),
    "frame": ("frame",),
    "truth": ("truth",),
    "prediction": ("prediction",),
    "difference": ("difference",),
    "one class": ("one class",),
    "one mistake": ("one mistake",),
    "confidence": ("confidence",),
    "compare": ("prediction", "prediction" + OTHER, "difference", "difference" + OTHER),
    "who is right": ("who is right",),
}
NEED_TWO = ("compare", "who is right")
NEED_TRUTH = ("truth", "difference", "one class", "one mistake", "who is right")

# Three colors of the Okabe-Ito palette, which color-blind readers too tell apart and from gray.
WRONG = FALSE_ALARM = (213, 94, 0)
FOUND = (0, 158, 115)
MISSED = (0, 114, 178)
BOTH_WRONG = (190, 0, 140)  # magenta: void is dark
RIGHT = (176, 176, 176)  # what stands for the gray frame in a key
VOID = (62, 62, 62)
CONFIDENCE = (matplotlib.colormaps["cividis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
TITLE = 22  # pixels of the strip with a panel's name
GROUND = 34  # the gray of that strip


@dataclass(frozen=True)
class State:
    """All that decides what is shown.

    `focus` is the class in question and `called` what it is mistaken for, as train ids. `hidden`
    holds the train ids that are switched off; `checkpoint` is 0 or 1; `flick` shows the truth in
    place of a prediction.
    """

    position: int = 0
    order: str = "as listed"
    focus: int = 0
    called: int = 1
    view: str = "side by side"
    checkpoint: int = 0
    opacity: float = 0.6
    hidden: frozenset = frozenset()
    outlines: bool = False
    flick: bool = False
    zoom: int = 1
    row: int = 0
    column: int = 0
    mark: bool = False


class ClassRow(NamedTuple):
    """A class in the legend: its IoUs are nan where it neither is nor is called."""

    name: str
    color: tuple[int, int, int]
    iou_here: float
    iou_all: float
    pixels_here: int  # of the truth
    called_here: int  # of the prediction


class FrameRow(NamedTuple):
    """A frame in the chosen order; `pixels` are those that the order is about."""

    title: str
    mean_iou: float
    accuracy: float
    pixels: int


def sequence(predictions, state) -> list[int]:
    """The rows in the chosen order, without those that cannot be shown."""
    # How much two networks disagree is known to the second of them.
    first = predictions[-1] if state.order == "most disagreement" else predictions[0]
    order = first.sequence(state.order, state.focus, state.called)
    return [i for i in order if all(i not in p.problems for p in predictions)]


def index_of(predictions, state) -> int | None:
    """The row that stands at the chosen position; None where the order holds no frame."""
    order = sequence(predictions, state)
    return order[state.position] if order else None


def panels(predictions, state) -> tuple[str, ...]:
    """The names of the panels of the chosen view; what needs a missing label is left out."""
    index = index_of(predictions, state)
    if index is None:
        return ()
    if np.any(predictions[0].load(index).truth != IGNORE):
        return VIEWS[state.view]
    kept = tuple(p for p in VIEWS[state.view] if p.removesuffix(OTHER) not in NEED_TRUTH)
    return kept or ("frame",)


def key(panel: str, state, label_set) -> list[tuple[str, tuple]]:
    """(name, color) of what the colors of a panel mean, where they are not those of classes."""
    if panel == "difference":
        return [("wrong", WRONG), ("right", RIGHT), ("void", VOID)]
    if panel == "one class":
        return [("found", FOUND), ("false alarm", FALSE_ALARM), ("missed", MISSED)]
    if panel == "one mistake":
        called = f"called {label_set.names[state.called]}"
        return [("found", FOUND), (called, FALSE_ALARM), ("other", MISSED)]
    if panel == "who is right":
        names = ("only this one", "only the other", "neither")
        return list(zip(names, (FOUND, MISSED, BOTH_WRONG)))
    return []


def window(shape, state) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the part that the zoom shows: around the chosen point, inside
    the frame.
    """
    height, width = (max(1, side // state.zoom) for side in shape[:2])
    return (
        int(np.clip(state.row - height // 2, 0, shape[0] - height)),
        int(np.clip(state.column - width // 2, 0, shape[1] - width)),
        height,
        width,
    )


def paint(frame, panel: str, state, label_set, size: int, other=None) -> np.ndarray:
    """One panel, about `size` pixels wide, uint8 RGB. `other` is the frame of the second network,
    which "who is right" needs.
    """
    top, left, height, width = window(frame.truth.shape, state)
    shrink, grow = max(1, -(-width // size)), max(1, size // width)

    def part(array, reduce=reduce_label):
        array = reduce(np.ascontiguousarray(array[top : top + height, left : left + width]), shrink)
        return array if grow == 1 else array.repeat(grow, 0).repeat(grow, 1)

    image = part(frame.image, reduce_image)
    truth, ids = part(frame.truth), part(frame.classes[0])
    if has_truth(frame):
        ids = np.where(truth == IGNORE, IGNORE, ids)  # nobody is asked there
    on = np.ones(256, bool)
    on[[IGNORE, *state.hidden]] = False
    edges = truth if panel == "truth" else ids

    if panel == "frame":
        edges = np.zeros_like(ids)
    elif panel == "confidence":
        # Mixed with the frame, a red car would read as a number: these colors always cover it.
        image = np.where(on[ids][..., None], CONFIDENCE[part(frame.chances[0])], image)
    elif panel == "difference":
        wrong = (truth != ids) & (truth != IGNORE) & (on[truth] | on[ids])
        image = mixed(on_gray(image, truth), WRONG, wrong, state.opacity)
    elif panel in ("one class", "one mistake", "who is right"):
        image = on_gray(image, truth)
        called = None if other is None else part(other.classes[0])
        for color, where in marked_pixels(panel, truth, ids, state, called):
            image[where] = color
    else:
        image = mixed(image, label_set.colorize(edges), on[edges], state.opacity)

    if state.outlines:
        lined = on[edges]  # classes that are switched off are not outlined either
        across = (edges[:, 1:] != edges[:, :-1]) & (lined[:, 1:] | lined[:, :-1])
        down = (edges[1:] != edges[:-1]) & (lined[1:] | lined[:-1])
        image[:, :-1][across] = image[:-1][down] = 0
        image[:, 1:][across] = image[1:][down] = 255
    return _ringed(image.copy(), state, top, left, grow / shrink)


def on_gray(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The frame in light gray, for colors to stand on; dark where nobody is asked."""
    gray = image.mean(-1, keepdims=True) * 0.45 + 130
    gray[truth == IGNORE] *= 0.35
    return gray.repeat(3, -1).astype(np.uint8)


def mixed(image: np.ndarray, colors, lit: np.ndarray, opacity: float) -> np.ndarray:
    """The image, with the colors over it where it is lit."""
    strength = round(opacity * 256)
    both = image * np.uint16(256 - strength) + np.asarray(colors, np.uint8) * np.uint16(strength)
    return np.where(lit[..., None], both >> 8, image).astype(np.uint8)


def marked_pixels(panel: str, truth, ids, state, other) -> list[tuple[tuple, np.ndarray]]:
    """(color, mask) pairs: what the panel paints on the gray frame."""
    asked = truth != IGNORE
    is_class = truth == state.focus
    if panel == "one class":
        called = (ids == state.focus) & asked
        return [
            (FOUND, is_class & called),
            (FALSE_ALARM, ~is_class & called),
            (MISSED, is_class & ~called),
        ]
    if panel == "one mistake":
        return [
            (MISSED, is_class),
            (FALSE_ALARM, is_class & (ids == state.called)),
            (FOUND, is_class & (ids == state.focus)),
        ]
    mine, theirs = ids == truth, other == truth
    return [
        (FOUND, mine & ~theirs & asked),
        (MISSED, ~mine & theirs & asked),
        (BOTH_WRONG, ~mine & ~theirs & asked),
    ]


def _ringed(image: np.ndarray, state, top: int, left: int, scale: float) -> np.ndarray:
    """A white ring with a black rim around the chosen point, drawn into `image`."""
    if state.mark:
        y, x = ((n + 0.5) * scale for n in (state.row - top, state.column - left))
        far = np.hypot(np.arange(len(image))[:, None] - y, np.arange(image.shape[1]) - x)
        image[np.abs(far - 9) < 3] = 0
        image[np.abs(far - 9) < 1.5] = 255
    return image


def picture(predictions, state, size: int | None = None) -> np.ndarray:
    """The view that `state` asks for, uint8 RGB: panels under their names, in rows of two if the
    frames are wide.
    """
    index, names = index_of(predictions, state), panels(predictions, state)
    if index is None:
        return _strip(nothing(predictions, state), 2 * (size or 512))
    label_set = predictions[0].label_set
    this = predictions[state.checkpoint].load(index)
    other = predictions[state.checkpoint - 1].load(index)
    size = size or (1024 if len(names) == 1 else 512)
    done = []
    for name in names:
        kind = name.removesuffix(OTHER)
        shown = "truth" if state.flick and kind == "prediction" and has_truth(this) else kind
        frame = other if name.endswith(OTHER) else this
        panel = paint(frame, shown, state, label_set, size, other)
        title = panel_title(name, shown, predictions, state)
        strip = _strip(title, panel.shape[1], key(shown, state, label_set), shown == "confidence")
        done.append(np.concatenate([strip, panel]))
    wide = done[0].shape[1] > 1.4 * done[0].shape[0]
    columns = 2 if wide or len(done) == 4 else len(done)
    columns = min(columns, len(done))

    blank = np.full_like(done[0], GROUND)
    rows = []
    for first in range(0, len(done), columns):
        row = done[first : first + columns]
        row += [blank] * (columns - len(row))
        rows.append(np.concatenate(_spaced(row), axis=1))
    return np.concatenate(rows)


def has_truth(frame) -> bool:
    return bool(np.any(frame.truth != IGNORE))


def panel_title(name: str, shown: str, predictions, state) -> str:
    """What stands above a panel: what it is, of which class, by which network."""
    title = shown
    if shown in ("one class", "one mistake"):
        title = predictions[0].label_set.names[state.focus]
    if len(predictions) > 1 and shown not in ("frame", "truth"):
        number = 1 - state.checkpoint if name.endswith(OTHER) else state.checkpoint
        title += f", {predictions[number].name}"
    return title


def _spaced(row: list[np.ndarray]) -> list[np.ndarray]:
    gap = np.full((len(row[0]), 4, 3), GROUND, np.uint8)
    return [part for panel in row for part in (gap, panel)][1:]


def _strip(text: str, width: int, colors=(), scale: bool = False) -> np.ndarray:
    """A dark strip with white writing and, at its right end, what the colors mean: squares with
    their names, or the scale from 0 to 1.
    """
    strip = Image.new("RGB", (width, TITLE), (GROUND,) * 3)
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(14)
    draw.text((6, 3), text, fill="white", font=font)
    right = width - 8
    for name, color in reversed(colors):
        right -= round(draw.textlength(name, font))
        draw.text((right, 3), name, fill="white", font=font)
        right -= 18
        draw.rectangle((right, 5, right + 12, 17), fill=tuple(color), outline=(160,) * 3)
        right -= 14
    if scale:
        draw.text((right - 8, 3), "1", fill="white", font=font)
        draw.text((right - 134, 3), "0", fill="white", font=font)
        ramp = CONFIDENCE[np.linspace(0, 255, 110).astype(int)][None].repeat(12, 0)
        strip.paste(Image.fromarray(ramp), (right - 122, 5))
    return np.asarray(strip)


def encode(image: np.ndarray, kind: str = "jpeg", quality: int = 92) -> bytes:
    """The bytes of a JPEG (colors at full resolution) or PNG file."""
    options = {"quality": quality, "subsampling": 0} if kind == "jpeg" else {}
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def nothing(predictions, state) -> str:
    """The sentence for an order that holds no frame."""
    names = predictions[0].label_set.names
    if state.order == "most of a mistake":
        return f"none: in no frame is {names[state.focus]} called {names[state.called]}"
    return f"none: no frame has {names[state.focus]}"


def order_in_words(predictions, state) -> str:
    names = predictions[0].label_set.names
    if state.order == "most of a class":
        return f"most {names[state.focus]} first"
    if state.order == "most of a mistake":
        return f"most {names[state.focus]} called {names[state.called]} first"
    return state.order


def caption(predictions, state) -> str:
    """What is shown, in words."""
    one, order = predictions[state.checkpoint], sequence(predictions, state)
    if not order:
        return nothing(predictions, state)
    index = order[state.position]
    score = one.scores[index]
    if score.counts.any():
        there = int((score.counts.sum(axis=1) > 0).sum())
        quality = (
            f"{score.pixel_accuracy():.1%} of the pixels right, mIoU {one.frame_iou(index):.3f} "
            f"over its {there} classes (all frames: {one.total().mean_iou():.3f})"
        )
    else:
        quality = "no truth for this frame"
    names = panels(predictions, state)
    shown = ", ".join(names)
    if state.flick and "prediction" in names:
        shown += ", truth in place of the prediction"
    if not {"truth", "prediction", "difference"}.isdisjoint(names):
        shown += f" with opacity {state.opacity:.0%}"
    if state.hidden:
        classes = len(one.label_set) - len(state.hidden)
        shown += f", {classes} of {len(one.label_set)} classes"
    if state.outlines:
        shown += ", outlined"
    if state.zoom > 1:
        shown += f", zoom {state.zoom}"
    return (
        f"{state.position + 1} of {len(order)}, {order_in_words(predictions, state)}: "
        f"{one.title(index)}, {quality}. {one.name} is {1 - one.doubt[index]:.0%} sure on "
        f"average. Shown: {shown}."
    )


def readout(predictions, state) -> str:
    """Truth, prediction and the three most probable classes at the chosen point."""
    one = predictions[state.checkpoint]
    names = one.label_set.names
    index = index_of(predictions, state)
    if index is None:
        return ""
    frame = one.load(index)
    height, width = frame.truth.shape
    row = min(state.row, height - 1)
    column = min(state.column, width - 1)
    truth = frame.truth[row, column]
    truth = "ignored" if truth == IGNORE else names[truth]
    best = []
    three = zip(frame.classes[:, row, column], frame.chances[:, row, column])
    for train_id, chance in list(three)[: len(names)]:  # a network may know two classes only
        best.append(f"{names[train_id]} {chance / 255:.2f}")
    return f"row {row}, column {column}: truth {truth}; predicted {', '.join(best)}"


def legend(predictions, state) -> list[ClassRow]:
    """A row for each class: name, color, IoU in this frame and in all, pixels in this frame."""
    one = predictions[state.checkpoint]
    index = index_of(predictions, state)
    count = len(one.label_set)
    here = np.full(count, np.nan)
    pixels = called = np.zeros(count, np.int64)
    if index is not None:
        score = one.scores[index]
        here = score.iou()
        pixels = score.counts.sum(axis=1)
        called = score.matrix.sum(axis=0)
    everywhere = one.total().iou()
    rows = []
    for i, name in enumerate(one.label_set.names):
        color = tuple(one.label_set.colors[i])
        numbers = float(here[i]), float(everywhere[i]), int(pixels[i]), int(called[i])
        rows.append(ClassRow(name, color, *numbers))
    return rows


def in_words(row: ClassRow) -> str:
    """The two IoUs of a class, "here / in all frames"; a class that is not there has none here."""
    here = f"{row.iou_here:.2f}" if row.pixels_here else "not here"
    everywhere = "–" if np.isnan(row.iou_all) else f"{row.iou_all:.2f}"
    return f"{here} / {everywhere}"


def frame_rows(predictions, state) -> list[FrameRow]:
    """The frames in the chosen order, each with the pixels that the order is about."""
    first = predictions[0]
    rows = []
    for index in sequence(predictions, state):
        if state.order == "most of a class":
            pixels = int(first.pixels[index][state.focus])
        elif state.order == "most of a mistake":
            pixels = first.mistakes(index, state.focus, state.called)
        else:
            pixels = first.wrong_pixels(index)
        score = first.scores[index]
        mean_iou = first.frame_iou(index)
        rows.append(FrameRow(first.title(index), mean_iou, score.pixel_accuracy(), pixels))
    return rows
