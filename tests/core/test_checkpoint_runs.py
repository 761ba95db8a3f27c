"""How the networks that the chapters show are trained: the run of scripts.train_checkpoints."""

import pytest
import torch

from helpers.evaluate import pixel_loss
from helpers.training import make_run
from scripts import train_checkpoints
from scripts.train_checkpoints import GRID, CheckpointRun
from tests.small_runs import small_config


@pytest.fixture
def run(root, runs):
    """A run, not begun, on a few small frames; its loss remembers what it was given."""
    usual = make_run(small_config(root, accumulate=1, dropout=0.0), progress=False)

    def made() -> CheckpointRun:
        optimizer = torch.optim.SGD(usual.model.parameters(), 1e-3)
        run = CheckpointRun(usual.config, usual.model, usual.train_set, usual.val_set, optimizer)
        run.given = []

        def remember(logits, targets):
            run.given.append((logits, targets))
            return pixel_loss(logits, targets)

        run.loss = remember
        return run

    return made


@pytest.mark.parametrize("instructions", [{"avx2", "avx512_bf16"}, {"amx_bf16"}, {"avx2"}, set()])
def test_bfloat16_where_the_processor_computes_with_it(run, monkeypatch, instructions):
    monkeypatch.setattr(train_checkpoints, "abilities", lambda: instructions)
    half = any(name.endswith("bf16") for name in instructions)
    run = run()
    if run.device.type == "cpu":
        run.step(0, [next(iter(run.loader(0)))])
        (logits, _) = run.given[0]
        assert logits.dtype == (torch.bfloat16 if half else torch.float32)


def test_each_step_has_the_next_of_16_grids(run):
    run = run()
    images, targets = next(iter(run.loader(0)))
    for number in (0, 1, 4, 15, 16):
        run.step(number, [(images, targets)])
        row, column = number % GRID, number // GRID % GRID
        logits, seen = run.given[-1]
        assert torch.equal(seen.cpu(), targets[:, row::GRID, column::GRID])
        assert logits.shape[-2:] == seen.shape[-2:]
