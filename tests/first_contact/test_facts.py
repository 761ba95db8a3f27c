"""What TROUBLESHOOTING and docstrings say of numbers is so."""

import math

import pytest
import torch
import torch.nn.functional as F

from extras.bug_lab.bugs import find_bug
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


def test_no_page_sends_anybody_to_the_downloader_itself():
    for name in ("README.md", "TROUBLESHOOTING.md", "data/README.md", "helpers/paths.py"):
        assert "csDownload -d" not in (ROOT / name).read_text(encoding="utf-8"), name
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        assert "csDownload -d" not in path.read_text(encoding="utf-8"), path.name
