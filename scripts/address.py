"""Write the public address of the repository into the setup cells, badges and README; without an
address, pack the project for Colab.

    python -m scripts.address https://github.com/<owner>/<name>
    python -m scripts.address                     # the address of `git remote get-url origin`
    python -m scripts.address --again             # the present one, into notebooks that lack it
    python -m scripts.address --zip               # course.zip, which the setup cell unpacks

Only sources change (setup cell, badge below each title, the clone line), not outputs, so nothing
needs to be run again.
"""

import argparse
import importlib
import re
import subprocess
import zipfile
from pathlib import Path

import nbformat

from helpers import command
from helpers.files import atomic_file
from helpers.paths import ROOT, shown
from scripts import setup_cell

ARCHIVE = ROOT / "course.zip"
CLONE_LINE = re.compile(r"^git clone .* segmentation-course$", re.M)
NO_ADDRESS = "<address of this page>"
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

    readme = root / "README.md"
    line = f"git clone {address or NO_ADDRESS} {setup_cell.FOLDER}"
    text = CLONE_LINE.sub(line, readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8", newline="\n")


def pack(path: Path) -> int:
    """Write what git knows of the project into a zip archive; returns the number of files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    if listed.returncode != 0 or not names:
        raise OSError("course.zip is made in a clone: git lists what belongs to the project")
    with atomic_file(path) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.write(ROOT / name, name)
    return len(names)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.address", description=__doc__.splitlines()[0]
    )
    parser.add_argument("address", nargs="?", help="default: that of `git remote get-url origin`")
    parser.add_argument("--again", action="store_true", help="write the present address anew")
    parser.add_argument("--zip", action="store_true", help="write course.zip for Colab")
    args = parser.parse_args(arguments)
    if args.zip:
        count = pack(ARCHIVE)
        print(
            f"{shown(ARCHIVE)}: {count} files, {ARCHIVE.stat().st_size / 1e6:.1f} MB. In Colab "
            "upload a notebook, then this file beside it (Files, on the left) or to your Drive."
        )
        return
    if args.again:
        apply(setup_cell.ADDRESS)
        print("setup cells, badges and README have the present address")
        return
    address = args.address or origin()
    if not address.startswith("https://"):
        raise SystemExit(
            f"no public https address was found ({address or 'no remote called origin'}); give "
            "one: python -m scripts.address https://github.com/<owner>/<name>"
        )
    apply(address)
    print(f"setup cells and badges now use {setup_cell.FOLDER} from {address}")


if __name__ == "__main__":
    command.run(main)
