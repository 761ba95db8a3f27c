"""Cityscapes in one command, against a stand-in for its server: nothing here leaves the machine."""

import hashlib
import os
import shutil
import sys
import types
import zipfile
from pathlib import Path

import pytest

from extras.real_data import cityscapes, colab
from helpers import paths
from helpers.config import TrainConfig
from helpers.csv_index import read_csv
from helpers.windows import View
from tests.roots import small_root

LABELS, IMAGES = cityscapes.PACKAGES


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server with two small archives: 10, 3 and no frames; what it is asked stands in its log."""
    root = small_root(tmp_path / "source")
    served = tmp_path / "served"
    for kind, package in (("gtFine", LABELS), ("leftImg8bit", IMAGES)):
        shutil.copytree(root / kind, tmp_path / "zip" / kind / kind)
        shutil.make_archive(
            str(served / package.removesuffix(".zip")), "zip", tmp_path / "zip" / kind
        )
    log = types.SimpleNamespace(questions=[], downloads=[], break_after=None, refuses=False)
    log.served, log.offline = served, False

    def answer(question):
        log.questions.append(question)
        return "somebody"

    def login():
        log.questions.append("password")
        module.input("Cityscapes username or email address: ")
        log.store = module.input("Store credentials unencrypted in 'file' [y/N]: ")
        if log.offline:
            raise ConnectionError("HTTPSConnectionPool(host='www.cityscapes-dataset.com') ...")
        if log.refuses:
            raise Exception("Bad credentials.")
        return {"password": "hush"}

    def download_packages(*, session, package_names, destination_path, resume=False):
        assert session["password"] == "hush"
        if not os.path.isdir(destination_path):
            raise Exception(f"Destination path '{destination_path}' does not exist.")
        for name in package_names:
            path, data = Path(destination_path, name), (served / name).read_bytes()
            have = path.stat().st_size if resume else 0
            assert resume or not path.exists()
            log.downloads.append((name, have))
            end, log.break_after = log.break_after or len(data), None
            with open(path, "ab" if resume else "wb") as file:
                file.write(data[have:end])
            if end != len(data):
                raise ConnectionError("the connection broke")
            if hashlib.md5(path.read_bytes()).digest() != hashlib.md5(data).digest():
                raise Exception("MD5 sum of downloaded file does not match.")

    module = types.ModuleType(cityscapes.DOWNLOADER)
    module.input, module.login, module.download_packages = answer, login, download_packages
    monkeypatch.setitem(sys.modules, cityscapes.DOWNLOADER, module)
    monkeypatch.setattr(cityscapes, "FRAMES", {"train": 10, "val": 3, "test": 0})
    log.module, log.answer = module, answer
    return log


def test_from_nothing_to_a_whole_data_set(server, tmp_path, monkeypatch, capsys):
    """In a fresh clone: the folder is made, both archives are unpacked, all is counted."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("CITYSCAPES_DATASET")
    root = tmp_path / "data" / "cityscapes"
    cityscapes.main([str(root)])
    said = capsys.readouterr().out
    assert "Cityscapes is whole" in said and "train 10, val 3" in said
    assert "finds it there by itself" in said and "python -m helpers.training" in said
    assert sorted(path.name for path in root.glob("[!.]*")) == ["gtFine", "leftImg8bit"]
    assert paths.find_root() == root
    assert server.store == "n" and server.module.input is server.answer
    kept = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert b"hush" not in kept

    # Nothing is asked a second time.
    asked = len(server.questions)
    cityscapes.main([str(root)])
    assert len(server.questions) == asked and len(server.downloads) == 2


def test_a_folder_elsewhere_is_to_be_named(server, tmp_path, capsys):
    cityscapes.main([str(tmp_path / "elsewhere")])
    assert f"set CITYSCAPES_DATASET={tmp_path / 'elsewhere'}" in capsys.readouterr().out


