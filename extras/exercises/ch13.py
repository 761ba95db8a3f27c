"""Checkers of chapter 13."""

from extras.exercises import Wrong

SAFE = ("a.png", "CamVid/train/a.png", "a..b/c", "..a/b", ".hidden/x", "deep/er/and/deeper.txt")
UNSAFE = {
    "../a": "the parent folder",
    "..": "the parent folder",
    "a/../../b": "the parent folder in the middle",
    "a/..": "the parent folder at the end",
    "/etc/passwd": "an absolute path",
    "C:/a": "a drive letter",
    "a/C:b": "a drive letter",
    "..\\a": "a backslash, a separator on Windows",
    "\\\\server\\a": "a Windows share",
    "a\\..\\..\\b": "backslashes, separators on Windows",
}


def exercise_1(is_safe) -> None:
    """is_safe(name): may a file of this name be written below a target folder?"""
    for name, why in UNSAFE.items():
        if is_safe(name):
            raise Wrong(f"{name!r} is not safe: {why}.")
    for name in SAFE:
        if not is_safe(name):
            raise Wrong(f"{name!r} is harmless, and was refused.")


def exercise_2(split_by_place) -> None:
    """split_by_place(names, share): the names that go to val, whole places only."""
    for sizes, share in (
        ((5, 5, 5, 5, 5), 0.2),
        ((1, 30, 8, 3), 0.2),
        ((2, 2), 0.1),
        ((40, 1, 1), 0.5),
    ):
        names = []
        for place, size in enumerate(sizes):
            names += [f"place{place}/{number:02d}" for number in range(size)]
        val = set(split_by_place(list(names), share))
        if val != set(split_by_place(names[::-1], share)):
            raise Wrong("the answer depends on the order of the names: sort them first.")
        if val - set(names):
            raise Wrong(
                f"val holds names that are not in the list: {sorted(val - set(names))[:3]}."
            )
        inside = {name.split("/")[0] for name in val}
        outside = {name.split("/")[0] for name in set(names) - val}
        if inside & outside:
            raise Wrong(f"{sorted(inside & outside)[0]} is in train and in val.")
        if not inside or not outside:
            raise Wrong(f"one side is empty for places of {sizes} pictures.")
        if len(val) > len(names) / 2:
            raise Wrong(
                f"for places of {sizes} pictures val got {len(val)} of {len(names)}: more than "
                "half."
            )
        if share * len(names) >= 2 * sizes[0] and len(val) < share * len(names) / 3:
            raise Wrong(
                f"for places of {sizes} pictures and a share of {share} val got only {len(val)}."
            )
