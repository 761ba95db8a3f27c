"""Files are written whole or not at all."""

import os

import pytest


def test_interrupted_write_keeps_the_old_file(tmp_path):
    from helpers.files import atomic_file, write_text

    path = tmp_path / "file.txt"
    write_text(path, "old")

    with pytest.raises(OSError, match="file.txt"), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file.txt"]


def test_many_names_are_cut_and_counted():
    from helpers.files import listed

    assert listed(["a", "b"]) == "\n  a\n  b"
    assert listed(["a", "b", "c"], 2) == "\n  a\n  b\n  ... 3 in all"
    assert listed([str(number) for number in range(10)]).count("\n") == 10
    assert listed([str(number) for number in range(11)]).endswith("  9\n  ... 11 in all")
