"""Labels, CSV files, statistics, views, dataset and cache, against the reference tables and plain
arithmetic.
"""

import os
import pickle
import shutil
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
import torch
from PIL import Image

from extras.exercises import verdict
from helpers import frame_cache
from helpers.csv_index import Row, check_csv, read_csv, write_csv
from helpers.dataset import CityscapesDataset, read_pair
from helpers.frame_cache import FrameCache
from helpers.images import open_image, open_label
from helpers.labels import ALL_30, CAMVID_11, LABELS, TRAIN_19
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD, channel_statistics
from helpers.paths import check_root, find_root
from helpers.windows import View, cut, mirror, reduce_image, reduce_label

# -- labels
# ---------------------------------------------------------------------------------------------------


def test_labels_equal_the_official_table():
    official = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    assert [tuple(label) for label in LABELS] == [
        (o.name, o.id, o.trainId, o.category, o.categoryId, o.hasInstances, o.ignoreInEval, o.color)
        for o in official
    ]


def test_train_19_encodes_as_the_official_table():
    expected = [
        label.train_id if 0 <= label.train_id < 19 else 255 for label in LABELS if label.id >= 0
    ]
    encoded = TRAIN_19.encode(np.arange(34, dtype=np.uint8))
    assert encoded.dtype == np.uint8 and encoded.tolist() == expected
    assert TRAIN_19.encode(np.array([-1, 7], np.int16)).tolist() == [255, 0]


def test_all_30_and_camvid_11():
    assert ALL_30.ids == tuple(range(4, 34)) and len(ALL_30.names) == 30
    assert ALL_30.encode([0, 3, 4, 33]).tolist() == [255, 255, 0, 29]
    assert CAMVID_11.encode([23, 12, 29, 22, 6, 33, 25]).tolist() == [0, 1, 8, 5, 255, 10, 10]
    assert CAMVID_11.names[8] == "Car" and CAMVID_11.colors[10] == (0, 128, 192)


def test_decode_and_colorize():
    train_ids = np.array([[0, 18], [255, 10]], np.uint8)
    assert TRAIN_19.decode(train_ids).tolist() == [[7, 33], [0, 23]]
    assert TRAIN_19.encode(TRAIN_19.decode(train_ids)).tolist() == train_ids.tolist()
    assert TRAIN_19.colorize(train_ids)[0, 0].tolist() == [128, 64, 128]
    assert TRAIN_19.colorize(train_ids)[1, 0].tolist() == [0, 0, 0]


def test_unknown_ids_are_named():
    with pytest.raises(ValueError, match="unknown label id 77: label ids are 0 to 33"):
        TRAIN_19.encode(np.array([7, 77]))
    with pytest.raises(ValueError, match="19"):
        TRAIN_19.decode(np.array([19]))
    with pytest.raises(ValueError, match="scaling"):
        TRAIN_19.encode(np.array([0.1]))


def test_the_constants_in_wide_circulation():
    """They differ from the 0 to 255 scale and from ImageNet's: dark streets, slightly green."""
    assert CITYSCAPES_MEAN == (0.28689554, 0.32513303, 0.28389177)
    assert CITYSCAPES_STD == (0.18696375, 0.19017339, 0.18720214)


# -- a small root to break
# --------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    """Two cities with one frame each in train and val, 40x24, in Cityscapes' layout."""
    rng = np.random.default_rng(0)
    for split, city in (("train", "bdorf"), ("train", "astadt"), ("val", "cburg")):
        for kind in ("leftImg8bit", "gtFine"):
            (tmp_path / kind / split / city).mkdir(parents=True, exist_ok=True)
        stem = f"{city}_000000_000019"
        image = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
        Image.fromarray(image).save(
            tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png"
        )
        label = rng.integers(0, 34, (24, 40), dtype=np.uint8)
        Image.fromarray(label).save(
            tmp_path / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"
        )
    return tmp_path


def indexed(root, split="train"):
    write_csv(root, split, root / f"{split}.csv")
    return root / f"{split}.csv"


