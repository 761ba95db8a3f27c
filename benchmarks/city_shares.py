"""Class shares of the sample city beside those of Cityscapes: targets, what was measured, and their
ratio.

    python -m benchmarks.city_shares [--root data/test_city]

Reads the train labels at full resolution. The targets are rounded shares of the labeled pixels of
Cityscapes' fine train set; figure 1 of the Cityscapes paper (Cordts et al. 2016) shows the pixel
counts that they come from. A rare class has to fill at least 2,000 pixels of a quarter-scale frame,
in two frames of 40 and of 20 at the least: where that and the factor of two contradict each other,
the class is more frequent than in Cityscapes.
"""

import argparse
from pathlib import Path

import numpy as np

from helpers import command
from helpers.csv_index import find_rows
from helpers.files import write_json
from helpers.images import open_label
from helpers.labels import IGNORE, TRAIN_19
from helpers.paths import ROOT

RESULT = ROOT / "benchmarks" / "results" / "city_shares.json"
TARGETS = {
    "road": 0.369,
    "sidewalk": 0.061,
    "building": 0.228,
    "wall": 0.0066,
    "fence": 0.0088,
    "pole": 0.0123,
    "traffic light": 0.0021,
    "traffic sign": 0.0055,
    "vegetation": 0.159,
    "terrain": 0.0116,
    "sky": 0.040,
    "person": 0.0122,
    "rider": 0.0014,
    "car": 0.070,
    "truck": 0.0027,
    "bus": 0.0024,
    "train": 0.0023,
    "motorcycle": 0.0010,
    "bicycle": 0.0041,
}


def shares(root) -> dict:
    """Rows of the table for the train split of `root`: share of the labeled pixels, target, ratio,
    frames.
    """
    counts = np.array(
        [
            np.bincount(TRAIN_19.encode(open_label(f"{root}/{row.label}")).ravel(), minlength=256)
            for row in find_rows(root, "train")
        ]
    )
    seen, total = counts[:, :19], counts[:, :19].sum()
    table = []
    for index, name in enumerate(TRAIN_19.names):
        share = seen[:, index].sum() / total
        table.append(
            {
                "class": name,
                "target": TARGETS[name],
                "measured": round(float(share), 5),
                "ratio": round(float(share / TARGETS[name]), 2),
                "frames": int((seen[:, index] > 0).sum()),
                "frames_with_2000_at_quarter_scale": int((seen[:, index] >= 2000 * 16).sum()),
            }
        )
    return {
        "void": round(float(counts[:, IGNORE].sum() / counts.sum()), 4),
        "frames": len(counts),
        "classes": table,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT / "data" / "test_city")
    root = parser.parse_args().root
    result = {
        "command": "python -m benchmarks.city_shares",
        "data": f"{root.name}, train: sample city 1, seed 1",
        "source": "Cityscapes fine train, rounded; counts: Cordts et al. 2016, figure 1",
        **shares(root),
    }
    write_json(RESULT, result)
    for row in result["classes"]:
        mark = (
            ""
            if 0.5 <= row["ratio"] <= 2
            else "  more frequent on purpose"
            if row["ratio"] > 2
            else "  rarer"
        )
        print(
            f"{row['class']:14s} {row['target']:.4f} {row['measured']:.4f} "
            f"{row['ratio']:5.2f}{mark}"
        )


if __name__ == "__main__":
    command.run(main)
