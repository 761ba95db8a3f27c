"""Write the notebooks for a class: without solutions and answers, without outputs.

    python -m scripts.for_class                       # class/, all chapters
    python -m scripts.for_class 00 01 02              # some
    python -m scripts.for_class --outputs             # stored outputs stay
    python -m scripts.for_class --to monday

Hints stay, and so do the checkers. The folder lies in the project, so links and the setup cell work
there as they do in notebooks/.
"""

import argparse
import re
from pathlib import Path

import nbformat

from helpers import command
from helpers.files import write_text
from helpers.paths import ROOT, shown

FOLDED = re.compile(r"\n*[ \t]*<details>\s*<summary>([^<]*)</summary>.*?</details>", re.DOTALL)


def is_given_away(summary: str) -> bool:
    """Whether what is folded under this line is what the class should find."""
    return "hint" not in summary.lower()


def without_solutions(notebook, outputs: bool = False):
    """The notebook without folded solutions and answers; a cell that held nothing else goes."""

    def strip(found) -> str:
        return "" if is_given_away(found[1]) else found[0]

    kept = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            before = cell.source
            cell.source = FOLDED.sub(strip, before).strip("\n")
            if before.strip() and not cell.source.strip():
                continue
        elif not outputs:
            cell.outputs, cell.execution_count = [], None
        kept.append(cell)
    notebook.cells = kept
    return notebook


def write(folder: Path, numbers: list[str], outputs: bool) -> list[Path]:
    """Write the chapters `numbers`, all if there are none, into `folder`; returns their paths."""
    chapters = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    unknown = [number for number in numbers if number not in chapters]
    if unknown:
        raise ValueError(f"no chapter {', '.join(unknown)}; there are {', '.join(chapters)}")
    written = []
    for number in numbers or chapters:
        path = chapters[number]
        notebook = without_solutions(nbformat.read(path, as_version=4), outputs)
        written.append(write_text(folder / path.name, nbformat.writes(notebook) + "\n"))
    return written


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.for_class", description=__doc__.splitlines()[0]
    )
    parser.add_argument("chapters", nargs="*", help="two digits each (default: all)")
    parser.add_argument("--to", default="class", help="folder in the project (default: class)")
    parser.add_argument("--outputs", action="store_true", help="keep the stored outputs")
    args = parser.parse_args(arguments)
    folder = ROOT / args.to
    if folder.resolve() == (ROOT / "notebooks").resolve():
        raise ValueError("notebooks/ keeps its solutions: choose another folder")
    written = write(folder, args.chapters, args.outputs)
    print(f"{shown(folder)}: {len(written)} notebooks without solutions")


if __name__ == "__main__":
    command.run(main)
