"""Turns and exercises of chapter 05: what the checkers refuse, and that the reader's class is the
helper's.
"""

import inspect
import re

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from extras.exercises import verdict
from extras.exercises.ch05 import TURNS
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset, Frames, normalize
from helpers.labels import LABELS, TRAIN_19
from helpers.paths import ROOT
from helpers.windows import View
from scripts.pinned import CITY

CELLS = nbformat.read(ROOT / "notebooks" / "05_dataset_and_transforms.ipynb", as_version=4).cells
SOLUTION = re.compile(
    r"<summary>Solution (05\.\w)</summary>\s+```python\n(.*?)\n```.*?</details>", re.S
)
SOLUTIONS = {m[1]: m[2] for cell in CELLS for m in SOLUTION.finditer(cell.source)}
NAMES = {
    "05.A": "make_table",
    "05.B": "CityscapesDataset",
    "05.1": "majority",
    "05.2": "place_with",
}


def answer(number: str, source: str):
    names = {"np": np, "torch": torch, "LABELS": LABELS, "Frames": Frames, "normalize": normalize}
    exec(source, names)
    return names[NAMES[number]]


def starter(number: str) -> str:
    kind = "exercise" if number[-1].isdigit() else "turn"
    [cell] = [c for c in CELLS if c.metadata.get(kind) == number]
    lines = cell.source.rstrip().split("\n")
    assert f'check("{number}"' in lines[-1]
    return "\n".join(lines[:-1])


@pytest.mark.parametrize("number", NAMES)
def test_an_untouched_starter_is_not_written_yet(number):
    with pytest.raises(NotImplementedError):
        verdict(number, answer(number, starter(number)))


@pytest.mark.parametrize("number", NAMES)
def test_the_folded_solution_is_accepted(number):
    assert verdict(number, answer(number, SOLUTIONS[number])) is None


@pytest.mark.parametrize("letter", TURNS)
def test_the_folded_solution_is_the_code_of_the_course(letter):
    assert SOLUTIONS[f"05.{letter}"] == inspect.getsource(TURNS[letter]).rstrip()


def test_the_class_that_the_reader_writes_is_the_helpers():
    assert TURNS["B"] is CityscapesDataset


FLIP = """            image = image[:, ::-1]
            label = label[:, ::-1]
"""
# what is replaced in the folded solution, by what, and what the checker then says
WRONG = [
    ("05.A", "np.full(256, 255, np.uint8)", "np.zeros(256, np.uint8)", "0 is road"),
    ("05.A", "return table", "return torch.from_numpy(table)", "a NumPy array"),
    ("05.A", "np.full(256", "np.full(34", "256 entries"),
    ("05.A", "if not label.ignore_in_eval:", "if True:", "which row of LABELS has the id -1"),
    ("05.A", "np.uint8", "np.int64", "needs one byte per pixel"),
    ("05.A", "label.train_id", "label.id", "road (id 7) must become 0, yours becomes 7"),
    (
        "05.A",
        "if not label.ignore_in_eval:",
        "if label.train_id < 255 and label.train_id > 0:",
        "road (id 7) must become 0",
    ),
    (
        "05.A",
        "            table[label.id] = label.train_id",
        "            table[label.id] = label.train_id\n    table[-1] = 13",
        "did the license plate write there?",
    ),
    ("05.B", "class CityscapesDataset(Frames)", "class CityscapesDataset", "keep the first line"),
    (
        "05.B",
        "        image, label = self.windows(image, label, top, left)\n",
        "",
        "self.windows cuts both",
    ),
    ("05.B", "            label = label[:, ::-1]\n", "", "the label does not"),
    ("05.B", "            image = image[:, ::-1]\n", "", "the image does not"),
    ("05.B", FLIP, "            pass\n", "the pair does the opposite"),
    ("05.B", "if flip:", "if True:", "the pair does the opposite"),
    ("05.B", FLIP, FLIP.replace("[:, ::-1]", "[::-1]"), "top to bottom"),
    ("05.B", "self.train_id_of[label]", "label", "still holds label ids"),
    ("05.B", "label, top, left)", "label, top - 20, left - 20)", "do not begin where self.draw"),
    (
        "05.B",
        "        return image, self.train_id_of[label]",
        "        return image, self.train_id_of[np.roll(label, 1, axis=0)]",
        "the label is of another place",
    ),
    ("05.B", "return image, self.train_id_of[label]", "return image", "pair returns two arrays"),
    (
        "05.B",
        "image = normalize(image, self.mean, self.std)",
        "image = torch.from_numpy(image.copy()).float()",
        "channels first",
    ),
    (
        "05.B",
        "image = normalize(image, self.mean, self.std)",
        "image = torch.from_numpy(image.transpose(2, 0, 1) / 255).float()",
        "normalize with self.mean and self.std",
    ),
    ("05.B", "target.astype(np.int64)", "target", "wants class numbers as torch.int64"),
    (
        "05.B",
        "torch.from_numpy(target.astype(np.int64))",
        "torch.from_numpy(target / 255).long()",
        "neither scale nor average",
    ),
    ("05.B", "target = torch.from_numpy(target.astype(np.int64))", "pass", "make it a tensor"),
    ("05.1", "height // factor, factor, width // factor, factor", "-1, factor, factor", "axis"),
    ("05.1", ".argmax(axis=0)", ".argmin(axis=0)", "the block"),
    ("05.1", "return ids[winner].astype(np.uint8)", "return winner", "uint8"),
    ("05.2", "        return None\n", "        return 0, 0\n", "return None"),
    ("05.2", "rng.integers(len(ys))", "0", "choose among all"),
    ("05.2", "high + 1", "high", "leaves out `high`"),
    ("05.2", "min(position, length - size)", "position", "leaves the frame"),
    ("05.2", "max(0, position - size + 1)", "0", "no pixel of the class"),
]


