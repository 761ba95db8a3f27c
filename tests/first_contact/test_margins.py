"""Stored figures are compared with a margin for the rounding of a processor, and no wider."""

import nbformat
import pytest

from scripts.figure_margin import same_figure

STORED = "Figure 12x3; the street, 0.582, image 64x96x3 mean 12.3 0.124 -4e-05 quarters 1 2 3 4, "
STORED += "line #1f77b4 9 mean 0.456; points 4x2 mean 1 2, bar #000000 0.2x31"


@pytest.mark.parametrize(
    "word, other",
    [("0.124", "0.123"), ("12.3", "12.4"), ("-4e-05", "1e-05"), ("0.2x31", "0.2x30.9")],
)
def test_the_last_digit_of_data_may_differ(word, other):
    assert same_figure(STORED.replace(word, other), STORED)


@pytest.mark.parametrize(
    "word, other",
    [
        ("the street", "a street"),
        ("0.582", "0.583"),  # a title says what somebody wrote
        ("64x96x3", "64x95x3"),
        ("0.124", "0.127"),
        ("quarters 1 2", "quarters 2 1"),
        ("#1f77b4", "#1f77b5"),
        ("0.456;", "0.456,"),
        ("points 4x2 ", ""),
        ("0.2x31", "0.2x32"),
    ],
)
def test_anything_else_may_not(word, other):
    assert word in STORED and not same_figure(STORED.replace(word, other), STORED)


def test_notebooks_are_compared_so(pytester, monkeypatch):
    """A cell that draws the same data but for the last bit passes, another picture fails."""
    from helpers.paths import ROOT

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest((ROOT / "conftest.py").read_text(encoding="utf-8"))
    cell = "from helpers import plots\nimport numpy as np\nimport matplotlib.pyplot as plt\n"
    cell += "plt.imshow(np.full((8, 8), 0.1234999))\nplt.show()"
    for name, mean in (("same", "0.124"), ("other", "0.129")):
        text = f"Figure 6.4x4.8; image 8x8 mean {mean} quarters {' '.join([mean] * 4)}"
        picture = nbformat.v4.new_output("display_data", {"text/plain": text, "image/png": ""})
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell, execution_count=1, outputs=[picture])]
        )
        nbformat.write(notebook, pytester.path / f"{name}.ipynb")
    done = pytester.runpytest_subprocess("--nbval", "--nbval-current-env", "-q")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*other.ipynb*"])
