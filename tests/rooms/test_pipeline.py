"""The pipeline as README gives it, in five commands: each uses what the one before left."""

import json

import pytest

from extras.browser.__main__ import main as browse
from extras.pipeline import index, statistics
from helpers import evaluate, training
from helpers.csv_index import index_folder, read_csv
from helpers.normalization import channel_statistics


def test_five_commands_one_after_the_other(root, runs, capsys):
    where = ["--root", str(root)]
    index.main(where)
    said = capsys.readouterr().out
    assert "train.csv: 10 frames" in said and "val.csv: 3 frames" in said
    assert "every file is there" in said

    statistics.main(where)
    stored = json.loads((index_folder(root) / "statistics.json").read_text())
    rows = read_csv(index_folder(root) / "train.csv")
    expected = channel_statistics([root / row.image for row in rows])
    assert tuple(stored["mean"]) == expected.mean and tuple(stored["std"]) == expected.std
    said = capsys.readouterr().out
    assert f"red {expected.mean[0]:.4f}" in said and "in 10 frames" in said

    settings = ["--preset", "demo", "--name", "first", "--height", "32", "--epochs", "1"]
    training.main([*where, *settings, "--width", "2", "--pictures", "0"])
    assert "statistics.json was not there" not in capsys.readouterr().out
    checkpoint = str(runs / "first" / "best.pt")
    evaluate.main([*where, "--checkpoint", checkpoint])
    assert "mean_iou" in capsys.readouterr().out
    browse([checkpoint, *where, "--no-open"])
    assert (runs / "browser.html").stat().st_size > 10_000
    said = capsys.readouterr().out
    assert "3 frames" in said and "license of Cityscapes forbids" in said


def test_the_page_is_opened_unless_nobody_wants_it(root, runs, monkeypatch, checkpoint):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    words = [str(checkpoint), "--root", str(root), "--frames", "2"]
    browse([*words, "--output", str(runs / "page.html")])
    assert opened == [(runs / "page.html").as_uri()]


def test_index_names_what_is_wrong(tiny_root, runs):
    frame = next((tiny_root / "leftImg8bit" / "train").rglob("*.png"))
    frame.write_bytes(frame.read_bytes()[:100])
    with pytest.raises(ValueError, match="not all as they should be") as error:
        index.main(["--root", str(tiny_root)])
    assert frame.name in str(error.value)


def test_the_page_names_frames_that_are_left_out(tiny_root, tmp_path, runs, checkpoint, capsys):
    frame = next((tiny_root / "leftImg8bit" / "train").rglob("*.png"))
    frame.write_bytes(frame.read_bytes()[:200])
    page = tmp_path / "page.html"
    words = [str(checkpoint), f"--root={tiny_root}", "--split=train", f"--output={page}"]
    browse([*words, "--no-open"])
    first, left_out = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith(f"{page}: 1 frames, ")
    assert left_out.startswith("left out: ") and frame.name in left_out
    with pytest.raises(ValueError, match="frames must be"):
        browse([*words, "--frames=0"])
