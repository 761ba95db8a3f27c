"""Chapters 03 to 08 in one set of folders, as a reader runs them: each takes up what the one before
has written.

On the way the test takes a row out of train.csv and changes statistics.json. What the later
chapters print and store shows that they read these files and did not make their own.
"""

import json
import os
import re

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from helpers.checkpoints import load_model
from helpers.csv_index import find_rows, read_csv
from helpers.paths import ROOT

SIZE = 128, 64  # width and height of the frames: chapter 07 trains on 64 rows
CHANGED = [0.1234, 0.2345, 0.3456]  # a mean that no frame has
MADE_NOW = re.compile("was not there|written anew|of other frames")


@pytest.fixture(scope="module")
def frames(city, tmp_path_factory):
    """A data set of seven small frames: four to train on, two to validate on, one for the test."""
    root = tmp_path_factory.mktemp("frames")
    for split, count in (("train", 4), ("val", 2), ("test", 1)):
        for row in find_rows(city, split)[:count]:
            for name in (row.image, row.label):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                small = Image.open(city / name).resize(SIZE, Image.Resampling.NEAREST)
                small.save(root / name)
    return root


def run(chapter: str, environment: dict) -> str:
    """Execute a chapter; returns what it printed."""
    path = next((ROOT / "notebooks").glob(f"{chapter}_*.ipynb"))
    notebook = nbformat.read(path, as_version=4)
    if chapter == "07":  # learning two frames by heart is no link of the chain
        cell = next(c for c in notebook.cells if "steps=200" in c.source)
        cell.source = cell.source.replace("steps=200", "steps=1")
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env={**os.environ, **environment})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def test_each_chapter_reads_what_the_one_before_wrote(frames, tmp_path):
    runs = tmp_path / "runs"
    environment = {
        "CITYSCAPES_DATASET": str(frames),
        "COURSE_RUNS": str(runs),
        "COURSE_DATA": str(tmp_path / "data"),
        "COURSE_CACHE": str(tmp_path / "cache"),
    }

    run("03", environment)
    folder = next((runs / "index").iterdir())
    assert {path.name for path in folder.iterdir()} == {"train.csv", "val.csv", "test.csv"}
    assert len(read_csv(folder / "train.csv")) == 4

    lines = (folder / "train.csv").read_text().splitlines()
    shorter = "\n".join(lines[:-1]) + "\n"
    (folder / "train.csv").write_text(shorter)

    said = run("04", environment)
    assert "\n3 training frames" in said and not MADE_NOW.search(said)
    statistics = json.loads((folder / "statistics.json").read_text())
    assert statistics["pixels"] == 3 * SIZE[0] * SIZE[1]

    statistics["mean"] = CHANGED
    (folder / "statistics.json").write_text(json.dumps(statistics))

    said = run("05", environment)
    assert "\n3 frames\nmean 0.1234 0.2345 0.3456\n" in said and not MADE_NOW.search(said)

    said = run("06", environment)
    assert "train.csv has 3 of 4 frames" in said and not MADE_NOW.search(said)

    said = run("07", environment)
    assert "train.csv has 3 of 4 frames" in said and not MADE_NOW.search(said)
    _, info = load_model(runs / "mine" / "best.pt")
    assert info["mean"] == CHANGED and len(info["history"]) == 20
    assert (folder / "train.csv").read_text() == shorter

    said = run("08", environment)
    assert re.search(r"^yours +\d\.\d+ +\d\.\d+$", said, re.M) and not MADE_NOW.search(said)