def test_csv_is_sorted_relative_and_exact(root):
    path = root / "train.csv"
    assert write_csv(root, "train", path) == 2
    assert path.read_bytes() == (
        b"image,label,city,frame\n"
        b"leftImg8bit/train/astadt/astadt_000000_000019_leftImg8bit.png,"
        b"gtFine/train/astadt/astadt_000000_000019_gtFine_labelIds.png,astadt,000000_000019\n"
        b"leftImg8bit/train/bdorf/bdorf_000000_000019_leftImg8bit.png,"
        b"gtFine/train/bdorf/bdorf_000000_000019_gtFine_labelIds.png,bdorf,000000_000019\n"
    )
    assert [row.city for row in read_csv(path)] == ["astadt", "bdorf"]


def test_check_csv_reports_everything_at_once(root):
    train, val = indexed(root), indexed(root, "val")
    assert check_csv([train, val], root) == []
    rows = read_csv(train)
    Image.fromarray(np.full((24, 40), 99, np.uint8)).save(root / rows[0].label)  # unknown id
    (root / rows[1].image).write_bytes((root / rows[1].image).read_bytes()[:300])  # truncated
    Image.fromarray(np.zeros((20, 40), np.uint8)).save(
        root / read_csv(val)[0].label
    )  # another size
    with open(val, "a") as file:
        file.write(",".join(rows[0]) + "\n" + ",".join(rows[0]) + "\n")
    text = "\n".join(check_csv([train, val], root))
    for phrase in (
        "unknown label ids [99]",
        "cannot be read",
        "40x24",
        "40x20",
        "2 rows",
        "must not share",
    ):
        assert phrase in text
    (root / rows[1].label).unlink()
    assert "does not exist" in "\n".join(check_csv(train, root))


@pytest.mark.parametrize(("mode", "message"), [("RGBA", "mode RGBA"), ("I;16", "mode I;16")])
def test_wrong_modes_are_named(root, mode, message):
    row = read_csv(indexed(root))[0]
    picture = Image.new(mode, (40, 24))
    picture.save(root / row.image)
    with pytest.raises(ValueError, match=message):
        open_image(root / row.image)
    assert message in "\n".join(check_csv(root / "train.csv", root))


def test_wrong_roots(tmp_path, root):
    with pytest.raises(FileNotFoundError, match="csDownload"):
        check_root(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="leftImg8bit and no folder gtFine"):
        check_root(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="splits there: train, val"):
        write_csv(root, "test", root / "test.csv")
    next((root / "gtFine" / "train" / "astadt").iterdir()).unlink()
    with pytest.raises(FileNotFoundError, match="astadt_000000_000019_leftImg8bit.png"):
        write_csv(root, "train", root / "train.csv")
    assert not (root / "train.csv").exists()


def test_find_root_order(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.delenv("CITYSCAPES_DATASET")
    assert find_root() == tmp_path / "sample_city"
    (tmp_path / "cityscapes").mkdir()
    assert find_root() == tmp_path / "cityscapes"
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path / "env"))
    assert find_root() == tmp_path / "env" and find_root(tmp_path / "own") == tmp_path / "own"


def test_rows_that_name_nothing_are_reported(root):
    train = indexed(root)
    row = read_csv(train)[0]
    train.write_text(
        "image,label,city,frame\n"
        + ",".join(row._replace(label=""))
        + "\n"
        + ",".join(row._replace(image="", label=""))
        + "\n"
    )
    text = "\n".join(check_csv(train, root))
    assert (
        f"{row.image}: no label" in text
        and f"{row.frame}: no image" in text
        and f"{row.frame}: no label" in text
    )
    test_row = row._replace(
        image=row.image.replace("train", "test"), label=""
    )  # Cityscapes withholds test labels
    (root / test_row.image).parent.mkdir(parents=True)
    shutil.copy(root / row.image, root / test_row.image)
    (root / "test.csv").write_text("image,label,city,frame\n" + ",".join(test_row) + "\n")
    assert check_csv(root / "test.csv", root) == []


