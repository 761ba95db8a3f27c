"""Fetching and unpacking archives from outside without trusting them, and git's own hash of a
folder (chapter 13).

An archive is data from a stranger: it may be cut off, lie about its sizes, hold a billion zeros, or
name files outside the folder it is unpacked to. Everything is checked before the first byte is
written.
"""

import hashlib
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from helpers.files import atomic_file, write_bytes
from helpers.progress import progress_bar

BLOCK = 1 << 20
BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    zlib.error,
    RuntimeError,
    NotImplementedError,
)


class Limits(NamedTuple):
    """How much an archive may hold: bytes of the archive itself, of one file, of all files; number
    of entries.
    """

    archive: int = 600 << 20
    file: int = 8 << 20
    total: int = 500 << 20
    entries: int = 10_000


class Entry(NamedTuple):
    name: str
    size: int
    executable: bool
    handle: object  # ZipInfo or TarInfo


def fetch(address: str, path, limits: Limits = Limits(), timeout: float = 30) -> Path:
    """Download `address` to `path` by way of a temporary file, with a progress bar.

    Raises ConnectionError with the fix when the address cannot be reached or the transfer breaks
    off, ValueError when it is larger than allowed. `path` exists only after a whole transfer.
    """
    path = Path(path)
    fix = (
        "Check the connection, or download it with a browser and give the file as --source: "
        f"{address}"
    )
    with atomic_file(path) as temporary:
        try:
            done, announced = _transfer(address, temporary, limits, timeout)
        except urllib.error.HTTPError as error:
            raise ConnectionError(
                f"{address}: the server answered {error.code} {error.reason}. {fix}"
            ) from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise ConnectionError(
                f"{address}: not reached ({getattr(error, 'reason', error)}). {fix}"
            ) from error
        # A server need not announce how much it sends; then only the reader knows of the end.
        except (ConnectionError, HTTPException) as error:
            raise ConnectionError(f"{address}: broke off ({error!r}). {fix}") from error
        if announced and done != announced:
            raise ConnectionError(f"{address}: broke off after {done} of {announced} bytes. {fix}")
    return path


def _transfer(address: str, path: Path, limits: Limits, timeout: float) -> tuple[int, int]:
    """Write what an address sends to `path`; how many bytes came, and how many were announced."""
    done = 0
    with urllib.request.urlopen(address, timeout=timeout) as answer:
        announced = int(answer.headers.get("Content-Length") or 0)
        bar = progress_bar(None, "download", total=announced or None, unit="B", unit_scale=True)
        with open(path, "wb") as file, bar:
            while block := answer.read(BLOCK):
                done += len(block)
                if max(done, announced) > limits.archive:
                    raise ValueError(
                        f"{address}: more than {limits.archive} bytes, stopped; is it the right "
                        "file?"
                    )
                file.write(block)
                bar.update(len(block))
    return done, announced


def unpack(archive, folder: str, target, limits: Limits = Limits()) -> str:
    """Unpack the files below `folder` of a .zip or .tar(.gz) to `target`, a new folder; returns
    their git tree hash.

    `folder` may stand at the top of the archive or one level below. Raises ValueError, with nothing
    left at `target`, for a broken archive, a path that leads outside, a link or device, a name
    twice, or more than `limits` allow.
    """
    archive, target = Path(archive), Path(target)
    try:
        with _opened(archive) as (entries, read):
            names = _checked(archive, entries, limits)
            chosen = {
                inner: entry for entry in names if (inner := _below(entry.name, folder)) is not None
            }
            if not chosen:
                raise ValueError(
                    f"{archive} has no folder {folder}/ (found: "
                    f"{', '.join(_top(names)) or 'nothing'})"
                )
            hashes = {}
            for name, entry in progress_bar(chosen.items(), "unpack"):
                data = read(entry, limits.file)
                write_bytes(target / name, data)
                hashes[name] = (entry.executable, blob_hash(data))
            return tree_hash(hashes)
    except BROKEN as error:
        shutil.rmtree(target, ignore_errors=True)
        raise ValueError(
            f"{archive} is broken or cut off ({error}); remove it and download it again"
        ) from error
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def unpack_over(archive, root, limits: Limits) -> int:
    """Unpack a whole archive into `root`, leaving files alone that are there already: an
    interrupted run goes on. A file of the right size with other content (the checksum in a zip
    tells) is written anew.

    For archives whose content was checked otherwise (csDownload compares md5 sums); names and sizes
    are checked as everywhere. Returns the number of files. Each file appears whole or not at all.
    """
    archive, root = Path(archive), Path(root)
    try:
        with _opened(archive) as (entries, read):
            files = _checked(archive, entries, limits)
            for entry in progress_bar(files, "unpack"):
                path = root / entry.name
                if not _is_there(path, entry):
                    data = read(entry, limits.file)
                    write_bytes(path, data)
    except BROKEN as error:
        raise ValueError(
            f"{archive} is broken or cut off ({error}); remove it and download it again"
        ) from error
    return len(files)


