"""The class list of own pictures: what the classes are called, and how a mask says them.

One class a line: "road" (masks hold 0, 1, 2, ... in this order), "road, 7" (its value in gray or
palette masks) or "road, 128, 64, 128" (its color). A class called "ignore" is left out of training
and scores; with a value of its own ("ignore, 255") it is not counted among 0, 1, 2, ...
"""

import colorsys
from itertools import count
from pathlib import Path
from typing import NamedTuple

from helpers.labels import IGNORE

# Label id 0 and train id 255 are what is ignored, so 254 are left in 8 bits.
MOST = 254


class Classes(NamedTuple):
    """Names and colors of the classes, and what the masks hold: value or color -> train id."""

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    codes: dict  # int or (r, g, b) -> train id, 255 for "ignore"
    by_color: bool

    def train_id(self, name: str) -> int | None:
        """The train id of a class, 255 for "ignore"; None for a name that is not in the list."""
        if name in self.names:
            return self.names.index(name)
        return IGNORE if name == "ignore" else None


def read_classes(classes) -> Classes:
    """A class list from a text file, or from its lines. Raises ValueError that names the line."""
    lines = list(classes) if isinstance(classes, (list, tuple)) else read_lines(classes)
    lines = [line.strip() for line in lines]
    lines = [line for line in lines if line and not line.startswith("#")]

    names = []
    colors = []
    codes = {}
    # Names alone: masks hold 0, 1, 2, ... without the value that "ignore" has.
    split = [split_line(line) for line in lines]
    ignored = {value for name, values in split if name == "ignore" for value in values[:1]}
    numbers = (number for number in count() if number not in ignored)
    for line, (name, values) in zip(lines, split):
        if not values:
            code = next(numbers)
        elif len(values) == 1:
            code = values[0]
        else:
            code = values
        if code in codes or name in names:
            raise ValueError(f'class list, "{line}": this name or value stands there twice')
        codes[code] = IGNORE if name == "ignore" else len(names)
        if name != "ignore":
            names.append(name)
            colors.append(values if len(values) == 3 else make_color(len(colors)))

    check_kinds(lines)
    check_number(names)
    by_color = all(isinstance(code, tuple) for code in codes)
    return Classes(tuple(names), tuple(colors), codes, by_color)


def read_lines(path) -> list[str]:
    """The lines of a text file; ValueError that says how to save it if it is no UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeError as error:
        raise ValueError(f"{path}: {error}; save it as plain text in UTF-8") from error


def split_line(line: str) -> tuple[str, tuple[int, ...]]:
    """Name and numbers of a line of the list."""
    name, *rest = (part.strip() for part in line.split(","))
    separated = ";" in line or "\t" in line
    if separated or not name or len(rest) not in (0, 1, 3) or not all(r.isdigit() for r in rest):
        raise ValueError(
            f'class list, "{line}": expected "name", "name, value" or "name, red, green, blue", '
            "separated by commas"
        )
    if name.lower() == "ignore":
        name = "ignore"
    values = tuple(int(value) for value in rest)
    highest = 255 if len(values) == 3 else 65535
    if any(value > highest for value in values):
        raise ValueError(f'class list, "{line}": expected numbers of 0 to {highest}')
    return name, values


def check_kinds(lines: list[str]) -> None:
    """Raises ValueError unless all lines have a value, or all a color, or none anything."""
    kinds = set()
    kinds_of_ignore = set()
    for line in lines:
        name, values = split_line(line)
        (kinds_of_ignore if name == "ignore" else kinds).add(len(values))
    # Names alone go with "ignore, 255", but colors only with colors.
    one_has_colors = bool(kinds_of_ignore) and (3 in kinds) != (3 in kinds_of_ignore)
    if len(kinds) > 1 or len(kinds_of_ignore) > 1 or one_has_colors:
        raise ValueError(
            "class list: give every class a value, or every class a color, or none of them anything"
        )


def check_number(names: list[str]) -> None:
    """Raises ValueError if there is nothing to tell apart, or more than 8 bits can hold."""
    if len(names) > MOST:
        raise ValueError(f"{len(names)} classes; label files of 8 bits hold at most {MOST}")
    if len(names) < 2:
        raise ValueError(
            f"class list: {len(names)} class{'es' if not names else ''} to learn. One class alone "
            'is always right: name the rest of the picture too (a line "background"), and keep '
            '"ignore" for pixels that nobody should learn'
        )


def make_color(index: int) -> tuple[int, int, int]:
    """Well-separated colors: the hue moves on by the golden ratio."""
    hue = index * 0.618034 % 1
    saturation = 0.75 - 0.25 * (index % 2)
    brightness = 0.9 - 0.25 * (index // 2 % 2)
    return tuple(round(255 * value) for value in colorsys.hsv_to_rgb(hue, saturation, brightness))