@pytest.mark.parametrize(("number", "old", "new", "phrase"), WRONG)
def test_a_wrong_answer_is_refused_for_its_reason(number, old, new, phrase):
    right = SOLUTIONS[number]
    assert old in right
    said = verdict(number, answer(number, right.replace(old, new, 1)))
    assert said is not None
    assert phrase in said


def test_a_pair_may_be_a_list():
    source = SOLUTIONS["05.B"].replace(
        "return image, self.train_id_of[label]", "return [image, self.train_id_of[label]]"
    )
    source = source.replace("return image, target", "return [image, target]")
    assert verdict("05.B", answer("05.B", source)) is None
    source = SOLUTIONS["05.2"].replace("return tuple(place)", "return place")
    assert verdict("05.2", answer("05.2", source)) is None


def test_another_way_of_writing_it_is_accepted():
    """Flipped and looked up in another order, normalized by torchvision."""
    source = """
class CityscapesDataset(Frames):
    def pair(self, index):
        image, label = self.read(index)
        label = self.train_id_of[label]
        top, left, flip = self.draw(index, label.shape)
        image, label = self.view.pair(image, label, top, left)
        if flip:
            image, label = np.fliplr(image), np.fliplr(label)
        return image, label

    def __getitem__(self, index):
        image, target = self.pair(index)
        image = v2.functional.to_dtype(v2.functional.to_image(image.copy()), torch.float32, True)
        image = v2.functional.normalize(image, self.mean, self.std)
        return image, torch.from_numpy(target.copy()).long()
"""
    names = {"np": np, "torch": torch, "v2": v2, "Frames": Frames}
    exec(source, names)
    assert verdict("05.B", names["CityscapesDataset"]) is None


# -- what the chapter says in words

STREET = ROOT / "data" / "frame"


def test_a_loop_in_descending_order_ruins_most_of_the_street():
    ids = np.array(Image.open(STREET / "labelIds.png"))
    table = TRAIN_19.table
    for order, expected in ((1, 0.0), (-1, 0.88)):
        looped = ids.copy()
        for label in sorted((x for x in LABELS if x.id >= 0), key=lambda x: order * x.id):
            looped[looped == label.id] = table[label.id]
        assert (looped != table[ids]).mean() == pytest.approx(expected, abs=0.005)


