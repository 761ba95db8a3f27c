"""The launcher: what it chooses, installs, checks and opens; what was half done it mends."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from threading import Thread

import pytest

import course

HERE = course.ROOT


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """The launcher in an empty folder, on Linux; commands are recorded, `venv` makes a Python.

    Entries of `machine` say what this machine is like.
    """
    python = tmp_path / ".venv" / "bin" / "python"
    names = {
        "ROOT": tmp_path,
        "VENV": tmp_path / ".venv",
        "PYTHON": python,
        "CONSTRAINTS": tmp_path / "constraints.txt",
    }
    for name, value in names.items():
        monkeypatch.setattr(course, name, value)
    for name in ("requirements.txt", "constraints.txt", "tests/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    machine = {
        "nvidia": False,
        "index": True,
        "torch": 0,
        "says": "",
        "pip": 0,
        "python": 0,
        "no pip": 0,
    }
    machine["commands"] = []

    def run(command, **options):
        words = [str(word) for word in command]
        if "venv" in words:
            shutil.rmtree(tmp_path / ".venv", ignore_errors=True)
            python.parent.mkdir(parents=True)
            python.write_text("")
        if words[1:3] == ["-c", "import sys"]:
            return subprocess.CompletedProcess(command, machine["python"])
        if words[1:3] == ["-c", "import pip"]:
            return subprocess.CompletedProcess(command, machine["no pip"])
        machine["commands"].append(words)
        machine["environment"] = options.get("env")
        if words[1] == "-c":
            return subprocess.CompletedProcess(command, machine["torch"], "", machine["says"])
        if "pip" in words and machine["pip"]:
            raise subprocess.CalledProcessError(machine["pip"], command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(course.subprocess, "run", run)
    monkeypatch.setattr(course.sys, "platform", "linux")
    monkeypatch.setattr(course, "has_nvidia", lambda: machine["nvidia"])
    monkeypatch.setattr(course, "reached", lambda address: machine["index"])
    return machine


def start(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(course.sys, "argv", ["course.py", *arguments])
    return course.main()


def steps(launcher) -> list[str]:
    """The commands that ran since the last call, in a word each."""
    words = []
    for command in launcher["commands"]:
        if command[1] == "-c":
            words.append("check")
        elif "uninstall" in command:
            words.append("uninstall")
        elif course.CPU_INDEX in command:
            words.append("cpu build")
        else:
            words.append(command[2])
    launcher["commands"].clear()
    return words


def test_first_start_installs_checks_and_opens_the_first_chapter(launcher, monkeypatch, capsys):
    assert start(monkeypatch, "--no-browser") == 0
    opened = launcher["commands"][-1]
    assert steps(launcher) == ["venv", "cpu build", "pip", "check", "jupyterlab"]
    assert f"--ServerApp.root_dir={course.ROOT}" in opened
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb" in opened
    assert opened[-1] == "--no-browser"
    said = capsys.readouterr().out
    assert "cpu build" in said and "no NVIDIA driver was found" in said

    # Nothing is installed twice.
    assert start(monkeypatch) == 0
    assert steps(launcher) == ["jupyterlab"]


def test_tested_versions_are_used_and_can_be_left_out(launcher, monkeypatch):
    start(monkeypatch)
    for command in launcher["commands"]:
        if "pip" in command:
            place = command.index("-c")
            assert command[place + 1] == str(course.CONSTRAINTS)
    steps(launcher)
    course.CONSTRAINTS.write_text("others were tested")
    start(monkeypatch)
    assert steps(launcher) == ["cpu build", "pip", "check", "jupyterlab"]
    start(monkeypatch, "--newest")
    assert not any(str(course.CONSTRAINTS) in command for command in launcher["commands"])
    assert steps(launcher) == ["cpu build", "pip", "check", "jupyterlab"]


def test_the_test_command_adds_the_reference_tools(launcher, monkeypatch):
    launcher["nvidia"] = True
    start(monkeypatch)
    steps(launcher)
    assert start(monkeypatch, "test", "-q") == 0
    assert launcher["commands"][0].count("-r") == 2
    assert launcher["commands"][-1][2:5] == ["pytest", "--nbval", "-q"]
    assert steps(launcher) == ["pip", "check", "pytest"]
    start(monkeypatch, "test")
    start(monkeypatch)
    assert steps(launcher) == ["pytest", "jupyterlab"]


def test_the_quick_tests_are_some_of_all(launcher, monkeypatch):
    assert start(monkeypatch, "test", "--quick", "-x") == 0
    words = launcher["commands"][-1]
    assert words[2:6] == ["pytest", "--nbval", "-x", "-q"] and "--quick" not in words
    assert words[6 : 6 + len(course.QUICK)] == course.QUICK
    for name in course.QUICK:
        assert (HERE / name).exists(), name


@pytest.mark.parametrize(
    "chosen, side_by_side",
    [
        ([], True),
        (["-k", "csv"], True),
        (["--quick"], True),
        (["notebooks/00_start_here.ipynb"], False),  # not worth a second process
        (["notebooks/00_start_here.ipynb::Cell 1", "-x"], False),
        (["notebooks/00_start_here.ipynb", "tests/core"], True),
        (["-n", "0"], False),  # as one asks for it
        (["--pdb"], False),
    ],
)
def test_tests_run_side_by_side(chosen, side_by_side):
    options = course.pytest_options(chosen)
    assert all(word in options for word in chosen if word != "--quick")
    # The cells of a notebook need one kernel: its file must stay in one process.
    assert ("loadfile" in options) == side_by_side
    if side_by_side:
        assert options[options.index("-n") + 1] == str(course.WORKERS)


def test_processes_side_by_side_share_the_cores(launcher, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(course.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(course, "WORKERS", 4)
    start(monkeypatch, "test")
    assert launcher["environment"]["OMP_NUM_THREADS"] == "2"
    start(monkeypatch, "test", "--pdb")
    assert "OMP_NUM_THREADS" not in launcher["environment"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    start(monkeypatch, "test")
    assert launcher["environment"]["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    "platform, nvidia, index, options, chosen, said",
    [
        ("linux", False, True, [], "cpu", "no NVIDIA driver"),
        ("linux", True, True, [], "default", "an NVIDIA driver was found"),
        ("linux", False, True, ["--cuda"], "default", "--cuda asks for it"),
        ("linux", True, True, ["--cpu"], "cpu", "--cpu asks for it"),
        ("linux", False, False, [], "default", "does not answer"),
        ("linux", False, False, ["--cpu"], "default", "does not answer"),
        ("darwin", False, True, [], "default", "one build only"),
        ("win32", False, True, [], "default", "one build only"),
    ],
)
def test_the_build_is_chosen_and_the_choice_is_told(
    platform, nvidia, index, options, chosen, said, launcher, monkeypatch, capsys
):
    monkeypatch.setattr(course.sys, "platform", platform)
    launcher.update(nvidia=nvidia, index=index)
    assert start(monkeypatch, *options) == 0
    taken = "cpu" if "cpu build" in steps(launcher) else "default"
    text = capsys.readouterr().out
    assert taken == chosen and f"PyTorch: the {chosen} build" in text and said in text
    # Tests need no other build than the course.
    start(monkeypatch, "test")
    assert "uninstall" not in steps(launcher)


def test_another_build_takes_the_place_of_the_first(launcher, monkeypatch):
    start(monkeypatch)
    steps(launcher)
    start(monkeypatch, "--cuda")
    assert steps(launcher) == ["uninstall", "pip", "check", "jupyterlab"]
    start(monkeypatch)  # stays as it was chosen
    assert steps(launcher) == ["jupyterlab"]


def test_builds_that_do_not_fit_are_noticed(launcher, monkeypatch, capsys):
    launcher.update(
        torch=1, says="Traceback\nRuntimeError: operator torchvision::nms does not exist"
    )
    assert start(monkeypatch) == 1
    assert "jupyterlab" not in steps(launcher)
    said = capsys.readouterr().out
    assert "operator torchvision::nms does not exist" in said and "remove the folder .venv" in said
    launcher.update(torch=-4, says="")  # an instruction that this processor lacks
    assert start(monkeypatch) == 1 and "it ended with -4" in capsys.readouterr().out
    launcher.update(torch=0)
    assert start(monkeypatch) == 0


def test_the_check_itself(tmp_path, monkeypatch):
    """It imports both and computes; a torchvision that does not fit its torch is named."""
    monkeypatch.setattr(course, "PYTHON", sys.executable)
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator nms does not exist')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert course.check() == "RuntimeError: operator nms does not exist"
    (tmp_path / "torchvision.py").write_text("")
    assert course.check() is None


def test_an_interrupted_installation_is_repeated(launcher, monkeypatch, capsys):
    launcher["pip"] = 1
    assert start(monkeypatch) == 1
    said = capsys.readouterr().out
    assert "give the command again" in said and "--newest" in said
    launcher["pip"] = 0
    steps(launcher)
    assert start(monkeypatch) == 0
    assert steps(launcher) == ["cpu build", "pip", "check", "jupyterlab"]


@pytest.mark.parametrize("left", ["nothing but the folder", "a Python that does not run"])
def test_a_half_made_environment_is_made_anew(left, launcher, monkeypatch, capsys):
    course.VENV.mkdir()
    (course.VENV / "pyvenv.cfg").write_text("")
    if left != "nothing but the folder":
        course.PYTHON.parent.mkdir()
        course.PYTHON.write_text("")
        launcher["python"] = 1
    assert start(monkeypatch) == 0
    assert steps(launcher)[0] == "venv" and "anew" in capsys.readouterr().out
    assert not (course.VENV / "pyvenv.cfg").exists()


def test_an_environment_without_pip_gets_it_and_keeps_the_rest(launcher, monkeypatch):
    """Interrupted at its last step, or made by another tool."""
    course.PYTHON.parent.mkdir(parents=True)
    course.PYTHON.write_text("")
    (course.VENV / "mine").write_text("kept")
    launcher["no pip"] = 1
    assert start(monkeypatch) == 0
    assert steps(launcher)[0] == "ensurepip" and (course.VENV / "mine").is_file()


def test_ctrl_c_says_how_to_go_on(launcher, monkeypatch, capsys):
    def interrupted(files, options):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "install", interrupted)
    assert start(monkeypatch) == 130 and "the same command goes on" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_a_sentence(launcher, monkeypatch, capsys):
    def refused(files, options):
        raise PermissionError(13, "Permission denied", str(course.VENV / "installed-1"))

    monkeypatch.setattr(course, "install", refused)
    assert start(monkeypatch) == 1
    assert "Permission denied" in (said := capsys.readouterr().out) and "installed-1" in said


def test_python_is_that_of_the_environment_in_what_is_started(launcher, monkeypatch):
    """In a terminal of JupyterLab `python -m helpers.training` said: No module named 'torch'."""
    elsewhere = os.pathsep.join(["elsewhere", "further"])
    monkeypatch.setenv("PATH", elsewhere)
    start(monkeypatch)
    variables = launcher["environment"]
    assert variables["PATH"] == os.pathsep.join([str(course.PYTHON.parent), elsewhere])
    assert variables["VIRTUAL_ENV"] == str(course.VENV)
    monkeypatch.delenv("PATH")
    start(monkeypatch)
    assert launcher["environment"]["PATH"] == str(course.PYTHON.parent)


def test_a_home_folder_that_cannot_be_written(launcher, tmp_path, monkeypatch, capsys):
    """JupyterLab ended with a traceback, for it makes folders there before anything else."""
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "nowhere"))
    for name in course.SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IPYTHONDIR", "mine")
    assert start(monkeypatch) == 0
    assert "cannot be written" in capsys.readouterr().out
    variables = launcher["environment"]
    assert variables["IPYTHONDIR"] == "mine"
    assert variables["JUPYTER_RUNTIME_DIR"].startswith(str(course.VENV))
    assert variables["HOME"] == str(tmp_path / "nowhere")  # what ~ means stays as it is

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert start(monkeypatch) == 0
    assert "JUPYTER_RUNTIME_DIR" not in launcher["environment"]
    assert "cannot be written" not in capsys.readouterr().out


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "127.0.0.1:port", "none", "garbage"])
def test_an_index_behind_a_dead_proxy_is_not_reached(proxy, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        if proxy == "garbage":  # something that answers, but not as the web does
            proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
            Thread(target=lambda: server.accept()[0].send(b"who is there?\r\n\r\n")).start()
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the first proxy it saw
        assert course.reached("http://index.invalid/whl") is False


@pytest.mark.skipif(course.fcntl is None, reason="Windows has no such locks")
def test_of_two_launchers_the_second_waits():
    program = "import course\nwith course.alone():\n    print('installs', flush=True)"
    words = [sys.executable, "-c", program]
    with course.alone():
        second = subprocess.Popen(words, cwd=HERE, stdout=subprocess.PIPE, text=True)
        assert "waiting for it" in second.stdout.readline()
    assert second.communicate()[0] == "installs\n" and second.returncode == 0


def test_exit_code_is_handed_on_and_wrong_words_get_help(launcher, monkeypatch, capsys):
    assert start(monkeypatch, "tset") == 2
    said = capsys.readouterr().out
    assert "course.py test" in said and "There is no 'tset'" in said
    assert start(monkeypatch, "--help") == 0
    assert "course.py test" in capsys.readouterr().out and not launcher["commands"]
    monkeypatch.setattr(course, "install", lambda files, options: None)
    monkeypatch.setattr(course.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, 5))
    assert start(monkeypatch, "test") == 5
    monkeypatch.setattr(course.sys, "version_info", (3, 9, 0))
    assert start(monkeypatch) == 1


def test_requirements_and_tested_versions_belong_together():
    """Everything that is required has a version that was tested."""
    pinned = set()
    for line in (course.ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            assert version, line
            pinned.add(name.lower())
    for line in (course.ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name = line.partition(">=")[0].strip().lower()
            assert name in pinned, f"constraints.txt has no version of {name}"
