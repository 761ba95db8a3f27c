"""Where data, runs and caches are, however somebody wrote it, and what is said when it is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import paths

ROOT = paths.ROOT


@pytest.fixture
def nothing_set(tmp_path, monkeypatch):
    """No variable names a data set; the data folder is empty and elsewhere."""
    monkeypatch.delenv("CITYSCAPES_DATASET")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    paths._say_once.cache_clear()
    return tmp_path / "data"


@pytest.mark.parametrize(
    "written", ["data/somewhere", " data/somewhere ", '"data/somewhere"', "'data/somewhere' "]
)
@pytest.mark.parametrize(
    "name, asked",
    [
        ("CITYSCAPES_DATASET", paths.find_root),
        ("COURSE_RUNS", paths.runs_dir),
        ("COURSE_CACHE", paths.cache_dir),
        ("COURSE_DATA", paths.data_dir),
    ],
)
def test_a_relative_folder_begins_at_the_project(name, asked, written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, written)
    assert asked() == ROOT / "data" / "somewhere"


def test_the_home_folder_and_absolute_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("CITYSCAPES_DATASET", "~/cityscapes")
    assert paths.find_root() == tmp_path / "cityscapes"
    assert paths.find_root("~/other") == tmp_path / "other"
    monkeypatch.setenv("CITYSCAPES_DATASET", f'"{tmp_path / "with blanks"}"')
    assert paths.find_root() == tmp_path / "with blanks"
    monkeypatch.setenv("COURSE_RUNS", "  ")  # set, and empty
    assert paths.runs_dir() == ROOT / "runs"


def test_a_home_that_nobody_has_is_no_crash(monkeypatch):
    """A user without a home folder, as in a container: the message shows what was written."""
    monkeypatch.setenv("CITYSCAPES_DATASET", "~nobody-has-this-name/cityscapes")
    assert paths.find_root() == ROOT / "~nobody-has-this-name" / "cityscapes"
    assert paths.find_root("~nobody-has-this-name") == Path("~nobody-has-this-name")


def test_a_kernel_and_a_command_find_the_same_root():
    program = "from helpers.paths import find_root, runs_dir; print(find_root(), runs_dir())"
    environment = {
        **os.environ,
        "CITYSCAPES_DATASET": "data/camvid",
        "COURSE_RUNS": "my_runs",
        "PYTHONPATH": str(ROOT),
    }
    answers = set()
    for place in (ROOT, ROOT / "notebooks"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        answers.add(done.stdout.strip())
    assert answers == {f"{ROOT / 'data' / 'camvid'} {ROOT / 'my_runs'}"}


def test_a_folder_without_both_parts_is_no_data_set_yet(nothing_set, capsys):
    city = nothing_set / "sample_city"
    assert paths.find_root() == city and capsys.readouterr().err == ""

    # The two archives are on their way; the course goes on with the sample city.
    (nothing_set / "cityscapes").mkdir(parents=True)
    (nothing_set / "cityscapes" / "leftImg8bit_trainvaltest.zip").write_bytes(b"half")
    assert paths.find_root() == paths.find_root() == city
    said = capsys.readouterr().err
    assert said.count("the sample city is used") == 1 and "no leftImg8bit and no gtFine" in said
    assert str(nothing_set / "cityscapes") in said

    (nothing_set / "cityscapes" / "gtFine").mkdir()
    assert paths.find_root() == city
    (nothing_set / "cityscapes" / "leftImg8bit").mkdir()
    assert paths.find_root() == nothing_set / "cityscapes"


def test_a_folder_that_somebody_named_is_not_replaced_by_another(nothing_set, monkeypatch):
    half = nothing_set / "cityscapes"
    half.mkdir(parents=True)
    monkeypatch.setenv("CITYSCAPES_DATASET", str(half))
    assert paths.find_root() == half


def test_messages_name_the_absolute_place_and_where_it_came_from(tmp_path, monkeypatch):
    monkeypatch.setenv("CITYSCAPES_DATASET", "data/nowhere")
    with pytest.raises(FileNotFoundError) as caught:
        paths.check_root(paths.find_root())
    message = str(caught.value)
    assert str(ROOT / "data" / "nowhere") in message
    assert "from CITYSCAPES_DATASET=data/nowhere" in message
    assert "python -m extras.real_data.cityscapes data/cityscapes" in message

    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "gtCoarse").mkdir(parents=True)
    with pytest.raises(FileNotFoundError) as caught:
        paths.check_root("mine")
    message = str(caught.value)
    assert f"{tmp_path / 'mine'} (as given)" in message and "another download" in message

    (tmp_path / "mine" / "leftImg8bit_trainvaltest" / "leftImg8bit").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="one folder too deep"):
        paths.check_root("mine")


def test_chapters_hear_at_once_that_a_root_is_wrong(monkeypatch):
    from sample_city import ensure_root

    monkeypatch.setenv("CITYSCAPES_DATASET", "data/nowhere")
    with pytest.raises(FileNotFoundError, match="CITYSCAPES_DATASET=data/nowhere"):
        ensure_root()
    assert not Path(ROOT / "data" / "nowhere").exists()
