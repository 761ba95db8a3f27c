"""Cityscapes on Colab: download once, pack the crops, keep the pack on Drive, train within a minute
later (chapter 13).

    local disk, first session:   csDownload -> unzip -> statistics -> pack of center crops (3.1 GiB instead of 11 GB)
    Drive:                       the pack, and the runs
    later sessions:              mount Drive, copy the pack to the local disk, go on at the last whole epoch

The password is asked for by csDownload's own prompt and is stored nowhere.
"""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path

from extras.real_data.archives import BLOCK, Limits, unpack_over
from helpers.config import TrainConfig
from helpers.csv_index import read_csv, write_csv
from helpers.dataset import CityscapesDataset
from helpers.files import atomic_file, write_text
from helpers.frame_cache import FrameCache
from helpers.labels import find_label_set
from helpers.normalization import channel_statistics
from helpers.progress import progress_bar
from helpers.recipes import make_model
from helpers.training import Run
from helpers.windows import View

PACKAGES = ("gtFine_trainvaltest.zip", "leftImg8bit_trainvaltest.zip")
LIMITS = Limits(archive=20 << 30, file=64 << 20, total=40 << 30, entries=100_000)
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


def download_cityscapes(root, packages=PACKAGES) -> Path:
    """Fetch and unpack Cityscapes' packages into `root` with csDownload; both can be interrupted.

    Asks for account and password by the package's own prompts; its offer to store them is declined
    for you.
    """
    try:
        from cityscapesscripts.download import downloader
    except ImportError:
        raise RuntimeError("first: pip install cityscapesscripts") from None
    root, session = Path(root), None
    root.mkdir(parents=True, exist_ok=True)
    for package in packages:
        archive, done, whole = (
            root / package,
            root / f".{package}.unpacked",
            root / f".{package}.whole",
        )
        if done.is_file():
            continue
        if not whole.is_file():
            session = session or _login(downloader)
            downloader.download_packages(
                session=session,
                package_names=[package],
                destination_path=str(root),
                resume=archive.is_file(),
            )  # compares the md5 sum
            whole.touch()
        unpack_over(archive, root, LIMITS)
        done.touch()
        archive.unlink()
        whole.unlink()
    return root


def _login(downloader):
    ask = downloader.input
    downloader.input = lambda question: "n" if "store" in question.lower() else ask(question)
    try:
        return downloader.login()
    finally:
        downloader.input = ask


def pack(root, folder, view: View = View(), progress: bool = True) -> Path:
    """Center crops of train and val, their CSV files and statistics in one folder that needs the
    sources no more.
    """
    root, folder = Path(root), Path(folder)
    for split in ("train", "val"):
        write_csv(root, split, folder / f"{split}.csv")
        rows = read_csv(folder / f"{split}.csv")
        FrameCache(rows, root, view, cropped=True, folder=folder / split, progress=progress)
    if not (folder / "pack.json").is_file():  # the last file: with it the pack is whole
        found = channel_statistics(
            [root / row.image for row in read_csv(folder / "train.csv")], progress=progress
        )
        plan = {"view": asdict(view), "mean": found.mean, "std": found.std, "pixels": found.pixels}
        write_text(folder / "pack.json", json.dumps(plan))
    return folder


def copy_pack(source, target, progress: bool = True) -> Path:
    """Copy a pack, from the local disk to Drive or back; files that are there are left alone,
    pack.json comes last.
    """
    source, target = Path(source), Path(target)
    if not (source / "pack.json").is_file():
        raise FileNotFoundError(
            f"{source} holds no whole pack (no pack.json): make one with pack(root, folder)"
        )
    for name in (*FILES, "train.csv", "val.csv", "pack.json"):
        size = (source / name).stat().st_size
        if not (target / name).is_file() or (target / name).stat().st_size != size:
            with atomic_file(target / name) as temporary:
                _copy(source / name, temporary, progress)
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
    plan = json.loads((folder / "pack.json").read_text())
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
    return Run(config, model, train_set, val_set, progress=progress)


def start(config: TrainConfig, drive, local, root=None, progress: bool = True) -> Run:
    """The run of a session, whatever it finds: a local pack, a pack on Drive, or a root (given, or
    downloaded).
    """
    kept, local = Path(drive) / "pack", Path(local)
    if not (local / "pack.json").is_file():
        if (kept / "pack.json").is_file():
            copy_pack(kept, local, progress)
        else:
            root = Path(root) if root else download_cityscapes(local.parent / "cityscapes")
            pack(root, local, config.make_view(), progress)
    if not (kept / "pack.json").is_file():
        copy_pack(local, kept, progress)
    return packed_run(config, local, progress)
