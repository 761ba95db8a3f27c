"""Whole frames: tiles against the single mirrored pass and against numpy; flips, scales, views; any
photograph.
"""

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import inference
from helpers.checkpoints import save_model
from helpers.csv_index import find_rows, read_csv
from helpers.dataset import CityscapesDataset, normalize
from helpers.fcn import FCN8s, FCN32s, ThinFCN
from helpers.images import read_photograph
from helpers.inference import (
    BUDGET,
    assemble,
    for_photograph,
    frame_logits,
    frame_pieces,
    label_photograph,
    main,
    predict_frame,
    predict_photograph,
    tile_logits,
)
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.unet import UNet
from helpers.windows import View, reduce_image

MEAN, STD = (0.3, 0.4, 0.5), (0.2, 0.25, 0.3)


VALID = {"view": View(), "mean": MEAN, "std": STD}


SAME = {"view": View(padding="same"), "mean": MEAN, "std": STD}


QUARTER = {"view": View("frame", padding="same"), "mean": MEAN, "std": STD, "label_set": TRAIN_19}


SIZES = [(360, 480), (376, 1241), (500, 392)]


def network(**options):
    torch.manual_seed(0)
    net = UNet(width=2, **options).eval()
    for weights in (net.head.weight, net.head.bias):
        weights.data /= 10  # logits of a few units, as a trained network has them
    return net


@pytest.fixture(scope="module")
def valid():
    return network()


@pytest.fixture(scope="module")
def same():
    return network(padding="same", norm="batch")


def noise(height, width, seed=0):
    """A frame with coarse and fine structure, uint8 [H, W, 3]."""
    random = np.random.default_rng(seed)
    coarse = (
        random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3)).repeat(16, 0).repeat(16, 1)
    )
    return (
        (coarse[:height, :width] * 3 + random.integers(0, 256, (height, width, 3))) // 4
    ).astype(np.uint8)


