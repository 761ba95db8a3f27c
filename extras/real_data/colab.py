"""Cityscapes on Colab: download once, pack the crops, keep the pack on Drive, train within a minute
later (chapter 13).

    first session    on the local disk: Cityscapes (cityscapes.py), its statistics, and a pack of
                     center crops: 3.1 GiB instead of 11 GB; on Drive: the pack, and the runs
    later sessions   mount Drive, copy the pack to the local disk, go on at the last whole epoch

The password is asked for by the downloader's own prompt and is stored nowhere.
"""

import hashlib
import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from extras.real_data.archives import BLOCK
from extras.real_data.cityscapes import get_cityscapes
from helpers.checkpoints import file_hash
from helpers.config import TrainConfig
from helpers.csv_index import read_csv, write_csv
from helpers.dataset import CityscapesDataset
from helpers.files import atomic_file, locked, read_derived, write_text
from helpers.frame_cache import FrameCache
from helpers.labels import check_classes, find_label_set
from helpers.normalization import channel_statistics
from helpers.progress import progress_bar
from helpers.recipes import make_model
from helpers.training import Run
from helpers.windows import View

FILES = tuple(
    f"{split}/{name}"
    for split in ("train", "val")
    for name in ("images.npy", "labels.npy", "index.json")
)


def mount_drive(folder: str = "segmentation-course", at: str = "/content/drive") -> Path:
    """Mount Google Drive (Colab asks for permission) and return the course's folder in it; runs go
    there too.
    """
    try:
        from google.colab import drive
    except ImportError:
        raise RuntimeError(
            "this is not Colab (no google.colab): take any folder that lasts instead"
        ) from None
    drive.mount(at)
    place = Path(at) / "MyDrive" / folder
    place.mkdir(parents=True, exist_ok=True)
    os.environ["COURSE_RUNS"] = str(place / "runs")
    return place


def pack(root, folder, view: View = View(), progress: bool = True) -> Path:
    """Center crops of train and val, their CSV files and statistics in one folder that needs the
    sources no more.

    What is there already is kept if it was made of the same frames.
    """
    root, folder = Path(root), Path(folder)
    check_classes(find_label_set("train19"), root)
    with locked(folder.parent, wait=True):
        return _pack(root, folder, view, progress)


def _pack(root: Path, folder: Path, view: View, progress: bool) -> Path:
    """As `pack`, by one process at a time."""
    for split in ("train", "val"):
        write_csv(root, split, folder / f"{split}.csv")
        rows = read_csv(folder / f"{split}.csv")
        FrameCache(rows, root, view, cropped=True, folder=folder / split, progress=progress)
    sources = _fingerprint(folder)
    stored = read_plan(folder)
    if stored is None or stored.get("sources") != sources:
        paths = [root / row.image for row in read_csv(folder / "train.csv")]
        found = channel_statistics(paths, progress=progress)
        plan = {
            "view": asdict(view),
            "mean": found.mean,
            "std": found.divisors,
            "pixels": found.pixels,
            "sources": sources,
        }
        # The last file: with it the pack is whole.
        write_text(folder / "pack.json", json.dumps(plan))
    return folder


def _fingerprint(folder: Path) -> str:
    """A hash that differs when the frames of a pack do; the index holds their sizes and times."""
    content = hashlib.sha256()
    for name in ("train.csv", "val.csv", "train/index.json", "val/index.json"):
        content.update((folder / name).read_bytes())
    return content.hexdigest()


def read_plan(folder) -> dict | None:
    """What pack.json says; None where there is no whole pack."""
    plan = read_derived(Path(folder) / "pack.json")
    return plan if "view" in plan else None


def copy_pack(source, target, progress: bool = True) -> Path:
    """Copy a pack, from the local disk to Drive or back; pack.json comes last.

    An interrupted copy goes on. What is left of another pack is written over.
    """
    source, target = Path(source), Path(target)
    plan = read_plan(source)
    if plan is None:
        raise FileNotFoundError(
            f"{source} holds no whole pack (no pack.json): make one with pack(root, folder)"
        )
    # While a copy is under way, this file says of which pack.
    marker = target / "copying.json"
    goes_on = marker.is_file() and marker.read_text() == json.dumps(plan)
    if not goes_on and read_plan(target) != plan:
        for name in ("pack.json", "train.csv", "val.csv", *FILES):
            (target / name).unlink(missing_ok=True)
        write_text(marker, json.dumps(plan))
    for name in (*FILES, "train.csv", "val.csv", "pack.json"):
        size = (source / name).stat().st_size
        if not (target / name).is_file() or (target / name).stat().st_size != size:
            with atomic_file(target / name) as temporary:
                _copy(source / name, temporary, progress)
    marker.unlink(missing_ok=True)
    return target


def _copy(source: Path, target: Path, progress: bool) -> None:
    total = source.stat().st_size
    with (
        open(source, "rb") as a,
        open(target, "wb") as b,
        progress_bar(None, source.name, progress, total=total, unit="B", unit_scale=True) as bar,
    ):
        while block := a.read(BLOCK):
            b.write(block)
            bar.update(len(block))


def packed_datasets(config: TrainConfig, folder, progress: bool = True):
    """As recipes.make_datasets, from the pack in `folder` alone."""
    folder = Path(folder)
    if config.classes is not None:
        raise ValueError("a pack holds Cityscapes' label ids: it goes without config.classes")
    plan = read_plan(folder)
    if plan is None:
        raise FileNotFoundError(f"{folder} holds no whole pack: make one with pack(root, folder)")
    view = config.make_view()
    if View(**plan["view"]) != view:
        raise ValueError(
            f"{folder} holds crops for {View(**plan['view'])}, this training wants {view}"
        )
    config = replace(config, mean=tuple(plan["mean"]), std=tuple(plan["std"]))
    label_set = find_label_set(config.label_set)
    sources = folder / "sources"
    datasets = []
    for split, limit in (("train", config.train_limit), ("val", config.val_limit)):
        rows = read_csv(folder / f"{split}.csv")
        cache = FrameCache(
            rows, sources, view, label_set, cropped=True, folder=folder / split, progress=progress
        )
        augment = config.augment and split == "train"
        datasets.append(
            CityscapesDataset(
                rows[:limit],
                sources,
                view,
                label_set,
                config.mean,
                config.std,
                augment,
                config.seed,
                cache,
            )
        )
    return config, *datasets


def packed_run(config: TrainConfig, folder, progress: bool = True) -> Run:
    """A training run whose frames come from a pack; started again, it resumes at its last whole
    epoch.
    """
    config, train_set, val_set = packed_datasets(config, folder, progress)
    model = make_model(config, len(val_set.label_set))
    run = Run(config, model, train_set, val_set, progress=progress)
    # The label files are gone; what is kept of them says which data these are.
    for split in ("train", "val"):
        run.data[f"{split}_pack"] = file_hash(Path(folder) / split / "labels.npy")[:16]
    return run


def start(config: TrainConfig, drive, local, root=None, progress: bool = True) -> Run:
    """The run of a session, whatever it finds: a local pack, a pack on Drive, or a root (given, or
    downloaded).
    """
    kept, local = Path(drive) / "pack", Path(local)
    if read_plan(local) is None:
        if read_plan(kept) is not None:
            copy_pack(kept, local, progress)
        else:
            root = Path(root) if root else get_cityscapes(local.parent / "cityscapes")
            pack(root, local, config.make_view(), progress)
    if read_plan(kept) is None:
        copy_pack(local, kept, progress)
    return packed_run(config, local, progress)
