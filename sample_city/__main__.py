"""Build a sample city: python -m sample_city [--root FOLDER] [--train 40] [--val 20] [--test 4]"""

import argparse

from helpers.paths import sample_city_dir, shown
from sample_city.write import build

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m sample_city", description=__doc__.split(":")[0]
    )
    parser.add_argument("--root", default=sample_city_dir())
    for name, default in (("train", 40), ("val", 20), ("test", 4), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--workers", type=int)
    options = vars(parser.parse_args())
    print(f"the sample city is in {shown(build(**options))}")
