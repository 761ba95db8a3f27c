"""The chapters run on other frames than those whose outputs they store: six small ones of odd sizes
to train on and one to validate on, with label ids and nothing else, and no test split.
"""

import os

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from helpers.csv_index import find_rows
from helpers.paths import ROOT

SLOW = ("11", "14")  # a minute for calls that 05 and 07 make as well
NOTEBOOKS = [
    path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if not path.name.startswith(SLOW)
]
SIZE = 480, 360  # CamVid's: 360 is no multiple of 16, and far below 572


@pytest.fixture(scope="module")
def photographs(city, tmp_path_factory):
    """Frames of the sample city reduced to CamVid's size and named like its drives, with label ids
    alone.
    """
    root = tmp_path_factory.mktemp("photographs")
    for split, count, drive in (("train", 6, "0001tp"), ("val", 1, "0016e5")):
        for number, row in enumerate(find_rows(city, split)[:count]):
            stem = f"{drive}_000000_{number:06d}"
            for source, folder, end in (
                (row.image, "leftImg8bit", "leftImg8bit"),
                (row.label, "gtFine", "gtFine_labelIds"),
            ):
                path = root / folder / split / drive / f"{stem}_{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.open(city / source).resize(SIZE, Image.Resampling.NEAREST).save(path)
    return root


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapter_runs_on_other_frames(path, photographs, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(
        env={
            **os.environ,
            "CITYSCAPES_DATASET": str(photographs),
            "COURSE_RUNS": str(tmp_path / "runs"),
            "COURSE_CACHE": str(tmp_path / "cache"),
        }
    )
    streams = [
        o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream"
    ]
    assert streams and not [o.text for o in streams if o.name == "stderr"]
