"""Write the CSV files of a dataset root, one for each split, and check every file that they name.

    python -m extras.pipeline.index --root data/cityscapes

Chapter 03 builds these files; they go where training and evaluation look for them.
"""

import argparse

from helpers import command
from helpers.csv_index import SPLITS, check_csv, index_folder, write_csv
from helpers.files import listed
from helpers.paths import check_root, shown


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.pipeline.index", description=__doc__.splitlines()[0]
    )
    command.add_root(parser)
    args = parser.parse_args(arguments)
    root = check_root(command.ensure_data(args.root))
    paths = []
    for split in SPLITS:
        if not (root / "leftImg8bit" / split).is_dir() and split == "test":
            print("no test split here")
            continue
        path = index_folder(root) / f"{split}.csv"
        count = write_csv(root, split, path)
        paths.append(path)
        print(f"{shown(path)}: {count} frames")
    problems = check_csv(paths, root)
    if problems:
        raise ValueError(f"the files are not all as they should be:{listed(problems)}")
    print("every file is there, can be read, and fits its label")


if __name__ == "__main__":
    command.run(main)
