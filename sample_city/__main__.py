"""Build a sample city: python -m sample_city [--root FOLDER] [--train 40] [--val 20] [--test 4]"""

import argparse

from helpers import command
from helpers.paths import sample_city_dir
from sample_city.write import build


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m sample_city", description=__doc__.split(":")[0]
    )
    parser.add_argument("--root", default=sample_city_dir())
    for name in ("train", "val", "test"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int)
    options = vars(parser.parse_args())
    try:
        place = build(**options)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command makes the missing frames") from None
    print(f"the sample city is in {place.absolute()}")


if __name__ == "__main__":
    command.run(main)
