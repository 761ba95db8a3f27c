"""Files written whole or not at all: after a full disk or a killed run the old one is there."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PureWindowsPath

import numpy as np
from filelock import FileLock, Timeout  # comes with torch
from PIL import Image


@contextmanager
def atomic_file(path) -> Iterator[Path]:
    """A temporary path to write to; when the block ends well, the file gets its name: `path`.

    A full disk or an unwritable folder raises OSError with the file's name; the temporary file is
    removed.
    """
    path = Path(path)
    # In the same folder: only there is a rename one step that cannot be interrupted.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:  # not the writing: a picture that could not be read
            raise
        reason = error.strerror
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            reason = f"{error.filename} is a file and no folder"
        raise OSError(
            error.errno,
            f"could not write {path}: {reason}; free some space or choose a writable folder (the "
            "command's option, or COURSE_RUNS, COURSE_CACHE, COURSE_DATA), nothing was lost",
        ) from error
    finally:
        # On a read-only disk even this fails, and would hide the reason.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder, wait: bool = False) -> Iterator[None]:
    """`folder` for this process alone while the block runs.

    While another one works in it: OSError or, with `wait`, patience. The system ends the lock with
    its process, so a kill leaves none behind.
    """
    lock = FileLock(Path(folder) / ".lock")
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise BlockingIOError(
            f"another process works in {folder}: wait, or choose another name ({lock.lock_file})"
        ) from None
    except (OSError, NotImplementedError):
        pass  # a disk without locks, such as Google Drive, or not writable: writing will say so
    try:
        yield
    finally:
        lock.release()


def stays_inside(name: str) -> bool:
    """Whether a relative path, written on any system, leads to a place below where it starts."""
    place = PureWindowsPath(name.strip())  # it knows the separators of every system
    return place.parts != () and not place.anchor and ".." not in place.parts and "\0" not in name


def visible_files(folder) -> list[Path]:
    """All files below `folder`, sorted, without hidden ones and what macOS adds.

    JupyterLab's .ipynb_checkpoints, ._name and __MACOSX hold copies and no data. A folder that
    cannot be read raises OSError: what is in it would be missing without a word.
    """

    def stop(error: OSError):
        raise type(error)(f"cannot list {error.filename}: {error.strerror}") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "." and name != "__MACOSX"]
        found += [Path(parent, name) for name in names if name[0] != "."]
    return sorted(found, key=Path.as_posix)


def write_bytes(path, data: bytes) -> Path:
    """Write `data` to `path` and return the path."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
    return Path(path)


def write_text(path, text: str) -> Path:
    """Write `text` to `path`, UTF-8 with "\n" line ends on every system, and return the path."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path, value) -> Path:
    """Write plain values as indented JSON and return the path."""
    return write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path):
    """The plain values in a JSON file that the course wrote. ValueError if it is damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): restore it, or make it again") from error


def read_derived(path) -> dict:
    """The dict in a JSON file that can be made again; empty if there is none, or a damaged one."""
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_table(path, header, rows) -> None:
    """Write a CSV file: UTF-8, commas, and "\n" line ends on every system."""
    with atomic_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def listed(names: list[str], most: int = 10) -> str:
    """The first of many names for a message, each on a line of its own, and how many there are."""
    more = [f"... {len(names)} in all"] if len(names) > most else []
    return "".join(f"\n  {name}" for name in names[:most] + more)


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
