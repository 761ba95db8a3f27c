"""What the prediction browser shows, as arrays and words: no front end, no state of its own. Used
by the widget.

Every function takes the `Predictions` of one or two checkpoints and a `State`.
"""

import io
from dataclasses import dataclass, replace

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from helpers.labels import IGNORE
from helpers.windows import reduce_image, reduce_label

VIEWS = {
    "side by side": ("frame", "truth", "prediction", "difference"),
    "frame": ("frame",),
    "truth": ("truth",),
    "prediction": ("prediction",),
    "difference": ("difference",),
    "confidence": ("confidence",),
    "compare": ("prediction", "prediction of the other", "difference", "difference of the other"),
    "row": ("frame", "truth", "prediction"),
}
# Vermilion of the Okabe-Ito palette: color-blind readers too tell it from gray.
WRONG = (213, 94, 0)
CONFIDENCE = (matplotlib.colormaps["cividis"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
TITLE = 22  # pixels of the strip with a panel's name


@dataclass(frozen=True)
class State:
    """All that decides what is shown. `hidden` holds the train ids that are switched off;
    `checkpoint` is 0 or 1.
    """

    position: int = 0
    order: str = "as listed"
    focus: int = 0
    view: str = "side by side"
    checkpoint: int = 0
    opacity: float = 0.6
    hidden: frozenset = frozenset()
    outlines: bool = False
    zoom: int = 1
    row: int = 0
    column: int = 0
    mark: bool = False


def panels(predictions, state) -> tuple[str, ...]:
    """The names of the panels of the chosen view; what needs a missing label is left out."""
    index = index_of(predictions, state)
    if np.any(predictions[0].load(index).truth != IGNORE):
        return VIEWS[state.view]
    kept = tuple(p for p in VIEWS[state.view] if not p.startswith(("truth", "difference")))
    return kept or ("frame",)


def sequence(predictions, state) -> list[int]:
    """The rows in the chosen order, without those that cannot be shown."""
    order = predictions[0].sequence(state.order, state.focus)
    return [i for i in order if all(i not in p.problems for p in predictions)]


def index_of(predictions, state) -> int:
    """The row that stands at the chosen position."""
    return sequence(predictions, state)[state.position]


def window(shape, state) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the part that the zoom shows: around the chosen point, inside
    the frame.
    """
    height, width = shape[0] // state.zoom, shape[1] // state.zoom
    return (
        int(np.clip(state.row - height // 2, 0, shape[0] - height)),
        int(np.clip(state.column - width // 2, 0, shape[1] - width)),
        height,
        width,
    )


def paint(frame, panel: str, state, label_set, size: int) -> np.ndarray:
    """One panel, about `size` pixels wide, uint8 RGB."""
    top, left, height, width = window(frame.truth.shape, state)
    shrink, grow = max(1, -(-width // size)), max(1, size // width)

    def part(array, reduce=reduce_label):
        array = reduce(np.ascontiguousarray(array[top : top + height, left : left + width]), shrink)
        return array if grow == 1 else array.repeat(grow, 0).repeat(grow, 1)

    image = part(frame.image, reduce_image)
    truth, ids = part(frame.truth), part(frame.classes[0])
    on = np.ones(256, bool)
    on[[IGNORE, *state.hidden]] = False
    edges = ids
    if panel == "frame":
        return _marked(image.copy(), state, top, left, grow / shrink)
    if panel == "confidence":
        colors = CONFIDENCE[part(frame.chances[0])]
        lit = on[ids]
    elif panel == "difference":
        gray = image.mean(-1, keepdims=True).astype(np.uint8) // 2 + 64
        image = np.where((truth == IGNORE)[..., None], gray // 3, gray).repeat(3, -1)
        colors = np.array(WRONG, np.uint8)
        lit = (truth != ids) & (truth != IGNORE) & (on[truth] | on[ids])
    else:
        edges = truth if panel == "truth" else ids
        colors = label_set.colorize(edges)
        lit = on[edges]
    strength = round(state.opacity * 256)
    mixed = (image * np.uint16(256 - strength) + colors * np.uint16(strength)) >> 8
    image = np.where(lit[..., None], mixed, image).astype(np.uint8)
    if state.outlines:
        lined = on[edges]  # classes that are switched off are not outlined either
        across = (edges[:, 1:] != edges[:, :-1]) & (lined[:, 1:] | lined[:, :-1])
        down = (edges[1:] != edges[:-1]) & (lined[1:] | lined[:-1])
        image[:, :-1][across] = image[:-1][down] = 0
        image[:, 1:][across] = image[1:][down] = 255
    return _marked(image, state, top, left, grow / shrink)


def _marked(image: np.ndarray, state, top: int, left: int, scale: float) -> np.ndarray:
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
    frames = [
        p.load(index) for p in (predictions[state.checkpoint], predictions[state.checkpoint - 1])
    ]
    who = [p.name for p in predictions]
    size = size or (1024 if len(names) == 1 else 512)
    done = []
    for name in names:
        other = name.endswith(" of the other")
        frame, kind = frames[other], name.removesuffix(" of the other")
        panel = paint(frame, kind, state, predictions[0].label_set, size)
        number = state.checkpoint ^ other if len(who) > 1 else 0
        text = f"{kind}, {who[number]}" if len(who) > 1 and kind not in ("frame", "truth") else kind
        done.append(np.concatenate([_strip(text, panel.shape[1]), panel]))
    wide = done[0].shape[1] > 1.4 * done[0].shape[0]
    columns = min(2, len(done))
    if state.view == "row" or (not wide and len(done) < 4):
        columns = len(done)

    blank = np.full_like(done[0], 34)
    rows = []
    for first in range(0, len(done), columns):
        row = done[first : first + columns]
        row += [blank] * (columns - len(row))
        rows.append(np.concatenate(_spaced(row), axis=1))
    return np.concatenate(rows)


def _spaced(row: list[np.ndarray]) -> list[np.ndarray]:
    gap = np.full((len(row[0]), 4, 3), 34, np.uint8)
    return [part for panel in row for part in (gap, panel)][1:]


def _strip(text: str, width: int) -> np.ndarray:
    """A dark strip with white writing."""
    strip = Image.new("RGB", (width, TITLE), (34, 34, 34))
    ImageDraw.Draw(strip).text((6, 3), text, fill="white", font=ImageFont.load_default(14))
    return np.asarray(strip)


def encode(image: np.ndarray, kind: str = "jpeg", quality: int = 92) -> bytes:
    """The bytes of a JPEG (colors at full resolution) or PNG file."""
    options = {"quality": quality, "subsampling": 0} if kind == "jpeg" else {}
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def caption(predictions, state) -> str:
    """What is shown, in words."""
    one, order = predictions[state.checkpoint], sequence(predictions, state)
    index = order[state.position]
    score, total = one.scores[index], one.total()
    how = state.order
    if state.order == "most of a class":
        how = f"most {one.label_set.names[state.focus]} first"
    if score.counts.any():
        quality = (
            f"mIoU {score.mean_iou():.3f}, accuracy {score.pixel_accuracy():.3f} "
            f"(mIoU of all: {total.mean_iou():.3f})"
        )
    else:
        quality = "no truth for this frame"
    shown = ", ".join(panels(predictions, state))
    if set(panels(predictions, state)) != {"frame"}:
        shown += f" with opacity {state.opacity:.0%}"
    if state.hidden:
        classes = len(one.label_set) - len(state.hidden)
        shown += f", {classes} of {len(one.label_set)} classes"
    if state.outlines:
        shown += ", outlined"
    if state.zoom > 1:
        shown += f", zoom {state.zoom}"
    return (
        f"{state.position + 1} of {len(order)}, {how}: {one.title(index)}, {quality}. {one.name} "
        f"is {1 - one.doubt[index]:.0%} sure on average. Shown: {shown}."
    )


def readout(predictions, state) -> str:
    """Truth, prediction and the three most probable classes at the chosen point."""
    one = predictions[state.checkpoint]
    names = one.label_set.names
    frame = one.load(index_of(predictions, state))
    height, width = frame.truth.shape
    row = min(state.row, height - 1)
    column = min(state.column, width - 1)
    truth = frame.truth[row, column]
    truth = "ignored" if truth == IGNORE else names[truth]
    best = []
    for train_id, chance in zip(frame.classes[:, row, column], frame.chances[:, row, column]):
        best.append(f"{names[train_id]} {chance / 255:.2f}")
    return f"row {row}, column {column}: truth {truth}; predicted {', '.join(best)}"


def legend(predictions, state) -> list[tuple[str, str, str]]:
    """For each class: name, color as #rrggbb, "IoU of this frame / IoU of all frames"."""
    one = predictions[state.checkpoint]
    here = one.scores[index_of(predictions, state)].iou()
    everywhere = one.total().iou()
    lines = []
    for train_id, name in enumerate(one.label_set.names):
        color = "#{:02x}{:02x}{:02x}".format(*one.label_set.colors[train_id])
        numbers = []
        for iou in (here[train_id], everywhere[train_id]):
            numbers.append("–" if np.isnan(iou) else f"{iou:.2f}")
        lines.append((name, color, " / ".join(numbers)))
    return lines


def contact_sheet(predictions, state, frames: int = 3, size: int = 256) -> bytes:
    """PNG bytes: the first frames of the chosen order as frame, truth and prediction, for pages
    without a kernel.
    """
    one, rows = predictions[0], []
    for position in range(min(frames, len(sequence(predictions, state)))):
        each = replace(state, position=position, view="row", zoom=1, mark=False, outlines=False)
        index, view = index_of(predictions, each), picture(predictions, each, size)[TITLE:]
        score = one.scores[index].mean_iou()
        text = one.title(index) + ("" if np.isnan(score) else f"   mIoU {score:.3f}")
        if position == 0:
            text += f"   (from left to right: {', '.join(panels(predictions, each))})"
        rows += [_strip(text, view.shape[1]), view]
    file = io.BytesIO()
    sheet = Image.fromarray(np.concatenate([row[:, : rows[0].shape[1]] for row in rows]))
    sheet = sheet.quantize(128, dither=Image.Dither.NONE)  # a third of the size
    sheet.save(file, "png", optimize=True)
    return file.getvalue()
