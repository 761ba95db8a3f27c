"""Build the course as a static site: every chapter with its stored outputs, and the prediction
browser as a page.

    python -m scripts.website                # writes site/; open site/index.html, no server needed

Sphinx, MyST-NB and the theme Furo do the work (pip install -r tests/requirements.txt). No notebook
is run. Nothing on a page comes from another host: mathematics is MathML, fonts are the reader's
own. The frames are the sample city's. The workflow .github/workflows/site.yml publishes it.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import nbformat
from PIL import Image

from helpers import command
from helpers.csv_index import Row, find_rows
from helpers.files import write_table
from helpers.paths import ROOT
from scripts.pinned import CITY, build_city, pin

PAGES = [
    "README.md",
    "GLOSSARY.md",
    "TROUBLESHOOTING.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
    "benchmarks/README.md",
]
FILES = ["LICENSE", "CITATION.cff"]  # linked, not pages

# The side bar: captions, and the chapters or pages below each
PARTS = {
    "Begin": ("00",),
    "Ideas": ("01", "02"),
    "Data": ("03", "04", "05"),
    "Model and training": ("06", "07"),
    "Results": ("08", "09"),
    "Further": ("10", "11", "12", "13", "14"),
}
BESIDE = {
    "Help": ["Install and run <README>", "TROUBLESHOOTING", "GLOSSARY"],
    "More": ["browser", "benchmarks/README", "data/README", "CONTRIBUTING", "CHANGELOG"],
}
BROWSER = "prediction_browser.html"
STREET = "kastanienbad_000005"  # the frame on which the browser opens

FRONT_PAGE = """# FCN and U-Net on Cityscapes, from scratch

![A street: left as the camera sees it, right with each pixel in the color of the class that the
U-Net predicts](images/hero.webp)

In fifteen Jupyter notebooks you write a fully convolutional network and a U-Net, train them on
street scenes, measure them as the Cityscapes benchmark does, and browse what they get wrong. A
generated city stands in for Cityscapes, so everything runs on a laptop, without an account.

<p class="doors">
<a class="first" href="notebooks/{first}.html">Begin with 00</a>
<a href="{browser}">Browse predictions</a>
<a href="README.html">Install and run</a>
</p>

<div class="wide"><div class="map">

![The course as a pipeline: CSV files, statistics, dataset, U-Net, training, mIoU, browser; above it
the ideas](images/map.png)

{links}
</div></div>

*Each box of the map opens its chapter.* Here you read the chapters with their stored pictures; to
write your part of each, [run them in Jupyter](README.md#start).
"""
BROWSER_PAGE = f"""# The prediction browser

Chapter 09's browser as one HTML file: validation frames, their truth, what the U-Net and the FCN-8s
make of them, and how sure they are. Sliders, menus and keys work without Python, and the address
always leads back to what is shown.
[Chapter 09](notebooks/09_browse_predictions.ipynb) builds it, and
`python -m extras.browser CHECKPOINT` writes such a page for your own network.

<p class="doors"><a class="first" href="{BROWSER}">Open it in a page of its own</a></p>

<iframe class="browser" src="{BROWSER}" title="The prediction browser"></iframe>
"""


def chapters() -> dict[str, str]:
    """The names of the notebooks, without .ipynb, by their two digits."""
    return {path.name[:2]: path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def map_links() -> str:
    """Links that lie over the boxes of images/map.png, in percent of its size."""
    boxes = json.loads((ROOT / "images" / "map.json").read_text(encoding="utf-8"))
    with Image.open(ROOT / "images" / "map.png") as picture:
        width, height = picture.size
    lines = []
    for number, (left, top, right, bottom) in boxes.items():
        place = (
            f"left:{100 * left / width:.1f}%;top:{100 * top / height:.1f}%;"
            f"width:{100 * (right - left) / width:.1f}%;"
            f"height:{100 * (bottom - top) / height:.1f}%"
        )
        target = f"notebooks/{chapters()[number]}.html"
        lines.append(f'<a href="{target}" style="{place}" aria-label="Chapter {number}"></a>')
    return "\n".join(lines)


def contents() -> str:
    """The side bar, as toctrees of Sphinx."""
    parts = {}
    for caption, numbers in PARTS.items():
        parts[caption] = [f"notebooks/{chapters()[number]}" for number in numbers]
    blocks = []
    for caption, names in {**parts, **BESIDE}.items():
        listed = "\n".join(names)
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n")
    return "\n".join(blocks)


def prepare(source: Path) -> None:
    """Lay out in `source` what Sphinx reads: the repository's texts and notebooks where they are in
    the repository, and a front page.
    """
    for name in [*PAGES, *FILES]:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "images", source / "images", ignore=shutil.ignore_patterns("*.json"))
    (source / "browser.md").write_text(BROWSER_PAGE, encoding="utf-8")
    front = FRONT_PAGE.format(first=chapters()["00"], browser=BROWSER, links=map_links())
    (source / "index.md").write_text(f"{front}\n{contents()}", encoding="utf-8")
    (source / "notebooks").mkdir()
    for name in chapters().values():
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        nbformat.write(readable(notebook), source / "notebooks" / f"{name}.ipynb")


def readable(notebook):
    """The notebook with the folded cells folded, and the alt texts where MyST-NB looks for them."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            cell.source = without_titles(cell.source)
    for cell in notebook.cells:
        options = {}
        if cell is first or cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["tags"] = ["hide-input"]
            what = "Setup" if cell is first else "Code"
            options["code_prompt_show"] = f"{what} (show)"
            options["code_prompt_hide"] = f"{what} (hide)"
        if "alt" in cell.metadata:
            options["image"] = {"alt": cell.metadata["alt"]}
        if options:
            cell.metadata["mystnb"] = options
    return notebook


def without_titles(text: str) -> str:
    """The text with its titles one level lower: a page has one title, in its first cell. What looks
    like a title in a block of code is a comment.
    """
    parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"^# ", "## ", parts[number], flags=re.MULTILINE)
    return "".join(parts)


