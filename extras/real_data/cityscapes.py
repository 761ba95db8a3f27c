"""Cityscapes in one command: account, download, check, unpack, count (chapter 13).

    python -m extras.real_data.cityscapes data/cityscapes

It asks for your account at cityscapes-dataset.com (free) and keeps the password nowhere. After an
interruption the same command goes on. Archives that lie in the folder already are taken, whoever
downloaded them.
"""

import argparse
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

from extras.real_data.archives import Limits, unpack_over
from helpers import command
from helpers.csv_index import IMAGE_END, LABEL_END
from helpers.paths import data_dir, folder, missing_folders, shown

# The archives, and how large they are: 241 MB and 11 GB.
PACKAGES = ("gtFine_trainvaltest.zip", "leftImg8bit_trainvaltest.zip")
LIMITS = Limits(archive=20 << 30, file=64 << 20, total=40 << 30, entries=100_000)
FRAMES = {"train": 2975, "val": 500, "test": 1525}
# Share of each class among the labeled pixels of the training frames, in the order of TRAIN_19
# (chapter 03). Recovered from the class weights in CGNet's public code, which are
# 1 / ln(1.10 + share); that these shares add up to one confirms it.
CLASS_SHARES = (
    0.369922, 0.059900, 0.226910, 0.006669, 0.008702, 0.012635, 0.002070,
    0.005691, 0.161159, 0.011121, 0.039173, 0.012287, 0.001463, 0.069325,
    0.002724, 0.002573, 0.002159, 0.000959, 0.004559,
)  # fmt: skip
DOWNLOADER = "cityscapesscripts.download.downloader"


def get_cityscapes(root) -> Path:
    """Cityscapes at `root`, whole: what is missing is downloaded, checked and unpacked.

    Raises ValueError for a refused account, a broken archive, or frames that are missing in the
    end; OSError where the server is not reached. What was done is kept: the next call goes on.
    """
    root = Path(root)
    if root.is_file():
        raise ValueError(f"{root} is a file; give a folder")
    root.mkdir(parents=True, exist_ok=True)
    if not missing_frames(root):
        return root
    session = None
    for package in PACKAGES:
        done = root / f".{package}.unpacked"
        if done.is_file():
            continue
        archive = root / package
        was_there = zipfile.is_zipfile(archive)  # one that is cut off has no end, where its list is
        if was_there:
            print(f"{shown(archive)} is there and is taken")
        else:
            session = session or log_in()
            fetch(session, archive)
        try:
            unpack_over(archive, root, LIMITS)
        except ValueError:
            if not was_there:
                archive.unlink()
            raise
        done.touch()
        if not was_there:
            archive.unlink()
    missing = missing_frames(root)
    if missing:
        for package in PACKAGES:
            (root / f".{package}.unpacked").unlink(missing_ok=True)
        raise ValueError(
            f"{root} is not whole: {'; '.join(missing)}. The same command unpacks what is missing"
        )
    return root


def missing_frames(root) -> list[str]:
    """What the folder lacks, a line per split and kind; empty for the whole data set."""
    if missing_folders(Path(root)):
        return [f"no folder {name}" for name in missing_folders(Path(root))]
    lines = []
    for split, expected in FRAMES.items():
        for kind, end in (("leftImg8bit", IMAGE_END), ("gtFine", LABEL_END)):
            found = sum(1 for _ in (Path(root) / kind / split).glob(f"*/*{end}"))
            if found != expected:
                lines.append(f"{kind}/{split} has {found:,} of {expected:,} frames")
    return lines


def downloader():
    """Cityscapes' own download module; its package is installed if it is missing."""
    try:
        return importlib.import_module(DOWNLOADER)
    except ImportError:
        pass
    install = [sys.executable, "-m", "pip", "install", "--quiet", "cityscapesscripts"]
    print("installing cityscapesscripts, which holds Cityscapes' own downloader", flush=True)
    if subprocess.run(install).returncode != 0:
        raise OSError(f"this did not work; mend what is said above: {' '.join(install)}")
    importlib.invalidate_caches()
    return importlib.import_module(DOWNLOADER)


def log_in():
    """A session at cityscapes-dataset.com: asks for account and password and stores neither."""
    module = downloader()
    ask = module.input
    # The package offers to store the password unencrypted.
    module.input = lambda question: "n" if "store" in question.lower() else ask(question)
    try:
        return module.login()
    except OSError:
        raise not_reached() from None
    except Exception as error:
        raise ValueError(
            f"cityscapes-dataset.com does not let you in ({error}): is the account confirmed, "
            "the password right?"
        ) from error
    finally:
        module.input = ask


def fetch(session, archive: Path) -> None:
    """Download one archive, or the rest of it, and compare its md5 sum."""
    resume = archive.is_file()
    try:
        downloader().download_packages(
            session=session,
            package_names=[archive.name],
            destination_path=str(archive.parent),
            resume=resume,
        )
    except OSError:
        raise not_reached() from None
    except Exception as error:
        # Only the sum tells that a file of the right size is broken, and then all of it is.
        if "MD5" in str(error):
            archive.unlink()
        raise ValueError(f"{archive.name}: {error} The same command tries again") from error


def not_reached() -> ConnectionError:
    return ConnectionError(
        "the connection to cityscapes-dataset.com failed or broke off; the same command goes on "
        "from here"
    )


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.real_data.cityscapes", description=__doc__.splitlines()[0]
    )
    parser.add_argument("root", help="where the data set is to stand, e.g. data/cityscapes")
    root = folder(parser.parse_args(arguments).root)
    try:
        get_cityscapes(root)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("stopped; the same command goes on from here") from None
    counts = ", ".join(f"{split} {count:,}" for split, count in FRAMES.items())
    print(f"Cityscapes is whole in {root}: {counts}")
    left = [name for name in PACKAGES if (root / name).is_file()]
    if left:
        print(f"no longer needed: {' and '.join(left)}")
    if root == data_dir() / "cityscapes":
        print("Every chapter and command finds it there by itself.")
    else:
        print(f"Now set CITYSCAPES_DATASET={root}; then every chapter and command finds it.")
    print("Next: chapter 03, or python -m helpers.training --preset recipe")


if __name__ == "__main__":
    command.run(main)
