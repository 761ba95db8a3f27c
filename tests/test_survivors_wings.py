"""What a sample of planted faults showed to be untested in the wings (scripts/mutants.py)."""
import pytest

from helpers.extra import costs


def test_hours_on_the_cards_of_the_table():
    """Peaks from the data sheets; an hour of work at full peak takes 1 / 0.35 hours at the share that is assumed."""
    assert costs.GPUS == {"T4": (65, 16), "RTX 3090": (71, 24), "L4": (121, 24), "A100": (312, 80), "H100": (989, 80)}
    for peak, _ in costs.GPUS.values():
        assert costs.Cost(peak * 1e12 * 3600, 0, 0).hours(1, peak) == pytest.approx(1 / 0.35)
