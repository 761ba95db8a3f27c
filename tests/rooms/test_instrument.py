"""The instrument of chapter 12 changes one thing only."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from extras.experiments import instrument
from extras.experiments.instrument import PAINTS
from helpers.labels import IGNORE
from helpers.unet import UNet
from helpers.windows import View
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


@pytest.fixture
def network():
    """A U-Net that knows nothing, and load_model's words for it: whole frames at a quarter."""
    torch.manual_seed(3)
    info = {"view": View("frame", padding="same", depth=2), "mean": (0.5,) * 3, "std": (0.25,) * 3}
    return UNet(3, 19, width=4, depth=2, padding="same").eval(), info


def test_silenced_skip(network):
    model, info = network
    image = np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), dtype=np.uint8)
    whole = instrument.predict_frame(model, image, info)
    predictions = [instrument.without_skip(model, image, info, level, None) for level in (0, 1)]
    assert np.array_equal(instrument.without_skip(model, image, info, "none", None), whole)
    assert np.array_equal(instrument.predict_frame(model, image, info), whole)  # the hooks are gone
    model.merge[1][0].weight.data[:, :4] = (
        0  # the weights that read the finest skip: the same as silencing it
    )
    assert np.array_equal(instrument.predict_frame(model, image, info), predictions[0])
    assert not np.array_equal(predictions[0], whole) and not np.array_equal(
        predictions[0], predictions[1]
    )


def test_window_hides_everything_else(network):
    model, info = network
    image = np.random.default_rng(2).integers(0, 256, (1024, 2048, 3), dtype=np.uint8)
    truth = np.zeros((1024, 2048), np.uint8)
    truth[300:700, 900:1500] = 13
    seen = instrument.through_window(model, image, info, 32, truth)
    inside = seen != IGNORE
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    assert inside.sum() == 128 * 128 and (rows[0], columns[0]) == (500 - 64, 1200 - 64)
    other = np.where(inside[..., None], image, 255 - image)
    assert np.array_equal(instrument.through_window(model, other, info, 32, truth), seen)
    seen[inside] = 13
    assert instrument.score(seen, truth, "car") == 1.0  # all of the car that was looked at
    full = instrument.through_window(
        model, image, info, 256, truth
    )  # as high as the frame: no lower, no further
    assert (full != IGNORE).sum() == 1024 * 1024


def test_large_car_is_larger_than_a_window():
    truth = instrument.picture(instrument.near(0))[1] == 13
    assert all(np.ptp(np.flatnonzero(truth.any(axis))) / 4 > 130 for axis in (0, 1))


def test_paints_are_colors():
    for color in filter(None, PAINTS.values()):
        assert np.array_equal(np.array(color).astype(np.uint8), color)
