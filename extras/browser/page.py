"""The prediction browser as one HTML file: frames, label maps and chances inside, no kernel and no
network needed.

The pictures are JPEG; the maps of bytes are deflated, and the page inflates them with the browser's
own DecompressionStream (every browser since 2023), so that the ids are exact and nothing is read
back from a canvas.
"""

import base64
import json
import math
import zlib
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np

from extras.browser import views
from extras.browser.predictions import ORDERS
from helpers.files import write_text
from helpers.labels import IGNORE
from helpers.sizes import require
from helpers.windows import reduce_image, reduce_label

WIDTH = 512  # frames that are wider are reduced by a whole factor
STEP = 4  # chances are stored in steps of 4/255: three times smaller, and exact to 0.01


def do_not_share(one) -> str | None:
    """A sentence if the pictures behind these predictions must not be passed on, else None.

    The sample city is drawn and free, and photographs and data of your own are yours. What has
    Cityscapes' layout and neither a license beside it nor classes of its own is Cityscapes.
    """
    root = Path(one.root)
    if not one.root or (root / "sample_city.json").is_file():
        return None
    for name in ("LICENCE.txt", "LICENSE.txt", "LICENSE"):
        if (root / name).is_file():
            return f"Before you pass this page on, read {name} beside its pictures."
    if (root / "classes.json").is_file():
        return None
    return "Keep this page to yourself: the license of Cityscapes forbids passing its pictures on."


def write_page(
    path, predictions, state, frames: int = 12, title: str = "Prediction browser"
) -> Path:
    """Write the page with the first `frames` frames of the chosen order; returns its path. OSError
    names the file; no frame at all is a ValueError.
    """
    require(1, 1e9, frames=frames)
    order = views.sequence(predictions, state)[:frames]
    if not order:
        raise ValueError(f"there is no frame to write: {views.nothing(predictions, state)}")
    first = predictions[0]
    data = {
        "names": first.label_set.names,
        "colors": first.label_set.colors,
        "marks": {
            "found": views.FOUND,
            "false": views.FALSE_ALARM,
            "missed": views.MISSED,
            "neither": views.BOTH_WRONG,
            "right": views.RIGHT,
            "void": views.VOID,
        },
        "step": STEP,
        "confidence": views.CONFIDENCE[::STEP].tolist(),
        "checkpoints": [p.name for p in predictions],
        "orders": ORDERS if len(predictions) > 1 else ORDERS[:-1],
        "order": ORDERS.index(state.order),
        "focus": state.focus,
        "called": state.called,
        "opacity": state.opacity,
        "iou": [_numbers(p.total().iou()) for p in predictions],
        "miou": [_number(p.total().mean_iou()) for p in predictions],
        "split": len(first.scores),
        "license": do_not_share(first) or "",
        "frames": [_frame(predictions, index) for index in order],
    }
    still = views.picture(predictions, replace(state, position=0, view="side by side", zoom=1))
    still = base64.b64encode(views.encode(still, quality=80)).decode()
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    text = (
        text.replace("{{title}}", escape(title))
        .replace("{{still}}", still)
        .replace("{{data}}", json.dumps(data, separators=(",", ":")).replace("</", "<\\/"))
    )
    return write_text(path, text)


def _frame(predictions, index: int) -> dict:
    """What the page needs of one frame: picture, scores, and for each checkpoint the maps."""
    first = predictions[0]
    one = first.load(index)
    factor = max(1, -(-one.truth.shape[1] // WIDTH))
    image = reduce_image(np.ascontiguousarray(one.image), factor)
    truth = reduce_label(one.truth, factor)
    return {
        "title": first.title(index),
        "index": index,
        "height": truth.shape[0],
        "width": truth.shape[1],
        "image": base64.b64encode(views.encode(image, quality=82)).decode(),
        "truth": _packed(truth) if np.any(truth != IGNORE) else None,
        "pixels": first.pixels[index].tolist(),
        "doubt": round(first.doubt[index], 4),
        "differs": round(predictions[-1].differs.get(index, 0), 4),
        "predictions": [_prediction(p, index, factor) for p in predictions],
    }


def _prediction(one, index: int, factor: int) -> dict:
    frame, score = one.load(index), one.scores[index]
    return {
        "classes": [_packed(reduce_label(c, factor)) for c in frame.classes],
        "chances": [_packed(reduce_label(c, factor) // STEP) for c in frame.chances],
        "miou": _number(one.frame_iou(index)),
        "matrix": score.matrix.ravel().tolist(),
        "accuracy": _number(score.pixel_accuracy()),
        "iou": _numbers(score.iou()),
        "sure": round(1 - one.doubt[index], 4),
    }


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()


def _number(value: float):
    return None if math.isnan(value) else round(value, 4)


def _numbers(values) -> list:
    return [_number(float(v)) for v in values]
