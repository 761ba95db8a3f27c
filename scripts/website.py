"""Build the course as a static site: every chapter with its stored outputs, and the prediction
browser as a page.

    python -m scripts.website                # writes site/; open site/index.html, no server needed

Sphinx, MyST-NB and the theme Furo do the work (pip install -r tests/requirements.txt). No notebook
is run. Nothing on a page comes from another host: mathematics is MathML, fonts are the reader's
own. The frames are the sample city's.
"""

import argparse
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import nbformat

from helpers import command
from helpers.paths import ROOT
from scripts.pinned import CITY, build_city, pin

PAGES = [
    "README.md",
    "GLOSSARY.md",
    "TROUBLESHOOTING.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "data/README.md",
]
BESIDE = ["browser", "GLOSSARY", "TROUBLESHOOTING", "data/index", "CONTRIBUTING", "CHANGELOG"]
FILES = ["LICENSE", "CITATION.cff"]  # linked, not pages
BROWSER = "prediction_browser.html"
BROWSER_PAGE = f"""# The prediction browser

Chapter 09's browser as one HTML file: twelve validation frames, their truth, what the U-Net and
the FCN-8s make of them, and how sure they are, worst frame first. Sliders, menus and keys work
without Python, and the address always leads back to what is shown.

<p><a href="{BROWSER}"><strong>Open the prediction browser</strong></a></p>

![The prediction browser: frame, truth and prediction side by side, with slider, order and
opacity](images/browser.png)

[Chapter 09](notebooks/09_browse_predictions.ipynb) builds it; `to_html` writes such a page for your
own checkpoint.
"""


def prepare(source: Path) -> None:
    """Lay out in `source` what Sphinx reads: the repository's texts and notebooks where they are in
    the repository.
    """
    for name in [*PAGES, *FILES]:
        target = source / name.replace("README", "index")
        target.parent.mkdir(parents=True, exist_ok=True)
        text = linked((ROOT / name).read_text(encoding="utf-8"))
        text = text.replace(
            "browser.png)](notebooks/09_browse_predictions.ipynb)", "browser.png)](browser.md)"
        )
        target.write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "images", source / "images", ignore=shutil.ignore_patterns("*.json"))
    (source / "browser.md").write_text(BROWSER_PAGE, encoding="utf-8")
    (source / "notebooks").mkdir()
    chapters = sorted((ROOT / "notebooks").glob("*.ipynb"))
    for path in chapters:
        nbformat.write(
            readable(nbformat.read(path, as_version=4)), source / "notebooks" / path.name
        )
    contents = {"Chapters": [f"notebooks/{path.stem}" for path in chapters], "Beside them": BESIDE}
    with open(source / "index.md", "a", encoding="utf-8") as index:
        for caption, names in contents.items():
            index.write(
                "\n```{toctree}\n:hidden:\n:caption: "
                + caption
                + "\n\n"
                + "\n".join(names)
                + "\n```\n"
            )


def linked(text: str) -> str:
    """The text with its links to the README, which is the site's first page."""
    return text.replace("README.md)", "index.md)")


def readable(notebook):
    """The notebook with the setup cell folded, and the alt texts where MyST-NB looks for them."""
    next(c for c in notebook.cells if c.cell_type == "code").metadata["tags"] = ["hide-input"]
    for cell in notebook.cells:
        cell.source = linked(cell.source) if cell.cell_type == "markdown" else cell.source
        if "alt" in cell.metadata:
            cell.metadata["mystnb"] = {"image": {"alt": cell.metadata["alt"]}}
    return notebook


def write_browser(path: Path, frames: int) -> Path:
    """The prediction browser as one HTML file: U-Net and FCN-8s on frames of the tests' city."""
    from extras.browser.page import write_page
    from extras.browser.predictions import Predictions
    from extras.browser.views import State

    checkpoints = ROOT / "data" / "checkpoints"
    unet = Predictions(checkpoints / "unet.pt", CITY, limit=frames)
    fcn = Predictions(checkpoints / "fcn8s.pt", CITY, limit=frames, beside=unet)
    return write_page(path, [unet, fcn], State(order="worst first"), frames)


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
