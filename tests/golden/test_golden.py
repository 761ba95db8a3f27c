"""The code computes what it computed before the restructuring: see tests/golden/README.md."""

import json
import math
from pathlib import Path

import pytest

from tests.golden.compute import ENTRIES, entry

VALUES = json.loads(Path(__file__).with_name("values.json").read_text(encoding="utf-8"))

# (relative, absolute) differences that floats may have, by section: the rounding of a network
# differs from processor to processor, that of sums and ratios of integers does not.
TOLERANCES = {
    "exact": (1e-12, 1e-12),
    "close": (1e-3, 1e-4),
    # Where two classes are almost equally likely, rounding decides.
    "scores": (0, 2e-3),
    "gray levels": (0, 2),
}
# In "counts": the share of all pixels that may be counted elsewhere.
MOVED = 0.005


@pytest.mark.parametrize("name", ENTRIES)
def test_values_are_those_of_the_code_before_the_move(name, tmp_path):
    found = entry(name, tmp_path)
    assert found.keys() == VALUES[name].keys()
    problems = []
    for section, stored in VALUES[name].items():
        if section == "counts":
            problems += moved_counts(f"{name}/{section}", stored, found[section])
        else:
            problems += differences(
                f"{name}/{section}", stored, found[section], *TOLERANCES[section]
            )
    assert not problems, "\n".join([f"{len(problems)} values differ:", *problems[:10]])


def test_every_stored_value_is_compared():
    assert VALUES.keys() == ENTRIES.keys()


def differences(place: str, stored, found, relative: float, absolute: float) -> list[str]:
    """One line for each value of `found` that is not the one in `stored`."""
    if isinstance(stored, dict) and isinstance(found, dict):
        if stored.keys() != found.keys():
            return [f"{place}: keys differ: {sorted(stored.keys() ^ found.keys())}"]
        pairs = [(key, stored[key], found[key]) for key in stored]
    elif isinstance(stored, list) and isinstance(found, list):
        if len(stored) != len(found):
            return [f"{place}: {len(stored)} values stored, {len(found)} found"]
        pairs = [(number, *both) for number, both in enumerate(zip(stored, found))]
    elif isinstance(stored, float) and isinstance(found, (int, float)):
        if math.isclose(stored, found, rel_tol=relative, abs_tol=absolute):
            return []
        return [f"{place}: {stored} stored, {found} found"]
    else:
        return [] if stored == found else [f"{place}: {stored} stored, {found} found"]
    problems = []
    for key, one, other in pairs:
        problems += differences(f"{place}/{key}", one, other, relative, absolute)
    return problems


def moved_counts(place: str, stored: dict, found: dict) -> list[str]:
    """One line for each list of pixel counts in which too many pixels have another class."""
    if stored.keys() != found.keys():
        return [f"{place}: keys differ: {sorted(stored.keys() ^ found.keys())}"]
    problems = []
    for key, counts in stored.items():
        if len(counts) != len(found[key]) or sum(counts) != sum(found[key]):
            problems.append(f"{place}/{key}: another number of classes or pixels")
            continue
        moved = sum(abs(one - other) for one, other in zip(counts, found[key])) / 2
        if moved > MOVED * sum(counts):
            problems.append(f"{place}/{key}: {moved:.0f} of {sum(counts)} pixels changed class")
    return problems
