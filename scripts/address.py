"""Write the public address of the repository into the setup cells and badges.

    python -m scripts.address https://github.com/<owner>/<name>
    python -m scripts.address                     # the address of `git remote get-url origin`

Only sources change (setup cell, badge below each title), not outputs, so nothing needs to be run
again.
"""

import argparse
import importlib
import re
import subprocess
from pathlib import Path

import nbformat

from helpers import command
from helpers.paths import ROOT
from scripts import setup_cell

BADGE = re.compile(r"\n*\[!\[Open in Colab\][^\n]*")


def origin() -> str:
    """The https address of the remote called origin, or ""."""
    result = subprocess.run(
        ["git", "remote", "get-url", "origin"], cwd=ROOT, capture_output=True, text=True
    )
    return re.sub(r"^git@([^:]+):", r"https://\1/", result.stdout.strip()).removesuffix(".git")


def apply(address: str, root: Path = ROOT) -> None:
    """Set ADDRESS in scripts/setup_cell.py of `root`, and bring every notebook in line with it."""
    source = root / "scripts" / "setup_cell.py"
    source.write_text(
        re.sub(r'^ADDRESS = "[^"]*"', f'ADDRESS = "{address}"', source.read_text(), flags=re.M)
    )
    spec = importlib.util.spec_from_file_location("changed_setup_cell", source)
    changed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(changed)
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        next(c for c in notebook.cells if c.cell_type == "code").source = changed.SETUP
        title, badge = notebook.cells[0], changed.badge(path.name, address)
        title.source = BADGE.sub("", title.source) + (f"\n\n{badge}" if badge else "")
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.address", description=__doc__.splitlines()[0]
    )
    parser.add_argument("address", nargs="?", help="default: that of `git remote get-url origin`")
    address = parser.parse_args(arguments).address or origin()
    if not address.startswith("https://"):
        raise SystemExit(
            f"no public https address found ({address or 'no remote called origin'}); give one: "
            "python -m scripts.address https://github.com/<owner>/<name>"
        )
    apply(address)
    print(f"setup cells and badges now use {setup_cell.FOLDER} from {address}")


if __name__ == "__main__":
    command.run(main)
