"""Where things are: the project, the dataset root, runs and caches.

The dataset root is an explicit argument, else the environment variable `CITYSCAPES_DATASET` (the
one that Cityscapes' own scripts use), else data/cityscapes if it exists, else the sample city.
Chapter 03 explains it.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HOW_TO_GET_CITYSCAPES = (
    "To download Cityscapes (free account needed): pip install cityscapesscripts, then\n"
    "  csDownload -d data/cityscapes gtFine_trainvaltest.zip leftImg8bit_trainvaltest.zip\n"
    "and unzip both into data/cityscapes. Without an account, use the sample city: python -m "
    "sample_city"
)


def data_dir() -> Path:
    """The folder for data: $COURSE_DATA, else data/ of the project."""
    return Path(os.environ.get("COURSE_DATA") or ROOT / "data")


def sample_city_dir() -> Path:
    """Where the sample city is built."""
    return data_dir() / "sample_city"


def runs_dir() -> Path:
    """Where training runs are written: $COURSE_RUNS, else runs/ of the project."""
    return Path(os.environ.get("COURSE_RUNS") or ROOT / "runs")


def cache_dir() -> Path:
    """Where caches are written: $COURSE_CACHE, else data/cache."""
    return Path(os.environ.get("COURSE_CACHE") or data_dir() / "cache")


def find_root(root=None) -> Path:
    """The dataset root. It builds nothing: the sample city's folder may not exist yet."""
    if root is not None:
        return Path(root)
    if os.environ.get("CITYSCAPES_DATASET"):
        return Path(os.environ["CITYSCAPES_DATASET"])
    real = data_dir() / "cityscapes"
    return real if real.is_dir() else sample_city_dir()


def check_root(root) -> Path:
    """`root` if it has Cityscapes' layout; FileNotFoundError with what is missing if not."""
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"dataset root {root} is no folder.\n{HOW_TO_GET_CITYSCAPES}")
    missing = [name for name in ("leftImg8bit", "gtFine") if not (root / name).is_dir()]
    if missing:
        found = ", ".join(sorted(p.name for p in root.iterdir())[:8]) or "nothing"
        raise FileNotFoundError(
            f"dataset root {root} has no folder {' and no folder '.join(missing)} (found: "
            f"{found}); Cityscapes' layout is <root>/leftImg8bit and <root>/gtFine.\n"
            f"{HOW_TO_GET_CITYSCAPES}"
        )
    return root


def shown(path, root=None) -> str:
    """`path` for printing: relative to `root` or the project, with forward slashes."""
    path = Path(path)
    for base in (root, ROOT, data_dir(), runs_dir(), cache_dir()):
        if base is not None:
            try:
                return path.resolve().relative_to(Path(base).resolve()).as_posix()
            except ValueError:
                continue
    return path.name
