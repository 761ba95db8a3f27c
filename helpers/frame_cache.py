"""A cache of decoded frames: uint8 arrays on disk, read through memory maps. Chapter 05 shows what
it saves.

Decoding a 2048x1024 PNG costs more than a step of a thin network. The cache keeps what the view
needs: the center crops (1.1 MB a frame, so 3.1 GiB for the 2,975 training frames), or the whole
reduced frames. It is bit-equal to the uncached path, is built with all cores, goes on where a
killed build was, is rebuilt when a source file changes or one of its own is damaged, and stays
usable when the sources are gone.
"""

import errno
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from helpers.csv_index import Row, index_folder
from helpers.dataset import read_pair
from helpers.files import locked, read_derived
from helpers.labels import TRAIN_19, LabelSet
from helpers.paths import cache_dir
from helpers.progress import parallel_map, progress_bar
from helpers.windows import View

NAMES = ("images", "labels")
HEADER_BYTES = 128  # of a .npy of few dimensions


@dataclass(eq=False, repr=False)
class FrameCache:
    """`cache[i]` gives (image uint8 [H, W, 3], label ids uint8 [h, w]) of row i, from a folder of
    memory maps.

    `cropped=True` keeps center crops (View "crop" only, no random crops then), else whole (reduced)
    frames, out of which random crops can be cut. Builds the folder on first use, with `workers`
    threads (default: all cores); `.state` is "built", "ready" or "sources gone".
    """

    rows: list[Row]
    root: str | Path
    view: View = View()
    label_set: LabelSet = TRAIN_19
    cropped: bool = False
    folder: str | Path | None = None
    progress: bool = True
    workers: int | None = None

    def __post_init__(self):
        if self.cropped and self.view.kind != "crop":
            raise ValueError("cropped=True keeps center crops, so the view must be a crop")
        self.root = Path(self.root)
        # The folder's name holds what it was made for: another view gets another cache.
        plan = {"rows": self.rows, "view": asdict(self.view), "cropped": self.cropped, "format": 1}
        key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(self.folder or cache_dir() / f"{index_folder(self.root).name}-{key}")

        index = {"key": key, "sources": self._fingerprint()}
        self.state = self._stored_state(index)
        if self.state is None:
            with locked(self.folder.parent, wait=True):
                # Another process may have built it while this one waited.
                self.state = self._stored_state(index) or self._build(index)
        if self.state == "sources gone":
            print(f"cache: the source frames are gone, reading the {len(self.rows)} stored ones")
        self._open()

    def _open(self) -> None:
        """Map both arrays; ValueError or OSError if a file is not what a whole cache holds."""
        arrays = []
        for name in NAMES:
            array = np.load(self.folder / f"{name}.npy", mmap_mode="r")
            if array.dtype != np.uint8 or len(array) != len(self.rows):
                raise ValueError(f"{name}.npy is {array.dtype} {array.shape}")
            arrays.append(array)
        self.images, self.labels = arrays

    def __getstate__(self) -> dict:
        # A worker process maps the files itself; pickling a map would copy all of it.
        return {name: value for name, value in vars(self).items() if name not in NAMES}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._open()

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[index], self.labels[index]

    def _stored_state(self, index: dict) -> str | None:
        """ "ready" or "sources gone" if the folder holds these frames; None if it must be built."""
        stored = read_derived(self.folder / "index.json")
        # Nobody can compare with sources that are gone; then the plan alone must be the same.
        gone = not any(index["sources"])
        if stored != index and not (gone and stored.get("key") == index["key"]):
            return None
        try:
            self._open()
        except (OSError, ValueError, EOFError) as error:
            if gone:
                raise ValueError(
                    f"the cache {self.folder} is damaged, and its source frames in {self.root} "
                    "are gone: bring them back, and it is built again"
                ) from error
            return None
        return "sources gone" if gone else "ready"

    def _fingerprint(self) -> list:
        """Size and time of change of every source file; None for one that is not there."""
        found = []
        for path in [path for row in self.rows for path in (row.image, row.label) if path]:
            try:
                info = os.stat(self.root / path)
                found.append([info.st_size, info.st_mtime_ns])
            except OSError:
                found.append(None)
        return found

    def _read(self, row) -> tuple[np.ndarray, np.ndarray]:
        """What the cache keeps of a row, as arrays of their own."""
        image, label = read_pair(row, self.root, self.view, self.label_set)
        if self.cropped:
            image, label = self.view.pair(image, label)
        return np.ascontiguousarray(image), np.ascontiguousarray(label)

    def _build(self, index: dict) -> str:
        """Decode all frames into a folder beside, which then takes the place of the old one: built.

        A killed build leaves that folder, and the next one goes on in it. An error removes it.
        """
        part = self.folder.with_name(f".{self.folder.name}.part")
        # The first frame tells how large every frame of this cache is.
        first = self._read(self.rows[0])
        try:
            done = self._begin(part, index, first)
            need = sum(array.nbytes for array in first) * (len(self.rows) - done)
            free = shutil.disk_usage(part).free
            if need > free:
                raise OSError(
                    errno.ENOSPC,
                    f"the cache needs {need >> 20} MiB but {part.parent} has {free >> 20} MiB free",
                )
            self._append(part, done, first)
            # Whole at last: one rename, so that nobody ever opens half a cache.
            shutil.rmtree(self.folder, ignore_errors=True)
            os.replace(part, self.folder)
            return "built"
        except Exception as error:
            shutil.rmtree(part, ignore_errors=True)
            # A frame that cannot be read: its message says so already.
            if not isinstance(error, OSError) or error.errno is None:
                raise
            raise OSError(
                error.errno,
                f"could not write the cache {self.folder}: {error.strerror}; free some space, set "
                "COURSE_CACHE to a writable folder, or train without a cache (--cache none)",
            ) from error

    def _begin(self, part: Path, index: dict, first) -> int:
        """Make both files end after the last frame that both hold; returns their number of frames.

        A file is the header of its .npy and then frame after frame.
        """
        # Frames of another plan, or of files that have changed, are of no use.
        if read_derived(part / "index.json") != index:
            shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True, exist_ok=True)
        (part / "index.json").write_text(json.dumps(index))

        paths = [part / f"{name}.npy" for name in NAMES]
        done = len(self.rows)
        # A kill may leave half a frame in one file: count whole frames of the shorter file.
        for path, array in zip(paths, first):
            size = path.stat().st_size if path.is_file() else 0
            done = min(done, max(0, size - HEADER_BYTES) // array.nbytes)
        for path, array in zip(paths, first):
            shape = (len(self.rows), *array.shape)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            with open(path, "r+b" if done else "wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                file.truncate(HEADER_BYTES + done * array.nbytes)
        return done

    def _append(self, part: Path, done: int, first) -> None:
        """Write the frames from number `done` on, in order, while all cores decode the next."""
        rows = self.rows[done:]
        pairs = parallel_map(self._read, rows, self.workers)
        bar = progress_bar(pairs, "cache", self.progress, initial=done, total=len(self.rows))
        with open(part / "images.npy", "ab") as images, open(part / "labels.npy", "ab") as labels:
            for row, (image, label) in zip(rows, bar):
                if image.shape != first[0].shape:
                    raise ValueError(
                        f"{self.root / row.image} is kept as {image.shape}, but the first frame, "
                        f"{self.root / self.rows[0].image}, as {first[0].shape}: frames of one "
                        "cache have one size. Train on crops (--view crop --cache none), on "
                        "single frames (--batch-size 1 --cache none), or lay the frames out in "
                        "one size (own_data --size W H)"
                    )
                images.write(image)
                labels.write(label)
