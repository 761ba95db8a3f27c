"""README, CONTRIBUTING, glossary, citation and issue forms against the code and the chapters that
they speak of.
"""

import importlib
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from extras.reproduction.certificate import REPORTED
from helpers.device import report
from helpers.paths import ROOT
from scripts import results

CHAPTERS = {
    p.stem: nbformat.read(p, as_version=4) for p in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def told(table: str) -> dict[str, str]:
    """Minutes by chapter in a Markdown table whose rows link a notebook and end on a number."""
    return dict(re.findall(r"\((?:notebooks/)?(\w+)\.ipynb\)[^\n]*\| (\d+) \|$", table, re.M))


def test_readme_decides_in_twenty_seconds():
    text = read("README.md")
    assert len(text.split()) <= 750
    title, sentence, picture = text.split("\n\n")[:3]
    assert title == "# FCN and U-Net on Cityscapes, from scratch"
    assert "for students and engineers" in sentence and len(sentence) < 300
    assert picture.startswith("![") and "images/hero" in picture
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings == [
        "Start",
        "Chapters",
        "The pipeline in five commands",
        "Real data and your own pictures",
        "Tests",
        "Help and license",
    ]
    assert "python course.py test" in text and "pytest --nbval" in text


def test_what_readme_says_of_the_first_picture_is_so():
    hours = json.loads(read("data/checkpoints/unet.json"))["hours"]
    minutes = re.search(r"took (\d+) minutes", read("README.md"))
    assert abs(int(minutes[1]) - 60 * hours) <= 1
    command = json.loads(read("data/checkpoints/unet.json"))["command"]
    assert command.replace("python", ".venv/bin/python") in read("README.md")
    network = json.loads(read("data/checkpoints/scores.json"))["networks"]["unet"]
    assert f"their mean IoU is {network['mean_iou']:.3f}" in read("README.md")


def test_the_five_commands_are_commands():
    section = read("README.md").split("## The pipeline in five commands")[1].split("\n## ")[0]
    commands = re.findall(r"^\.venv/bin/python -m (\S+)", section, re.M)
    assert commands == [
        "extras.pipeline.index",
        "extras.pipeline.statistics",
        "helpers.training",
        "helpers.evaluate",
        "extras.browser",
    ]


def test_the_ways_through_name_chapters_that_exist():
    numbers = {name[:2] for name in CHAPTERS}
    ways = re.findall(r"^- \*\*(.+?)\*\*:? ?(.+)$", read("README.md").split("Three ways")[1], re.M)
    for _, way in ways[:3]:
        named = set(re.findall(r"\b\d\d\b", way.replace("90 minutes", "")))
        assert named and named <= numbers, way


def test_minutes_are_those_of_the_chapters():
    own = {
        name: re.search(r"Time\W*(\d+) minutes", notebook.cells[0].source)[1]
        for name, notebook in CHAPTERS.items()
    }
    assert told(read("README.md")) == own
    assert all(int(own[name]) <= (90 if name[:2] > "09" else 60) for name in own)


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "GLOSSARY.md",
        "TROUBLESHOOTING.md",
        "data/README.md",
        "benchmarks/README.md",
    ],
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


# What a name here means changes only with a line in CHANGELOG.md; arguments may be added.
NAMES = {
    "helpers.labels": "LABELS TRAIN_19 ALL_30 CAMVID_11 LabelSet",
    "helpers.csv_index": "Row find_rows write_csv read_csv check_csv",
    "helpers.normalization": "channel_statistics",
    "helpers.dataset": "CityscapesDataset",
    "helpers.unet": "UNet",
    "helpers.sizes": "valid_size output_size",
    "helpers.fcn": "FCN32s FCN16s FCN8s ThinFCN",
    "helpers.metrics": "ConfusionMatrix",
    "helpers.training": "Run train",
    "helpers.config": "TrainConfig",
    "helpers.evaluate": "evaluate",
    "helpers.checkpoints": "load_model",
    "helpers.inference": "predict_frame",
    "extras.exercises": "check",
    "sample_city": "build ensure_root",
}
METHODS = {
    ("helpers.labels", "LabelSet"): "encode decode colorize",
    ("helpers.dataset", "CityscapesDataset"): "draw",
    ("helpers.metrics", "ConfusionMatrix"): "update iou mean_iou pixel_accuracy",
}


def test_names_that_other_code_relies_on_exist():
    for module, names in NAMES.items():
        for name in names.split():
            assert hasattr(importlib.import_module(module), name), (module, name)
    for (module, name), methods in METHODS.items():
        owner = getattr(importlib.import_module(module), name)
        assert all(hasattr(owner, method) for method in methods.split()), name


def test_glossary_is_in_order_and_its_chapters_use_the_words():
    entries = re.findall(r"^## (.+)\n\n(.+)$", read("GLOSSARY.md"), re.M)
    terms = [term for term, _ in entries]
    assert len(entries) >= 40 and terms == sorted(set(terms), key=str.lower)
    for term, text in entries:
        assert text.count(". ") == 1, f"{term}: one sentence, then the chapters"
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


def test_what_was_measured_is_what_the_result_files_say():
    assert results.PAGE.read_text(encoding="utf-8") == results.page(), (
        "run python -m scripts.results"
    )
    assert f"{REPORTED['mean_iou']}" in results.page()
