"""What a training costs in operations, memory and hours."""

import pytest
import torch

from extras.training_tools import costs
from helpers.unet import UNet


def test_costs_of_the_recipe():
    cost = costs.training_cost(572, 572)
    assert cost.parameters == 31_032_915
    assert cost.flop * 2975 * 30 == pytest.approx(
        80.84e15, rel=1e-3
    )  # 3 x 2 x 150.97 GMAC an image
    assert cost.hours(2975, 100, 1.0) == pytest.approx(cost.flop * 2975 / 1e14 / 3600)


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
    assert counted.memory(4) - counted.memory(3) == pytest.approx(counted.kept / 1e9)


def test_hours_on_the_cards_of_the_table():
    """Peaks from the data sheets; an hour of work at full peak takes 1 / 0.19 hours at the share
    that is assumed.
    """
    assert costs.GPUS == {
        "T4": (65, 16),
        "RTX 3090": (71, 24),
        "L4": (121, 24),
        "A100": (312, 80),
        "H100": (989, 80),
    }
    for peak, _ in costs.GPUS.values():
        assert costs.Cost(peak * 1e12 * 3600, 0, 0).hours(1, peak) == pytest.approx(1 / 0.19)
