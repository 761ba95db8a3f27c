"""What TROUBLESHOOTING and docstrings say of numbers is so."""

import math

import pytest
import torch
import torch.nn.functional as F

from extras.bug_lab.bugs import find_bug
from extras.bug_lab.troubleshooting import TROUBLES
from helpers.paths import ROOT
from helpers.unet import UNet


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_a_batch_of_void_has_loss_nan_and_leaves_the_weights_as_they_are(optimizer):
    torch.manual_seed(0)
    network = torch.nn.Conv2d(3, 5, 1)
    before = network.weight.detach().clone()
    steps = optimizer(network.parameters(), 0.1)
    target = torch.full((1, 4, 4), 255)
    loss = F.cross_entropy(network(torch.randn(1, 3, 4, 4)), target, ignore_index=255)
    loss.backward()
    steps.step()
    assert math.isnan(loss.item()) and network.weight.grad.abs().max() == 0
    assert torch.equal(network.weight, before)
    said = find_bug("nothing-but-void")
    assert "Its gradients are 0" in said.cause and "spoils every weight" not in said.cause


def test_up_convolutions_start_at_the_root_of_one_over_n():
    torch.manual_seed(0)
    network = UNet(width=32)
    for layer in network.modules():
        if isinstance(layer, torch.nn.ConvTranspose2d):
            expected = math.sqrt(1 / layer.in_channels)
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)


def test_wrong_labels_are_learned_by_heart_as_well():
    """One batch, labels drawn by lot: that it can be overfitted says nothing of them."""
    torch.manual_seed(0)
    images = torch.randn(1, 3, 4, 4)
    targets = torch.randint(5, (1, 4, 4))
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 1), torch.nn.ReLU(), torch.nn.Conv2d(64, 5, 1)
    )
    optimizer = torch.optim.Adam(network.parameters(), 0.03)
    for _ in range(300):
        loss = F.cross_entropy(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network(images).argmax(1) == targets).float().mean() > 0.9
    said = next(trouble for trouble in TROUBLES if "Overfit one frame" in trouble.fix)
    assert "nothing of wrong labels" in said.fix


def test_the_photographs_are_scored_both_ways():
    """The better score is of another way than the city's own; the page shows the two."""
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for way in ("the city's statistics", "the photograph's statistics"):
        assert f"| unet.pt | {way}, 360 rows |" in page, way


def test_no_page_sends_anybody_to_the_downloader_itself():
    for name in ("README.md", "TROUBLESHOOTING.md", "data/README.md", "helpers/paths.py"):
        assert "csDownload -d" not in (ROOT / name).read_text(encoding="utf-8"), name
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert "csDownload -d" not in path.read_text(encoding="utf-8"), path.name
