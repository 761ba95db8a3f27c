"""Execute notebooks from top to bottom and store them in one canonical form.

    python -m scripts.notebooks                        # all of them
    python -m scripts.notebooks notebooks/03*.ipynb

Runs in the pinned environment of the tests, puts the setup cell in, drops widget states and times,
and refuses to store an error, a warning, a path of this machine, or a notebook of more than 800 kB.
"""

import argparse
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from helpers import command
from helpers.paths import ROOT
from scripts.pinned import build_city, fresh_folders, pin
from scripts.setup_cell import SETUP

LIMIT = 800_000
WIDGETS = ("application/vnd.jupyter.widget-view+json", "application/vnd.jupyter.widget-state+json")
MACHINE = re.compile(r"(/root/|/home/|/tmp/|/work/|/Users/|/var/|[A-Z]:\\\\)[\w.\-/]*")


def problems(notebook) -> list[str]:
    """What must not be stored: errors, warnings, machine paths."""
    found = []
    for number, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        for output in cell.outputs:
            text = output.get("text", "") + "".join(
                str(v) for k, v in output.get("data", {}).items() if not k.startswith("image/")
            )
            if output.output_type == "error":
                found.append(f"cell {number}: {output.ename}: {output.evalue}")
            if output.get("name") == "stderr" or "Warning" in text:
                found.append(f"cell {number}: a warning or something on stderr: {text[:200]}")
            if MACHINE.search(text):
                found.append(f"cell {number}: a path of this machine: {MACHINE.search(text)[0]}")
    return found


def canonical(notebook):
    """Drop what differs from run to run and from machine to machine."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
            for kind in WIDGETS:
                output.get("data", {}).pop(kind, None)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    first = next(c for c in notebook.cells if c.cell_type == "code")
    first.source = SETUP
    fresh_folders()
    NotebookClient(
        notebook,
        timeout=900,
        startup_timeout=120,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    ).execute()
    found = problems(canonical(notebook))
    if found:
        raise SystemExit(f"{path.name} was not stored:\n  " + "\n  ".join(found))
    nbformat.validate(notebook)
    text = nbformat.writes(notebook)
    if len(text) > LIMIT:
        raise SystemExit(
            f"{path.name} was not stored: {len(text)} bytes, at most {LIMIT}; store smaller figures"
        )
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
    print(f"{path.name}: {len(text)} bytes")


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.notebooks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of them")
    options = parser.parse_args(arguments)
    pin()
    build_city()
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        run(path)


if __name__ == "__main__":
    command.run(main)