def test_broken_indices_are_named(root):
    path = root / "train.csv"
    for text, message in (
        ("", "an empty file"),
        ("a,b\n", "found a,b"),
        ("image,label,city,frame\nx,y\n", "line 2"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message) as error:
            read_csv(path)
        assert str(path) in str(error.value)
        assert check_csv(path, root) == [str(error.value)]
    path.write_text("image,label,city,frame\n")
    with pytest.raises(ValueError, match="has no rows"):
        CityscapesCsv(path, root)


def test_order_does_not_depend_on_the_folder(root):
    for city in ("a", "a-b", "a_b", "aa"):
        stem = f"{city}_000000_000019"
        for kind, end in (("leftImg8bit", "leftImg8bit"), ("gtFine", "gtFine_labelIds")):
            (root / kind / "train" / city).mkdir(parents=True)
            Image.new("RGB" if kind[0] == "l" else "L", (8, 4)).save(
                root / kind / "train" / city / f"{stem}_{end}.png"
            )
    images = [row.image for row in read_csv(indexed(root))]
    assert (
        images == sorted(images) and len(images) == 6
    )  # sorted as text, whatever the file system thinks


# -- statistics
# -------------------------------------------------------------------------------------------------


def test_statistics_equal_rational_arithmetic(root):
    images = sorted((root / "leftImg8bit").rglob("*.png"))
    for crop in (None, (10, 16)):
        result = channel_statistics(images, crop)
        arrays = [np.asarray(Image.open(p)) for p in images]
        if crop:
            arrays = [a[7:17, 12:28] for a in arrays]
        pixels = np.concatenate([a.reshape(-1, 3) for a in arrays]).astype(object)
        for channel in range(3):
            values = [Fraction(int(v), 255) for v in pixels[:, channel]]
            mean = sum(values) / len(values)
            variance = sum((v - mean) ** 2 for v in values) / len(values)
            assert abs(result.mean[channel] - mean) < 1e-15
            assert abs(result.std[channel] - sqrt(variance)) < 1e-14
        assert result.pixels == len(pixels)


def test_statistics_pool_pixels_not_images(root):
    path = root / "leftImg8bit/train/bdorf/bdorf_000000_000019_leftImg8bit.png"
    Image.fromarray(np.full((100, 50, 3), 255, np.uint8)).save(path)  # larger and white
    others = [p for p in sorted((root / "leftImg8bit").rglob("*.png")) if p != path]
    arrays = [np.asarray(Image.open(p)).reshape(-1, 3) / 255 for p in (*others, path)]
    result, pixels = channel_statistics([*others, path]), np.concatenate(arrays)
    assert np.allclose(result.mean, pixels.mean(0), atol=1e-12) and np.allclose(
        result.std, pixels.std(0), atol=1e-12
    )
    assert (
        channel_statistics([path], crop=(999, 10)).pixels == 100 * 10
    )  # a crop ends where the frame ends


def test_statistics_name_a_broken_file(root):
    path = next((root / "leftImg8bit").rglob("*.png"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(OSError, match=path.name):
        channel_statistics([path])
    with pytest.raises(ValueError, match="empty"):
        channel_statistics([])


# -- windows and dataset
# ----------------------------------------------------------------------------------------


def test_mirror_repeats():
    assert mirror(-3, 10, 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert mirror(-2, 5, 1).tolist() == [0] * 5


@pytest.mark.parametrize("window", [(0, 0, 5, 7), (-3, -4, 11, 15), (2, 1, 2, 3), (3, 5, 9, 9)])
def test_cut_equals_numpy_pad(window):
    array = np.arange(35).reshape(5, 7)
    top, left, height, width = window
    padded = np.pad(array, 40, "reflect")[
        40 + top : 40 + top + height, 40 + left : 40 + left + width
    ]
    assert (cut(array, *window) == padded).all()
    constant = np.pad(array, 40, constant_values=255)[
        40 + top : 40 + top + height, 40 + left : 40 + left + width
    ]
    assert (cut(array, *window, fill=255) == constant).all()


def test_reduce_takes_the_right_pixels():
    label = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert reduce_label(label, 2).tolist() == [[5, 7], [13, 15]]
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = 100
    assert reduce_image(image, 2)[:, :, 0].tolist() == [[100, 0], [0, 0]]
    nearest = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).resize(
        (2, 2), Image.NEAREST
    )
    assert (
        reduce_label(np.arange(64, dtype=np.uint8).reshape(8, 8), 4) == np.asarray(nearest)
    ).all()


def test_view_sizes():
    assert View().margin == 92 and View().input_size(388) == 572
    assert View(padding="same").margin == 0 and View(padding="same").size == 384
    assert View("frame").label_shape(256, 512) == (260, 516)
    assert View("frame", padding="same").label_shape(360, 480) == (368, 480)
    assert [View("frame").factor(h) for h in (1024, 512, 360, 100)] == [4, 2, 1, 1]
    with pytest.raises(ValueError, match=r"\[388, 404\]"):
        View(size=390)


def marked_root(tmp_path, height=700, width=900):
    """A root with one frame whose pixels know where they are."""
    for kind in ("leftImg8bit", "gtFine"):
        (tmp_path / kind / "train" / "a").mkdir(parents=True)
    y, x = np.mgrid[:height, :width]
    image = np.stack([y % 256, x % 256, (y + x) // 8 % 256], -1).astype(np.uint8)
    label = ((y * 3 + x) % 34).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "leftImg8bit/train/a/a_000000_000000_leftImg8bit.png")
    Image.fromarray(label).save(tmp_path / "gtFine/train/a/a_000000_000000_gtFine_labelIds.png")
    return image, label, indexed(tmp_path)


def test_center_crop_is_aligned_to_the_pixel(tmp_path):
    image, label, csv = marked_root(tmp_path)
    dataset = CityscapesDataset(read_csv(csv), tmp_path, mean=(0, 0, 0), std=(1, 1, 1))
    x, target = dataset[0]
    assert x.shape == (3, 572, 572) and x.dtype == torch.float32
    assert target.shape == (388, 388) and target.dtype == torch.int64
    top, left = (700 - 388) // 2, (900 - 388) // 2
    expected = torch.from_numpy(
        image[top - 92 : top + 480, left - 92 : left + 480].transpose(2, 0, 1) / 255
    ).float()
    assert torch.equal(x, expected)
    assert (target.numpy() == TRAIN_19.encode(label[top : top + 388, left : left + 388])).all()


def test_random_crop_and_flip_move_both_alike(tmp_path):
    image, label, csv = marked_root(tmp_path)
    dataset = CityscapesDataset(
        read_csv(csv), tmp_path, mean=(0, 0, 0), std=(1, 1, 1), augment=True
    )
    places, flips = set(), set()
    for epoch in range(12):
        dataset.epoch = epoch
        window, target = dataset.pair(0)
        ramp = int(window[92, 93, 1]) - int(
            window[92, 92, 1]
        )  # x grows to the right unless flipped
        flipped = ramp in (-1, 255)
        flips.add(flipped)
        if flipped:
            window, target = window[:, ::-1], target[:, ::-1]
        y, x, both = window[92, 92].tolist()
        found = [
            (t, le)
            for t in range(y, 700 - 388 + 1, 256)
            for le in range(x, 900 - 388 + 1, 256)
            if (t + le) // 8 % 256 == both
        ]
        assert any(
            (TRAIN_19.encode(label[t : t + 388, le : le + 388]) == target).all() for t, le in found
        )
        places.add(found[0])
        again = dataset.pair(0)
        assert (again[0] == dataset.pair(0)[0]).all()
    assert len(places) > 6 and flips == {True, False}


def test_small_frames_are_mirrored_and_void_outside(tmp_path):
    image, label, csv = marked_root(tmp_path, 360, 480)
    window, target = CityscapesDataset(read_csv(csv), tmp_path).pair(0)
    assert window.shape == (572, 572, 3) and target.shape == (388, 388)
    assert (target[:14] == 255).all() and (target[-14:] == 255).all()
    assert (target[14:374] == TRAIN_19.encode(label[:, 46:434])).all()
    assert (
        window[106 - 5] == window[106 + 5]
    ).all()  # rows 5 above and below the frame's first row


def test_frame_view(tmp_path):
    image, label, csv = marked_root(tmp_path, 512, 768)
    window, target = CityscapesDataset(read_csv(csv), tmp_path, View("frame", padding="same")).pair(
        0
    )
    assert window.shape == (256, 384, 3) and target.shape == (256, 384)
    assert (target == TRAIN_19.encode(label[1::2, 1::2])).all()
    window, target = CityscapesDataset(read_csv(csv), tmp_path, View("frame")).pair(0)
    assert target.shape == (260, 388) and window.shape == (444, 572, 3)


@pytest.mark.parametrize(
    ("height", "width", "factor"), [(8, 12, 4), (9, 13, 4), (7, 5, 3), (4, 4, 1)]
)
def test_reducing_invents_no_id_and_keeps_sizes_equal(height, width, factor):
    rng = np.random.default_rng(height)
    label, image = (
        rng.integers(0, 34, (height, width), dtype=np.uint8),
        rng.integers(0, 256, (height, width, 3)),
    )
    small, picture = reduce_label(label, factor), reduce_image(image.astype(np.uint8), factor)
    assert small.shape == picture.shape[:2] == (-(-height // factor), -(-width // factor))
    for i, j in np.ndindex(small.shape):
        block = (slice(i * factor, (i + 1) * factor), slice(j * factor, (j + 1) * factor))
        assert small[i, j] in label[block]
        assert (
            abs(picture[i, j] - image[block].mean((0, 1))).max() < 1
        )  # pillow divides in whole numbers


def test_random_crops_reach_every_corner_and_follow_seed_and_epoch(tmp_path):
    _, label, csv = marked_root(tmp_path, 389, 390)
    dataset, places = CityscapesDataset(read_csv(csv), tmp_path, augment=True, seed=5), set()
    items, truth = {}, TRAIN_19.encode(label)
    for dataset.epoch in range(40):
        window, target = items[dataset.epoch] = dataset.pair(0)
        places |= {
            (t, le)
            for t in range(2)
            for le in range(3)
            for part in [truth[t : t + 388, le : le + 388]]
            if (part == target).all() or (part[:, ::-1] == target).all()
        }
    assert places == {(t, le) for t in range(2) for le in range(3)}
    again, other = (
        CityscapesDataset(read_csv(csv), tmp_path, augment=True, seed=seed) for seed in (5, 6)
    )
    same = []
    for again.epoch, (window, _) in list(items.items())[:4]:
        other.epoch = again.epoch
        assert (again.pair(0)[0] == window).all()
        same.append((other.pair(0)[0] == window).all())
    assert not all(same)


def test_batches_of_a_loader(tmp_path):
    _, _, csv = marked_root(tmp_path)
    csv.write_text(csv.read_text() + csv.read_text().split("\n")[1] + "\n")
    dataset = CityscapesDataset(read_csv(csv), tmp_path)
    [(x, target)] = torch.utils.data.DataLoader(dataset, batch_size=2)
    assert (
        x.shape == (2, 3, 572, 572)
        and target.shape == (2, 388, 388)
        and target.dtype == torch.int64
    )
    assert (
        torch.equal(x[1], dataset[0][0])
        and len(CityscapesDataset(read_csv(csv), tmp_path, limit=1)) == 1
    )


def test_bad_labels_are_named(tmp_path):
    marked_root(tmp_path)
    row = read_csv(tmp_path / "train.csv")[0]
    Image.fromarray(np.full((700, 900), 50, np.uint8)).save(tmp_path / row.label)
    with pytest.raises(ValueError, match="labelIds.png.*unknown label id 50"):
        read_pair(row, tmp_path)
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / row.label)
    with pytest.raises(ValueError, match="900x700.*10x10"):
        read_pair(row, tmp_path)
    assert open_label(tmp_path / row.label).shape == (10, 10)


# -- cache
# ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "cropped", "augment"),
    [(View(), True, False), (View(), False, True), (View("frame", padding="same"), False, True)],
)
def test_cache_is_bit_equal(tmp_path, view, cropped, augment):
    _, _, csv = marked_root(tmp_path)
    plain = CityscapesDataset(read_csv(csv), tmp_path, view, augment=augment)
    cache = FrameCache(
        plain.rows, tmp_path, view, cropped=cropped, progress=False, folder=tmp_path / "cache"
    )
    cached = CityscapesDataset(read_csv(csv), tmp_path, view, augment=augment, cache=cache)
    for epoch in range(3):
        plain.epoch = cached.epoch = epoch
        assert all(torch.equal(a, b) for a, b in zip(plain[0], cached[0]))
    assert cache.state == "built"


def test_cache_follows_its_sources(tmp_path, capsys):
    _, _, csv = marked_root(tmp_path)
    rows = read_csv(csv)

    def make():
        return FrameCache(rows, tmp_path, progress=False, cropped=True, folder=tmp_path / "cache")

    first = make()
    assert make().state == "ready"
    Image.fromarray(np.zeros((700, 900, 3), np.uint8)).save(tmp_path / rows[0].image)
    changed = make()
    assert changed.state == "built" and not changed[0][0].any() and first[0][0].any()
    shutil.rmtree(tmp_path / "leftImg8bit")
    shutil.rmtree(tmp_path / "gtFine")
    assert make().state == "sources gone" and "gone" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError):
        FrameCache([Row("a", "b", "c", "d")], tmp_path, progress=False, folder=tmp_path / "other")


def test_a_pickled_cache_maps_its_files_anew(tmp_path):
    _, _, csv = marked_root(tmp_path)
    cache = FrameCache(
        read_csv(csv), tmp_path, progress=False, cropped=True, folder=tmp_path / "cache"
    )
    sent = pickle.dumps(cache)  # what a worker process of a DataLoader receives
    assert len(sent) < 10_000 < cache.images.nbytes
    again = pickle.loads(sent)
    assert isinstance(again.images, np.memmap) and all(
        (a == b).all() for a, b in zip(cache[0], again[0])
    )


def test_a_frame_missing_while_caching_is_named(tmp_path):
    _, _, csv = marked_root(tmp_path)
    [row] = read_csv(csv)
    rows = [row, row._replace(image="leftImg8bit/train/a/gone.png")]
    with pytest.raises(FileNotFoundError, match=r"gone.png does not exist"):
        FrameCache(rows, tmp_path, progress=False, folder=tmp_path / "cache")
    Image.new("RGB", (500, 400)).save(tmp_path / rows[1].image)
    Image.new("L", (500, 400)).save(tmp_path / "gtFine/train/a/small.png")
    with pytest.raises(ValueError, match="frames of one cache have one size"):
        FrameCache(
            [row, rows[1]._replace(label="gtFine/train/a/small.png")],
            tmp_path,
            progress=False,
            folder=tmp_path / "cache",
        )
    assert not list(tmp_path.glob("*cache*"))


def test_full_disk_leaves_no_cache(tmp_path, monkeypatch):
    _, _, csv = marked_root(tmp_path)
    rows = read_csv(csv)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(frame_cache.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OSError, match="the cache needs 2 MiB but .* has 0 MiB free"):
        FrameCache(rows, tmp_path, progress=False, folder=tmp_path / "cache")
    monkeypatch.undo()

    class Full:
        def __getattr__(self, name):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        frame_cache.np.lib.format, "write_array_header_1_0", lambda *a: Full().write
    )
    with pytest.raises(OSError, match="No space left"):
        FrameCache(rows, tmp_path, progress=False, folder=tmp_path / "cache")
    assert not list(tmp_path.glob("*cache*"))


def test_interrupted_write_keeps_the_old_file(tmp_path):
    from helpers.files import atomic_file, write_text

    path = tmp_path / "file.txt"
    write_text(path, "old")

    with pytest.raises(OSError, match="file.txt"), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file.txt"]


# -- exercises of chapters 03 to 05: what the checkers must refuse
# ------------------------------------------------


def _categories(void=255, shift=1, dtype=np.uint8):
    table = np.array(
        [void if r.category == "void" else r.category_id - shift for r in LABELS if r.id >= 0]
    )
    return lambda ids: table[ids].astype(dtype)


def _to_picture(finish):
    def answer(tensor, mean, std):
        mean, std = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
        return finish((tensor * std + mean) * 255).permute(1, 2, 0).numpy()

    return answer


def _augment(image_shift=0, flip_image=1, flip_label=1, first=False):
    def answer(image, label, top, left, flip, size, margin):
        if first and flip:  # mirrors the whole frame, then crops
            image, label, flip = image[:, ::-1], label[:, ::-1], False
        y, x, wide = top - margin + image_shift, left - margin, size + 2 * margin
        window, target = (
            image[y : y + wide, x : x + wide],
            label[top : top + size, left : left + size],
        )
        mirrored = (
            window[:, ::-1] if flip_image else window,
            target[:, ::-1] if flip_label else target,
        )
        return mirrored if flip else (window, target)

    return answer


def _majority(choose, dtype=np.uint8):
    def answer(label, factor):
        h, w = label.shape
        blocks = (
            label.reshape(h // factor, factor, w // factor, factor)
            .swapaxes(1, 2)
            .reshape(-1, factor * factor)
        )
        return np.array([choose(b) for b in blocks]).reshape(h // factor, w // factor).astype(dtype)

    return answer


def _place(which, corner):
    def answer(label, class_id, size, rng):
        ys, xs = np.nonzero(label == class_id)
        if not len(ys):
            return None
        k = which(rng, len(ys))
        offsets = (0, 0) if corner else rng.integers(0, size, 2)
        return tuple(
            int(min(max(0, p - o), n - size))
            for p, o, n in zip((ys[k], xs[k]), offsets, label.shape)
        )

    return answer


def _commonest(block):
    return np.bincount(block).argmax()


def _combine(mean_weight, inside_only):
    def answer(parts):
        total = sum(n for n, _, _ in parts)
        share = [n / total if mean_weight else 1 / len(parts) for n, _, _ in parts]
        mean = sum(w * m for w, (_, m, _) in zip(share, parts))
        between = (
            0 if inside_only else sum(w * (m - mean) ** 2 for w, (_, m, _) in zip(share, parts))
        )
        return mean, sqrt(sum(w * s * s for w, (_, _, s) in zip(share, parts)) + between)

    return answer


WRONG = [
    ("03.1", _categories(void=0)),
    ("03.1", _categories(shift=0)),
    ("03.1", _categories(dtype=np.int64)),
    ("04.1", _combine(True, True)),
    ("04.1", _combine(False, False)),
    ("04.2", _to_picture(lambda v: v.clamp(0, 255).to(torch.uint8))),
    ("04.2", _to_picture(lambda v: v.round())),
    ("04.2", _to_picture(lambda v: v.round().to(torch.int64).to(torch.uint8))),
    ("05.1", _augment(image_shift=1)),
    ("05.1", _augment(flip_image=0)),
    ("05.1", _augment(flip_label=0)),
    ("05.1", _augment(flip_image=0, flip_label=0)),
    ("05.1", _augment(first=True)),
    ("05.2", _majority(max)),
    ("05.2", _majority(_commonest, np.int64)),
    ("05.2", _majority(lambda b: len(np.bincount(b)) - 1 - np.bincount(b)[::-1].argmax())),
    ("05.3", _place(lambda rng, n: 0, False)),
    ("05.3", _place(lambda rng, n: rng.integers(n), True)),
]
RIGHT = [
    ("03.1", _categories()),
    ("04.1", _combine(True, False)),
    ("05.1", _augment()),
    ("05.2", _majority(_commonest)),
    ("04.2", _to_picture(lambda v: v.round().clamp(0, 255).to(torch.uint8))),
    ("05.3", _place(lambda rng, n: rng.integers(n), False)),
]


@pytest.mark.parametrize(
    ("number", "answer"), WRONG, ids=[f"{n}-{i}" for i, (n, _) in enumerate(WRONG)]
)
def test_checkers_refuse_wrong_answers(number, answer):
    assert verdict(number, answer)


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=[n for n, _ in RIGHT])
def test_checkers_accept_right_answers(number, answer):
    assert verdict(number, answer) is None
