"""Checkers of chapter 05."""

import inspect
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from extras.exercises import Wrong, explain
from helpers.csv_index import Row, frame_row
from helpers.dataset import CityscapesDataset, Frames
from helpers.labels import LABELS, TRAIN_19
from helpers.windows import View


def turn_a(make_table) -> None:
    """make_table(): uint8 [256], from label id to train id, 255 for everything that is ignored."""
    minus_one = "which row of LABELS has the id -1, and can that number be in a file of bytes?"
    with explain(OverflowError, hint=minus_one):
        table = make_table()
    if not isinstance(table, np.ndarray):
        raise Wrong(
            f"return a NumPy array, which takes a label map as its index; found "
            f"{type(table).__name__}."
        )
    if table.shape != (256,):
        raise Wrong(
            f"256 entries, one for every byte that a label file can hold; yours has {table.shape}."
        )
    if table[0] == 0:
        raise Wrong("id 0 (unlabeled) becomes 0, and 0 is road: begin with 255 everywhere.")
    for label in LABELS:
        expected = 255 if label.ignore_in_eval else label.train_id
        if label.id >= 0 and table[label.id] != expected:
            raise Wrong(
                f"{label.name} (id {label.id}) must become {expected}, yours becomes "
                f"{table[label.id]}."
            )
    if (table[34:] != 255).any():
        number = 34 + int(np.flatnonzero(table[34:] != 255)[0])
        raise Wrong(
            f"entry {number} is {table[number]}, but no class has the id {number}: it should stay "
            "255. (Entry -1 is the last one; did the license plate write there?)"
        )
    if table.dtype != np.uint8:
        raise Wrong(
            f"the table is {table.dtype}; as uint8 a translated label needs one byte per pixel."
        )


def make_table():
    """From label id to train id: uint8 [256], 255 for everything that is not scored."""
    table = np.full(256, 255, np.uint8)
    for label in LABELS:
        if not label.ignore_in_eval:
            table[label.id] = label.train_id
    return table


def _one_street(root: Path, height: int, width: int) -> list[Row]:
    """A data set of one frame whose colors are the coordinates of its pixels."""
    row = frame_row(root / "leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png")
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, (y + x) // 2], axis=-1).astype(np.uint8)
    label = ((y * 3 + x) % 34).astype(np.uint8)
    for path, array in ((row["image"], image), (row["label"], label)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).save(root / path)
    return [Row(**row)]


def turn_b(dataset_class) -> None:
    """CityscapesDataset with pair(index), in step, and __getitem__(index), as tensors."""
    if not inspect.isclass(dataset_class) or not issubclass(dataset_class, Frames):
        raise Wrong("keep the first line: class CityscapesDataset(Frames).")
    crop = View("crop", 36, "valid", 2)
    frame = View("frame", None, "same", 2, height=64)
    for height, width, view, augment in (
        (120, 160, crop, False),
        (120, 160, crop, True),
        (30, 60, crop, False),
        (120, 160, frame, True),
    ):
        with tempfile.TemporaryDirectory() as folder:
            rows = _one_street(Path(folder), height, width)
            settings = {"mean": (0.3, 0.4, 0.5), "std": (0.1, 0.2, 0.25), "augment": augment}
            mine = dataset_class(rows, folder, view, **settings)
            course = CityscapesDataset(rows, folder, view, **settings)
            for epoch in range(6):
                mine.epoch = course.epoch = epoch
                _check_pair(mine.pair(0), course, (height, width))
                _check_item(mine[0], course)


def _check_pair(pair, course: CityscapesDataset, shape) -> None:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise Wrong(f"pair returns two arrays, image and target; yours is {type(pair).__name__}.")
    image, target = np.asarray(pair[0]), np.asarray(pair[1])
    right_image, right_target = course.pair(0)
    if image.shape != right_image.shape or target.shape != right_target.shape:
        raise Wrong(
            f"for {course.view} and a frame of {shape} expected windows of {right_image.shape} and "
            f"{right_target.shape}, yours are {image.shape} and {target.shape}: self.windows cuts "
            "both."
        )
    _, _, flip = course.draw(0, course.read(0)[0].shape)
    _check_in_step(image, target, right_image, right_target, flip)


def _check_in_step(image, target, right_image, right_target, flip: bool) -> None:
    same_image = (image == right_image).all()
    same_target = (target == right_target).all()
    if same_image and same_target:
        return
    other_image = (image == right_image[:, ::-1]).all()
    other_target = (target == right_target[:, ::-1]).all()
    if same_image and other_target:
        raise Wrong(
            f"draw says flip={flip}, and the image follows, but the label does not: they are "
            "mirrored together or not at all."
        )
    if other_image and same_target:
        raise Wrong(
            f"draw says flip={flip}, and the label follows, but the image does not: they are "
            "mirrored together or not at all."
        )
    if other_image and other_target:
        raise Wrong(f"draw says flip={flip}, but the pair does the opposite.")
    if flip and (image == right_image[::-1, ::-1]).all():
        raise Wrong(
            "the image is mirrored top to bottom: rows are the first axis, columns the second, so "
            "left and right change places with [:, ::-1]."
        )
    looked_up = TRAIN_19.table[target]
    if same_image and ((looked_up == right_target).all() or target.max() in range(19, 34)):
        raise Wrong(
            f"the label still holds label ids ({target[target < 34].max()} is one): translate them "
            "with self.train_id_of[...]."
        )
    if same_image:
        raise Wrong(
            "the image is right, but the label is of another place: give top and left to "
            "self.windows, once, for both."
        )
    if same_target:
        raise Wrong(
            "the label is right, but the image is of another place: give top and left to "
            "self.windows, once, for both."
        )
    raise Wrong(
        "the windows do not begin where self.draw says: top and left are the label window's, and "
        "self.windows wants them as they are."
    )


