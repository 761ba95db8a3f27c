"""Ways of averaging one prediction's scores, by hand and against the matrix."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from extras.benchmark_server import protocols
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import evaluate
from helpers.labels import TRAIN_19
from helpers.unet import UNet
from helpers.windows import View

QUARTER = View("frame", padding="same", height=64)  # 128 x 64, so that the tests take no time


@pytest.fixture(scope="module")
def val(city):
    return CityscapesDataset(find_rows(city, "val")[:5], city, QUARTER)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return UNet(width=2, padding="same", norm="batch")


def test_protocols_by_hand():
    """Two frames of two classes; class 1 is absent from the second, one void pixel is called 0."""
    frames = [
        (np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1])),
        (np.array([0, 0]), np.array([0, 255])),
    ]
    tables = [protocols.count(p, t, 2) for p, t in frames]
    assert tables[0].tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert tables[1].tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 0]]
    pooled = (3 / 4 + 1 / 2) / 2
    assert protocols.score(tables, "pooled", "left out", "left out") == pooled
    assert protocols.score(tables, "per batch", "left out", "left out", batch=2) == pooled
    first = (2 / 3 + 1 / 2) / 2
    for absent, second in (("left out", 1.0), ("as 0", 0.5), ("as 1", 1.0)):
        assert protocols.score(tables, "per image", absent, "left out") == pytest.approx(
            (first + second) / 2
        )
    assert protocols.score(tables, "pooled", "left out", "as false alarms") == (3 / 5 + 1 / 2) / 2
    assert protocols.score(tables, "pooled", "left out", "as a class") == pytest.approx(
        (3 / 5 + 1 / 2 + 0) / 3
    )


def test_protocols_agree_with_the_matrix_and_the_explorer_shows_them(net, val):
    scores, tables = evaluate(net, DataLoader(val), TRAIN_19, per_frame=True), []
    net.eval()
    with torch.no_grad():
        for image, target in (val[i] for i in range(5)):
            tables.append(
                protocols.count(net(image[None])[0].argmax(0).numpy(), target.numpy(), 19)
            )
    everything = protocols.all_scores({"whole frame": tables, "center crop": tables[:1]})
    assert everything[protocols.OFFICIAL] == scores.mean_iou and len(everything) == 54
    per_image = np.mean([m.mean_iou() for m in scores.per_frame])
    assert everything["per image", "left out", "left out", "whole frame"] == pytest.approx(
        per_image, abs=1e-15
    )