def test_recipe_b_picks_what_nearest_picks():
    label = Image.open(STREET / "labelIds.png")
    picked = np.array(label.resize((512, 256), Image.Resampling.NEAREST))
    assert (picked == np.array(label)[2::4, 2::4]).all()
    view = View("frame", padding="same")
    image = np.array(Image.open(STREET / "frame.webp"))
    assert view.factor(image.shape[0]) == 4 and view.margin == 0
    assert view.label_shape(*picked.shape) == picked.shape


def test_the_rim_and_the_center():
    assert pytest.approx(0.253, abs=5e-4) == 1 - (1024 - 184) * (2048 - 184) / (1024 * 2048)
    assert pytest.approx(0.072, abs=5e-4) == 388 * 388 / (1024 * 2048)


def test_v2_passes_a_plain_tensor_through_beside_an_image():
    image = tv_tensors.Image(torch.arange(24, dtype=torch.uint8).view(3, 2, 4))
    label = torch.arange(8, dtype=torch.uint8).view(2, 4)
    flip = v2.RandomHorizontalFlip(p=1.0)
    assert torch.equal(flip(image, label)[1], label)
    assert torch.equal(flip(image, tv_tensors.Mask(label))[1], label.flip(-1))


def test_shares_in_center_and_random_crops():
    """The chapter's figure: its words, with a margin."""
    rows = find_rows(CITY, "train")
    fixed = Frames(rows, CITY, View("crop"))
    frames = Frames(rows, CITY, View("crop"), augment=True, seed=4)
    counts = np.zeros((3, 256), int)
    seen = dict.fromkeys(("bus", "truck"), 0)
    for index in range(len(rows)):
        target = TRAIN_19.table[frames.label_ids(index)]
        counts[0] += np.bincount(target.ravel(), minlength=256)
        for name in seen:
            seen[name] += bool((target == TRAIN_19.names.index(name)).any())
        top, left, _ = fixed.draw(index, target.shape)
        graded = target[top : top + 388, left : left + 388]
        counts[1] += np.bincount(graded.ravel(), minlength=256)
        for frames.epoch in range(30):
            top, left, _ = frames.draw(index, target.shape)
            graded = target[top : top + 388, left : left + 388]
            counts[2] += np.bincount(graded.ravel(), minlength=256)
    assert seen == {"bus": 7, "truck": 4}
    share = counts[:, :19] / counts[:, :19].sum(axis=1, keepdims=True)
    center = dict(zip(TRAIN_19.names, share[1] / share[0]))
    assert center["wall"] == 0
    assert center["bus"] == pytest.approx(8, abs=0.3)
    assert center["truck"] == pytest.approx(5, abs=0.3)
    for name in ("train", "motorcycle", "car"):
        assert center[name] == pytest.approx(3, abs=0.4)
    assert center["sidewalk"] == pytest.approx(1 / 6, abs=0.02)
    assert center["terrain"] == pytest.approx(1 / 3, abs=0.02)
    assert center["sky"] < 0.5 and center["building"] < 0.5
    moving = share[2] / share[0]
    assert moving.min() > 0.5 and moving.max() < 2.1
    named = dict(zip(TRAIN_19.names, moving))
    assert named["person"] == pytest.approx(1.5, abs=0.1)
    assert named["rider"] == pytest.approx(1.8, abs=0.1)
    # these two alone move away from the whole
    further = set()
    for name in set(center) - {"wall"}:
        if abs(np.log(named[name])) > abs(np.log(center[name])):
            further.add(name)
    assert further == {"person", "rider"}


def test_person_and_rider_stand_where_most_windows_overlap():
    most = slice(388, 1024 - 388 + 1)  # no row is in more windows than these
    inside = np.zeros(256, int)
    whole = np.zeros(256, int)
    frames = Frames(find_rows(CITY, "train"), CITY)
    for index in range(0, len(frames), 4):
        target = TRAIN_19.table[frames.label_ids(index)]
        inside += np.bincount(target[most].ravel(), minlength=256)
        whole += np.bincount(target.ravel(), minlength=256)
    assert inside[:19].sum() / whole[:19].sum() < 0.35
    for name in ("person", "rider"):
        number = TRAIN_19.names.index(name)
        assert inside[number] / whole[number] > 0.65
