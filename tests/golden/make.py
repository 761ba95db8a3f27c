"""Make tests/golden/values.json anew: only on purpose, see README.md beside this file.

python -m tests.golden.make                  # everything
python -m tests.golden.make tiles training   # only these entries
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch

from helpers import command
from tests.golden.compute import ENTRIES, entry

VALUES = Path(__file__).with_name("values.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ENTRIES))
    names = parser.parse_args().names
    unknown = [name for name in names if name not in ENTRIES]
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(ENTRIES)}")
    torch.set_num_threads(1)
    values = json.loads(VALUES.read_text(encoding="utf-8")) if names else {}
    for name in names or ENTRIES:
        with tempfile.TemporaryDirectory() as folder:
            values[name] = entry(name, Path(folder))
    VALUES.write_text(as_text(values), encoding="utf-8", newline="\n")


def as_text(values: dict) -> str:
    """One line a value of a section, so that a change shows in the diff where it happened."""
    entries = []
    for name, sections in values.items():
        parts = []
        for section, items in sections.items():
            lines = [f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in items.items()]
            parts.append(f"  {json.dumps(section)}: {{\n" + ",\n".join(lines) + "\n  }")
        entries.append(f" {json.dumps(name)}: {{\n" + ",\n".join(parts) + "\n }")
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    command.run(main)
