"""Does strict nbval notice a stored output that is wrong? One change in every compared cell, then
each must fail.

    python -m scripts.changed_outputs 01 03 04 05 06 08     # some minutes

The changes: a digit of a number, of a shape, of a table's cell, a class name, and a figure's
number, color or legend text. They are made in copies of the notebooks below runs/. Writes
benchmarks/results/changed_outputs.json.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat

from helpers import command
from helpers.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "changed_outputs.json"
SEED = 10
NAMES = [
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
]
KINDS = {  # what is replaced; within figures the text that describes their data
    "figure's legend": r"(?<=legend )\w+",
    "figure's color": r"#[0-9a-f]{6}",
    "figure's number": r"(?<= mean )\d",
    "class name": rf"\b(?:{'|'.join(NAMES)})\b",
    "shape": r"(?<=[(\[])\d+(?=, \d+)|\d+x\d+",
    "table cell": r"(?<=  )\d+\.?\d*(?=\n|  )",
    "number": r"\d+",
}


def other(found: str, generator: random.Random) -> str:
    """Another text of the same kind."""
    if found in NAMES:
        return generator.choice([n for n in NAMES if n != found])
    digits = [i for i, c in enumerate(found) if c.isdigit()]
    if not digits:
        return found[::-1] if found != found[::-1] else found + "s"
    place = generator.choice(digits)
    return (
        found[:place] + str((int(found[place]) + generator.randint(1, 9)) % 10) + found[place + 1 :]
    )


def change(notebook, generator: random.Random) -> dict:
    """Change every compared cell at one place; {index of the code cell: (kind, before, after)}."""
    changes, used = {}, dict.fromkeys(KINDS, 0)
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    for index, cell in enumerate(cells):
        texts = [
            (o, "text") if "text" in o else (o["data"], "text/plain")
            for o in cell.outputs
            if "text" in o or "text/plain" in o.get("data", {})
        ]
        if not texts or "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        holder, key = generator.choice(texts)
        found = {
            kind: list(re.finditer(pattern, holder[key]))
            for kind, pattern in KINDS.items()
            if kind.startswith("figure") == holder[key].startswith("Figure ")
        }
        kind = min((k for k in found if found[k]), key=used.get, default=None)
        if kind:
            used[kind] += 1
            match = generator.choice(found[kind])
            new = other(match[0], generator)
            holder[key] = holder[key][: match.start()] + new + holder[key][match.end() :]
            changes[index] = kind, match[0], new
    return changes


def main(chapters: list[str]) -> None:
    """Change the stored outputs of these chapters ("01", "03"), run strict nbval on the copies."""
    results = json.loads(RESULTS.read_text())["chapters"] if RESULTS.exists() else {}
    for chapter in chapters:
        [path] = (ROOT / "notebooks").glob(f"{chapter}_*.ipynb")
        notebook = nbformat.read(path, as_version=4)
        changes = change(notebook, random.Random(f"{SEED} {chapter}"))
        changed = ROOT / "runs" / path.name
        changed.parent.mkdir(exist_ok=True)
        try:
            nbformat.write(notebook, changed)
            with tempfile.TemporaryDirectory() as folder:
                report = Path(folder) / "report.xml"
                subprocess.run(
                    [
                        sys.executable,
                        "-m",
                        "pytest",
                        "--nbval",
                        "-q",
                        "-p",
                        "no:cacheprovider",
                        str(changed),
                        f"--junitxml={report}",
                    ],
                    cwd=ROOT,
                    stdout=subprocess.DEVNULL,
                )
                cases = ElementTree.parse(report).iter("testcase")
                red = [
                    int(re.search(r"\d+$", c.get("name"))[0])
                    for c in cases
                    if c.find("failure") is not None
                ]
        finally:
            changed.unlink(missing_ok=True)
        kinds = {k: sum(c[0] == k for c in changes.values()) for k in KINDS}
        results[chapter] = {
            "changed": len(changes),
            "noticed": len(set(red) & set(changes)),
            "red though unchanged": sorted(set(red) - set(changes)),
            "kinds": kinds,
            "missed": [changes[i] for i in sorted(set(changes) - set(red))],
        }
        RESULTS.write_text(
            json.dumps(
                {
                    "command": f"python -m scripts.changed_outputs {' '.join(sorted(results))}",
                    "seed": SEED,
                    "chapters": dict(sorted(results.items())),
                },
                indent=1,
            )
            + "\n"
        )
        print(chapter, results[chapter], flush=True)


def from_command_line() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.changed_outputs",
        description="Change one stored output per cell; strict nbval must notice each.",
    )
    parser.add_argument("chapters", nargs="+", help="01 03 04 ...")
    main(parser.parse_args().chapters)


if __name__ == "__main__":
    command.run(from_command_line)
