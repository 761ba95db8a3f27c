"""Commands end with a sentence: wrong inputs, Ctrl-C, a reader that goes away, no data yet."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import command, paths
from tests.roots import small_root

ROOT = paths.ROOT
PACKAGES = ("helpers", "extras", "sample_city", "scripts", "benchmarks", "tests/golden")
# It installs the course, and runs before there is anything to import.
BARE = ROOT / "benchmarks" / "first_minutes.py"
MODULES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and path != BARE
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_root(tmp_path_factory.mktemp("small"))


def start(module: str, *arguments, **variables) -> subprocess.CompletedProcess:
    """A command as somebody gives it, in the project's folder."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_command_ends_by_way_of_the_wrapper(path):
    last = ast.parse(path.read_text(encoding="utf-8")).body[-1]
    assert isinstance(last, ast.If), f"{path}: the last lines are no `if __name__ ...`"
    calls = [ast.unparse(node.func) for node in ast.walk(last) if isinstance(node, ast.Call)]
    assert calls == ["command.run"], f"{path}: wrap it as command.run(main), found {calls}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_command_ignores_its_words(path):
    """`--help`, or a word with a slip in it, must not begin hours of work or write results."""
    if name_of(path) == "helpers.device":
        return  # it only prints
    text = path.read_text(encoding="utf-8")
    readers = ("ArgumentParser(", "sys.argv", "training.main(", "parse(arguments)")
    assert any(reader in text for reader in readers), f"{path}: nothing reads the command line"


@pytest.mark.parametrize(
    "module, arguments, says",
    [
        ("helpers.training", ["--preset=demo", "--root=nowhere"], "is no folder"),
        ("helpers.evaluate", ["--checkpoint=nowhere.pt"], "nowhere.pt"),
        ("helpers.inference", ["nowhere.jpg", "--checkpoint=nowhere.pt"], "nowhere.pt"),
        ("extras.reproduction.reproduce", ["--verify=nowhere.json"], "nowhere.json"),
        ("extras.real_data.camvid", ["there", "--source=nowhere"], "nowhere"),
        ("extras.real_data.own_data", ["a", "b", "--classes=c", "--root=d"], ""),
        ("sample_city", ["--root=README.md"], "README.md"),
        ("benchmarks.city_curve", ["--root=nowhere", "--result=nowhere.json"], "is no folder"),
    ],
)
def test_a_wrong_input_is_a_sentence(module, arguments, says):
    ended = start(module, *arguments)
    assert ended.returncode == 1 and says in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr and len(ended.stderr) > 20


def test_a_traceback_can_be_asked_for():
    ended = start("helpers.evaluate", "--checkpoint=nowhere.pt", COURSE_TRACEBACK="1")
    assert ended.returncode == 1 and "Traceback" in ended.stderr


def test_a_bug_of_ours_keeps_its_traceback(capsys):
    def broken():
        raise KeyError("a name that is not there")

    with pytest.raises(KeyError):
        command.run(broken)


