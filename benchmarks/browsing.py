"""How long the next frame takes in the prediction browser: seen for the first time, and again.

    python -m benchmarks.browsing              # writes benchmarks/results/browsing.json

The shipped U-Net and FCN-8s on 20 val frames, which were predicted before: on the page that
`to_html` writes, in Chromium, and in the widget, whose picture a notebook's kernel paints. Needs
what the tests need (tests/requirements.txt), and Chromium.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from benchmarks.data_path import cpu
from extras.browser.widget import PredictionBrowser, browse
from helpers import command
from helpers.files import write_json
from helpers.paths import ROOT
from sample_city import ensure_root

RESULT = ROOT / "benchmarks" / "results" / "browsing.json"
FRAMES = 8  # as many as both keep

DRAW = """async position => {
    const start = performance.now();
    $("position").value = position;
    await draw();
    return performance.now() - start;
}"""


def on_the_page(browser: PredictionBrowser, folder: Path) -> tuple[list[float], list[float]]:
    """Milliseconds of each frame, for the first time and again, in Chromium."""
    path = browser.to_html(folder / "page.html", frames=FRAMES)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = started.new_page()
        page.goto(Path(path).resolve().as_uri())
        page.wait_for_function("document.body.dataset.drawn")
        # The first frame is there already.
        first = [page.evaluate(DRAW, position) for position in range(1, FRAMES)]
        again = [page.evaluate(DRAW, position) for position in range(1, FRAMES)]
        started.close()
    return first, again


def in_the_widget(browser: PredictionBrowser) -> tuple[list[float], list[float]]:
    """Milliseconds of each frame, for the first time and again, in the widget."""
    rounds = []
    for _ in range(2):
        took = []
        for position in range(1, FRAMES):
            start = time.perf_counter()
            browser.position = position
            took.append(1000 * (time.perf_counter() - start))
        rounds.append(took)
    return rounds[0], rounds[1]


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    checkpoints = [ROOT / "data" / "checkpoints" / name for name in ("unet.pt", "fcn8s.pt")]
    root = ensure_root()
    with tempfile.TemporaryDirectory() as folder:
        browse(checkpoints, root)  # predicts all frames and keeps them on the disk
        places = {
            "page": on_the_page(browse(checkpoints, root), Path(folder)),
            "widget": in_the_widget(browse(checkpoints, root)),
        }
    result = {"command": "python -m benchmarks.browsing", "hardware": cpu(), "frames": FRAMES}
    for place, (first, again) in places.items():
        result[place] = {
            "first_ms": round(median(first), 1),
            "again_ms": round(median(again), 1),
            "first_over_again": round(median(a / b for a, b in zip(first, again)), 2),
        }
        print(place, result[place])
    write_json(RESULT, result)


if __name__ == "__main__":
    command.run(main)
