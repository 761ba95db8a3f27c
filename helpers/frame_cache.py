"""A cache of decoded frames: uint8 arrays on disk, read through memory maps. Chapter 05 shows what
it saves.

Decoding a 2048x1024 PNG costs more than a step of a thin network. The cache keeps what the view
needs: the center crops (1.1 MB a frame, so 3.1 GiB for the 2,975 training frames), or the whole
reduced frames. It is bit-equal to the uncached path, is rebuilt when a source file changes, and
stays usable when the sources are gone.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from dataclasses import asdict
from pathlib import Path

import numpy as np

from helpers.dataset import read_pair
from helpers.labels import TRAIN_19, LabelSet
from helpers.paths import cache_dir
from helpers.progress import progress_bar
from helpers.windows import View


class FrameCache:
    """`cache[i]` gives (image uint8 [H, W, 3], label ids uint8 [h, w]) of row i, from a folder of
    memory maps.

    `cropped=True` keeps center crops (View "crop" only, no random crops then), else whole (reduced)
    frames, out of which random crops can be cut. Builds the folder on first use; `.state` is
    "built", "ready" or "sources gone".
    """

    def __init__(
        self,
        rows,
        root,
        view: View = View(),
        label_set: LabelSet = TRAIN_19,
        cropped: bool = False,
        folder=None,
        progress: bool = True,
    ):
        if cropped and view.kind != "crop":
            raise ValueError("cropped=True keeps center crops, so the view must be a crop")
        self.rows, self.root, self.view, self.cropped = list(rows), Path(root), view, cropped
        self.label_set, self.progress = label_set, progress
        plan = {"rows": self.rows, "view": asdict(view), "cropped": cropped, "format": 1}
        key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = Path(folder) if folder else cache_dir() / f"{self.root.name}-{key}"
        found, now = self._stored(), self._fingerprint()
        if found is not None and found["key"] == key and now == found["sources"]:
            self.state = "ready"
        elif found is not None and found["key"] == key and not any(now):
            self.state = "sources gone"
            print(f"cache: the source frames are gone, reading the {len(self.rows)} stored ones")
        else:
            self.state = "built"
            self._build({"key": key, "sources": now})
        self._open()

    def _open(self) -> None:
        self.images, self.labels = (
            np.load(self.folder / f"{n}.npy", mmap_mode="r") for n in ("images", "labels")
        )

    def __getstate__(
        self,
    ) -> dict:  # a worker process maps the files itself; pickling a map would copy all of it
        return {
            name: value for name, value in vars(self).items() if name not in ("images", "labels")
        }

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state)
        self._open()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[index], self.labels[index]

    def _stored(self) -> dict | None:
        try:
            return json.loads((self.folder / "index.json").read_text())
        except (OSError, ValueError):
            return None

    def _fingerprint(self) -> list:
        """Size and time of change of every source file; None for one that is not there."""

        def state(path):
            try:
                info = os.stat(self.root / path)
                return [info.st_size, info.st_mtime_ns]
            except OSError:
                return None

        return [state(path) for row in self.rows for path in (row.image, row.label) if path]

    def _read(self, row):
        image, label = read_pair(row, self.root, self.view, self.label_set)
        return self.view.pair(image, label) if self.cropped else (image, label)

    def _build(self, index: dict) -> None:
        first = self._read(self.rows[0])
        need = sum(a.nbytes for a in first) * len(self.rows)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder.parent).free
        if need > free:
            raise OSError(
                errno.ENOSPC,
                f"the cache needs {need >> 20} MiB but {self.folder.parent} has {free >> 20} "
                "MiB free; set COURSE_CACHE to a larger disk or train without a cache",
            )
        temporary = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex[:8]}")
        try:
            temporary.mkdir()
            with (
                open(temporary / "images.npy", "wb") as images,
                open(temporary / "labels.npy", "wb") as labels,
            ):
                for file, array in zip(
                    (images, labels), first
                ):  # the .npy header, then frame after frame
                    header = {
                        "descr": "|u1",
                        "fortran_order": False,
                        "shape": (len(self.rows), *array.shape),
                    }
                    np.lib.format.write_array_header_1_0(file, header)
                for row in progress_bar(self.rows, "cache", self.progress):
                    for file, array, like in zip((images, labels), self._read(row), first):
                        if array.shape != like.shape:
                            raise ValueError(
                                f"{row.image} gives {array.shape}, but the first frame "
                                f"{like.shape}: frames of one cache have one size; use "
                                "cropped=True or no cache"
                            )
                        file.write(np.ascontiguousarray(array).tobytes())
            (temporary / "index.json").write_text(json.dumps(index))
            if self.folder.exists():
                shutil.rmtree(self.folder)
            os.replace(temporary, self.folder)
        except OSError as error:
            if error.errno is None:  # a frame that cannot be read: its message says so already
                raise
            raise OSError(
                error.errno,
                f"could not write the cache {self.folder} ({need >> 20} MiB): {error.strerror}"
                "; free some space or set COURSE_CACHE, nothing was lost",
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