def _check_item(item, course: CityscapesDataset) -> None:
    right_image, right_target = course[0]
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise Wrong(
            f"__getitem__ returns two tensors, image and target; yours is {type(item).__name__}."
        )
    image, target = item
    for name, value in (("image", image), ("target", target)):
        if not isinstance(value, torch.Tensor):
            raise Wrong(f"the {name} is a {type(value).__name__}: make it a tensor.")
    if image.shape != right_image.shape:
        raise Wrong(
            f"the image must be {list(right_image.shape)}, channels first, yours is "
            f"{list(image.shape)}: normalize does that too."
        )
    if image.dtype != torch.float32:
        raise Wrong(f"the image is {image.dtype}, and the network's weights are torch.float32.")
    if target.dtype != torch.int64:
        raise Wrong(
            f"the target is {target.dtype}; the loss of chapter 07 wants class numbers as "
            "torch.int64."
        )
    if target.shape != right_target.shape or not torch.equal(target, right_target):
        raise Wrong(
            "the target has other numbers than pair gave: a class number is a name, so neither "
            "scale nor average it."
        )
    if not torch.allclose(image, right_image, atol=1e-4):
        raise Wrong(
            f"the first red value should be {right_image[0, 0, 0]:.3f}, yours is "
            f"{image[0, 0, 0]:.3f}: normalize with self.mean and self.std, once."
        )


TURNS = {"A": make_table, "B": CityscapesDataset}


def exercise_1(majority) -> None:
    """majority(label, factor): the commonest id of each block, the smaller one of equals."""
    rng = np.random.default_rng(5)
    for factor, high in ((2, 4), (4, 3), (3, 34)):
        label = rng.integers(0, high, (4 * factor, 6 * factor), dtype=np.uint8)
        kept = label.copy()
        result = np.asarray(majority(label, factor))
        if result.shape != (4, 6):
            raise Wrong(f"{label.shape} reduced by {factor} is (4, 6), got {result.shape}.")
        if result.dtype != np.uint8:
            raise Wrong(f"label ids stay uint8, got {result.dtype}.")
        if not (label == kept).all():
            raise Wrong("the label map that was passed in has changed.")
        for i in range(4):
            for j in range(6):
                block = label[i * factor : (i + 1) * factor, j * factor : (j + 1) * factor]
                best = np.bincount(block.ravel()).argmax()
                if result[i, j] != best:
                    raise Wrong(
                        f"the block {block.tolist()} gives {best}, you gave {result[i, j]}."
                    )


def exercise_2(place_with) -> None:
    """place_with(label, class_id, size, rng): a random window inside the frame with a pixel of the
    class.
    """
    label = np.full((50, 80), 7, np.uint8)
    label[0, 79] = label[49, 0] = label[20, 33] = 25
    rng, places, contained = np.random.default_rng(6), set(), set()
    if place_with(label, 31, 16, rng) is not None:
        raise Wrong("class 31 does not occur, so there is no place for it: return None.")
    nothing_left = (
        "rng.integers(low, high) leaves out `high`, so nothing is left to draw where the two are "
        "equal, as in a corner of the frame: add 1"
    )
    for _ in range(300):
        with explain(ValueError, "low >= high", hint=nothing_left):
            place = place_with(label, 25, 16, rng)
        if not isinstance(place, (tuple, list)) or len(place) != 2:
            raise Wrong(f"return a pair (top, left), not {place!r}.")
        top, left = place
        if not (0 <= top <= 50 - 16 and 0 <= left <= 80 - 16):
            raise Wrong(f"the window of 16x16 at ({top}, {left}) leaves the frame of 50x80.")
        found = np.argwhere(label[top : top + 16, left : left + 16] == 25) + (top, left)
        if not len(found):
            raise Wrong(f"the window of 16x16 at ({top}, {left}) has no pixel of the class.")
        places.add((int(top), int(left)))
        contained |= set(map(tuple, found.tolist()))
    if len(contained) < 3:
        raise Wrong(
            "some pixels of the class never come into the window; choose among all of them."
        )
    if len(places) < 40:
        raise Wrong(
            f"only {len(places)} different places in 300 draws: the class should not always be at "
            "the same spot of the window, or the network learns the spot."
        )
