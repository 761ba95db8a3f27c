"""The house: helpers/ is small and stands alone, nothing imports in a circle, and code
reads as ruff leaves it.
"""

import ast
import importlib.util
import io
import re
import subprocess
import sys
import tokenize
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import PackageNotFoundError, version

import nbformat
import pytest

from helpers.paths import ROOT

PACKAGES = ("helpers", "sample_city", "extras", "scripts", "benchmarks", "tests")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Rooms that draw what a notebook shows; what computes must not need them.
WIDGET_ROOMS = ("extras.explorers", "extras.browser")

MODULES_AT_MOST = 23
# All but a few of these lines are used by chapters 00 to 09 or by one of helpers' four commands.
# Fewer would cost what learners meet: the paper's FCNs, the checks of a CSV, caches that are taken
# up again, classes of one's own. So the number may fall, not rise.
CODE_LINES_AT_MOST = 2695
CODE_LINES_OF_A_MODULE_AT_MOST = 300


def module_name(path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path.read_text(encoding="utf-8") for path in FILES}
FOLDERS = {module_name(path) for path in FILES if path.name == "__init__.py"}


@cache
def imports(package: str, source: str) -> frozenset[str]:
    """What a module of `package` imports at any depth: in functions, relative, by import_module.

    `from extras.browser import views` gives extras.browser and extras.browser.views: only who knows
    all modules can tell whether `views` is one.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            try:
                base = importlib.util.resolve_name(relative, package)
            except ImportError:  # it leads out of its package: what it means is plain
                base = node.module or ""
            found |= {f"{base}:{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            if called in ("import_module", "__import__", "run_module"):
                found |= set(texts(node.args[0]))
    return frozenset(found)


def imported(name: str, modules: dict[str, str], folders: set[str]) -> set[str]:
    """The modules that a module imports: of a package only the submodule, where it is one."""
    package = name if name in folders else name.rpartition(".")[0]
    found = set()
    for one in imports(package, modules[name]):
        base, _, attribute = one.partition(":")
        found.add(f"{base}.{attribute}" if f"{base}.{attribute}" in modules else base)
    return found


def texts(node) -> list[str]:
    """The text that an argument is, or begins with: f"extras.{name}" gives "extras"."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value.rstrip(".")]
    return []


@cache
def code_lines(source: str) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    told = set()
    for node in ast.walk(ast.parse(source)):
        kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            told |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    silent |= {tokenize.ENDMARKER, tokenize.ENCODING}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - told)


def house_problems(modules: dict[str, str], folders: set[str]) -> list[str]:
    """Everything that is against the rules about helpers/ and imports, in words."""
    found = []
    helpers = {name: source for name, source in modules.items() if name.startswith("helpers")}
    lines = {name: code_lines(source) for name, source in helpers.items()}
    inside = [name for name in folders if name.startswith("helpers.")]
    if inside:
        found.append(f"helpers/ has folders: {', '.join(inside)}")
    if len(helpers) - 1 > MODULES_AT_MOST:  # without __init__
        found.append(f"helpers/ has {len(helpers) - 1} modules, at most {MODULES_AT_MOST}")
    if sum(lines.values()) > CODE_LINES_AT_MOST:
        found.append(f"helpers/ has {sum(lines.values())} lines, at most {CODE_LINES_AT_MOST}")
    for name, count in lines.items():
        if count > CODE_LINES_OF_A_MODULE_AT_MOST:
            found.append(f"{name} has {count} lines, at most {CODE_LINES_OF_A_MODULE_AT_MOST}")

    # Who may import whom: a room stands on helpers and the city, and nobody stands on what builds,
    # measures or tests.
    may_import = {
        "helpers": {"helpers"},
        "sample_city": {"helpers", "sample_city"},
        "extras": {"helpers", "sample_city", "extras"},
        "benchmarks": set(PACKAGES) - {"tests"},
        "scripts": set(PACKAGES),  # scripts.mutants runs the tests
        "tests": set(PACKAGES),
    }
    graph = {}
    for name in modules:
        every = imported(name, modules, folders)
        for other in sorted(every):
            computes = name.startswith("extras.") and not name.startswith(WIDGET_ROOMS)
            if computes and other.startswith(WIDGET_ROOMS):
                found.append(f"{name} imports {other}, a room of pictures")
            room = other.split(".")[0]
            if room in PACKAGES and room not in may_import[name.split(".")[0]]:
                found.append(f"{name} imports {other}")
        graph[name] = every & modules.keys()
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("circle: " + " <- ".join(error.args[1]))
    return found


