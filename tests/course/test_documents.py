"""README, CONTRIBUTING, glossary, citation and issue forms against the code and the chapters that
they speak of.
"""

import importlib
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from extras.reproduction.certificate import REPORTED
from helpers.device import report
from helpers.paths import ROOT
from scripts.results import END, START, write

CHAPTERS = {
    p.stem: nbformat.read(p, as_version=4) for p in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def told(table: str) -> dict[str, str]:
    """Minutes by chapter in a Markdown table whose rows link a notebook and end on a number."""
    return dict(re.findall(r"\((?:notebooks/)?(\w+)\.ipynb\)[^\n]*\| (\d+) \|$", table, re.M))


def test_readme_goes_from_the_pictures_to_the_license():
    text = read("README.md")
    marks = [
        "training.gif",
        "browser.png",
        "You will be able to",
        "## Two commands",
        "## Chapters",
        "## Results",
        START,
        END,
        "## Real Cityscapes",
        "## If something goes wrong",
        "## Citing and license",
    ]
    assert sorted(marks, key=text.index) == marks
    assert f"{REPORTED['mean_iou']}" in text


def test_minutes_are_those_of_the_chapters():
    own = {
        name: re.search(r"Time\W*(\d+) minutes", notebook.cells[0].source)[1]
        for name, notebook in CHAPTERS.items()
    }
    assert told(read("README.md")) == own
    assert all(int(own[name]) <= 60 for name in own)


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "data/README.md", "CHANGELOG.md", "GLOSSARY.md"]
)
def test_commands_and_links_lead_somewhere(name):
    text = read(name)
    commands = re.findall(r"python3? (-m )?([\w./]+)", text)
    for module, target in commands:
        if module and target.split(".")[0] in (
            "helpers",
            "sample_city",
            "extras",
            "scripts",
            "benchmarks",
        ):
            spec = importlib.util.find_spec(target)
            if spec.submodule_search_locations:  # a package: its __main__
                assert Path(spec.origin).with_name("__main__.py").is_file(), target
            else:
                assert '__name__ == "__main__"' in Path(spec.origin).read_text(encoding="utf-8"), (
                    target
                )
        elif not module and target.endswith(".py"):
            assert (ROOT / target).is_file(), target
    assert len(commands) > 4 or name not in ("README.md", "CONTRIBUTING.md")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert ((ROOT / name).parent / target).exists(), target


def test_names_that_other_code_relies_on_exist():
    rows = re.findall(
        r"^\| (`(?:helpers|sample_city|extras)[^|]*) \| ([^|]+) \|$", read("CONTRIBUTING.md"), re.M
    )
    assert len(rows) == 12
    for places, names in rows:
        modules = [importlib.import_module(place) for place in re.findall(r"`([\w.]+)`", places)]
        owners = list(modules)
        for name in re.findall(r"`(\w+)`", names):
            found = [getattr(owner, name) for owner in owners if hasattr(owner, name)]
            assert found, (places, name)
            owners += [found[0]] if isinstance(found[0], type) else []


def test_glossary_is_in_order_and_its_chapters_use_the_words():
    entries = re.findall(r"^\*\*(.+?)\*\* – (.+)$", read("GLOSSARY.md"), re.M)
    assert len(entries) >= 20 and [e[0].lower() for e in entries] == sorted(
        e[0].lower() for e in entries
    )
    for term, text in entries:
        chapters = re.findall(r"\(notebooks/(\w+)\.ipynb\)", text)
        word = re.split(r"[ ,(]", term.lower())[0].replace("normalization", "normali").rstrip("s")
        for chapter in chapters:
            assert word in "\n".join(c.source for c in CHAPTERS[chapter].cells).lower(), (
                term,
                chapter,
            )
        assert chapters, term


def test_citation_has_what_the_format_requires():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert {"cff-version", "title", "message", "authors", "license", "type"} <= set(citation)
    assert citation["license"] == "MIT" and "MIT" in read("LICENSE")
    assert all(
        {"type", "title", "authors", "year", "url"} <= set(work) for work in citation["references"]
    )
    for work in citation["references"]:
        assert work["url"] in read("README.md")


@pytest.mark.parametrize("path", FORMS, ids=lambda p: p.stem)
def test_issue_forms_are_forms(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(set(ids)) == len(ids) and any(
        field.get("validations", {}).get("required") for field in fields
    )
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown"}
    assert all(field["attributes"]["label"] for field in fields)
    assert all("value" in f["attributes"] for f in form["body"] if f["type"] == "markdown")


def test_the_bug_form_asks_for_the_machine_and_knows_the_chapters():
    assert [p.stem for p in FORMS] == ["bug", "reproduction"]
    fields = {
        field.get("id"): field
        for field in yaml.safe_load(FORMS[0].read_text(encoding="utf-8"))["body"]
    }
    assert {"symptom", "chapter", "cell", "machine", "tried"} <= set(fields)
    assert "python -m helpers.device" in fields["machine"]["attributes"]["description"]
    options = fields["chapter"]["attributes"]["options"]
    assert [o[:2] for o in options[:-1]] == [name[:2] for name in CHAPTERS]
    for option, name in zip(options, CHAPTERS):
        assert option.lower().replace(" ", "_").replace("-", "") == name
    lines = report().splitlines()
    for word in ("python", "torch", "torchvision", "numpy", "device", "dataset root"):
        assert any(line.startswith(word) for line in lines), word


def test_results_in_the_readme_are_those_of_the_result_files():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert write(text) == text
