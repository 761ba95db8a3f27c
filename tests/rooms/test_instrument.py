"""The instrument of chapter 12 changes one thing only."""

from dataclasses import fields

import numpy as np
import pytest

from extras.experiments import instrument
from extras.experiments.instrument import PAINTS
from sample_city import materials
from sample_city.camera import Random


def different(a, b) -> set:
    return {field.name for field in fields(a) if getattr(a, field.name) != getattr(b, field.name)}


def test_instrument_changes_one_thing():
    for name, inside, changed in (
        ("sun", "sun", {"elevation"}),
        ("light", "weather", {"exposure"}),
        ("rain", "weather", {"rain"}),
    ):
        question = instrument.QUESTIONS[name]
        first, last = (question.scene(1, question.values[k]) for k in (0, -1))
        assert different(first, last) == {inside}
        assert different(getattr(first, inside), getattr(last, inside)) == changed
    for name, changed in (("distance", {"z"}), ("color", {"color"})):
        question = instrument.QUESTIONS[name]
        first, last = (question.scene(1, question.values[k]) for k in (0, -1))
        assert different(first, last) == {"objects"} and first.objects[:-1] == last.objects[:-1]
        assert different(first.objects[-1], last.objects[-1]) == changed
        assert len(first.find(question.label)) == 1
    free, behind = (instrument.QUESTIONS["occlusion"].scene(1, share) for share in (0.0, 0.6))
    assert behind.objects[:-1] == free.objects


def test_box_hides_the_share_it_says():
    free, half = (instrument.picture(instrument.hidden(1, share))[1] == 13 for share in (0.0, 0.6))
    left, seen = (np.flatnonzero(mask.any(0)) for mask in (free, half))
    assert len(seen) / len(left) == pytest.approx(0.4, abs=0.05) and seen[-1] == left[-1]


def test_score_within_the_window():
    truth = np.zeros((100, 200), np.uint8)
    truth[40:60, 50:60] = 11
    prediction = truth.copy()
    prediction[:, 150:] = 11  # a false alarm far away does not count
    assert instrument.window(truth, 11) == (slice(24, 76), slice(34, 76))
    assert instrument.score(prediction, truth, "person") == 1.0
    prediction[40:50, 50:60] = 0
    assert instrument.score(prediction, truth, "person") == 0.5
    with pytest.raises(ValueError, match="no pixel of car"):
        instrument.score(prediction, truth, "car")


def test_paints_are_unlike_every_car():
    paints = [materials.car_paint(Random(seed), 0.3) for seed in range(400)]
    for name, paint in instrument.PAINTS.items():
        if paint is not None:
            assert min(np.linalg.norm(np.subtract(paint, other)) for other in paints) > 60, name


def test_paints_are_colors():
    for color in filter(None, PAINTS.values()):
        assert np.array_equal(np.array(color).astype(np.uint8), color)
