"""A notebook opened alone, as from a badge: the setup cell fetches the project once and installs
nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.paths import ROOT
from scripts import address
from scripts.address import apply
from scripts.setup_cell import FOLDER, SETUP, badge

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A bare repository made of the committed files, a stand-in for google.colab, and a pip that
    must not be called.
    """
    place = tmp_path_factory.mktemp("öffentlich hier")
    bare, fake, tools = place / "course.git", place / "fake", place / "bin"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(bare)], check=True)
    (fake / "google" / "colab").mkdir(parents=True)
    for folder in (fake / "google", fake / "google" / "colab"):
        (folder / "__init__.py").write_text("")
    tools.mkdir()
    (tools / "pip").write_text("#!/bin/sh\nexit 97\n")
    (tools / "pip").chmod(0o755)
    environment = {
        **os.environ,
        "COURSE_REPO": bare.as_uri(),
        "GIT_ALLOW_PROTOCOL": "file",
        "PYTHONPATH": str(fake),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "COURSE_DATA": str(place / "data"),
    }
    return place, environment


def run(cells, folder: Path, environment) -> list:
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute(env=environment)
    return notebook.cells


def test_setup_cell_clones_once_and_finds_the_helpers(elsewhere):
    place, environment = elsewhere
    content = place / "content"
    content.mkdir()
    check = "import google.colab, helpers.labels; print(helpers.labels.__file__)"
    cells = run([nbformat.v4.new_code_cell(s) for s in (SETUP, SETUP, check)], content, environment)
    assert cells[2].outputs[0].text.strip() == str(content / FOLDER / "helpers" / "labels.py")
    assert not cells[0].outputs and not cells[1].outputs


def test_a_whole_notebook_runs_from_nothing_but_its_file(elsewhere):
    place, environment = elsewhere
    alone = place / "allein mit Äpfeln"
    alone.mkdir()
    notebook = nbformat.read(ROOT / "notebooks" / "00_start_here.ipynb", as_version=4)
    shutil.copy(NOTEBOOKS[0], alone)
    cells = [c for c in run(notebook.cells, alone, environment) if c.cell_type == "code"]
    assert all(c.execution_count for c in cells) and (alone / FOLDER / "course.py").is_file()


@pytest.mark.parametrize("start", [".", "notebooks"])
def test_setup_cell_finds_a_renamed_clone(elsewhere, start):
    place, environment = elsewhere
    renamed = place / f"Kürs {start.strip('.')}"
    subprocess.run(
        ["git", "clone", "--quiet", environment["COURSE_REPO"], str(renamed)],
        check=True,
        env=environment,
    )
    offline = {**environment, "COURSE_REPO": ""}
    check = "import helpers.labels; print(helpers.labels.__file__)"
    cells = run([nbformat.v4.new_code_cell(s) for s in (SETUP, check)], renamed / start, offline)
    assert cells[1].outputs[0].text.strip() == str(renamed / "helpers" / "labels.py")


def test_without_an_address_the_cell_says_what_to_do(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", SETUP],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "COURSE_REPO": ""},
    )
    assert result.returncode == 1 and "Upload course.zip" in result.stderr
    assert "python -m scripts.address --zip" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_archive_beside_the_notebook_is_unpacked_once(tmp_path, monkeypatch, capsys):
    """In an empty folder, without an address: the notebook alone, and course.zip."""
    monkeypatch.setattr(address, "ARCHIVE", tmp_path / "made" / "course.zip")
    (tmp_path / "made").mkdir()
    address.main(["--zip"])
    assert "course.zip" in capsys.readouterr().out
    content = tmp_path / "content"
    content.mkdir()
    shutil.copy(tmp_path / "made" / "course.zip", content)
    environment = {**os.environ, "COURSE_REPO": "", "PYTHONPATH": ""}
    check = "import helpers.labels; print(helpers.labels.__file__)"
    cells = run([nbformat.v4.new_code_cell(s) for s in (SETUP, SETUP, check)], content, environment)
    assert cells[2].outputs[0].text.strip() == str(content / FOLDER / "helpers" / "labels.py")
    assert not cells[0].outputs and not cells[1].outputs
    assert (content / FOLDER / "data" / "checkpoints" / "unet.pt").is_file()


def test_missing_packages_are_named(tmp_path):
    result = subprocess.run(
        [sys.executable, "-S", "-c", SETUP],
        cwd=ROOT / "notebooks",
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert (
        "not installed here: torch torchvision" in result.stdout
        and "%pip install -r" in result.stdout
    )


def test_address_is_written_everywhere(tmp_path):
    for folder in ("scripts", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    public = "https://github.com/someone/course"
    shutil.copy(ROOT / "README.md", tmp_path)
    for _ in range(2):  # a second time changes nothing more
        apply(public, tmp_path)
        assert f"git clone {public} {FOLDER}" in (tmp_path / "README.md").read_text()
        for path in sorted((tmp_path / "notebooks").glob("*.ipynb")):
            cells = nbformat.read(path, as_version=4).cells
            assert f'"{public}"' in next(c.source for c in cells if c.cell_type == "code")
            assert cells[0].source.count(badge(path.name, public)) == 1
    apply("", tmp_path)
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()
    for path in NOTEBOOKS:
        assert (tmp_path / "notebooks" / path.name).read_bytes() == path.read_bytes()
    assert badge("00_start_here.ipynb", "") == ""