def test_the_house_keeps_its_rules():
    assert house_problems(MODULES, FOLDERS) == []


# A fault, planted into helpers.sizes or as a module of its own, and what the rules say of it
FAULTS = [
    ("helpers.sizes", "import extras.bug_lab.bugs", "helpers.sizes imports extras.bug_lab.bugs"),
    ("helpers.sizes", "def f():\n    from sample_city import build", "imports sample_city"),
    ("helpers.sizes", "from scripts import figures", "helpers.sizes imports scripts.figures"),
    ("helpers.sizes", "from ..extras import browser", "helpers.sizes imports extras.browser"),
    (
        "helpers.sizes",
        "import importlib\nimportlib.import_module('extras.browser')",
        "extras.browser",
    ),
    ("helpers.sizes", "__import__('scripts.figures')", "helpers.sizes imports scripts.figures"),
    ("helpers.sizes", "name = 1\n__import__(f'extras.{name}')", "helpers.sizes imports extras"),
    ("helpers.sizes", "import helpers.unet", "circle: "),
    ("helpers.sizes", "def f():\n    from . import unet", "circle: "),
    ("helpers.sizes", "x = 1\n" * 301, "helpers.sizes has "),
    ("helpers.large", "x = 1\n" * 2301, "helpers/ has "),
    ("extras.browser.views", "import benchmarks.camvid", "imports benchmarks.camvid"),
    ("extras.reproduction.tables", "from extras.explorers import layers", "a room of pictures"),
    ("sample_city.street", "import extras.browser", "sample_city.street imports extras.browser"),
    (
        "extras.explorers.layers",
        "from . import protocols\n\nfrom tests import roots",
        "imports tests",
    ),
]


@pytest.mark.parametrize(("name", "fault", "problem"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_noticed(name, fault, problem):
    modules = {**MODULES, name: MODULES.get(name, "") + "\n\n" + fault + "\n"}
    found = house_problems(modules, FOLDERS)
    assert any(problem in one for one in found), found


def test_too_many_modules_and_folders_are_noticed():
    more = {f"helpers.module{number}": "" for number in range(MODULES_AT_MOST)}
    assert any("modules, at most" in one for one in house_problems(MODULES | more, FOLDERS))
    assert any("folders" in one for one in house_problems(MODULES, FOLDERS | {"helpers.extra"}))


def test_what_counts_as_a_line_of_code():
    source = (
        '"""Told.\n\nTwice.\n"""\n\n# why\nx = [\n    1,\n]  # three\n\n\ndef f():\n    """No."""\n'
    )
    assert code_lines(source) == 4
    assert code_lines(source + '    return """one\n\ntwo"""\n') == 7  # a text is no docstring


# How the code is written


def ruff(*arguments) -> str:
    """What ruff says of the whole project, nothing if it is content."""
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_ruff_is_the_pinned_one():
    pinned = re.search(r"^ruff==(\S+)$", (ROOT / "tests" / "requirements.txt").read_text(), re.M)
    try:
        assert version("ruff") == pinned[1]
    except PackageNotFoundError:
        pytest.fail("ruff is missing: pip install -r tests/requirements.txt")


def test_ruff_check_is_clean():
    assert ruff("check", "--output-format=concise", ".") == ""


def test_ruff_format_is_clean():
    assert ruff("format", "--check", ".") == ""


def cells(path) -> list[str]:
    """The code cells of a notebook, without the setup cell, which is the same in all."""
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"][1:]


def cell_problems(sources: list[str]) -> list[str]:
    """Cells that are wider than 88 columns or not as ruff formats them."""
    found = [line for source in sources for line in source.splitlines() if len(line) > 88]
    command = [sys.executable, "-m", "ruff", "format", "--line-length=88", "--no-cache", "-"]
    for source in sources:
        if not source.lstrip().startswith(("%", "!")):
            done = subprocess.run(command, input=source, capture_output=True, text=True, cwd=ROOT)
            if done.stdout.strip() != source.strip():
                found.append(source)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_narrow_and_formatted(path):
    assert cell_problems(cells(path)) == []


def test_the_check_of_cells_sees_what_it_is_for():
    assert cell_problems(["a = 1\nprint(a)", "%matplotlib inline"]) == []
    assert len(cell_problems(["a=1"])) == 1
    assert len(cell_problems(["# " + "a" * 87])) == 1
