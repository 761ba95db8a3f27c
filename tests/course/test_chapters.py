"""The house style of the chapters, and their turns: what the learner writes and what is folded."""

import inspect
import re
import textwrap
from importlib import import_module

import nbformat
import pytest

from extras.exercises import verdict
from helpers.paths import ROOT

WORDS = {"00": 1500, "01": 3500, "02": 3500, "08": 3500}
ENDING = ["What you learned", "Questions", "Exercises", "Further reading"]
FOLDED = r"<summary>Solution {}</summary>.*?```python\n(.*?)```"
CALL = re.compile(r'^(\w+) = check\("(\d\d\.[A-Z])", \1\)$', re.M)


CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def cells(path, kind: str):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def prose(path) -> str:
    return "\n\n".join(cell.source for cell in cells(path, "markdown"))


def turns():
    for path in CHAPTERS:
        for cell in cells(path, "code"):
            if "turn" in cell.metadata:
                yield pytest.param(path, cell, id=cell.metadata["turn"])


@every_chapter
def test_lines_fit_the_page(path):
    wide = [line for cell in cells(path, "code") for line in cell.source.splitlines()]
    assert [line for line in wide if len(line) > 88] == []


@every_chapter
def test_chapter_is_short_enough(path):
    assert len(prose(path).split()) <= WORDS.get(path.name[:2], 3000)


@every_chapter
def test_outputs_show_something_and_are_no_verdicts(path):
    for cell in cells(path, "code"):
        assert not re.search(r"^\s*assert ", cell.source, re.M), cell.source
        for output in cell.outputs:
            assert not re.search(r"\b(True|False)\s*$", output.get("text", ""), re.M), cell.source


@every_chapter
def test_first_cells_and_last_sections(path):
    first = cells(path, "markdown")[0].source
    assert re.match(rf"# {path.name[:2]} · ", first)
    for word in ("**Time** ", "**Level** ", "**You will be able to** ", "Next: ["):
        assert word in first or (word == "Next: [" and path.name.startswith("14"))
    setup = cells(path, "code")[0]
    assert setup.metadata["jupyter"]["source_hidden"] and setup.metadata["cellView"] == "form"

    headings = re.findall(r"^## (.*)$", prose(path), re.M)
    numbered = headings[: -len(ENDING)]
    assert headings[-len(ENDING) :] == ENDING
    for number, heading in enumerate(numbered, 1):
        assert heading.startswith(f"{number}. "), heading
    questions = prose(path).split("## Questions")[1].split("## Exercises")[0]
    assert questions.count("<summary>Answer</summary>") == 3


@every_chapter
def test_pictures_are_stored_not_linked(path):
    assert not re.search(r"!\[[^\]]*\]\((?!https://colab)", prose(path))
    assert "attachment:" not in prose(path)


@every_chapter
def test_core_chapters_have_turns(path):
    count = sum("turn" in cell.metadata for cell in cells(path, "code"))
    wanted = {"00": 1}.get(path.name[:2], 2 if path.name < "10" else 0)
    assert count >= wanted


@pytest.mark.parametrize("path, cell", list(turns()))
def test_turn_starts_unwritten_and_goes_on_with_what_is_checked(path, cell):
    name = cell.metadata["turn"]
    call = CALL.search(cell.source)
    assert call and call[2] == name
    assert "raise NotImplementedError" in cell.source
    said = cell.outputs[0].text
    assert said.startswith(f"Your turn {name}: not written yet.")


@pytest.mark.parametrize("path, cell", list(turns()))
def test_folded_solution_is_the_code_that_is_used(path, cell):
    name = cell.metadata["turn"]
    chapter, letter = name.split(".")
    folded = re.search(FOLDED.format(name), prose(path), re.S)
    assert folded, f"turn {name} has no folded solution"
    used = import_module(f"extras.exercises.ch{chapter}").TURNS[letter]
    sources = [textwrap.dedent(inspect.getsource(used))]
    if inspect.isclass(used):
        methods = [value for value in vars(used).values() if inspect.isfunction(value)]
        sources += [textwrap.dedent(inspect.getsource(method)) for method in methods]
    assert folded[1] in sources


@pytest.mark.parametrize("path, cell", list(turns()))
def test_course_version_of_a_turn_is_right(path, cell):
    chapter, letter = cell.metadata["turn"].split(".")
    used = import_module(f"extras.exercises.ch{chapter}").TURNS[letter]
    assert verdict(cell.metadata["turn"], used) is None
