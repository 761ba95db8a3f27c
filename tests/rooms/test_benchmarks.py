"""The parts of the measurements that can be checked on any machine."""

import pytest

from benchmarks import training_step


def test_the_compared_steps_compute_the_same(monkeypatch):
    monkeypatch.setattr(training_step, "CROP", 188)
    result = training_step.compare(4, 1, 2, ["recipe", "plain", "channels_last", "padded"])
    assert result["labeled_pixels"] == {
        "recipe": 16,
        "plain": 16,
        "channels_last": 16,
        "padded": 192 * 192,
    }
    assert (
        result["plain_over_recipe_wall"] == result["plain_over_recipe_wall_per_labeled_pixel"] > 0
    )
    assert result["padded_over_recipe_cpu_per_labeled_pixel"] == pytest.approx(
        result["padded_over_recipe_cpu"] * 16 / 192**2
    )
