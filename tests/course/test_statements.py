"""Statements that are often read about U-Net and FCN: where the course settles each of them.

One row a statement: its chapter, words of the box or text that settles it, and what the cell beside
it must print or contain. A box must be a box, in that chapter, with a cell that was run close by.
Nobody is corrected by name.
"""

import re

import nbformat
import pytest

from helpers.paths import ROOT

NOTEBOOKS = ROOT / "notebooks"
MARK = "**You will often"

# statement: (chapter, words of the box, words of a cell or its output within three cells)
STATEMENTS = {
    1: ("02", "biomedical images are grayscale", "1 channel in:"),
    2: ("02", "biomedical images are small", "logits equal True"),
    3: ("02", "goal was to abstract the patterns", "every 16 pixels"),
    4: ("02", "keeps the number of channels", "1024 channels"),
    5: ("02", "a dropout of 0.5", "acts on maps of [512, 1024] channels"),
    6: ("02", "transposed convolutional network", "2,097,664 parameters"),
    7: ("02", "because U-Net is symmetric", "the same layers and weights: True"),
    8: ("02", "padding blurs edges", "the inside is the same as without: True"),
    10: ("02", "lost during expansion", "after pooling: True"),
    14: ("02", "U-Net classifies after up-sampling", "layers that score classes"),
    23: ("02", "segment well with little data", "elastic"),
    24: ("02", "Adam at 1e-4", "Adam, learning rate"),
}


def cells(chapter: str) -> list:
    (path,) = NOTEBOOKS.glob(f"{chapter}_*.ipynb")
    return nbformat.read(path, as_version=4).cells


def printed(cell) -> str:
    """Source and text output of a cell that was run, else nothing."""
    if cell.cell_type != "code" or not cell.execution_count:
        return ""
    shown = [o.get("text", "") + str(o.get("data", {}).get("text/plain", "")) for o in cell.outputs]
    return "\n".join([cell.source, *shown]) if any(shown) else ""


@pytest.mark.parametrize("number", STATEMENTS)
def test_statement_is_settled_beside_a_cell(number):
    chapter, words, evidence = STATEMENTS[number]
    here = cells(chapter)
    paragraphs = [
        (i, part)
        for i, cell in enumerate(here)
        if cell.cell_type == "markdown"
        for part in re.split(r"\n\s*\n", cell.source)
        if words in part
    ]
    assert paragraphs, f"chapter {chapter} no longer says: {words}"
    boxes = [i for i, part in paragraphs if part.lstrip().startswith("> " + MARK)]
    assert boxes, f"chapter {chapter}: '{words}' stands in no box"
    near = "\n".join(printed(cell) for i in boxes for cell in here[max(0, i - 3) : i + 4])
    assert near and evidence in near, (
        f"chapter {chapter}: no cell beside '{words}' shows '{evidence}'"
    )


def test_no_statement_is_there_twice():
    places = {(chapter, words) for chapter, words, _ in STATEMENTS.values()}
    assert len(places) == len(STATEMENTS)


def test_boxes_are_neutral():
    texts = [
        cell.source
        for path in NOTEBOOKS.glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown" and MARK in cell.source
    ]
    boxes = [part for text in texts for part in re.split(r"\n\s*\n", text) if MARK in part]
    for box in boxes:
        assert box.lstrip().startswith("> ") and not re.search(
            r"write-up|the author of|blog post by|seed", box
        ), box
