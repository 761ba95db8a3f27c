"""What chapter 11 says in words: of the stored scores, of raw inputs, of a mixed label, and of what
a score may depend on.
"""

import json
import math

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

from extras.bug_lab.bugs import case
from helpers.checkpoints import load_model, save_model
from helpers.config import TrainConfig
from helpers.csv_index import Row
from helpers.dataset import CityscapesDataset
from helpers.evaluate import dataset_for, evaluate
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.unet import UNet

ROW = Row("frame.webp", "labelIds.png", "kastanienbad", "000005_000019")
STREET = TrainConfig(name="street", view="frame", height=64, padding="same", depth=3)


def street(height: int, **options) -> CityscapesDataset:
    view = TrainConfig(name="street", view="frame", height=height, padding="same").make_view()
    return CityscapesDataset([ROW], ROOT / "data" / "frame", view, **options)


@pytest.fixture(scope="module")
def stored():
    rows = json.loads((ROOT / "benchmarks" / "results" / "bug_lab.json").read_text())["rows"]
    return {(row["case"], row["batch_size"]): row for row in rows}


def test_what_the_bugs_cost(stored):
    healthy = stored[None, 1]
    lost = {key: healthy["mean_iou"] - row["mean_iou"] for key, row in stored.items()}
    assert round(-lost[11, 4], 3) == 0.001 and round(lost[11, 1], 2) == 0.02
    assert round(lost[10, 1], 2) == 0.01 and round(lost[20, 1], 2) == 0.28
    assert stored[12, 1]["mean_iou"] < 0.05
    assert min(row["mean_iou"] for key, row in stored.items() if key != (12, 1)) > 0.5
    assert 0.25 < 1 - stored[13, 1]["pole"] / healthy["pole"] < 1 / 3
    for name in ("pole", "pixel_accuracy"):
        assert stored[14, 1][name] == healthy[name]


def test_what_case_11_gains_and_costs(stored):
    healthy = stored[None, 1]["mean_iou"]
    assert round(stored[11, 4]["mean_iou"] - healthy, 3) == 0.001
    assert round(healthy - stored[11, 1]["mean_iou"], 2) == 0.02


def first_loss(norm, frame, target) -> float:
    torch.manual_seed(0)
    network = UNet(width=8, depth=3, padding="same", norm=norm, dropout=0.0).train()
    with torch.no_grad():
        logits = network(frame[None])
        return torch.nn.functional.cross_entropy(logits, target[None], ignore_index=255).item()


def test_batch_norm_hides_raw_inputs_from_the_first_loss():
    pairs = street(64)
    image, target = pairs[0]
    raw = torch.from_numpy(pairs.pair(0)[0].copy()).permute(2, 0, 1).float()
    nothing = math.log(19)
    for norm in ("batch", None):
        assert 0.5 < first_loss(norm, image, target) / nothing < 2
    for frame in (raw, 255 * image):
        assert 0.5 < first_loss("batch", frame, target) / nothing < 2
        assert first_loss(None, frame, target) > 20 * nothing
    assert raw.mean() > 20 and raw.std() > 20


def test_a_mix_of_road_and_car_is_mostly_rider():
    assert (7 + 18 * 26) / 19 == 25  # the ids of road, car and rider
    pairs = street(256, augment=True)
    label = pairs.pair(0)[1][100:200, 70:230]
    with case(18):
        mixed = pairs.pair(0)[1][100:200, 70:230]
    wrong = mixed[(mixed != label) & (mixed != 255)]
    assert TRAIN_19.names[np.bincount(wrong).argmax()] == "rider"
    was = label[(mixed == TRAIN_19.names.index("rider")) & (mixed != label)]
    assert (was == TRAIN_19.names.index("car")).mean() > 0.9


def test_the_first_convolution_can_learn_either_order():
    torch.manual_seed(0)
    network = UNet(width=2, depth=1, padding="same", norm=None, dropout=0.0).eval()
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        before = network(image)
        first = next(layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))
        first.weight.data = first.weight.data.flip(1)
        after = network(image.flip(1))
    assert torch.allclose(before, after, atol=1e-5)


def test_two_classes_of_which_one_is_rare():
    share = 0.03
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert round(entropy, 2) == 0.13 and round(math.log(2), 2) == 0.69


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network with batch norm and random weights, saved as a checkpoint is."""
    torch.manual_seed(1)
    model = UNet(width=2, depth=1, padding="same", norm="batch", dropout=0.0)
    for weight in model.parameters():
        torch.nn.init.normal_(weight)
    view = {"kind": "frame", "padding": "same", "depth": 1}
    info = {"view": view, "label_set": "train19", "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}
    return save_model(tmp_path_factory.mktemp("saved") / "net.pt", model, info)


def score(root, path, number, batch_size=1, order=range(8), seed=0) -> np.ndarray:
    """Mean IoU and loss; the loss sees what leaves the largest logits where they are."""
    torch.manual_seed(seed)
    with case(number):
        model, info = load_model(path)
        model.train()
        frames = Subset(dataset_for(info, root, "train"), list(order))
        scores = evaluate(model, DataLoader(frames, batch_size), TRAIN_19, per_frame=True)
        return np.array([scores.mean_iou, scores.loss_per_pixel])


@pytest.mark.parametrize("number", [None, 10, 11, 12, 13, 14, 15, 20])
def test_what_a_score_depends_on(root, saved, number):
    """Other batches and another order show case 11, loading again shows case 12."""
    as_it_is = score(root, saved, number)
    in_fours = score(root, saved, number, 4)
    shuffled = score(root, saved, number, 4, (7, 2, 4, 1, 0, 5, 3, 6))
    again = score(root, saved, number, seed=1)
    same = {
        "batches": np.allclose(in_fours, as_it_is, rtol=1e-4),
        "order": np.allclose(shuffled, in_fours, rtol=1e-4),
        "again": np.allclose(again, as_it_is, rtol=1e-4),
    }
    changed = {name for name, equal in same.items() if not equal}
    assert changed == {11: {"batches", "order"}, 12: {"again"}}.get(number, set())
