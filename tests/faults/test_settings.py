"""Values that make no sense are refused at once, together, before any data are touched."""

import sys
from dataclasses import replace

import pytest

from helpers import command
from helpers.config import TrainConfig, parse
from helpers.device import find_device
from helpers.evaluate import main as evaluate
from helpers.inference import main as label
from helpers.paths import ROOT
from helpers.training import main as training
from scripts.pinned import CITY

WRONG = {
    "epochs": (0, -1),
    "batch_size": (0, -1),
    "accumulate": (0,),
    "width": (0, -3),
    "depth": (-1, 9, 40),
    "height": (0, -5),
    "size": (0,),
    "hidden": (0,),
    "train_limit": (0, -1),
    "val_limit": (0, -1),
    "pictures": (-1,),
    "workers": (-1,),
    "seed": (-1, 99999999999999999999),
    "dropout": (-0.1, 1.0, float("nan")),
    "learning_rate": (-1.0, float("inf"), float("nan")),
    "schedule": ("linear",),
    "cache": ("ram",),
    "view": ("whole",),
    "padding": ("reflect",),
    "norm": ("group",),
    "model": ("transformer",),
    "mean": ((0.5, 0.5, 0.5),),  # without std
    "std": ((0.2, 0.2, 0.2),),  # without mean
    "name": ("", " ", ".", "..", "../evil", "a/../..", "/tmp/evil", "C:\\evil", "..\\evil"),
}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_value_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(ValueError, match=name.replace("_", "[-_]")):
        replace(TrainConfig(), **{name: value})


@pytest.mark.parametrize("wrong", [0.0, -0.1, float("nan")])
def test_a_deviation_is_above_0(wrong):
    with pytest.raises(ValueError, match="std must be above 0 in every channel"):
        TrainConfig(mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, wrong))


@pytest.mark.parametrize("text", ["cpu ", '"cpu"', "'CPU'", " cpu", '""'])
def test_a_device_in_quotes_is_that_device(monkeypatch, text):
    """cmd.exe keeps the quotes, and the blank before &&, in `set COURSE_DEVICE=cpu && python`."""
    monkeypatch.setenv("COURSE_DEVICE", text)
    assert find_device().type == "cpu" or text == '""'


@pytest.mark.parametrize("model", ["fcn32s", "fcn16s", "fcn8s"])
def test_an_fcn_wants_same_padding(model):
    with pytest.raises(ValueError, match=f"padding must be same for {model}, found 'valid'"):
        TrainConfig(model=model)
    assert TrainConfig(model=model, padding="same")


def test_none_is_a_name_like_any_other():
    arguments = ["--preset", "demo", "--name", "none", "--cache", "none"]
    assert parse(arguments) == TrainConfig.demo(name="none", cache=None)


def test_a_classifier_of_windows_labels_no_frames():
    window = str(ROOT / "data" / "checkpoints" / "window.pt")
    with pytest.raises(ValueError, match="window.pt labels windows of 32 pixels, not frames"):
        label(["a.jpg", "--checkpoint", window])
    with pytest.raises(ValueError, match="window.pt labels windows of 32 pixels, not frames"):
        evaluate(["--checkpoint", window, "--root", str(CITY)])


def test_all_of_them_in_one_message():
    with pytest.raises(ValueError) as caught:
        TrainConfig(epochs=0, height=-5, cache="ram", name="..")
    for name in ("epochs", "height", "cache", "name"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "config", [TrainConfig(), TrainConfig.demo(), TrainConfig.demo(cache=None)]
)
def test_the_course_s_own_settings_are_right(config):
    assert replace(config, name="series/a") != config


def test_the_home_folder_is_found_behind_an_option(monkeypatch, tmp_path):
    """A shell leaves --root=~/data as it is; a folder called ~ would be made."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    given = ["command", "--output=~/out", "~/in.png", "--name=a~b", "--name=~", "a=b", "--json"]
    monkeypatch.setattr("sys.argv", given)
    monkeypatch.setattr("sys.stdout", sys.stdout)
    found = []
    command.run(lambda: found.extend(sys.argv))
    home = str(tmp_path)
    assert found == [
        "command",
        f"--output={home}/out",
        f"{home}/in.png",
        "--name=a~b",
        f"--name={home}",
        "a=b",
        "--json",
    ]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("can't allocate memory: you tried to allocate 9 bytes"), "can't allocate"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "ALLOC_FAILED"),
        (RuntimeError("CUDA out of memory. Tried to allocate 9 GiB"), "out of memory"),
        (MemoryError(), "out of memory"),
        (MemoryError("Unable to allocate 1 TiB"), "1 TiB"),
    ],
)
def test_too_little_memory_is_a_sentence(error, says, monkeypatch, capsys):
    def greedy():
        raise error

    monkeypatch.setattr("sys.argv", ["command"])
    monkeypatch.setattr("sys.stdout", sys.stdout)
    with pytest.raises(SystemExit) as ended:
        command.run(greedy)
    assert ended.value.code == 1 and says in capsys.readouterr().err


def test_another_runtime_error_is_a_bug_of_ours(monkeypatch):
    def broken():
        raise RuntimeError("sizes do not fit")

    monkeypatch.setattr("sys.argv", ["command"])
    monkeypatch.setattr("sys.stdout", sys.stdout)
    with pytest.raises(RuntimeError):
        command.run(broken)


def test_a_command_touches_no_data_before(tmp_path):
    """The root does not exist, and the first complaint is not about that."""
    with pytest.raises((ValueError, SystemExit)) as caught:
        training(["--root", str(tmp_path / "nowhere"), "--epochs", "0", "--train-limit", "0"])
    assert "nowhere" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("size", ["0", "-1"])
def test_evaluate_wants_a_batch(size):
    with pytest.raises((ValueError, SystemExit), match="batch-size|^2$"):
        evaluate(["--checkpoint", "nowhere.pt", "--batch-size", size])
