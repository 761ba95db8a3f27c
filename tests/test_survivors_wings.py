"""What a sample of planted faults showed to be untested in the wings (scripts/mutants.py)."""
import numpy as np
import pytest
from PIL import Image

from helpers.extra import costs
from helpers.extra.explorers import SizeExplorer
from helpers.extra.instrument import PAINTS
from helpers.extra.own_data import find_pairs


def test_hours_on_the_cards_of_the_table():
    """Peaks from the data sheets; an hour of work at full peak takes 1 / 0.35 hours at the share that is assumed."""
    assert costs.GPUS == {"T4": (65, 16), "RTX 3090": (71, 24), "L4": (121, 24), "A100": (312, 80), "H100": (989, 80)}
    for peak, _ in costs.GPUS.values():
        assert costs.Cost(peak * 1e12 * 3600, 0, 0).hours(1, peak) == pytest.approx(1 / 0.35)


def test_size_explorer_says_what_comes_out():
    explorer = SizeExplorer()
    explorer.size.value, explorer.depth.value, explorer.padding.value = 572, 4, "valid"
    assert explorer.summary() == "572 -> 388 at depth 4, valid padding: legal"


def test_paints_are_colours():
    for color in filter(None, PAINTS.values()):
        assert np.array_equal(np.array(color).astype(np.uint8), color)


def test_eight_pictures_without_a_mask_are_named(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "images").mkdir()
    for number in range(10):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / f"p{number}.png")
    with pytest.raises(ValueError, match="10 of 10 pictures have no mask: p0.png, .*p7.png .* has 0 masks"):
        find_pairs(tmp_path / "images", tmp_path / "masks")
