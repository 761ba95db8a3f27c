"""Cityscapes' own tools (the package cityscapesscripts) with today's numpy, and kept away from the
data set.

cityscapesscripts 2.3.0 calls `np.in1d`, which numpy 2.4 removed; `np.isin` is its successor and
does the same where the tools use it. As a command, any of the tools
(csEvalPixelLevelSemanticLabeling, csCreateTrainIdLabelImgs, ...):

    python -m extras.benchmark_server.official csEvalPixelLevelSemanticLabeling
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import command
from helpers.paths import ROOT

EVALUATION = "csEvalPixelLevelSemanticLabeling"
INSTALL = "pip install cityscapesscripts"


def installed() -> bool:
    """Whether cityscapesscripts is there; the course itself does not need it."""
    return find_spec("cityscapesscripts") is not None


@contextmanager
def old_numpy_names():
    """Inside `with old_numpy_names():` numpy has `in1d` again if it lacked it; afterwards all is as
    before.
    """
    missing = not hasattr(np, "in1d")
    if missing:
        np.in1d = np.isin
    try:
        yield
    finally:
        if missing:
            del np.in1d


@contextmanager
def old_pillow_modes():
    """Inside, pictures of 32-bit integers (mode I) can be saved as PNG, as 16-bit ones, as pillow
    did up to 12.

    csCreateTrainIdInstanceImgs saves its instance ids that way.
    """
    save = Image.Image.save

    def saving(picture, *arguments, **options):
        if picture.mode == "I":
            picture = Image.fromarray(np.asarray(picture).astype(np.uint16))
        save(picture, *arguments, **options)

    Image.Image.save = saving
    try:
        yield
    finally:
        Image.Image.save = save


def run_tool(name: str, arguments=(), **environment) -> str:
    """What the official command `name` prints, run in a process of its own with `environment`
    added.

    The tools read CITYSCAPES_DATASET and CITYSCAPES_RESULTS when they are imported: hence the
    process. Raises RuntimeError with the tool's own words if it fails or is not installed.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "extras.benchmark_server.official", name, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, **{k: str(v) for k, v in environment.items()}},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name} stopped: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout


def official_scores(root, results) -> dict:
    """The result of csEvalPixelLevelSemanticLabeling for the PNGs below `results` against
    `root`/gtFine/val.

    The tool would write `root`/evaluationResults; here its CITYSCAPES_EXPORT_DIR is a temporary
    folder, so nothing is written into the data set. Keys: classScores, classInstScores,
    categoryScores, averageScoreClasses, ...
    """
    with tempfile.TemporaryDirectory() as export:
        run_tool(
            EVALUATION,
            CITYSCAPES_DATASET=root,
            CITYSCAPES_RESULTS=results,
            CITYSCAPES_EXPORT_DIR=export,
        )
        return json.loads((Path(export) / "resultPixelLevelSemanticLabeling.json").read_text())


def copy_ground_truth(root, rows, folder) -> Path:
    """The label and instance PNGs of some rows of a CSV under `folder`/gtFine/val: what the tool
    evaluates against.
    """
    for row in rows:
        for end in ("labelIds", "instanceIds"):
            name = row.label.replace("labelIds", end)
            target = Path(folder) / "gtFine" / "val" / row.city / Path(name).name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(f"{root}/{name}", target)
    return Path(folder)


def main(arguments=None) -> None:
    name, *arguments = arguments or sys.argv[1:] or [None]
    if name is None:
        raise SystemExit(__doc__)
    if name in ("-h", "--help"):
        print(__doc__)
        return
    found = [
        e
        for e in entry_points(group="console_scripts", name=name)
        if e.module.startswith("cityscapesscripts")
    ]
    if not found:
        raise SystemExit(f"{name} is no command of cityscapesscripts here; install it: {INSTALL}")
    sys.argv = [name, *arguments]
    with old_numpy_names(), old_pillow_modes():
        found[0].load()()


if __name__ == "__main__":
    command.run(main)
