"""Compute mean and standard deviation of the training frames and store them in statistics.json.

    python -m extras.pipeline.statistics --root data/cityscapes

Chapter 04 derives them; training reads them from there.
"""

import argparse

from helpers import command
from helpers.csv_index import find_index, read_csv
from helpers.normalization import channel_statistics, write_statistics
from helpers.paths import check_root, shown


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.pipeline.statistics", description=__doc__.splitlines()[0]
    )
    command.add_root(parser)
    args = parser.parse_args(arguments)
    root = check_root(command.ensure_data(args.root))
    rows = read_csv(find_index(root, "train"))
    statistics = channel_statistics([root / row.image for row in rows], progress=True)
    path = write_statistics(root, rows, statistics)
    for name in ("mean", "std"):
        red, green, blue = getattr(statistics, name)
        print(f"{name:4s} red {red:.4f}, green {green:.4f}, blue {blue:.4f}")
    print(f"of {statistics.pixels:,} pixels in {len(rows)} frames: {shown(path)}")


if __name__ == "__main__":
    command.run(main)