def test_a_broken_connection_goes_on_where_it_was(server, tmp_path):
    server.break_after = 2000
    for _ in range(2):
        with pytest.raises(ConnectionError, match="the same command goes on"):
            cityscapes.get_cityscapes(tmp_path / "data")
        server.break_after = 3000 if len(server.downloads) == 1 else None
    cityscapes.get_cityscapes(tmp_path / "data")
    assert server.downloads == [(LABELS, 0), (LABELS, 2000), (LABELS, 3000), (IMAGES, 0)]


def test_archives_that_are_there_are_taken_and_kept(server, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    for package in cityscapes.PACKAGES:
        shutil.copy(server.served / package, tmp_path / "data")
    cityscapes.main([str(tmp_path / "data")])
    assert not server.questions and not server.downloads
    said = capsys.readouterr().out
    assert "is there and is taken" in said and f"no longer needed: {LABELS} and {IMAGES}" in said
    assert (tmp_path / "data" / IMAGES).is_file()


def test_an_interrupted_unpacking_goes_on(server, tmp_path, monkeypatch):
    real, written = cityscapes.unpack_over, []

    def interrupted(archive, root, limits):
        if not written:
            written.append(archive)
            with zipfile.ZipFile(archive) as file:
                first = file.namelist()[-1]
                file.extract(first, root)
            # A file of the right size with other content, as after a full disk.
            size = (root / first).stat().st_size
            (root / first).write_bytes(b"\0" * size)
            raise KeyboardInterrupt
        return real(archive, root, limits)

    monkeypatch.setattr(cityscapes, "unpack_over", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        cityscapes.main([str(tmp_path / "data")])
    cityscapes.main([str(tmp_path / "data")])
    for kind in ("gtFine", "leftImg8bit"):
        for path in (tmp_path / "source" / kind).rglob("*.png"):
            copied = tmp_path / "data" / path.relative_to(tmp_path / "source")
            assert copied.read_bytes() == path.read_bytes(), copied


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "there").write_text("a text")
    with pytest.raises(ValueError, match="there is a file; give a folder"):
        cityscapes.get_cityscapes(tmp_path / "there")


def test_a_refused_account_and_a_missing_network_are_sentences(server, tmp_path):
    server.refuses = True
    with pytest.raises(ValueError, match="does not let you in .Bad credentials"):
        cityscapes.get_cityscapes(tmp_path / "data")
    server.offline = True
    with pytest.raises(ConnectionError, match="the same command goes on"):
        cityscapes.get_cityscapes(tmp_path / "data")


def test_a_damaged_archive_is_downloaded_again(server, tmp_path):
    (tmp_path / "data").mkdir()
    half = (server.served / LABELS).read_bytes()[:2000]
    (tmp_path / "data" / LABELS).write_bytes(half[:-1] + b"x")
    with pytest.raises(ValueError, match="MD5.*The same command tries again"):
        cityscapes.get_cityscapes(tmp_path / "data")
    cityscapes.get_cityscapes(tmp_path / "data")
    assert [have for _, have in server.downloads] == [2000, 0, 0]


def test_an_archive_that_is_none_is_not_unpacked(server, tmp_path):
    (server.served / LABELS).write_bytes(b"<html>quota exceeded</html>")
    with pytest.raises(ValueError, match="broken or cut off"):
        cityscapes.get_cityscapes(tmp_path / "data")
    assert not (tmp_path / "data" / "gtFine").exists()
    assert not (tmp_path / "data" / LABELS).exists()


def test_missing_frames_are_counted(server, tmp_path, monkeypatch):
    monkeypatch.setitem(cityscapes.FRAMES, "val", 4)
    with pytest.raises(ValueError, match="leftImg8bit/val has 3 of 4 frames"):
        cityscapes.get_cityscapes(tmp_path / "data")


def test_the_numbers_are_those_of_cityscapes():
    from extras.real_data.cityscapes import FRAMES

    assert FRAMES == {"train": 2975, "val": 500, "test": 1525}


def test_the_downloader_is_installed_into_this_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(cityscapes, "DOWNLOADER", "a_package_that_is_not_there")
    asked = []

    def install(words):
        asked.append(words)
        return types.SimpleNamespace(returncode=1)

    monkeypatch.setattr(cityscapes.subprocess, "run", install)
    with pytest.raises(OSError, match="pip install"):
        cityscapes.downloader()
    assert asked[0][:4] == [sys.executable, "-m", "pip", "install"]


def test_colab_takes_the_same_function(server, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "runs"))
    config = TrainConfig(name="colab", width=2, size=36, epochs=1, batch_size=2, pictures=0)
    run = colab.start(config, tmp_path / "drive", tmp_path / "local" / "pack", progress=False)
    assert len(run.train_set) == 10 and len(server.downloads) == 2


