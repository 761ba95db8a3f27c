"""The Colab flow with stand-ins: a made-up google.colab, a folder for Drive, a downloader that
copies archives.
"""

import hashlib
import os
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from extras.real_data import cityscapes, colab
from helpers.config import TrainConfig
from helpers.csv_index import read_csv
from helpers.dataset import CityscapesDataset
from helpers.training import Run, make_run
from helpers.windows import View

CONFIG = {"name": "colab", "width": 2, "size": 36, "epochs": 3, "batch_size": 2, "pictures": 1}


@pytest.fixture
def root(tmp_path):
    """Four and two generated frames of 260x240 with Cityscapes' city names."""
    rng = np.random.default_rng(0)
    for split, city, count in (("train", "aachen", 4), ("val", "munster", 2)):
        for number in range(count):
            stem = f"{city}_{number:06d}_000019"
            classes = np.kron(rng.integers(7, 34, (6, 5)), np.ones((40, 52))).astype(np.uint8)
            frame = np.stack(
                [classes * 7, 255 - classes * 7, rng.integers(0, 255, classes.shape)], -1
            ).astype(np.uint8)
            for kind, end, array in (
                ("leftImg8bit", "leftImg8bit", frame),
                ("gtFine", "gtFine_labelIds", classes),
            ):
                folder = tmp_path / "root" / kind / split / city
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / f"{stem}_{end}.png")
    return tmp_path / "root"


@pytest.fixture
def session(root, tmp_path, monkeypatch):
    """Stand-ins in place: what a Colab session sees. The password must not end up in any file."""
    served = tmp_path / "served"
    for kind, package in zip(("gtFine", "leftImg8bit"), cityscapes.PACKAGES):
        shutil.copytree(root / kind, tmp_path / "zip" / kind / kind)
        shutil.make_archive(
            str(served / package.removesuffix(".zip")), "zip", tmp_path / "zip" / kind
        )
    log = types.SimpleNamespace(questions=[], downloads=[], mounts=[], break_after=None)

    downloader = types.ModuleType("cityscapesscripts.download.downloader")

    def answer(question):
        log.questions.append(question)
        return "somebody"

    def login():
        log.questions.append("password")  # the real one calls getpass here
        credentials = {
            "username": downloader.input("Cityscapes username or email address: "),
            "password": "hush",
        }
        log.store = downloader.input("Store credentials unencrypted in 'file' [y/N]: ")
        return credentials

    def download_packages(*, session, package_names, destination_path, resume=False):
        assert session["password"] == "hush"
        for name in package_names:
            path, data = os.path.join(destination_path, name), (served / name).read_bytes()
            have = os.path.getsize(path) if resume else 0
            end = log.break_after or len(data)
            with open(path, "ab" if resume else "wb") as file:
                file.write(data[have:end])
            log.downloads.append((name, have))
            if log.break_after:
                log.break_after = None
                raise ConnectionError("the connection broke")
            assert hashlib.md5(Path(path).read_bytes()).digest() == hashlib.md5(data).digest()

    downloader.input = answer
    downloader.login = login
    downloader.download_packages = download_packages
    package = types.ModuleType("cityscapesscripts.download")
    drive = types.ModuleType("google.colab.drive")
    package.downloader, drive.mount = downloader, log.mounts.append
    google = types.ModuleType("google.colab")
    google.drive = drive
    for name, module in (("cityscapesscripts.download", package), ("google.colab", google)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "cityscapesscripts.download.downloader", downloader)
    monkeypatch.setattr(cityscapes, "FRAMES", {"train": 4, "val": 2, "test": 0})
    monkeypatch.setenv("COURSE_RUNS", "unset")
    log.answer, log.downloader = answer, downloader
    return log


