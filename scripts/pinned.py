"""What notebooks and tests must not inherit from a machine: the data set, the device, runs, caches,
user settings.

Imported by conftest.py and by scripts/notebooks.py, so that stored outputs and tests come from the
same place.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from helpers.files import locked
from helpers.paths import ROOT

CITY = ROOT / "data" / "test_city"  # a sample city of fixed size and seed, kept between runs

# What a kernel runs first. It leaves no name and no path behind: a notebook finds the project
# alone.
STARTUP = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from scripts.figure_text import describe_figures
describe_figures()
sys.path.remove({str(ROOT)!r})
del sys, describe_figures
"""


def pin() -> None:
    """Set the environment that kernels inherit: a fixed city, the CPU, fresh folders."""
    fresh_folders()
    os.environ.update(
        CITYSCAPES_DATASET=str(CITY),
        COURSE_DEVICE="cpu",
        CUDA_VISIBLE_DEVICES="",  # chapter 07 asks PyTorch itself
        OMP_WAIT_POLICY="PASSIVE",
        PYTHONHASHSEED="0",
        PYDEVD_DISABLE_FILE_VALIDATION="1",
        COLUMNS="100",
        TQDM_DISABLE="1",
    )
    for name in (
        "COURSE_TRACEBACK",
        "MPLBACKEND",
        "MATPLOTLIBRC",
        "CITYSCAPES_RESULTS",
        "CITYSCAPES_EXPORT_DIR",
    ):
        os.environ.pop(name, None)


def fresh_folders() -> None:
    """Empty folders for data, runs, caches and settings: no notebook sees what another one left,
    or touches what a reader has.

    In IPython's is what its kernels run first.
    """
    fresh = Path(tempfile.mkdtemp(prefix="course-"))
    atexit.register(shutil.rmtree, fresh, ignore_errors=True)
    startup = fresh / "ipython" / "profile_default" / "startup" / "figures.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(STARTUP, encoding="utf-8")
    os.environ.update(
        COURSE_DATA=str(fresh / "data"),
        COURSE_RUNS=str(fresh / "runs"),
        COURSE_CACHE=str(fresh / "cache"),
        JUPYTER_CONFIG_DIR=str(fresh / "jupyter"),
        IPYTHONDIR=str(fresh / "ipython"),
    )


def build_city() -> Path:
    """The city of the tests, built or completed: 40 + 20 + 4 frames, seed 1, the sample city's
    defaults.
    """
    from sample_city import build

    with locked(CITY, wait=True):  # the workers of a parallel run all come here
        return build(CITY, train=40, val=20, test=4, seed=1)
