"""Every exercise: the starter runs and is refused, the folded solution is accepted."""
import re
from pathlib import Path

import nbformat
import pytest

from helpers.checks import verdict

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))
CALL = re.compile(r'check\("(\d\d\.\d+)", (.+)\)\s*$')


def exercises():
    """(number, starter source, expression that is checked, solution source) of every exercise of the course."""
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        solutions = {m[1]: m[2] for c in cells if c.cell_type == "markdown" for m in re.finditer(
            r"<summary>Solution (\d\d\.\d+)</summary>.*?```python\n(.*?)```", c.source, re.S)}
        for cell in cells:
            if cell.cell_type == "code" and "exercise" in cell.metadata:
                call = CALL.search(cell.source)
                assert call and call[1] == cell.metadata.exercise, f"{path.name}: a starter must end on its check"
                yield call[1], cell.source[: call.start()], call[2], solutions.get(call[1])


EXERCISES = list(exercises())


def answer(source: str, expression: str):
    names: dict = {}
    exec(compile(source, "answer", "exec"), names)
    return eval(expression, names)


@pytest.mark.parametrize(("number", "starter", "expression", "solution"), EXERCISES, ids=[e[0] for e in EXERCISES])
def test_starter_is_refused_and_solution_accepted(number, starter, expression, solution):
    assert verdict(number, answer(starter, expression))
    assert solution, f"exercise {number} has no folded solution"
    assert verdict(number, answer(solution, expression)) is None


@pytest.mark.parametrize("path", [p for p in NOTEBOOKS if int(p.name[:2]) < 10], ids=lambda p: p.stem)
def test_core_chapters_have_two_or_three_exercises(path):
    chapter = path.name[:2]
    numbers = [e[0] for e in EXERCISES if e[0].startswith(chapter)]
    assert chapter == "00" or 2 <= len(numbers) <= 4
