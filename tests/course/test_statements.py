"""True sentences where it is easy to read something else: they stay in their chapters.

Each row has the chapter, words of the sentence, and the source that says so or the test that holds
it. What is false is not repeated here.
"""

import re

import nbformat
import pytest

from helpers.paths import ROOT

NOTEBOOKS = ROOT / "notebooks"
MARK = "**You will often"

STATEMENTS = [
    ("01", "FCN keeps the fully connected layers, as convolutions", "Long et al. 2015, Sec. 3.1"),
    ("01", "the scores, not the answers", "Long et al. 2015, Sec. 3.3"),
    ("01", "one is the transpose of the other", "Dumoulin, Visin 2016, Sec. 4"),
    ("02", "The detail is lost on the way *down*, in the poolings", "test_skips_carry"),
    ("02", "only contains the pixels, for which the full context is", "Ronneberger 2015, Sec. 1"),
    ("04", "What it does not do is change the shape of the curve", "test_normalization"),
    ("04", "The variance of all pixels is the variance inside the frames *plus*", "its formula"),
    ("04", "A gain in points we did not see", "benchmarks/results/input_scale.json"),
    ("04", "is an average over frames", "ESPNet's loadData.py; 44.91 / 255 for red"),
    ("05", "*whatever you do to a label, pick, never mix.*", "test_windows"),
    ("06", "counts 23 convolutional layers", "Ronneberger 2015, Sec. 2"),
    ("06", "without a rate or a place", "Ronneberger 2015, Sec. 3.1"),
    ("07", "the mean over an epoch (one pass over all frames) must weigh them", "test_turns_ch07"),
    ("08", "True negatives do not occur", "test_metrics"),
    ("08", "as Cityscapes' official script does", "tests/rooms/test_benchmark_server.py"),
]


def text(chapter: str) -> str:
    (path,) = NOTEBOOKS.glob(f"{chapter}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("chapter, words, source", STATEMENTS)
def test_sentence_stands_in_its_chapter(chapter, words, source):
    assert words in text(chapter), f"chapter {chapter} no longer says: {words} ({source})"


def test_boxes_are_few_and_neutral():
    boxes = []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        paragraphs = re.split(r"\n\s*\n", text(path.name[:2]))
        boxes += [part for part in paragraphs if MARK in part]
    assert len(boxes) <= 8
    for box in boxes:
        assert box.lstrip().startswith("> "), box
        assert not box.lstrip("> ").startswith(MARK), "the true statement comes first"
        assert not re.search(r"write-up|the author of|blog post by|seed", box), box
