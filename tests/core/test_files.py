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
