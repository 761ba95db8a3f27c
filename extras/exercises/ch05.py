"""Checkers of chapter 05."""

import numpy as np

from extras.exercises import Wrong


def exercise_1(augment) -> None:
    """augment(image, label, top, left, flip, size, margin): two aligned windows, mirrored alike."""
    y, x = np.mgrid[:60, :90]
    image = np.stack([y, x, y + x], -1).astype(np.uint8)
    label = (y * 90 + x).astype(np.int64)  # every pixel knows where it lies
    size = 20
    margin = 6
    for top, left in ((6, 6), (15, 40), (34, 64)):
        for flip in (False, True):
            window, target = augment(image, label, top, left, flip, size, margin)
            window = np.asarray(window)
            target = np.asarray(target)
            if window.shape != (32, 32, 3) or target.shape != (20, 20):
                raise Wrong(
                    f"for size 20 and margin 6 expected windows (32, 32, 3) and (20, 20), "
                    f"got {window.shape} and {target.shape}."
                )
            inner = window[margin:-margin, margin:-margin].astype(np.int64)
            if not (inner[..., 0] * 90 + inner[..., 1] == target).all():
                raise Wrong(
                    f"with flip={flip} the two windows do not show the same pixels: under label "
                    f"pixel (0, 0) lies frame pixel {tuple(inner[0, 0, :2].tolist())}, but the "
                    f"label was taken from {divmod(int(target[0, 0]), 90)}."
                )
            expected = label[top : top + size, left : left + size]
            end = "."
            if flip:
                expected = expected[:, ::-1]
                end = ", mirrored left to right."
            if not (target == expected).all():
                raise Wrong(
                    f"with flip={flip} the label window is not the one that starts at (top, left)"
                    + end
                )


def exercise_2(majority) -> None:
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


def exercise_3(place_with) -> None:
    """place_with(label, class_id, size, rng): a random window inside the frame with a pixel of the
    class.
    """
    label = np.full((50, 80), 7, np.uint8)
    label[0, 79] = label[49, 0] = label[20, 33] = 25
    rng = np.random.default_rng(6)
    places = set()
    contained = set()
    if place_with(label, 31, 16, rng) is not None:
        raise Wrong("class 31 does not occur, so there is no place for it: return None.")
    for _ in range(300):
        place = place_with(label, 25, 16, rng)
        if not isinstance(place, tuple) or len(place) != 2:
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
