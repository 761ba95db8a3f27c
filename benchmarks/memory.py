"""Peak memory of every core chapter's kernel; none may need more than 3 GB.

    python -m benchmarks.memory            # all core chapters; writes results/memory.json
    python -m benchmarks.memory notebooks/07*.ipynb --no-write

Each notebook is executed in the pinned environment of the tests (sample city, CPU) and is not
stored; a last cell asks the kernel for the peak of its resident memory, and of that of its child
processes. Mapped files count as far as they were read, so this errs on the high side. Frames and
caches are read one at a time: the size of the data set has no part in it. Not for Windows (it has
no `resource` module).
"""

import argparse
import platform
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from helpers import command
from helpers.files import write_json
from helpers.paths import ROOT
from scripts.pinned import build_city, pin

RESULT = ROOT / "benchmarks" / "results" / "memory.json"
LIMIT_MB = 3000
QUESTION = """import resource, sys
unit = 1 if sys.platform == "darwin" else 1024
everybody = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(*[resource.getrusage(who).ru_maxrss * unit for who in everybody])"""


def peak(path: Path) -> dict:
    """Peak memory of a notebook's kernel and of the largest of its child processes, in MB."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(QUESTION))
    NotebookClient(
        notebook,
        timeout=1200,
        startup_timeout=240,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.resolve().parent)}},
    ).execute()
    kernel, child = (int(value) / 1e6 for value in notebook.cells[-1].outputs[0].text.split())
    return {"chapter": path.stem, "kernel_mb": round(kernel), "largest_child_mb": round(child)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    pin()
    build_city()
    rows = []
    for path in args.notebooks or sorted((ROOT / "notebooks").glob("0*.ipynb")):
        rows.append(peak(path))
        print(rows[-1], flush=True)
    result = {
        "command": " ".join(["python -m benchmarks.memory", *sys.argv[1:]]),
        "machine": platform.machine(),
        "limit_mb": LIMIT_MB,
        "rows": rows,
    }
    if not args.no_write:
        write_json(RESULT, result)
    above = [
        row["chapter"] for row in rows if row["kernel_mb"] + row["largest_child_mb"] > LIMIT_MB
    ]
    if above:
        raise SystemExit(f"more than {LIMIT_MB} MB: {', '.join(above)}")


if __name__ == "__main__":
    command.run(main)
