"""Runs: one process a folder, nothing is lost, a resume knows its data and its settings."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import checkpoints
from helpers.training import how_to_go_on, make_run, train
from helpers.unet import UNet
from tests.faults.conftest import content, paths


def fit(config, **options):
    return train(config, progress=False, **options)


# -- W3: one process a folder


HOLD = """
import sys
from filelock import FileLock

with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("folder", ["r", "series/r"])
def test_a_folder_in_use_is_refused_and_left_alone(config, runs, folder):
    fit(replace(config, name=folder))
    before = content(runs)
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(runs / folder / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert other.stdout.readline().strip() == b"held"
        half_written = runs / folder / ".last.pt.4711.tmp"
        half_written.write_bytes(b"what the other process is writing")
        with pytest.raises(OSError, match="another process works in .*r"):
            fit(replace(config, name=folder))
        assert half_written.is_file()
        half_written.unlink()
        assert content(runs) == before
    finally:
        other.kill()
        other.communicate()
    # A kill leaves no lock behind.
    assert len(fit(replace(config, name=folder))) == 2


def test_a_run_that_failed_gives_its_folder_back(config, runs):
    def stop(history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config, watch=stop)
    assert len(fit(config)) == 2


# -- W4: best.pt is not thrown away


@pytest.mark.parametrize("gone", [["last.pt"], ["last.pt", "best.pt"]])
def test_the_epochs_of_a_run_without_last_pt_are_kept(config, runs, gone):
    fit(config)
    for name in gone:
        (runs / "r" / name).unlink()
    before = content(runs)
    with pytest.raises(ValueError, match="but no last.pt"):
        fit(config)
    assert content(runs) == before


def test_best_pt_of_other_settings_is_kept(one_epoch, runs):
    fit(one_epoch)
    (runs / "r" / "last.pt").unlink()
    before = content(runs)
    with pytest.raises(ValueError, match="width was 2 and is 4"):
        fit(replace(one_epoch, width=4))
    assert content(runs) == before


@pytest.mark.parametrize("history", [None, [{"epoch": 1}, {"epoch": 2}]])
def test_a_network_that_a_notebook_saved_is_kept(config, runs, history):
    """As chapter 07 writes runs/mine/best.pt: a label set by its name, and few settings."""
    model = UNet(num_classes=19, width=2, depth=1, padding="same")
    view = {"kind": "frame", "size": None, "padding": "same", "depth": 1, "height": 16}
    info = {"label_set": "train19", "view": view, "mean": [0.5] * 3, "std": [0.25] * 3}
    if history is not None:
        info = {**info, "history": history, "config": {"name": "r"}}
    checkpoints.save_model(runs / "r" / "best.pt", model, info)
    before = content(runs / "r")
    with pytest.raises(ValueError, match="best.pt, history.csv.*begin another --name"):
        fit(config)
    assert content(runs / "r")["best.pt"] == before["best.pt"]


def test_a_best_pt_from_elsewhere_is_kept(config, runs):
    (runs / "r").mkdir(parents=True)
    torch.save({"model": {}}, runs / "r" / "best.pt")
    with pytest.raises(ValueError, match="best.pt"):
        fit(config)


def test_a_run_killed_in_its_first_save_begins_again(one_epoch, runs):
    fit(one_epoch)
    whole = content(runs)
    (runs / "r" / "last.pt").unlink()
    fit(one_epoch)
    assert content(runs) == whole


# -- W5: a resume knows its data and changes nothing before


def lose_a_frame(root):
    for kind in ("leftImg8bit", "gtFine"):
        paths(root, kind)[0].unlink()


def exchange_labels(root):
    first, second, *_ = paths(root, "gtFine")
    first.write_bytes(second.read_bytes())


def rename_a_city(root):
    for kind in ("leftImg8bit", "gtFine"):
        for path in paths(root, kind)[:1]:
            path.rename(path.with_name(path.name.replace("000001", "000011")))


def change_val(root):
    label = paths(root, "gtFine", "val")[0]
    Image.fromarray(np.full((16, 32), 11, np.uint8)).save(label)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lose_a_frame, "train_frames was 4 and is 3"),
        (exchange_labels, "train_labels was"),
        (rename_a_city, "train_rows was"),
        (change_val, "val_labels was"),
    ],
)
def test_other_data_are_noticed(config, root, runs, change, word):
    fit(replace(config, schedule=None, epochs=1))
    change(root)
    before = content(runs / "r")
    with pytest.raises(ValueError, match=f"(?s){word}.*another name"):
        fit(replace(config, schedule=None))
    assert content(runs / "r") == before