class Brightness(torch.nn.Module):
    """Class 1 where the normalized red channel is above zero, else class 0; remembers the sizes it
    was given.
    """

    def __init__(self, margin=0):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.margin, self.seen = margin, []

    def forward(self, x):
        self.seen.append(tuple(x.shape[-2:]))
        m = self.margin
        red = x[:, :1, m : x.shape[2] - m, m : x.shape[3] - m]
        return torch.cat([-red, red], 1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_tiles_agree_with_the_single_pass(valid, size, flip):
    frame = noise(*size)
    whole = frame_logits(valid, frame, VALID, flip=flip)
    tiles = frame_logits(valid, frame, VALID, tile=388, flip=flip)
    assert whole.shape == (19, *size) and (whole - tiles).abs().max() < 1e-5
    labels = predict_frame(valid, frame, VALID, flip=flip)
    assert (labels == whole.argmax(0).numpy()).all() and (
        labels == tiles.argmax(0).numpy()
    ).mean() > 0.9999
    assert len(whole.argmax(0).unique()) > 1


def by_steps(net, frame, step):
    """388-pixel tiles `step` pixels apart, over a frame whose size is legal, written with numpy's
    own mirroring.
    """
    height, width = frame.shape[:2]
    padded = np.pad(frame, ((92, 92 + 400), (92, 92 + 400), (0, 0)), mode="reflect")
    result = torch.zeros(19, height + 400, width + 400)
    with torch.no_grad():
        for y in range(0, height, step):
            for x in range(0, width, step):
                window = normalize(padded[y : y + 572, x : x + 572], MEAN, STD)
                result[:, y : y + 388, x : x + 388] = net(window[None])[0]
    return result[:, :height, :width]


def test_a_step_of_384_holds_and_388_fails(valid):
    frame = noise(388 + 2 * 16, 388 + 15 * 16)
    whole = frame_logits(valid, frame, VALID)
    assert (by_steps(valid, frame, 384) - whole).abs().max() < 1e-5
    wrong = by_steps(valid, frame, 388)
    assert (wrong - whole).abs().max() > 0.01 and (
        wrong.argmax(0) != whole.argmax(0)
    ).float().mean() > 0.01


@pytest.mark.parametrize("size", [(10, 10), (1, 1), (3, 200), (95, 40)])
def test_small_pictures_are_mirrored_again_and_again(valid, size):
    frame = noise(*size)
    legal = [VALID["view"].legal(n) for n in size]
    before = [-((m - n) // 2) for n, m in zip(legal, size)]
    padding = [(92 + b, 92 + n - m - b) for n, m, b in zip(legal, size, before)]
    if 1 in size:  # numpy refuses to reflect a single pixel
        padded = np.broadcast_to(frame[:1, :1], (legal[0] + 184, legal[1] + 184, 3))
    else:
        padded = np.pad(frame, (*padding, (0, 0)), mode="reflect")
    with torch.no_grad():
        expected = valid(normalize(padded, MEAN, STD)[None])[0]
    expected = expected[:, before[0] : before[0] + size[0], before[1] : before[1] + size[1]]
    assert (frame_logits(valid, frame, VALID) - expected).abs().max() < 1e-5


def test_zeros_instead_of_a_mirror_would_be_noticed(valid):
    frame = noise(36, 36)
    inputs = np.pad(frame, ((92, 92), (92, 92), (0, 0)))
    with torch.no_grad():
        zeros = valid(normalize(inputs, MEAN, STD)[None])[0]
    assert (frame_logits(valid, frame, VALID) - zeros).abs().max() > 0.01


def test_same_padded_tiles_need_their_margin(same, monkeypatch):
    frame = noise(272, 400)
    whole, tiles = (frame_logits(same, frame, SAME, tile=t) for t in (None, 128))
    assert (whole - tiles).abs().max() < 1e-5
    monkeypatch.setattr(inference, "grid_and_reach", lambda *_: (16, 0))
    seams = frame_logits(same, frame, SAME, tile=128)
    assert (whole - seams).abs().max() > 0.01


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_the_margin_of_a_tile_grows_with_the_depth(depth):
    net = network(padding="same", depth=depth)
    info = {**SAME, "view": View("crop", 64, "same", depth)}
    frame = noise(64, 750)
    whole = frame_logits(net, frame, info)
    tiles = frame_logits(net, frame, info, budget=1)
    assert (whole - tiles).abs().max() < 1e-5 < whole.std()


@pytest.mark.parametrize("make", [ThinFCN, FCN32s, FCN8s])
@pytest.mark.parametrize(("size", "depth"), [(64, 0), (50, 0), (64, 4)])
def test_tiles_of_an_fcn_agree_with_the_single_pass(make, size, depth):
    torch.manual_seed(0)
    net = make(num_classes=3, width=2, hidden=8).eval()
    for name, layer in net.named_modules():
        if name.startswith("score"):
            torch.nn.init.normal_(layer.weight)  # they begin at zero
    info = {**SAME, "view": View("crop", size, "same", depth)}
    frame = noise(64, 800)
    whole = frame_logits(net, frame, info)
    tiles = frame_logits(net, frame, info, budget=1)
    assert (whole - tiles).abs().max() < 1e-4 * whole.std()


@pytest.mark.parametrize(
    "info", [VALID, SAME, QUARTER, {**QUARTER, "view": View("frame", padding="valid")}]
)
def test_pieces_cover_every_pixel_once(info):
    for size in ((1, 1), (10, 10), (5, 700), (257, 511), (1030, 515), (388, 389), (769, 400)):
        covered = np.zeros(size, int)
        for tile in (None, 64):
            net = Brightness(info["view"].margin)
            for top, left, piece in frame_pieces(
                net, np.zeros((*size, 3), np.uint8), info, tile=tile
            ):
                assert (
                    top >= 0
                    and left >= 0
                    and top + piece.shape[1] <= size[0]
                    and left + piece.shape[2] <= size[1]
                )
                covered[top : top + piece.shape[1], left : left + piece.shape[2]] += 1
        assert (covered == 2).all()


def test_the_budget_decides_between_one_pass_and_tiles():
    frame = np.zeros((1024, 2048, 3), np.uint8)
    one, many = Brightness(92), Brightness(92)
    predict_frame(one, frame, VALID)
    predict_frame(many, frame, VALID, budget=50 << 20)
    assert one.seen == [(1212, 2236)] and len(many.seen) == 18 and set(many.seen) >= {(572, 572)}
    thin, wide = UNet(width=2), torch.nn.Conv2d(64, 64, 3)
    assert (
        inference.bytes_needed(thin, 1212, 2236) < BUDGET < inference.bytes_needed(wide, 1212, 2236)
    )


def test_flip_averages_with_the_mirror_image_turned_back(same):
    frame = noise(64, 160)
    plain = frame_logits(same, frame, SAME)
    mirrored = frame_logits(same, frame[:, ::-1].copy(), SAME)
    both = frame_logits(same, frame, SAME, flip=True)
    assert (both - (plain + mirrored.flip(-1)) / 2).abs().max() < 1e-5
    assert (both - (plain + mirrored) / 2).abs().max() > 0.01


def test_flip_labels_stay_where_they_are():
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:, :17] = 255
    expected = (np.arange(60) < 17).astype(np.uint8)[None].repeat(40, 0)
    assert (predict_frame(Brightness(), frame, SAME, flip=True) == expected).all()


def test_scales_are_averaged_at_the_size_of_the_input(same):
    frame = noise(96, 128)
    plain = frame_logits(same, frame, SAME)
    assert (frame_logits(same, frame, SAME, scales=(1.0, 1.0)) - plain).abs().max() < 1e-5
    half = np.asarray(Image.fromarray(frame).resize((64, 48), Image.Resampling.BILINEAR))
    small = torch.nn.functional.interpolate(
        frame_logits(same, half, SAME)[None], (96, 128), mode="bilinear"
    )[0]
    assert (
        frame_logits(same, frame, SAME, scales=(1.0, 0.5)) - (plain + small) / 2
    ).abs().max() < 1e-5


def test_scales_reach_a_network_of_reduced_frames():
    net = Brightness()
    predict_frame(net, np.zeros((1024, 2048, 3), np.uint8), QUARTER, scales=(0.5, 1.0, 1.25))
    assert net.seen == [(128, 256), (256, 512), (320, 640)]


def test_reduced_frames_are_predicted_as_evaluate_does(city, same, tmp_path):
    from helpers.csv_index import write_csv

    write_csv(city, "val", tmp_path / "val.csv")
    dataset = CityscapesDataset(
        read_csv(tmp_path / "val.csv"), city, QUARTER["view"], TRAIN_19, MEAN, STD
    )
    with torch.no_grad():
        expected = same(dataset[0][0][None])[0]
    frame = dataset.frame(0)
    pieces = tile_logits(same, reduce_image(frame, 4), QUARTER)
    assert (assemble(pieces, 256, 512) - expected).abs().max() < 1e-5
    logits, found = frame_logits(same, frame, QUARTER), predict_frame(same, frame, QUARTER)
    whole = torch.nn.functional.interpolate(expected[None], scale_factor=4, mode="bilinear")[0]
    assert (logits - whole).abs().max() < 1e-5 and (found == logits.argmax(0).numpy()).all()


@pytest.mark.parametrize("bright", [np.s_[400:, :], np.s_[:, 1200:], np.s_[:4], np.s_[:, :-5]])
def test_labels_lie_where_the_picture_has_them(bright):
    """An edge in a frame that is reduced by four comes back at the same pixel, also where four does
    not divide.
    """
    frame = np.zeros((1023, 1301, 3), np.uint8)
    frame[bright] = 255
    expected = (frame[..., 0] > 0).astype(np.uint8)
    found = predict_frame(Brightness(), frame, {**QUARTER, "mean": (0.5, 0.5, 0.5)})
    assert found.shape == (1023, 1301) and (found == expected).all()


def test_the_crop_views_window_is_what_the_dataset_shows(city, valid, tmp_path):
    from helpers.csv_index import write_csv

    write_csv(city, "val", tmp_path / "val.csv")
    dataset = CityscapesDataset(read_csv(tmp_path / "val.csv"), city, View(), TRAIN_19, MEAN, STD)
    # 800 x 1216: the center crop starts on the same grid
    frame = dataset.frame(0)[100:900, 200:1416]
    image, _ = dataset.view.pair(frame, frame[..., 0])
    with torch.no_grad():
        expected = valid(normalize(image, MEAN, STD)[None])[0]
    assert (frame_logits(valid, frame, VALID)[:, 206:594, 414:802] - expected).abs().max() < 1e-5


def test_defaults_and_refusals(valid):
    frame = noise(40, 40)
    assert predict_frame(valid, frame, VALID).dtype == np.uint8
    dropping = network().train()
    first, second = (predict_frame(dropping, frame, VALID) for _ in range(2))
    assert (first == second).all(), "dropout must be off"
    for wrong in (frame / 255, frame[..., 0], np.zeros((0, 5, 3), np.uint8), noise(4, 4)[..., :2]):
        with pytest.raises(ValueError, match="uint8 RGB"):
            predict_frame(valid, wrong, VALID)


def saved(folder, name, picture, **options):
    picture.save(folder / name, **options)
    return folder / name


def test_a_photograph_is_labeled_at_its_own_size(same, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, "phone.jpg", Image.fromarray(noise(90, 160)), exif=exif)
    written = label_photograph(path, same, QUARTER, tmp_path / "out")
    assert [p.name for p in written] == [
        "phone_color.png",
        "phone_labelIds.png",
        "phone_overlay.jpg",
    ]
    color, ids, overlay = (Image.open(p) for p in written)
    assert color.size == ids.size == overlay.size == (90, 160) and (color.mode, ids.mode) == (
        "RGB",
        "L",
    )
    expected = predict_photograph(same, read_photograph(path), QUARTER)
    assert (np.asarray(ids) == TRAIN_19.decode(expected)).all()
    assert (np.asarray(color) == TRAIN_19.colorize(expected)).all()
    parts = read_photograph(path).astype(int), np.asarray(color).astype(int)
    far = [
        np.abs(np.asarray(overlay) - part).mean() for part in ((parts[0] + parts[1]) / 2, *parts)
    ]
    assert far[0] < min(far[1:]) / 1.5, "half photograph, half colors (as far as JPEG keeps noise)"


def test_a_photograph_is_seen_with_its_own_statistics_at_the_height_the_network_knows(same):
    photograph = noise(100, 60) // 2 + 90
    info, scale = for_photograph(photograph, QUARTER)
    pixels = photograph.reshape(-1, 3) / 255
    assert info["mean"] == pytest.approx(pixels.mean(0))
    assert info["std"] == pytest.approx(pixels.std(0))
    view = QUARTER["view"]
    assert round(-(-100 // view.factor(100)) * scale) == view.height
    expected = predict_frame(same, photograph, info, scales=(scale,))
    assert np.array_equal(predict_photograph(same, photograph, QUARTER), expected)
    _, scale = for_photograph(photograph, {**QUARTER, "rows": 25})
    assert scale == 25 / -(-100 // view.factor(100)), "trained on frames of 25 rows"
    _, scale = for_photograph(photograph, {"view": View(), "mean": MEAN, "std": STD})
    assert scale == 1, "a network of crops sees every picture at its own size"


def test_a_photograph_like_the_training_frames_is_seen_as_they_were(same, tmp_path):
    path = saved(tmp_path, "own.png", Image.fromarray(noise(90, 160)))
    _, ids, _ = label_photograph(path, same, QUARTER, tmp_path / "out", like_training=True)
    expected = predict_frame(same, read_photograph(path), QUARTER)
    assert np.array_equal(np.asarray(Image.open(ids)), TRAIN_19.decode(expected))


def test_a_photograph_of_one_color_can_be_labeled(same):
    assert predict_photograph(same, np.full((40, 50, 3), 7, np.uint8), QUARTER).shape == (40, 50)


def test_command_line(same, tmp_path, capsys):
    info = {
        "label_set": "train19",
        "view": vars(QUARTER["view"]),
        "mean": list(MEAN),
        "std": list(STD),
    }
    save_model(tmp_path / "net.pt", same, info)
    path = saved(tmp_path, "tiny.png", Image.fromarray(noise(10, 10)).convert("LA"))
    main(
        [
            str(path),
            "--checkpoint",
            str(tmp_path / "net.pt"),
            "--output",
            str(tmp_path / "out"),
            "--flip",
        ]
    )
    assert capsys.readouterr().out.count("\n") == 3 and len(list((tmp_path / "out").iterdir())) == 3
    done = subprocess.run(
        [sys.executable, "-m", "helpers.inference", str(path), "--checkpoint", "nowhere.pt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (
        done.returncode == 1
        and "no such checkpoint" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_a_large_photograph_needs_bounded_memory(valid):
    """Nothing that grows with classes x pixels: the largest window stays a tile, and pieces stay
    small.
    """
    net = Brightness(92)
    sizes = [
        piece.numel()
        for _, _, piece in frame_pieces(
            net, np.zeros((2000, 3000, 3), np.uint8), VALID, budget=100 << 20
        )
    ]
    assert max(h * w for h, w in net.seen) <= 572 * 572 and max(sizes) <= 2 * 388 * 388
    sizes = [
        piece.numel()
        for _, _, piece in frame_pieces(Brightness(), np.zeros((2000, 3000, 3), np.uint8), QUARTER)
    ]
    assert max(sizes) <= 2 * 64 * 3000


def test_val_frames_of_the_city_are_labeled_whole(city, same):
    row = find_rows(city, "val")[0]
    labels = predict_frame(same, np.asarray(Image.open(city / row.image)), QUARTER)
    assert labels.shape == (1024, 2048) and labels.max() < 19
