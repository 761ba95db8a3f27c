"""Chapter 02: wrong versions of what the learner writes are refused in the words that fit, and what
the text says of the trained networks is so.
"""

import inspect
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from extras.exercises import ch02, verdict
from helpers.checkpoints import load_model
from helpers.dataset import normalize
from helpers.fcn import ThinFCN
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.unet import UNet
from scripts.compare_networks import street
from scripts.train_checkpoints import CHECKPOINTS

ZEROS = "skip = torch.zeros_like(skip)"
JOINED = "x = torch.cat([skip, x], dim=1)"
WRONG = [
    ("02.A", "return model.head(x)", "return x", "model.head comes last"),
    ("02.A", JOINED, "x = torch.cat([x, skip], dim=1)", "the skip comes first"),
    ("02.A", ZEROS, "pass", "silent=(1,) changes nothing"),
    ("02.A", ZEROS, "skip.zero_()", "have changed"),
    ("02.A", ZEROS, "skip = skip / 2", "only the skips of these levels are zeros"),
    ("02.A", "if level in silent", "if level - 1 in silent", "levels count from 1"),
    ("02.A", "maps[level - 1]", "maps[level]", "two maps do not fit"),
    ("02.A", "(4, 3, 2, 1)", "(1, 2, 3, 4)", "two maps do not fit"),
    ("02.A", "maps[level - 1]", "maps.pop(level - 1)", "the list of maps has changed"),
    (
        "02.A",
        f"    {ZEROS}\n        x = up(x)\n        {JOINED}",
        f"    x = up(x)\n        else:\n            x = up(x)\n            {JOINED}",
        "a silent skip is not left out",
    ),
    ("02.A", "x = merge(x)", "pass", "two maps do not fit"),
    ("02.A", "model.head(x)", "model.head(2 * x)", "must be those of model itself"),
    ("02.B", "n = n - 4  # level 5, the bottom", "", "you are 64 too high"),
    ("02.B", "n // 2", "n / 2", "divide with //"),
    ("02.B", "n = n * 2", "n = 2 * n + 2", "572 pixels in give 388 out"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch02.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch02))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


@pytest.mark.parametrize("loss", [184, 172])
def test_sizes_that_are_not_halved_step_by_step_are_refused(loss):
    """Right for all legal sizes; a pooling that meets 137 pixels tells."""

    def output_size(n):
        return n - 184 if n != 576 else n - loss

    assert "576 pixels in give 388 out" in verdict("02.B", output_size)


def test_eighteen_convolutions_at_one_level_are_named():
    assert "each on its own level" in verdict("02.B", lambda n: n - 36)


@pytest.fixture(scope="module")
def trained():
    """The shipped U-Net, the maps of the street on its way down, and the truth."""
    model, info = load_model(CHECKPOINTS / "unet.pt")
    image, truth = street()
    x = normalize(image, info["mean"], info["std"])[None]
    maps = []
    with torch.no_grad():
        for level, block in enumerate(model.down):
            x = block(x if level == 0 else model.pool(x))
            maps.append(x)
    return model, maps, truth


def classes(scores) -> np.ndarray:
    return scores[0].argmax(0).numpy()


def found(answer: np.ndarray, truth: np.ndarray, name: str) -> float:
    """Of the pixels of a class, the share that is called so."""
    is_class = truth == TRAIN_19.names.index(name)
    return float((answer == truth)[is_class].mean())


@torch.no_grad()
def test_what_the_text_says_of_silent_skips(trained):
    model, maps, truth = trained
    whole = classes(ch02.go_up(model, maps))
    image, _ = street()

    without_1 = classes(ch02.go_up(model, maps, (1,)))
    building = TRAIN_19.names.index("building")
    sky = truth == TRAIN_19.names.index("sky")
    assert (without_1[sky] == building).mean() > 0.9
    assert found(without_1, truth, "vegetation") < 0.4
    for name in ("road", "car"):
        assert found(without_1, truth, name) > 0.9

    without_2 = classes(ch02.go_up(model, maps, (1, 2)))
    # A part of the tree comes back.
    assert found(without_2, truth, "vegetation") > found(without_1, truth, "vegetation") + 0.1
    for name in ("person", "bicycle", "pole"):
        assert found(without_2, truth, name) < found(without_1, truth, name) - 0.1
    without_3 = classes(ch02.go_up(model, maps, (1, 2, 3)))
    for name in ("traffic light", "traffic sign", "fence"):
        assert found(without_3, truth, name) < 0.2
    for name in ("road", "building", "car"):
        assert found(without_3, truth, name) > 0.75

    # The skip of level 4 makes almost no difference.
    without_4 = classes(ch02.go_up(model, maps, (4,)))
    assert 0 < (without_4 != whole).mean() < 0.01


