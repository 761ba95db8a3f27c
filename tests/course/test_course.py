"""The launcher: what it installs and runs, and that an interrupted installation is repeated."""

import subprocess

import pytest

import course


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """The launcher in an empty folder; commands are recorded, `venv` makes the interpreter."""
    recorded = []
    python = tmp_path / ".venv" / "bin" / "python"
    for name, value in (("ROOT", tmp_path), ("VENV", tmp_path / ".venv"), ("PYTHON", python)):
        monkeypatch.setattr(course, name, value)
    for name in ("requirements.txt", "tests/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)

    def run(command, **options):
        recorded.append([str(word) for word in command])
        if "venv" in command:
            python.parent.mkdir(parents=True)
            python.write_text("")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(course.subprocess, "run", run)
    return recorded


def start(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(course.sys, "argv", ["course.py", *arguments])
    return course.main()


def test_first_start_installs_then_opens_the_first_chapter(calls, monkeypatch):
    assert start(monkeypatch, "--no-browser") == 0
    assert [c[1:3] for c in calls] == [["-m", "venv"], ["-m", "pip"], ["-m", "jupyter"]]
    assert calls[1][-2:] == ["-r", str(course.ROOT / "requirements.txt")]
    assert calls[2][3:] == ["lab", "notebooks/00_start_here.ipynb", "--no-browser"]
    calls.clear()
    assert start(monkeypatch) == 0 and len(calls) == 1  # nothing is installed twice


def test_test_command_adds_the_reference_tools(calls, monkeypatch):
    assert start(monkeypatch, "test", "-q") == 0
    assert calls[1][-1].endswith("requirements.txt") and calls[1].count("-r") == 2
    assert calls[-1][2:] == ["pytest", "--nbval", "-q"]
    (course.ROOT / "requirements.txt").write_text("changed")
    calls.clear()
    start(monkeypatch, "test")
    assert [c[2] for c in calls] == ["pip", "pytest"]


def test_cpu_build_comes_first_and_from_its_own_index(calls, monkeypatch):
    start(monkeypatch, "--cpu")
    assert calls[1][-2:] == ["--index-url", course.CPU_INDEX] and "torchvision" in calls[1]
    assert "--cpu" not in calls[-1]


def test_interrupted_installation_is_repeated(calls, monkeypatch, capsys):
    recording = course.subprocess.run

    def fail(command, **options):
        recording(command, **options)
        if "pip" in command:
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(course.subprocess, "run", fail)
    assert start(monkeypatch) == 1 and "give the command again" in capsys.readouterr().out
    monkeypatch.setattr(course.subprocess, "run", recording)
    calls.clear()
    assert start(monkeypatch) == 0 and [c[2] for c in calls] == ["pip", "jupyter"]


def test_exit_code_is_handed_on_and_wrong_words_get_help(calls, monkeypatch, capsys):
    assert (
        start(monkeypatch, "tset") == 2
        and "course.py test" in capsys.readouterr().out
        and not calls
    )
    monkeypatch.setattr(course, "install", lambda files, cpu: None)
    monkeypatch.setattr(course.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 5))
    assert start(monkeypatch, "test") == 5
    monkeypatch.setattr(course.sys, "version_info", (3, 9, 0))
    assert start(monkeypatch) == 1
