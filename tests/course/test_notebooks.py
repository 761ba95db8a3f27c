"""What nbval leaves open: every cell was run in order, one setup cell, pictures with words, tags
with reasons.
"""

import re

import nbformat
import pytest

from helpers.paths import ROOT
from scripts import changed_outputs
from scripts.notebooks import LIMIT, problems
from scripts.setup_cell import SETUP

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(path):
    return [c for c in read(path).cells if c.cell_type == "code"]


def test_the_chapters_are_there():
    assert [p.name[:2] for p in NOTEBOOKS] == [f"{n:02d}" for n in range(len(NOTEBOOKS))] and len(
        NOTEBOOKS
    ) == 15


@every_notebook
def test_every_cell_was_run_in_order(path):
    assert [c.execution_count for c in code(path)] == list(range(1, len(code(path)) + 1))


@every_notebook
def test_setup_cell_is_the_same(path):
    assert code(path)[0].source == SETUP


@every_notebook
def test_nothing_stored_that_must_not_be(path):
    assert problems(read(path)) == [] and path.stat().st_size <= LIMIT + 1


@every_notebook
def test_pictures_have_alt_text(path):
    for cell in code(path):
        if any(kind.startswith("image/") for o in cell.outputs for kind in o.get("data", {})):
            assert len(cell.metadata.get("alt", "")) > 20, cell.source


@every_notebook
def test_outputs_are_compared(path):
    cells = code(path)
    ignored = [
        c for c in cells if set(c.metadata.get("tags", [])) & {"nbval-ignore-output", "nbval-skip"}
    ]
    assert not [
        c
        for c in cells
        if {"nbval-skip", "raises-exception", "nbval-raises-exception"}
        & set(c.metadata.get("tags", []))
    ]
    most = 5 if path.name.startswith("07") else 3
    assert len(ignored) <= most and all(len(c.metadata.get("reason", "")) > 10 for c in ignored)
    assert sum(bool(c.outputs) for c in cells) >= 5


@every_notebook
def test_cells_are_reproducible_by_design(path):
    for cell in code(path):
        assert not cell.source.rstrip().endswith(";"), cell.source
        assert (
            "plt." not in cell.source
            or "plt.show()" in cell.source
            or "image/png" not in str(cell.outputs)
        )


@every_notebook
def test_links_lead_somewhere(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", cell.source):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


@every_notebook
def test_length(path):
    words = sum(len(c.source.split()) for c in read(path).cells if c.cell_type == "markdown")
    assert words <= 4000


def test_the_command_that_changes_outputs_hands_on_the_chapters(monkeypatch):
    asked = []
    monkeypatch.setattr(changed_outputs, "main", asked.extend)
    monkeypatch.setattr("sys.argv", ["command", "01", "03"])
    changed_outputs.from_command_line()
    assert asked == ["01", "03"]
