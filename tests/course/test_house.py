"""The house: helpers/ is small and stands alone, nothing imports in a circle (CONTRIBUTING.md has
the rules).
"""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from helpers.paths import ROOT

HELPERS = sorted((ROOT / "helpers").glob("*.py"))
PACKAGES = ("helpers", "sample_city", "extras", "scripts", "benchmarks")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in SOURCES}


def imports(path: Path) -> set[str]:
    """Our modules that a file imports, at any depth: inside functions and conditions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in MODULES else node.module)
    return found & MODULES.keys()


def code_lines(path: Path) -> int:
    """Lines without blank ones, comments and docstrings."""
    source = path.read_text(encoding="utf-8")
    docstrings = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            docstrings |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    lines = enumerate(source.splitlines(), 1)
    return sum(
        n not in docstrings and line.strip() != "" and not line.strip().startswith("#")
        for n, line in lines
    )


def test_helpers_is_small():
    lines = {path.stem: code_lines(path) for path in HELPERS}
    assert len(lines) - 1 <= 24, sorted(lines)  # without __init__
    assert sum(lines.values()) <= 2300 and max(lines.values()) <= 300, lines


@pytest.mark.parametrize("path", HELPERS, ids=lambda path: path.stem)
def test_helpers_stands_alone(path):
    assert all(name.startswith("helpers") for name in imports(path)), imports(path)


def test_nothing_below_imports_a_room():
    for name, path in MODULES.items():
        if not name.startswith(("scripts", "benchmarks")):
            assert not any(
                other.startswith(("scripts", "benchmarks")) for other in imports(path)
            ), name
        if name.startswith("sample_city"):
            assert not any(other.startswith("extras") for other in imports(path)), name


def test_no_circles():
    graph = {name: imports(path) for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError that names the circle
