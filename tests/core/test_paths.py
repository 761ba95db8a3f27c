"""Where a data set is looked for, and what a wrong folder is told."""

import pytest

from helpers.csv_index import write_csv
from helpers.paths import check_root, find_root


def test_wrong_roots(tmp_path, tiny_root):
    with pytest.raises(FileNotFoundError, match="extras.real_data.cityscapes"):
        check_root(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="leftImg8bit and no folder gtFine"):
        check_root(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="splits there: train, val"):
        write_csv(tiny_root, "test", tiny_root / "test.csv")
    next((tiny_root / "gtFine" / "train" / "astadt").iterdir()).unlink()
    with pytest.raises(FileNotFoundError, match="astadt_000000_000019_leftImg8bit.png"):
        write_csv(tiny_root, "train", tiny_root / "train.csv")
    assert not (tiny_root / "train.csv").exists()


def test_find_root_order(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.delenv("CITYSCAPES_DATASET")
    assert find_root() == tmp_path / "sample_city"
    for name in ("leftImg8bit", "gtFine"):
        (tmp_path / "cityscapes" / name).mkdir(parents=True)
    assert find_root() == tmp_path / "cityscapes"
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path / "env"))
    assert find_root() == tmp_path / "env" and find_root(tmp_path / "own") == tmp_path / "own"