def test_three_sessions(session, root, tmp_path, monkeypatch, capsys):
    """Download breaks and resumes, pack to Drive, training interrupted; a new machine goes on
    without the sources.
    """
    at, config = tmp_path / "drive", TrainConfig(**CONFIG)
    session.break_after = 2000
    drive = colab.mount_drive(at=str(at))
    assert session.mounts == [str(at)] and os.environ["COURSE_RUNS"].startswith(str(drive))
    with pytest.raises(ConnectionError):
        colab.start(config, drive, tmp_path / "one" / "pack", progress=False)
    real = Run.train_epoch
    monkeypatch.setattr(
        Run, "train_epoch", lambda run, epoch: _interrupt() if epoch == 1 else real(run, epoch)
    )
    with pytest.raises(KeyboardInterrupt):
        colab.start(config, drive, tmp_path / "one" / "pack", progress=False).fit()
    assert session.downloads == [
        (cityscapes.PACKAGES[0], 0),
        (cityscapes.PACKAGES[0], 2000),
        (cityscapes.PACKAGES[1], 0),
    ]
    assert session.store == "n" and session.downloader.input is session.answer
    assert sorted(p.name for p in (tmp_path / "one" / "cityscapes").glob("[!.]*")) == [
        "gtFine",
        "leftImg8bit",
    ]
    monkeypatch.setattr(Run, "train_epoch", real)

    shutil.rmtree(tmp_path / "one")  # Colab takes the machine back; Drive stays
    asked = len(session.questions)
    run = colab.start(
        config, colab.mount_drive(at=str(at)), tmp_path / "two" / "pack", progress=False
    )
    assert "source frames are gone" in capsys.readouterr().out
    trained = []
    monkeypatch.setattr(
        Run, "train_epoch", lambda run, epoch: trained.append(epoch) or real(run, epoch)
    )
    history = run.fit()
    assert trained == [1, 2] and len(history) == 3 and len(session.questions) == asked

    # The same as training from the sources in one go
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "plain"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    plain = make_run(TrainConfig(**CONFIG, root=str(root)), progress=False)
    assert plain.fit() == history
    for mine, theirs in zip(run.model.state_dict().values(), plain.model.state_dict().values()):
        assert torch.equal(mine, theirs)
    stored = b"".join(
        p.read_bytes()
        for p in tmp_path.rglob("*")
        if p.is_file() and p.suffix in (".json", ".csv", "")
    )
    assert b"hush" not in stored and b"somebody" not in stored


def _interrupt():
    raise KeyboardInterrupt


def test_a_pack_gives_the_same_pairs_as_the_sources(root, tmp_path):
    folder = colab.pack(root, tmp_path / "pack", View(size=36), progress=False)
    elsewhere = colab.copy_pack(folder, tmp_path / "elsewhere", progress=False)
    shutil.rmtree(folder)
    run = colab.packed_run(TrainConfig(**CONFIG, train_limit=3), elsewhere, progress=False)
    plain = CityscapesDataset(
        read_csv(elsewhere / "train.csv"),
        root,
        View(size=36),
        mean=run.config.mean,
        std=run.config.std,
    )
    assert len(run.train_set) == 3 and len(run.val_set) == 2
    assert all(torch.equal(a, b) for i in range(3) for a, b in zip(run.train_set[i], plain[i]))


def test_copying_goes_on_where_it_was(root, tmp_path, monkeypatch):
    folder = colab.pack(root, tmp_path / "pack", View(size=36), progress=False)
    copied = []
    real = colab._copy

    def copy(source, target, progress):
        if len(copied) == 3:
            raise OSError(28, "No space left on device")
        copied.append(source.name)
        real(source, target, progress)

    monkeypatch.setattr(colab, "_copy", copy)
    with pytest.raises(OSError, match="could not write.*No space"):
        colab.copy_pack(folder, tmp_path / "drive", progress=False)
    with pytest.raises(FileNotFoundError, match="no whole pack"):
        colab.copy_pack(tmp_path / "drive", tmp_path / "back", progress=False)
    monkeypatch.setattr(colab, "_copy", lambda *a: (copied.append(a[0].name), real(*a)))
    colab.copy_pack(folder, tmp_path / "drive", progress=False)
    assert len(copied) == 9 and copied[-1] == "pack.json"


def test_wrong_turns_are_named(root, tmp_path, monkeypatch):
    folder = colab.pack(root, tmp_path / "pack", View(size=36), progress=False)
    with pytest.raises(ValueError, match="holds crops for"):
        colab.packed_run(
            TrainConfig(**{**CONFIG, "size": 48}, padding="same"), folder, progress=False
        )
    monkeypatch.setitem(sys.modules, "google.colab", None)
    with pytest.raises(RuntimeError, match="not Colab"):
        colab.mount_drive()