@torch.no_grad()
def test_what_the_text_says_of_the_convolutions_behind_the_skips(trained):
    model, maps, _ = trained
    weights = {}
    shares = {}
    below = maps[4]
    for level, up, merge in zip((4, 3, 2, 1), model.up, model.merge):
        skip = maps[level - 1]
        below = up(below)
        for_skip, for_below = merge[0].weight.split([skip.shape[1], below.shape[1]], dim=1)
        weights[level] = float(for_skip.abs().mean() / for_below.abs().mean())
        first = F.conv2d(skip, for_skip, padding=1).std(dim=(2, 3)).mean()
        second = F.conv2d(below, for_below, padding=1).std(dim=(2, 3)).mean()
        shares[level] = float(first / (first + second))
        below = merge(torch.cat([skip, below], dim=1))
    assert weights[4] == pytest.approx(0.25, abs=0.02)
    assert shares[4] == pytest.approx(0.02, abs=0.003)
    assert min(weights[level] for level in (1, 2, 3)) > 0.8
    assert min(shares[level] for level in (1, 2, 3)) > 0.2


@torch.no_grad()
def test_what_the_text_says_of_brightness_and_color(trained):
    model, maps, truth = trained
    image, _ = street()
    info = load_model(CHECKPOINTS / "unet.pt")[1]

    def maps_of(picture):
        x = normalize(picture, info["mean"], info["std"])[None]
        found_maps = []
        for level, block in enumerate(model.down):
            x = block(x if level == 0 else model.pool(x))
            found_maps.append(x)
        return found_maps

    def shares(maps, silent=()):
        answer = classes(ch02.go_up(model, maps, silent))
        return [found(answer, truth, name) for name in ("sky", "vegetation", "terrain")]

    gray = maps_of(image.mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, axis=2))
    dark = image.copy()
    dark[truth == TRAIN_19.names.index("sky")] //= 2
    dark_maps = maps_of(dark)
    average = maps[0].mean(dim=(2, 3), keepdim=True).expand_as(maps[0])

    assert shares(gray)[0] > 0.95 and shares(gray, (1,))[0] < 0.05
    assert shares(gray)[1] < 0.4 and shares(gray)[2] < 0.1
    without_color = shares([gray[0]] + maps[1:])
    assert without_color[1] < 0.6 and without_color[2] < 0.1
    assert min(shares([maps[0]] + gray[1:])) > 0.85
    # With the finest skip silent, color still finds most of the grass, and gray none.
    assert shares(maps, (1,))[2] > 0.6 and shares(gray, (1,))[2] < 0.05
    dark_answer = classes(ch02.go_up(model, [dark_maps[0]] + maps[1:]))
    sky = truth == TRAIN_19.names.index("sky")
    assert (dark_answer[sky] == TRAIN_19.names.index("building")).mean() > 0.9
    averaged = shares([average] + maps[1:])
    assert averaged[0] < 0.05 and averaged[1] > 0.6


@torch.no_grad()
def test_what_the_solution_says_of_the_other_path(trained):
    model, maps, truth = trained
    for silent in (1, 4):
        x = maps[4]
        for level, up, merge in zip((4, 3, 2, 1), model.up, model.merge):
            x = torch.zeros_like(up(x)) if level == silent else up(x)
            x = merge(torch.cat([maps[level - 1], x], dim=1))
        answer = classes(model.head(x))
        if silent == 1:
            assert (answer == TRAIN_19.names.index("road")).mean() > 0.9
        else:
            for name in ("building", "vegetation", "sky"):
                assert found(answer, truth, name) > 0.6
            for name in ("road", "car"):
                assert found(answer, truth, name) < 0.1


