"""What nbval leaves open: every cell was run in order, one setup cell, pictures with words, tags
with reasons.
"""

import ast
import re

import nbformat
import pytest

from helpers.paths import ROOT
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
    assert len(ignored) <= 3 and all(len(c.metadata.get("reason", "")) > 10 for c in ignored)
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


def test_the_generator_is_small():
    """Lines of code: blank lines, comments and docstrings are not counted."""
    lines = 0
    for path in (ROOT / "sample_city").glob("*.py"):
        text = path.read_text()
        prose = [
            n.body[0]
            for n in ast.walk(ast.parse(text))
            if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(n)
        ]
        told = {i for n in prose for i in range(n.lineno, n.end_lineno + 1)}
        lines += sum(
            i not in told and line.strip() != "" and not line.strip().startswith("#")
            for i, line in enumerate(text.splitlines(), 1)
        )
    assert lines <= 1500


def test_no_module_is_long():
    paths = [
        path
        for folder in ("helpers", "sample_city", "extras")
        for path in (ROOT / folder).rglob("*.py")
    ]
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    assert len(lines) > 50 and max(lines.values()) <= 300, sorted(
        lines.items(), key=lambda item: item[1]
    )[-3:]
