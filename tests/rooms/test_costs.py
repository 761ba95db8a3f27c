"""What a training costs in operations and memory."""

import pytest
import torch

from extras.training_tools import costs
from helpers.unet import UNet


def test_costs_of_the_recipe():
    cost = costs.training_cost(572, 572)
    assert cost.parameters == 31_032_915
    # 3 x 2 x 150.97 GMAC an image
    assert cost.flop * 2975 * 30 == pytest.approx(80.84e15, rel=1e-3)


def test_memory_count_equals_what_is_kept():
    options = {
        "width": 8,
        "depth": 2,
        "padding": "same",
        "norm": "batch",
        "dropout": 0.0,
        "num_classes": 5,
    }
    kept = {}
    model = UNet(**options).train()
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        logits = model(torch.randn(1, 3, 32, 48))
        torch.nn.functional.cross_entropy(logits, torch.zeros(1, 32, 48, dtype=torch.int64))
    counted = costs.training_cost(32, 48, torch.float32, **options)
    assert counted.kept == pytest.approx(sum(s.nbytes() for s in kept.values()), rel=0.02)


def test_with_checkpointing_the_inputs_of_the_blocks_are_kept():
    options = {"num_classes": 2, "width": 8, "depth": 2, "padding": "same", "dropout": 0.0}
    plain = costs.training_cost(32, 48, torch.float32, **options)
    thrifty = costs.training_cost(32, 48, torch.float32, checkpointing=True, **options)
    # Channels of each block's input, on maps of 32x48, 16x24 and 8x12 pixels
    inputs = (3 + 16) * 32 * 48 + (8 + 32) * 16 * 24 + 16 * 8 * 12
    assert 4 * inputs <= thrifty.kept < 0.8 * plain.kept
    assert (thrifty.flop, thrifty.parameters) == (plain.flop, plain.parameters)
