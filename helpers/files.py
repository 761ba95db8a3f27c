"""Files written whole or not at all: after a full disk or a killed run the old one is there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image


@contextmanager
def atomic_file(path) -> Iterator[Path]:
    """A temporary path to write to; when the block ends well, the file gets its name: `path`.

    A full disk or an unwritable folder raises OSError with the file's name; the temporary file is
    removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            error.errno,
            f"could not write {path}: {reason}; free some space or choose a "
            "writable folder, nothing was lost",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path, data: bytes) -> Path:
    """Write `data` to `path` and return the path."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def write_text(path, text: str) -> Path:
    """Write `text` to `path`, UTF-8 with "\\n" line ends on every system, and return the path."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path, value) -> Path:
    """Write plain values as indented JSON and return the path."""
    return write_text(path, json.dumps(value, indent=1) + "\n")


def write_image(path, picture, **options) -> Path:
    """Write an array (uint8 [H, W] or [H, W, 3]) or a pillow picture as PNG, JPEG, ... as the
    name's end says.
    """
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file_format = Image.registered_extensions()[Path(path).suffix.lower()]
    with atomic_file(path) as temporary:
        picture.save(temporary, format=file_format, **options)
    return Path(path)
