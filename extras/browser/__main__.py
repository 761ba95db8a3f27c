"""Write the prediction browser of a checkpoint as one HTML page, and open it.

    python -m extras.browser runs/first/best.pt
    python -m extras.browser runs/first/best.pt --root data/mine --frames 30

Chapter 09 has the same browser inside a notebook.
"""

import argparse
import webbrowser
from pathlib import Path

from extras.browser.page import do_not_share, write_page
from extras.browser.predictions import Predictions
from extras.browser.views import State
from helpers import command
from helpers.paths import ROOT, runs_dir, shown
from helpers.sizes import require


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.browser", description=__doc__.splitlines()[0]
    )
    parser.add_argument("checkpoint")
    command.add_root(parser)
    parser.add_argument("--split", default="val")
    parser.add_argument("--frames", type=int, default=12, help="how many frames (default: 12)")
    parser.add_argument("--output", help="the page (default: runs/browser.html)")
    parser.add_argument("--no-open", action="store_true", help="write the page only")
    args = parser.parse_args(arguments)
    require(1, 1e9, frames=args.frames)
    root = command.ensure_data(args.root)
    predictions = Predictions(args.checkpoint, root, args.split, limit=args.frames)
    path = Path(args.output or runs_dir() / "browser.html")
    path = write_page(path, [predictions], State(), args.frames)
    place = shown(path) if path.resolve().is_relative_to(ROOT) else path.resolve()
    print(f"{place}: {len(predictions.scores)} frames, {path.stat().st_size / 1e6:.1f} MB")
    for why in predictions.problems.values():
        print(f"left out: {why}")
    warning = do_not_share(predictions)
    if warning:
        print(warning)
    if not args.no_open:
        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    command.run(main)