def test_ctrl_c_says_how_to_go_on(root, tmp_path):
    arguments = ["--preset=demo", f"--root={root}", "--height=32", "--width=2", "--name=stopped"]
    training = subprocess.Popen(
        [sys.executable, "-m", "helpers.training", *arguments, "--epochs=10000"],
        cwd=ROOT,
        env={**os.environ, "COURSE_RUNS": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in training.stdout:
        if line.startswith("epoch 2"):
            training.send_signal(signal.SIGINT)
            break
    said = training.communicate()[1]
    assert training.returncode == 130 and "Traceback" not in said
    assert f"{tmp_path / 'stopped' / 'last.pt'} holds" in said
    assert "of 10000 epochs; the same command goes on" in said


def test_ctrl_c_elsewhere_is_a_word(capsys):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        command.run(interrupted)
    assert ended.value.code == 130 and capsys.readouterr().err == "\nstopped\n"


def working_into_a_pipe(program: str, *arguments, stderr) -> subprocess.Popen:
    words = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True)


def test_work_goes_on_when_its_reader_is_gone(tmp_path):
    """As with `python -m helpers.training | head -1`."""
    program = f"""
from pathlib import Path
from helpers import command
def main():
    for number in range(20000):
        print("epoch", number)
    Path({str(tmp_path / "done")!r}).write_text("done")
command.run(main)
"""
    working = working_into_a_pipe(program, stderr=subprocess.PIPE)
    assert working.stdout.readline() == "epoch 0\n"
    working.stdout.close()
    said = working.stderr.read()
    assert working.wait() == 0 and said == "" and (tmp_path / "done").is_file()


TALKING = """
import sys
from pathlib import Path
from helpers import command
def main():
    for number in range(20000):
        print("epoch", number)
        print("a bar", number, file=sys.stderr)
    Path(sys.argv[1]).write_text("done")
command.run(main)
"""


def test_work_goes_on_when_both_streams_lose_their_reader(tmp_path):
    """As with `python -m helpers.training 2>&1 | head -1`."""
    working = working_into_a_pipe(TALKING, tmp_path / "done", stderr=subprocess.STDOUT)
    assert working.stdout.readline() == "epoch 0\n"
    working.stdout.close()
    assert working.wait() == 0 and (tmp_path / "done").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="its terminals are no files")
def test_work_goes_on_when_its_terminal_is_closed(tmp_path):
    """No SIGHUP comes, as after nohup or disown: what is written meets an error of the device."""
    import pty

    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", TALKING, tmp_path / "done"]
    working = subprocess.Popen(
        words, cwd=ROOT, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    assert os.read(ours, 5) == b"epoch"
    os.close(ours)
    assert working.wait() == 0 and (tmp_path / "done").is_file()


def test_letters_that_the_output_lacks_stop_nothing():
    """A path with an umlaut, printed into a file of an old system."""
    program = "from helpers import command\ncommand.run(lambda: print('Stra\u00dfe', 'done'))"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-c", program]
    ended = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0 and ended.stdout == "Stra\\xdfe done\n", ended.stderr


def test_the_bare_benchmark_ends_with_a_sentence():
    """It installs the course, so it cannot take the wrapper; here it finds no git."""
    ended = start("benchmarks.first_minutes", PATH="/nowhere")
    assert ended.returncode == 1 and "git" in ended.stderr and "Traceback" not in ended.stderr


def test_lines_come_when_they_are_printed():
    """Through a pipe too: whoever writes to a file with tee wants to follow."""
    program = """
from helpers import command
def main():
    print("first")
    input()
command.run(main)
"""
    working = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert working.stdout.readline() == "first\n"  # without the flush this would wait for ever
    working.communicate("\n")
    assert working.returncode == 0


def test_without_data_the_sample_city_is_made_by_a_process(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("CITYSCAPES_DATASET")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    asked = []

    def made(words, **options):
        asked.append((words[1:], options["cwd"]))
        small_root(tmp_path / "sample_city")
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(command.subprocess, "run", made)
    command.ensure_data()
    assert asked == [(["-m", "sample_city"], ROOT)]
    place = tmp_path / "sample_city"
    said = capsys.readouterr()
    assert f"no data set found: making the sample city in {place}" in said.err
    assert said.out == ""  # where evaluate --json writes nothing but JSON
    command.ensure_data()  # a whole city is not made again, an interrupted one is completed
    assert len(asked) == 2 and capsys.readouterr() == ("", "")
    command.ensure_data(tmp_path / "elsewhere")
    assert len(asked) == 2


def test_training_and_evaluation_ask_for_data(monkeypatch):
    from helpers import evaluate, training

    def asked(root=None):
        raise ValueError(f"asked for {root}")

    monkeypatch.setattr(command, "ensure_data", asked)
    with pytest.raises(ValueError, match="asked for there"):
        training.main(["--preset=demo", "--root=there"])
    with pytest.raises(ValueError, match="asked for None"):
        evaluate.main(["--checkpoint=nowhere.pt"])