def test_the_same_data_elsewhere_go_on(config, root, runs):
    fit(replace(config, epochs=1))
    moved = root.with_name("moved")
    shutil.move(root, moved)
    assert len(fit(replace(config, root=str(moved)))) == 2


def test_a_cache_goes_on_when_its_sources_are_gone(config, root, runs):
    fit(replace(config, epochs=1, cache="auto"))
    run = make_run(replace(config, cache="auto"), progress=False)
    for kind in ("leftImg8bit", "gtFine"):
        for split in ("train", "val"):
            shutil.rmtree(root / kind / split)
    assert run.resume() == 1


def test_other_settings_are_refused_before_the_frames_are_read(config, root, runs, monkeypatch):
    fit(config)
    before = content(runs)
    monkeypatch.setattr("helpers.training.make_datasets", None)
    with pytest.raises(ValueError, match="width was 2 and is 4"):
        make_run(replace(config, width=4, mean=None, std=None), progress=False)
    assert content(runs) == before


def test_a_copied_run_goes_on_under_its_new_name(config, runs):
    fit(replace(config, epochs=1))
    shutil.copytree(runs / "r", runs / "s")
    assert len(fit(replace(config, name="s"))) == 2


def test_more_epochs_go_on_or_the_message_names_the_way(config, runs):
    fit(config)
    assert len(fit(replace(config, epochs=3))) == 3
    fit(replace(config, name="scheduled", schedule="cosine"))
    with pytest.raises(ValueError, match="(?s)epochs was 2 and is 3.*schedule is none"):
        fit(replace(config, name="scheduled", schedule="cosine", epochs=3))


PRECISIONS = (None, torch.bfloat16, torch.float16)


@pytest.mark.parametrize("before", PRECISIONS)
@pytest.mark.parametrize("after", PRECISIONS)
def test_another_precision_resumes(one_epoch, monkeypatch, before, after):
    """On a CPU, where a scaler is only kept, not used: what a GPU stored is read."""

    def use(dtype):
        monkeypatch.setattr("helpers.training.amp_dtype", lambda device: dtype)

    use(before)
    run = make_run(one_epoch, progress=False)
    run.fit()
    use(after)
    again = make_run(one_epoch, progress=False)
    assert again.resume() == 1


@pytest.mark.parametrize("entry", ["optimizer", "scaler", "info", "epochs_done"])
def test_a_last_pt_that_is_not_whole_is_named(one_epoch, runs, entry):
    fit(one_epoch)
    path = runs / "r" / "last.pt"
    state = checkpoints.load(path)
    del state[entry]
    torch.save(state, path)
    with pytest.raises(ValueError, match=f"last.pt lacks {entry}"):
        fit(one_epoch)


def test_a_best_pt_in_its_place_is_named(one_epoch, runs):
    fit(one_epoch)
    shutil.copy(runs / "r" / "best.pt", runs / "r" / "last.pt")
    with pytest.raises(ValueError, match="is it a copy of best.pt"):
        fit(one_epoch)


# -- W15: leftovers of kills


@pytest.mark.parametrize("place", ["", "predictions"])
def test_leftovers_of_a_kill_are_removed(config, runs, place):
    fit(replace(config, epochs=1))
    leftover = runs / "r" / place / ".picture.png.4711.tmp"
    leftover.write_bytes(b"half")
    fit(config)
    assert not leftover.exists()


def test_what_a_run_below_is_writing_is_no_leftover(one_epoch, runs):
    """series and series/small may train at the same time."""
    writing = runs / "series" / "small" / ".last.pt.4711.tmp"
    writing.parent.mkdir(parents=True)
    writing.write_bytes(b"half")
    fit(replace(one_epoch, name="series"))
    assert writing.exists()


