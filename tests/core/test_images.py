"""Frames, label maps and photographs read as arrays; other modes and broken files are named."""

import numpy as np
import pytest
from PIL import Image

from helpers.csv_index import check_csv, read_csv
from helpers.images import open_image, open_label, read_photograph
from tests.roots import indexed


@pytest.mark.parametrize(("mode", "message"), [("RGBA", "mode RGBA"), ("I;16", "mode I;16")])
def test_wrong_modes_are_named(tiny_root, mode, message):
    row = read_csv(indexed(tiny_root))[0]
    picture = Image.new(mode, (40, 24))
    picture.save(tiny_root / row.image)
    with pytest.raises(ValueError, match=message):
        open_image(tiny_root / row.image)
    assert message in "\n".join(check_csv(tiny_root / "train.csv", tiny_root))


def test_a_label_that_is_a_jpeg_under_another_name_is_named(tiny_root):
    row = read_csv(indexed(tiny_root))[0]
    label = tiny_root / row.label
    Image.fromarray(open_label(label)).save(label, format="JPEG")
    with pytest.raises(ValueError, match=f"{label.name}: a JPEG, which changes ids"):
        open_label(label)
    assert "a JPEG" in "\n".join(check_csv(tiny_root / "train.csv", tiny_root))


def noise(height, width, seed=0):
    """A frame with coarse and fine structure, uint8 [H, W, 3]."""
    random = np.random.default_rng(seed)
    coarse = (
        random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)
    )
    return (
        (coarse[:height, :width] * 3 + random.integers(0, 256, (height, width, 3))) // 4
    ).astype(np.uint8)


RGB = noise(30, 50)


def saved(folder, name, picture, **options):
    picture.save(folder / name, **options)
    return folder / name


def test_pictures_of_every_kind_become_rgb(tmp_path):
    picture = Image.fromarray(RGB)
    assert (read_photograph(saved(tmp_path, "rgb.png", picture)) == RGB).all()
    gray = read_photograph(saved(tmp_path, "gray.png", picture.convert("L")))
    assert (gray == np.asarray(picture.convert("L"))[..., None]).all()
    palette = read_photograph(saved(tmp_path, "palette.png", picture.quantize(256)))
    assert palette.shape == RGB.shape and np.abs(palette.astype(int) - RGB).mean() < 30
    alpha = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    alpha[:, :10, 3] = 0
    clear = read_photograph(saved(tmp_path, "alpha.png", Image.fromarray(alpha)))
    assert (clear[:, :10] == 255).all() and (clear[:, 10:] == RGB[:, 10:]).all()
    deep = Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)
    assert (read_photograph(saved(tmp_path, "deep.png", deep)) == RGB[..., :1]).all()
    assert (read_photograph(saved(tmp_path, "bits.png", picture.convert("1"))) % 255 == 0).all()
    assert read_photograph(saved(tmp_path, "cmyk.jpg", picture.convert("CMYK"))).shape == RGB.shape


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [(1, RGB), (3, RGB[::-1, ::-1]), (6, np.rot90(RGB, -1)), (8, np.rot90(RGB))],
)
def test_exif_orientation_is_obeyed(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, "turned.png", Image.fromarray(RGB), exif=exif)
    assert (read_photograph(path) == turned).all()


def test_what_is_no_picture_is_refused_by_name(tmp_path):
    (tmp_path / "notes.jpg").write_text("not a picture")
    whole = saved(tmp_path, "whole.png", Image.fromarray(RGB)).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    for name in ("notes.jpg", "half.png"):
        with pytest.raises(ValueError, match=name):
            read_photograph(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="missing.jpg"):
        read_photograph(tmp_path / "missing.jpg")


def test_deep_and_float_photographs_are_brought_to_bytes(tmp_path):
    gray = RGB[..., 0].astype(np.float32)
    for name, values in (("bytes", gray), ("unit", gray / 255), ("deep", 2 * gray)):
        found = read_photograph(saved(tmp_path, f"{name}.tif", Image.fromarray(values)))
        expected = np.round(values / max(1, values.max() / 255)) if name != "unit" else gray
        assert np.abs(found[..., 0] - expected).max() == 0, name
    dark = Image.fromarray(np.full((4, 5), 2**14 - 1, np.uint16))
    with pytest.raises(ValueError, match="its values end at 16383 of 65535"):
        read_photograph(saved(tmp_path, "dark.png", dark))
    bright = Image.fromarray(np.full((4, 5), 2**14, np.uint16))
    assert (read_photograph(saved(tmp_path, "bright.png", bright)) == round(2**14 / 257)).all()