def _is_there(path: Path, entry: Entry) -> bool:
    """Whether a file has the size of an archive's entry and, for a zip, its checksum."""
    if not path.is_file() or path.stat().st_size != entry.size:
        return False
    expected = getattr(entry.handle, "CRC", None)
    return expected is None or zlib.crc32(path.read_bytes()) == expected


class _opened:
    """(entries, read) of a zip or tar; `read(entry, most)` gives its bytes and never more than
    `most` of them.
    """

    def __init__(self, archive: Path):
        self.archive = archive

    def __enter__(self):
        if zipfile.is_zipfile(self.archive):
            self.file = zipfile.ZipFile(self.archive)
            entries, open_one = map(_zip_entry, self.file.infolist()), self.file.open
        else:
            self.file = tarfile.open(self.archive)
            entries, open_one = map(_tar_entry, self.file), self.file.extractfile
        return entries, lambda entry, most: _bounded(open_one(entry.handle), most)

    def __exit__(self, *_):
        self.file.close()


def _bounded(stream, most: int) -> bytes:
    with stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"a file in the archive holds more than the {most} bytes allowed: a bomb?")
    return data


def _zip_entry(info: zipfile.ZipInfo) -> Entry:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ValueError(f"the archive holds a link or device: {info.filename}; refused")
    return Entry(
        info.orig_filename, info.file_size, bool(mode & stat.S_IXUSR) and not info.is_dir(), info
    )


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise ValueError(f"the archive holds a link or device: {member.name}; refused")
    return Entry(
        member.name + "/" * member.isdir(), member.size, bool(member.mode & stat.S_IXUSR), member
    )


def _checked(archive: Path, entries, limits: Limits) -> list[Entry]:
    """All files of the archive, every name and size looked at; folders are left out."""
    files, seen, total = [], set(), 0
    if archive.stat().st_size > limits.archive:
        raise ValueError(
            f"{archive} is larger than {limits.archive >> 20} MiB; is it the right file?"
        )
    for number, entry in enumerate(entries, 1):
        parts = entry.name.removesuffix("/").split("/")
        if {"", ".", ".."} & set(parts) or any(c in entry.name for c in "\\:\0"):
            raise ValueError(
                f"{archive} holds a path that leads outside its folder: {entry.name!r}; refused"
            )
        total += entry.size
        if entry.size > limits.file or total > limits.total or number > limits.entries:
            raise ValueError(
                f"{archive} holds more than allowed, at {entry.name!r}: {entry.size} bytes "
                f"({limits.file} at most), {total} in all ({limits.total}), entry {number} "
                f"({limits.entries}); refused"
            )
        if entry.name.endswith("/"):
            continue
        if entry.name.lower() in seen:  # lower: two such names are one file on Windows and macOS
            raise ValueError(f"{archive} holds {entry.name!r} twice; refused")
        seen.add(entry.name.lower())
        files.append(entry)
    return files


def _below(name: str, folder: str) -> str | None:
    for prefix in (f"{folder}/", f"{name.split('/')[0]}/{folder}/"):
        if name.startswith(prefix):
            return name[len(prefix) :]
    return None


def _top(entries) -> list[str]:
    return sorted({"/".join(e.name.split("/")[:2]) for e in entries})[:6]


def blob_hash(data: bytes) -> str:
    """Git's hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def tree_hash(files: dict[str, tuple[bool, str]]) -> str:
    """Git's hash of a folder, given as {"train/a.png": (executable, blob hash), ...}: `git
    rev-parse COMMIT:folder`.
    """
    entries, folders = [], {}
    for path, (executable, blob) in files.items():
        first, _, rest = path.partition("/")
        if rest:
            folders.setdefault(first, {})[rest] = (executable, blob)
        else:
            entries.append((first.encode(), b"100755" if executable else b"100644", blob))
    for name, inner in folders.items():
        # Git sorts folders as if they ended in "/".
        entries.append((name.encode() + b"/", b"40000", tree_hash(inner)))
    body = b"".join(
        b"%s %s\0" % (mode, name.removesuffix(b"/")) + bytes.fromhex(sha)
        for name, mode, sha in sorted(entries)
    )
    return hashlib.sha1(b"tree %d\0" % len(body) + body).hexdigest()


def folder_hash(folder) -> str:
    """`tree_hash` of a folder on disk. Git counts no empty folders, and neither does this."""
    folder = Path(folder)
    files = {}
    for path in folder.rglob("*"):
        if path.is_file():
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            name = path.relative_to(folder).as_posix()
            files[name] = (executable, blob_hash(path.read_bytes()))
    return tree_hash(files)
