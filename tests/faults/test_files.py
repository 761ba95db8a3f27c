"""Writing that fails names the file and the way out; what is written is never hidden by it."""

import errno
import os
from pathlib import Path

import pytest
from PIL import UnidentifiedImageError

from helpers import files


def test_a_folder_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    def refuse(self, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OSError, match="could not write .*x.txt.*COURSE_RUNS") as caught:
        files.write_text(tmp_path / "deep" / "x.txt", "text")
    assert caught.value.errno == errno.EROFS


def test_a_disk_that_becomes_read_only_keeps_its_reason(tmp_path, monkeypatch):
    def refuse(self, missing_ok=False):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="could not write .*x.txt: No space") as caught:
        with files.atomic_file(tmp_path / "x.txt"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert ".tmp" not in str(caught.value)


def test_reading_that_fails_is_not_called_writing(tmp_path):
    with pytest.raises(UnidentifiedImageError, match="^no picture$"):
        with files.atomic_file(tmp_path / "x.txt"):
            raise UnidentifiedImageError("no picture")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError, match="out is a file and no folder"):
        files.write_text(tmp_path / "out" / "x.txt", "text")


@pytest.mark.parametrize("text", ["", "{", "\x00", '{"a": 1'])
def test_a_state_file_that_is_damaged_is_named(tmp_path, text):
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="state.json is damaged"):
        files.read_json(path)
    assert files.read_json(files.write_json(path, [1])) == [1]
    path.write_bytes(b"\xef\xbb\xbf[2]")  # as an editor on Windows saves it
    assert files.read_json(path) == [2]