def test_a_pack_of_other_frames_is_made_anew(tmp_path):
    first, second = small_root(tmp_path / "a"), small_root(tmp_path / "b", train=4)
    view = View(size=36)
    colab.pack(first, tmp_path / "pack", view, progress=False)
    mean = colab.read_plan(tmp_path / "pack")["mean"]
    colab.pack(second, tmp_path / "pack", view, progress=False)
    assert colab.read_plan(tmp_path / "pack")["mean"] != mean


def test_a_copy_never_mixes_two_packs(tmp_path, monkeypatch):
    """Two packs whose files have equal sizes: only the content tells them apart."""
    view = View(size=36)
    packs = []
    for name, number in (("a", 0), ("b", 1)):
        root = small_root(tmp_path / name, train=4)
        if number:  # the same names and sizes, other pixels
            from PIL import Image

            for path in (root / "leftImg8bit" / "train").rglob("*.png"):
                Image.new("RGB", Image.open(path).size, (9, 9, 9)).save(path)
        packs.append(colab.pack(root, tmp_path / f"pack_{name}", view, progress=False))
    drive = tmp_path / "drive"
    colab.copy_pack(packs[0], drive, progress=False)
    real, copied = colab._copy, []

    def broken(source, target, progress):
        if len(copied) == 2:
            raise OSError(28, "No space left on device")
        copied.append(source.name)
        real(source, target, progress)

    monkeypatch.setattr(colab, "_copy", broken)
    with pytest.raises(OSError, match="No space"):
        colab.copy_pack(packs[1], drive, progress=False)
    assert colab.read_plan(drive) is None  # half of two packs is no pack
    monkeypatch.setattr(colab, "_copy", real)
    colab.copy_pack(packs[1], drive, progress=False)
    for name in (*colab.FILES, "train.csv", "val.csv", "pack.json"):
        assert (drive / name).read_bytes() == (packs[1] / name).read_bytes(), name
    assert len(read_csv(drive / "train.csv")) == 4


def test_a_damaged_pack_is_no_pack(tmp_path):
    root = small_root(tmp_path / "root", train=4)
    folder = colab.pack(root, tmp_path / "pack", View(size=36), progress=False)
    whole = (folder / "pack.json").read_text()
    (folder / "pack.json").write_text(whole[:20])
    assert colab.read_plan(folder) is None
    colab.pack(root, folder, View(size=36), progress=False)
    assert (folder / "pack.json").read_text() == whole


def test_only_a_wrong_sum_costs_the_archive(server, tmp_path, monkeypatch):
    """Any other trouble keeps what has been downloaded."""
    (tmp_path / "data").mkdir()
    part = tmp_path / "data" / LABELS
    part.write_bytes((server.served / LABELS).read_bytes()[:2000])

    class Broken:
        def download_packages(self, **options):
            raise Exception("the file is 9 bytes too short")

    monkeypatch.setattr(cityscapes, "downloader", Broken)
    with pytest.raises(ValueError, match="too short The same command tries again"):
        cityscapes.fetch(None, part)
    assert part.stat().st_size == 2000