# -- W14: names stay inside runs/ (the refusals are in test_settings.py)


def test_a_folder_elsewhere_is_an_argument(one_epoch, runs, tmp_path):
    run = make_run(one_epoch, progress=False, folder=tmp_path / "elsewhere")
    run.fit()
    assert (
        (tmp_path / "elsewhere" / "last.pt").is_file()
        and not runs.exists()
        or not list(runs.glob("r*"))
    )
    assert str(tmp_path).encode() not in (tmp_path / "elsewhere" / "last.pt").read_bytes()


# -- U3: folders that cannot be written


@pytest.mark.parametrize("name", ["r", "r/predictions"])
def test_a_file_where_a_folder_belongs_is_named_before_the_first_epoch(config, runs, name):
    (runs / name).parent.mkdir(parents=True)
    (runs / name).write_text("a file")
    epochs = []
    with pytest.raises(OSError, match=f"{name} is a file and no folder"):
        fit(config, watch=epochs.append)
    assert epochs == []


# -- U6, U7 and c01: what is said


def test_nan_in_the_very_first_batch_does_not_blame_the_rate(one_epoch, runs):
    run = make_run(one_epoch, progress=False)
    with torch.no_grad():
        next(run.model.parameters()).fill_(float("nan"))
    with pytest.raises(FloatingPointError) as caught:
        run.fit()
    assert "learning rate" not in str(caught.value) and "last.pt" not in str(caught.value)


def test_batch_norm_of_a_single_pixel_says_what_to_change(one_epoch):
    """The last of four frames comes alone, and its deepest map is one pixel."""
    config = replace(one_epoch, view="crop", size=2, norm="batch", batch_size=3)
    with pytest.raises(ValueError, match="more than 1 value per channel.*larger --size or"):
        fit(config)


def test_a_finished_run_says_so(config, runs, capsys):
    fit(config)
    assert len(train(config)) == 2
    said = capsys.readouterr().out
    assert "2 of 2 epochs done" in said and "complete" in said
    train(replace(config, epochs=3))
    assert "2 of 3 epochs done" in capsys.readouterr().out


def test_records_that_were_changed_are_written_again(config, runs):
    fit(config)
    before = content(runs / "r")
    (runs / "r" / "history.csv").write_text("edited")
    (runs / "r" / "config.json").unlink()
    fit(config)
    assert content(runs / "r") == before


def test_a_loss_out_of_all_proportion_gets_a_line(one_epoch, capsys):
    run = make_run(one_epoch)
    run.train_epoch = lambda epoch: 3e9
    run.fit()
    assert "learning rate too high" in capsys.readouterr().out


def test_config_json_of_an_earlier_version_is_no_obstacle(config, runs):
    fit(replace(config, epochs=1))
    path = runs / "r" / "config.json"
    stored = json.loads(path.read_text())
    del stored["hidden"]
    path.write_text(json.dumps(stored))
    assert len(fit(config)) == 2


@pytest.mark.parametrize("content", ["{", "[1]", "null"])
def test_a_damaged_config_json_is_written_again(config, runs, content):
    """last.pt holds the config, too, and it is what counts."""
    fit(replace(config, epochs=1))
    path = runs / "r" / "config.json"
    whole = path.read_text()
    path.write_text(content)
    assert len(fit(replace(config, epochs=1))) == 1 and path.read_text() == whole
    path.write_text(content)
    with pytest.raises(ValueError, match="width was 2 and is 4"):
        fit(replace(config, width=4))


def test_a_best_checkpoint_that_is_gone_is_told(config, runs, capsys):
    fit(config)
    (runs / "r" / "best.pt").unlink()
    make_run(config).fit()
    assert "best.pt is gone: only a better epoch writes it again" in capsys.readouterr().out


def test_stopped_in_a_save_only_what_is_on_the_disk_counts(config, runs):
    run = make_run(config, progress=False)
    assert "before the first epoch was done" in how_to_go_on(run)
    run.fit()
    done = len(run.history)
    run.history.append(run.history[-1])
    assert f"last.pt holds {done} of {config.epochs} epochs" in how_to_go_on(run)
