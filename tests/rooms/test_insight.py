"""Looking at a run: where its time goes, and which learning rate it can bear."""

from dataclasses import replace

import numpy as np
import torch

from extras.training_tools.insight import estimate, find_learning_rate, where_time_goes
from helpers.training import make_run
from tests.small_runs import assert_same, small_config, state


def test_looking_at_a_run_does_not_change_it(root, runs):
    config = small_config(root, epochs=1)
    plain = make_run(replace(config, name="plain"), progress=False).fit()
    run = make_run(replace(config, name="looked"), progress=False)
    before = torch.get_rng_state()
    assert estimate(run) > 0
    parts = where_time_goes(run, steps=2)
    assert list(parts) == ["data", "forward", "backward", "optimizer"] and min(parts.values()) > 0
    rates, losses = find_learning_rate(run, low=1e-4, high=1e-1, steps=6)
    assert np.allclose(np.diff(np.log(rates)), np.log(1000) / 5) and len(losses) == len(rates)
    assert torch.equal(torch.get_rng_state(), before)
    assert run.fit() == plain
    assert_same(state(runs / "looked")["model"], state(runs / "plain")["model"])


def test_learning_rate_finder_stops_when_the_loss_explodes(root, runs):
    run = make_run(small_config(root, norm=None), progress=False)
    rates, losses = find_learning_rate(run, low=1e-3, high=1e6, steps=30)
    assert len(rates) < 30 and np.isfinite(losses).all()
    assert all(loss <= 4 * min(losses[:step]) for step, loss in enumerate(losses) if step)
