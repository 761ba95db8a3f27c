"""Where things are: the project, the dataset root, runs and caches.

The dataset root is an explicit argument, else the environment variable `CITYSCAPES_DATASET` (the
one that Cityscapes' own scripts use), else data/cityscapes if it is a data set, else the sample
city. Chapter 03 explains it.
"""

import os
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYOUT = ("leftImg8bit", "gtFine")  # the folders that make a data set

HOW_TO_GET_CITYSCAPES = (
    "To download Cityscapes (free account needed):\n"
    "  python -m extras.real_data.cityscapes data/cityscapes\n"
    "Without an account, use the sample city: python -m sample_city"
)


def folder(value) -> Path:
    """A folder as somebody wrote it, absolute.

    Blanks and quotes around it go, ~ is the home folder, and a relative one begins at the project,
    wherever the program runs.
    """
    text = str(value).strip().strip("'\"").strip()
    return ROOT / os.path.expanduser(text)


def _from_environment(name: str, default: Path) -> Path:
    value = os.environ.get(name, "").strip()
    return folder(value) if value else default


def data_dir() -> Path:
    """The folder for data: $COURSE_DATA, else data/ of the project."""
    return _from_environment("COURSE_DATA", ROOT / "data")


def sample_city_dir() -> Path:
    """Where the sample city is built."""
    return data_dir() / "sample_city"


def runs_dir() -> Path:
    """Where training runs are written: $COURSE_RUNS, else runs/ of the project."""
    return _from_environment("COURSE_RUNS", ROOT / "runs")


def cache_dir() -> Path:
    """Where caches are written: $COURSE_CACHE, else data/cache."""
    return _from_environment("COURSE_CACHE", data_dir() / "cache")


def missing_folders(root: Path) -> list[str]:
    """Which of leftImg8bit and gtFine a folder lacks; a data set lacks none."""
    return [name for name in LAYOUT if not (root / name).is_dir()]


def find_root(root=None) -> Path:
    """The dataset root. It builds nothing: the sample city's folder may not exist yet."""
    if root is not None:
        return Path(os.path.expanduser(root))
    if os.environ.get("CITYSCAPES_DATASET", "").strip():
        return folder(os.environ["CITYSCAPES_DATASET"])
    real = data_dir() / "cityscapes"
    if not missing_folders(real):
        return real
    # During a download of 11 GB the course goes on with what is there.
    if real.is_dir():
        missing = " and no ".join(missing_folders(real))
        _say_once(f"{real} has no {missing} yet: the sample city is used")
    return sample_city_dir()


@cache
def _say_once(line: str) -> None:
    """Print a line to stderr, once in a process."""
    print(line, file=sys.stderr)


def origin(root) -> str:
    """Why this is the dataset root, in words for messages."""
    value = os.environ.get("CITYSCAPES_DATASET", "").strip()
    if value and Path(root) == folder(value):
        return f"from CITYSCAPES_DATASET={value}"
    if Path(root) == sample_city_dir():
        return "the sample city"
    if Path(root) == data_dir() / "cityscapes":
        return "the place for Cityscapes"
    return "as given"


def check_root(root) -> Path:
    """`root` if it has Cityscapes' layout; FileNotFoundError with what is missing if not."""
    root = Path(root)
    place = f"dataset root {root.absolute()} ({origin(root)})"
    if not root.is_dir():
        raise FileNotFoundError(f"{place} is no folder.\n{HOW_TO_GET_CITYSCAPES}")
    missing = missing_folders(root)
    if missing:
        names = sorted(path.name for path in root.iterdir())
        found = ", ".join(names[:8]) or "nothing"
        advice = HOW_TO_GET_CITYSCAPES
        deeper = [name for name in names if (root / name / missing[0]).is_dir()]
        if deeper:
            advice = f"{missing[0]} lies one folder too deep: move it out of {root / deeper[0]}"
        elif "gtCoarse" in names:
            advice = (
                "gtCoarse are the coarse labels; the fine ones are another download.\n" + advice
            )
        raise FileNotFoundError(
            f"{place} has no folder {' and no folder '.join(missing)} (found: {found}); "
            f"Cityscapes' layout is <root>/leftImg8bit and <root>/gtFine.\n{advice}"
        )
    return root


def shown(path, root=None) -> str:
    """`path` for printing: relative to `root` or the project, with forward slashes."""
    for base in (root or ROOT, ROOT, data_dir(), runs_dir(), cache_dir()):
        base = Path(base).resolve()
        if Path(path).resolve().is_relative_to(base):
            return Path(path).resolve().relative_to(base).as_posix()
    return Path(path).name
