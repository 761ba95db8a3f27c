"""The notebooks for a class: no solution is left, and everything else is as it was."""

import json
import re

import nbformat
import pytest

from helpers.paths import ROOT
from scripts import for_class

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def folded(notebook) -> list[str]:
    """What the folded parts of a notebook are called."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return re.findall(r"<summary>(.*?)</summary>", "\n".join(texts))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_solutions_and_outputs_go_and_hints_stay(path):
    before = nbformat.read(path, as_version=4)
    after = for_class.without_solutions(nbformat.read(path, as_version=4))
    hints = [name for name in folded(before) if "hint" in name.lower()]
    assert folded(after) == hints
    assert not any(cell.get("outputs") for cell in after.cells)

    # All code is there, and all text but what was folded.
    code = [cell.source for cell in before.cells if cell.cell_type == "code"]
    assert [cell.source for cell in after.cells if cell.cell_type == "code"] == code
    words = " ".join(cell.source for cell in after.cells)
    for cell in before.cells:
        if cell.cell_type == "markdown" and "<details" not in cell.source:
            assert cell.source.strip("\n") in words
    nbformat.validate(after)


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for_class.main(["00", "06", "--to", str(tmp_path / "class"), "--outputs"])
    names = sorted(path.name for path in (tmp_path / "class").iterdir())
    assert names == ["00_start_here.ipynb", "06_unet_model.ipynb"]
    assert "2 notebooks without solutions" in capsys.readouterr().out
    stored = json.loads((tmp_path / "class" / names[0]).read_text(encoding="utf-8"))
    assert any(cell.get("outputs") for cell in stored["cells"])
    with pytest.raises(ValueError, match="no chapter 99"):
        for_class.main(["99"])
    with pytest.raises(ValueError, match="keeps its solutions"):
        for_class.main(["--to", "notebooks"])


def test_a_folded_part_in_a_list():
    text = (
        "1. Why?\n   <details><summary>Answer</summary>\n\n   So.\n\n   </details>\n\n2. What?\n\n"
        "<details><summary>Hint</summary>\n\nLook.\n\n</details>"
    )
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(text),
            nbformat.v4.new_markdown_cell("<details><summary>Solution</summary>\nx\n</details>"),
        ]
    )
    [cell] = for_class.without_solutions(notebook).cells
    assert "So." not in cell.source and "2. What?" in cell.source and "Look." in cell.source