def street_first() -> list[Row]:
    """The val frames of the tests' city, the street before all others."""
    rows = find_rows(CITY, "val")
    return sorted(rows, key=lambda row: STREET not in row.image)


def write_browser(path: Path, frames: int) -> Path:
    """The prediction browser as one HTML file: U-Net and FCN-8s on frames of the tests' city, the
    street first.
    """
    from extras.browser.page import write_page
    from extras.browser.predictions import Predictions
    from extras.browser.views import State

    checkpoints = ROOT / "data" / "checkpoints"
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "val.csv"
        write_table(index, Row._fields, street_first())
        unet = Predictions(checkpoints / "unet.pt", CITY, csv=index, limit=frames)
        fcn = Predictions(checkpoints / "fcn8s.pt", CITY, csv=index, limit=frames, beside=unet)
    return write_page(path, [unet, fcn], State(), frames)


def build(folder: Path, frames: int = 12) -> list[str]:
    """Write the site in place of `folder`; returns Sphinx's warnings (a link to a missing page is
    one).
    """
    from sphinx.application import Sphinx

    warnings = Warnings()
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "source"
        source.mkdir()
        prepare(source)
        Sphinx(
            source,
            ROOT / "scripts" / "pages",
            Path(work) / "html",
            Path(work) / "doctrees",
            "html",
            status=None,
            warning=warnings,
            freshenv=True,
        ).build()
        write_browser(Path(work) / "html" / BROWSER, frames)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(Path(work) / "html", folder)
    return warnings.lines(source)


class Warnings:
    """A stream that keeps what Sphinx complains about."""

    def __init__(self):
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def lines(self, source: Path) -> list[str]:
        plain = re.sub(r"\x1b\[[\d;]*m", "", self.text).replace(str(source) + "/", "")
        return [line for line in plain.splitlines() if line.strip()]


def main(arguments=None) -> None:
    """Build the site; exits with 1 if Sphinx found something to complain about."""
    argparse.ArgumentParser(
        prog="python -m scripts.website",
        description="Build the course as a static site in site/ (open site/index.html).",
    ).parse_args(arguments)
    missing = [name for name in ("furo", "latex2mathml", "myst_nb") if find_spec(name) is None]
    if missing:
        raise SystemExit(
            f"the site needs {', '.join(missing)}: pip install -r tests/requirements.txt"
        )
    pin()
    build_city()
    target = ROOT / "site"
    found = build(target)
    pages = len(list(target.rglob("*.html")))
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) / 1e6
    print("\n".join([*found, f"site/index.html: {pages} pages, {size:.0f} MB"]))
    sys.exit(bool(found))


if __name__ == "__main__":
    command.run(main)