@torch.no_grad()
def test_what_the_text_says_of_tiles_and_of_borders(trained):
    model, _, truth = trained
    image, _ = street()
    info = load_model(CHECKPOINTS / "unet.pt")[1]
    x = normalize(image, info["mean"], info["std"])[None]
    alone = np.zeros((256, 512), np.int64)
    for top in range(0, 256, 64):
        for left in range(0, 512, 64):
            tile = x[..., top : top + 64, left : left + 64]
            alone[top : top + 64, left : left + 64] = classes(model(tile))
    asked = truth != 255
    right = (alone == truth)[192:][asked[192:]].mean()
    assert right < 0.3 < (alone == truth)[asked].mean()
    # In the lowest row, road is called sidewalk, building and wall.
    called = np.bincount(alone[192:][truth[192:] == 0], minlength=19)
    most = {TRAIN_19.names[number] for number in called.argsort()[-3:]}
    assert most == {"sidewalk", "building", "wall"}

    unpadded = UNet(width=12, padding="valid", norm="batch", dropout=0.0).eval()
    unpadded.load_state_dict(model.state_dict())
    shares = {}
    for mode in ("reflect", "constant"):
        answer = classes(unpadded(F.pad(x, (94, 94, 94, 94), mode=mode)))[2:258, 2:514]
        shares[mode] = (answer == truth)[asked].mean()
    assert shares["reflect"] < shares["constant"] - 0.02
    assert shares["constant"] < (classes(model(x)) == truth)[asked].mean() - 0.02


def multiplications_of_convolutions(model) -> dict[str, int]:
    """Of every convolution, for a frame of 256x512 pixels."""
    counts = {}

    def count(name):
        def hook(layer, inputs, output):
            # A transposed convolution multiplies once per number that enters.
            place = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
            counts[name] = layer.weight.numel() * place.shape[-2] * place.shape[-1]

        return hook

    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(count(name))
    model(torch.zeros(1, 3, 256, 512, device="meta"))
    return counts


def test_what_the_text_says_of_multiplications():
    with torch.device("meta"):
        unet = UNet(width=12, padding="same", norm="batch")
        fcn = ThinFCN()
    counts = multiplications_of_convolutions(unet)
    scores = json.loads((CHECKPOINTS / "scores.json").read_text())["networks"]
    assert sum(counts.values()) == scores["unet"]["multiplications"]
    for level in range(4):
        up = 3 - level
        parts = (f"down.{level}.", f"up.{up}", f"merge.{up}.")
        of_level = sum(value for name, value in counts.items() if name.startswith(parts))
        if level == 0:
            of_level += counts["head"]
        assert of_level / 1e9 == pytest.approx(0.8, abs=0.04)
    shapes = []
    fcn.fc6.register_forward_hook(lambda layer, inputs, output: shapes.append(output.shape))
    fcn(torch.zeros(1, 3, 256, 512, device="meta"))
    assert shapes[0][-2] * shapes[0][-1] == 128
    of_fc6 = sum(weight.numel() for weight in fcn.fc6.parameters())
    assert of_fc6 / scores["fcn8s"]["parameters"] == pytest.approx(0.5, abs=0.01)


def test_what_the_text_says_of_fcn_and_unet():
    scores = json.loads((CHECKPOINTS / "scores.json").read_text())
    fcn, unet = scores["networks"]["fcn8s"], scores["networks"]["unet"]
    gains = {name: unet["iou"][name] - fcn["iou"][name] for name in unet["iou"]}
    assert [name for name in gains if gains[name] <= 0] == ["bus"]
    assert sorted(gains, key=gains.get)[-2:] == ["traffic light", "pole"]
    assert set(sorted(gains, key=gains.get)[-4:-2]) == {"terrain", "person"}
    assert set(sorted(gains, key=gains.get)[1:5]) == {"road", "motorcycle", "rider", "traffic sign"}
    for name in ("bicycle", "traffic sign", "road"):
        assert gains[name] < 0.05
    assert scores["pairs"]["unet - fcn8s"]["low"] > 0
    assert round(unet["multiplications"] / fcn["multiplications"], 1) == 2.3
    # The specks: on the street a class is named that is not there.
    assert unet["street"]["iou"]["train"] == 0 and fcn["street"]["iou"]["train"] is None


def test_what_the_text_says_of_the_curves():
    curves = {}
    for name in ("fcn8s", "unet"):
        record = json.loads((ROOT / "data" / "checkpoints" / f"{name}.json").read_text())
        curves[name] = {row["steps"]: row["dev_mean_iou"] for row in record["history"]}
    steps = list(curves["unet"])
    lead = [curves["fcn8s"][step] > curves["unet"][step] for step in steps]
    assert all(lead[: len(lead) // 2]) and not any(lead[-12:])
    assert steps[lead.index(False)] == 2240
    assert round(curves["unet"][4000] - curves["fcn8s"][4000], 2) == 0.06
