"""Files for the Cityscapes benchmark: one PNG of label ids a frame, a zip of them, and a check
before the upload.

The server (and csEvalPixelLevelSemanticLabeling) wants regular label ids, not train ids, in one
8-bit channel of the frame's size, and exactly one PNG for every frame, named
<city>_<sequence>_<frame>*.png. Chapter 10 uses it.
"""

import json
import zipfile
import zlib
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tqdm.auto import tqdm

from helpers.csv_index import Row
from helpers.files import atomic_file, listed, visible_files, write_image
from helpers.images import BROKEN, checked_picture, open_image
from helpers.inference import predict_frame
from helpers.labels import LABELS, TRAIN_19, check_classes

ORIGIN = "predicted by"  # the text in a PNG that says which network wrote it
EVALUATED = {label.id: label.name for label in LABELS if not label.ignore_in_eval}


def png_name(row: Row) -> str:
    """The file name of a frame's prediction, such as aachen_000000_000019_labelIds.png."""
    return f"{row.city}_{row.frame}_labelIds.png"


def write_prediction(train_ids: np.ndarray, path, label_set=TRAIN_19, **options) -> Path:
    """Train ids [H, W] as a PNG of label ids; 255 becomes 0 (unlabeled), which counts as wrong
    everywhere.
    """
    return write_image(path, label_set.decode(train_ids), **options)


def write_submission(
    model, info: dict, rows, root, folder, progress: bool = True, **options
) -> list[Path]:
    """Predict every row of a CSV and write its PNG into `folder`; files that are there already are
    kept.

    Options as in `predict_frame` (budget, flip, scales). Interrupted, it goes on with the frames
    that are missing or damaged. Every PNG carries the hash of its network: ValueError, before the
    first prediction, if the folder holds those of another one.
    """
    check_classes(info["label_set"], root)
    origin = _origin(info, options)
    paths = {row: Path(folder) / png_name(row) for row in rows}
    missing = [row for row in rows if not _is_done(paths[row], f"{root}/{row.image}", origin)]
    note = PngInfo()
    note.add_text(ORIGIN, origin)
    for row in tqdm(missing, desc="submission", disable=not progress):
        train_ids = predict_frame(model, open_image(f"{root}/{row.image}"), info, **options)
        write_prediction(train_ids, paths[row], info["label_set"], pnginfo=note)
    return list(paths.values())


def _origin(info: dict, options: dict) -> str:
    """What decides a prediction: the network's hash, and how it is applied."""
    how = {name: options[name] for name in ("flip", "scales") if options.get(name)}
    return json.dumps([info.get("sha256"), how])


def _is_done(path: Path, image, origin: str) -> bool:
    """Whether `path` is a whole PNG of the frame's size; ValueError if another network wrote it."""
    try:
        with checked_picture(path) as picture, Image.open(image) as frame:
            picture.load()
            whole = picture.mode == "L" and picture.size == frame.size
            written_by = picture.info.get(ORIGIN)
    except BROKEN:
        return False
    if whole and written_by != origin:
        raise ValueError(
            f"{path} was written by another network, or in another way ({written_by}, here "
            f"{origin}): choose another folder, or empty this one"
        )
    return whole


def zip_submission(folder, path) -> Path:
    """All PNGs of `folder` in one zip, sorted, without subfolders, the same bytes every time.

    Raises ValueError for a folder without PNGs, and for two of one name.
    """
    pngs = [file for file in visible_files(folder) if file.suffix == ".png"]
    names = [png.name for png in pngs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not pngs:
        found = "several PNGs of one name" + listed(twice) if twice else "no PNG"
        raise ValueError(f"{folder} holds {found}; write them with write_submission")
    # Stored as they are: PNGs are compressed already.
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for png in pngs:
            archive.writestr(zipfile.ZipInfo(png.name), png.read_bytes())
    return Path(path)


def _pngs(source):
    """(name, bytes) of every PNG in a folder, its subfolders, or a zip."""
    if Path(source).is_dir():
        for path in visible_files(source):
            if path.suffix == ".png":
                yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".png"):
                yield name, archive.read(name)


def check_submission(source, rows, root, ignored_ids: bool = False) -> list[str]:
    """Every reason to refuse a folder or zip of predictions for `rows`, as readable lines; an empty
    list: all is well.

    Missing frames, two files for one frame, files of no frame, unreadable PNGs, several channels,
    another size than the frame's, ids above 33, and ids that are never evaluated: the mark of train
    ids. A network that knows more classes than the 19 may predict such ids; say so with
    `ignored_ids`.
    """
    if not Path(source).is_dir():
        _check_zip(source)
    problems, files_of = [], {row: [] for row in rows}
    for name, data in _pngs(source):
        matching = [r for r in rows if fnmatch(Path(name).name, f"{r.city}_{r.frame}*.png")]
        if not matching:
            problems.append(
                f"{name}: belongs to no frame of this split; expected "
                "<city>_<sequence>_<frame>*.png"
            )
            continue
        files_of[matching[0]].append(name)
        with Image.open(f"{root}/{matching[0].image}") as frame:
            problems.extend(f"{name}: {p}" for p in _problems(data, frame.size, ignored_ids))
    for row, names in files_of.items():
        if not names:
            problems.append(f"{row.city}_{row.frame}: no prediction")
        elif len(names) > 1:
            problems.append(
                f"{row.city}_{row.frame}: {len(names)} files ({', '.join(names)}), expected one"
            )
    return problems


def _check_zip(path) -> None:
    """Raises ValueError, or FileNotFoundError, for what is no whole zip."""
    if not zipfile.is_zipfile(path):
        raise FileNotFoundError(
            f"{path} is neither a folder nor a zip; write one with write_submission"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    # A password, and a way of packing that is not known here, are RuntimeErrors.
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({error}); zip the folder again") from error
    if damaged is not None:
        raise ValueError(f"{path} is damaged, at {damaged}; zip the folder again")


def _problems(data: bytes, size: tuple[int, int], ignored_ids: bool) -> list[str]:
    """What is wrong with the bytes of one PNG for a frame of `size` (width, height)."""
    try:
        Image.open(BytesIO(data)).verify()
        picture = Image.open(BytesIO(data))
        array = np.asarray(picture)
    except BROKEN as error:
        return [f"cannot be read ({error}); write it again"]
    found = []
    if picture.mode != "L":
        found.append(
            f"mode {picture.mode}, expected one 8-bit channel (L): colors and palettes are no "
            "label ids"
        )
    if picture.size != size:
        found.append(
            f"{picture.size[0]}x{picture.size[1]}, expected the frame's {size[0]}x{size[1]}"
        )
    ids = set(np.unique(array).tolist()) if picture.mode == "L" else set()
    unknown = sorted(i for i in ids if i > 33)
    ignored = sorted(ids - set(EVALUATED) - set(unknown))
    if unknown:
        found.append(f"ids {unknown} are no label ids (0 to 33)")
    if ignored and not ignored_ids:
        found.append(
            f"ids {ignored} are never evaluated: were train ids written instead of label ids? "
            "LabelSet.decode turns them into label ids"
        )
    return found
