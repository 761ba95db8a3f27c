"""Do the tests test? Small faults are planted in a copy of the project, one at a time, and
something must turn red.

    python -m pip install cosmic-ray==8.7.0 coverage
    python -m scripts.mutants tests        # faults of every module against the tests: hours
    python -m scripts.mutants notebooks    # those of taught modules against the chapter alone
    python -m scripts.mutants exercises    # faults in the folded solutions against the checkers

cosmic-ray makes the faults, coverage says which tests they concern. A fault belongs to a function,
as helpers/metrics.py::ConfusionMatrix.iou, and is drawn for it alone: a change elsewhere in the
module leaves it as it is, a change of the function has it tried again.

Each goes on where it was interrupted and writes benchmarks/results/mutants.json. The "class" of a
survivor ("equivalent", "harmless", "gap") and "why" are written there by hand; --again tries those
without them once more. Works on a clone of HEAD in a temporary folder, on Linux and macOS;
scripts/changed_outputs.py does the stored outputs.
"""

import argparse
import ast
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from helpers import command
from helpers.paths import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
HOME = Path(tempfile.gettempdir()) / "course-mutants"
COPY, COVERAGE = HOME / "copy", HOME / "coverage"
SEED = 10
PACKAGES = ("helpers", "extras", "sample_city")
TAUGHT = {
    "labels": "03",
    "csv_index": "03",
    "normalization": "04",
    "windows": "05",
    "dataset": "05",
    "frame_cache": "05",
    "unet": "06",
    "fcn": "01",
    "training": "07",
    "metrics": "08",
    "evaluate": "08",
    "inference": "10",
}
# Faults per module: of a taught one, of the rest of helpers/, of a room, of a chapter's exercises
TAUGHT_SHARE, HELPERS_SHARE, ROOM_SHARE, EXERCISES_SHARE = 8, 4, 2, 1
# Tests that say nothing about a fault: they start processes that coverage does not see, or they
# look at how the code is written.
LEFT_OUT = (
    "tests/first_contact/test_first_page.py",
    "tests/first_contact/test_headless.py",
    "tests/first_contact/test_launcher.py",
    "tests/first_contact/test_processors.py",
    "tests/real_browser",
    "tests/rooms/test_distributed.py",
    "tests/course/test_house.py",
    "tests/course/test_opened_alone.py",
    "tests/course/test_photographs.py",
)
# A test that reads the modules instead of running them, which coverage does not see.
READERS = ["tests/core/test_progress.py"]
PRELOADED = [  # once, before the forks
    "pytest",
    "numpy",
    "torch",
    "torch._dynamo",
    "torchvision",
    "matplotlib.pyplot",
    "PIL.Image",
    "nbformat",
    "ipywidgets",
]
LOCKED = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


class Function(NamedTuple):
    """A function of a module, or all that stands outside of functions (name "")."""

    name: str
    lines: frozenset[int]
    code: str  # of its lines: eight digits that change with it


def functions(source: str) -> list[Function]:
    """Every function and method of a module, those inside another one with it, then the rest."""
    lines = source.splitlines()
    spans = {}

    def collect(nodes, path: str) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                collect(node.body, f"{path}{node.name}.")
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
                span = set(range(first, node.end_lineno + 1))
                spans[path + node.name] = spans.get(path + node.name, set()) | span

    collect(ast.parse(source).body, "")
    spans[""] = set(range(1, len(lines) + 1)) - set().union(*spans.values())
    found = []
    for name, span in spans.items():
        text = "\n".join(lines[number - 1] for number in sorted(span))
        found.append(Function(name, frozenset(span), hashlib.sha256(text.encode()).hexdigest()[:8]))
    return found


def hints(source: str) -> list[ast.expr]:
    """The annotations of a module: a fault in one of them changes nothing."""
    return [
        hint
        for node in ast.walk(ast.parse(source))
        for hint in (getattr(node, "annotation", None), getattr(node, "returns", None))
        if hint is not None
    ]


def all_places(source: str) -> dict[str, list]:
    """{operator: [place, ...]} of everything that cosmic-ray can change, in its own order."""
    nodes = list(ast_nodes(get_ast(source)))
    found = {}
    for name in operator_names():
        if "Variable" not in name:  # these want arguments
            operator = get_operator(name)()
            places = [place for node in nodes for place in operator.mutation_positions(node)]
            if places:
                found[name] = places
    return found


def faults_of(function: Function, places: dict[str, list], annotations: list) -> dict[str, list]:
    """{family: [(operator, number within the function, number within the module), ...]}."""
    found = {}
    for name, positions in places.items():
        inside = [n for n, place in enumerate(positions) if place[0][0] in function.lines]
        for number, occurrence in enumerate(inside):
            start = positions[occurrence][0]
            if not any(
                (hint.lineno, hint.col_offset) <= start < (hint.end_lineno, hint.end_col_offset)
                for hint in annotations
            ):
                family = name.split("Operator_")[0]
                found.setdefault(family, []).append((name, number, occurrence))
    return found


def planted(source: str, name: str, occurrence: int) -> str | None:
    """The source with that fault; None where it does not compile or means the same to Python."""
    try:
        text = mutate_code(source, get_operator(name)(), occurrence)
        return text if ast.dump(ast.parse(text)) != ast.dump(ast.parse(source)) else None
    except (SyntaxError, AttributeError):  # the latter: the tool cannot do "except module.Error"
        return None


def sample(key: str, source: str, count: int) -> list[dict]:
    """`count` faults of a module or a solution. Its functions are gone round in a drawn order, and
    each gives one fault at a time: a family is drawn, then one fault of it.
    """
    kept = HOME / "drawn" / f"{key.replace('/', '-')}.json"
    if kept.exists():
        return json.loads(kept.read_text())[:count]
    places, annotations = all_places(source), hints(source)
    waiting = []
    for function in functions(source):
        generator = random.Random(f"{SEED} {key}::{function.name}")
        found = faults_of(function, places, annotations)
        if found:
            waiting.append((generator.random(), function, generator, found))
    waiting.sort(key=lambda item: item[0])

    drawn = []
    while len(drawn) < count and waiting:
        for item in list(waiting):
            _, function, generator, found = item
            fault = draw(key, source, function, generator, found, places)
            if fault is None:
                waiting.remove(item)
            elif len(drawn) < count:
                drawn.append(fault)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(drawn))
    return drawn


def draw(key: str, source: str, function: Function, generator, found: dict, places) -> dict | None:
    """The next fault of a function, taken out of `found`; None when there is none left."""
    while found:
        family = generator.choice(sorted(found))
        choice = generator.choice(found[family])
        found[family].remove(choice)
        if not found[family]:
            del found[family]
        name, number, occurrence = choice
        text = planted(source, name, occurrence)
        if text is None:
            continue
        line = places[name][occurrence][0][0]
        before, after = (part.splitlines()[line - 1].strip() for part in (source, text + "\n\n"))
        return {
            "of": key,
            "function": function.name,
            "code": function.code,
            "operator": name,
            "number": number,
            "line": line,
            "occurrence": occurrence,
            "before": before,
            "after": after,
        }
    return None


def identity(fault: dict) -> tuple:
    """What a fault is known by: its module, function, operator, and which one of the function."""
    return fault["of"], fault.get("function"), fault["operator"], fault.get("number")


def import_from_copy() -> None:
    """From here on the project is the copy: also the modules that this tool has imported."""
    sys.path[:0] = [str(COPY)]
    for name in list(sys.modules):
        if name.split(".")[0] in (*PACKAGES, "scripts", "tests"):
            del sys.modules[name]


def in_child(work, seconds: float) -> str:
    """ "caught", "survived" or "timeout": work() returns an exit status in a forked process, all of
    whose is ended.
    """
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            os.setsid()
            os.chdir(COPY)
            log = os.open(HOME / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(log, 1), os.dup2(log, 2)
            import_from_copy()
            status = work()
        finally:
            os._exit(int(status))
    end, ended = time.monotonic() + seconds, (0, 0)
    while ended[0] == 0 and time.monotonic() < end:
        time.sleep(0.05)
        ended = os.waitpid(pid, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if ended[0] == 0:
        os.waitpid(pid, 0)
        return "timeout"
    return "survived" if os.waitstatus_to_exitcode(ended[1]) in (0, 5) else "caught"


class Tests:
    """Which tests run which line of the copy (by coverage), and how long each takes."""

    def __init__(self):
        import coverage

        self.data, self.seconds = coverage.CoverageData(str(COVERAGE)), {}
        self.data.read()
        for case in ElementTree.parse(HOME / "tests.xml").iter("testcase"):
            name = f"{case.get('classname')}.{case.get('name').split('[')[0]}"
            self.seconds[name] = self.seconds.get(name, 0) + float(case.get("time"))
        paths = [path.relative_to(COPY) for path in (COPY / "tests").rglob("test_*.py")]
        self.texts = {
            path.as_posix(): (COPY / path).read_text()
            for path in paths
            if not path.as_posix().startswith(LEFT_OUT)
        }

    def of(self, path: str, line: int) -> tuple[list[str], float, list[str]]:
        """Tests that reach the line, the quick ones first and 60 s at most; their time; the
        module's test files.
        """
        word = rf"\b{Path(path).stem.removesuffix('__main__').removesuffix('__init__')}"
        counts = {name: len(re.findall(word, text)) for name, text in self.texts.items()}
        own = [name for name in sorted(counts, key=counts.get, reverse=True)[:2] if counts[name]]
        tree = ast.parse((COPY / path).read_text())
        spans = [(n.lineno, n.end_lineno) for n in ast.walk(tree) if isinstance(n, ast.stmt)]
        first, last = max((s for s in spans if s[0] <= line <= s[1]), default=(line, line))
        contexts = self.data.contexts_by_lineno(str(COPY / path))
        names = {c for n in range(first, last + 1) for c in contexts.get(n, [])} - {""}
        if not names:  # a constant: all that use the module
            names = {c for found in contexts.values() for c in found} - {""}
        chosen, total = [], 0.0
        for name in sorted(
            names, key=lambda n: (node_id(n).split("::")[0] not in own, self.seconds.get(n, 1))
        ):
            if total + self.seconds.get(name, 1) < 60:
                chosen.append(node_id(name))
                total += self.seconds.get(name, 1)
        return chosen, total, own


def node_id(context: str) -> str:
    """tests.core.test_metrics.test_x, as coverage says it, as pytest wants it."""
    module, _, function = context.rpartition(".")
    return f"{module.replace('.', '/')}.py::{function}"


def check_children() -> None:
    """Raises RuntimeError if a fault in the copy would not be seen."""

    def broken():
        return import_module("helpers.labels").planted

    labels = COPY / "helpers" / "labels.py"
    source = labels.read_text()
    outcomes = []
    for fault in ("planted = 0", "planted = 1"):
        labels.write_text(f"{source}\n{fault}\n")
        outcomes.append(in_child(broken, 40))
    labels.write_text(source)
    if outcomes != ["survived", "caught"]:
        raise RuntimeError(f"the tests would not see a fault: {outcomes}")


def prepare() -> None:
    """A clone of HEAD with the city of the tests; once, the tests there under coverage (10
    minutes).
    """
    os.environ.update(LOCKED, TMPDIR=str(HOME / "tmp"))
    if not COPY.exists():
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, COPY], check=True)
        shutil.copytree(ROOT / "data" / "test_city", COPY / "data" / "test_city")
    (HOME / "tmp").mkdir(exist_ok=True)
    if not (HOME / "tests.xml").exists():
        settings = HOME / "coverage.cfg"
        settings.write_text(
            f"[run]\nsource = {','.join(PACKAGES)}\ndynamic_context = test_function\n"
            f"data_file = {COVERAGE}\n"
        )
        left_out = [f"--ignore={name}" for name in LEFT_OUT]
        subprocess.run(
            [
                sys.executable,
                "-m",
                "coverage",
                "run",
                f"--rcfile={settings}",
                "-m",
                "pytest",
                "tests",
                "-q",
                f"--junitxml={HOME / 'tests.xml'}",
                *left_out,
            ],
            cwd=COPY,
            check=True,
        )


def tests_see(tests: Tests, path: str, line: int, whole: bool) -> tuple[str, str]:
    """The outcome, and the test that turned red: of those that reach the line, or of the module's
    whole files, as for a constant, which is read when nobody looks.
    """
    import pytest

    chosen, total, own = tests.of(path, line)
    files = own if whole or not chosen else []
    for names, seconds in ((chosen, 2 * total + 40), (files, 400), (READERS, 60)):
        if names:
            outcome = in_child(
                lambda names=names: pytest.main(["-xqrfE", "-p", "no:cacheprovider", *names]),
                seconds,
            )
            if outcome != "survived":
                red = re.search(
                    r"^(?:FAILED|ERROR) (\S+)", (HOME / "log.txt").read_text(errors="replace"), re.M
                )
                return outcome, red[1] if red else ""
    return "survived", ""


def chapter_sees(number: str) -> tuple[str, str]:
    """The outcome of strict nbval on one chapter."""
    [notebook] = (COPY / "notebooks").glob(f"{number}_*.ipynb")
    line = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        str(notebook),
    ]
    return in_child(lambda: subprocess.run(line).returncode, 400), notebook.stem


def exercise_sees(number: str, expression: str, source: str) -> tuple[str, str]:
    """What the checker says of a changed solution."""

    def work():
        from extras.exercises import verdict

        names: dict = {}
        exec(compile(source, "answer", "exec"), names)
        print(wrong := verdict(number, eval(expression, names)))
        return wrong is not None

    return in_child(work, 40), ""


def score(entries: list[dict]) -> dict:
    """Counts of one module; its score is the share of faults caught, equivalents left out."""
    equivalent = sum(e.get("class") == "equivalent" for e in entries)
    caught = sum(e["outcome"] != "survived" for e in entries)
    return {
        "faults": len(entries),
        "caught": caught,
        "equivalent": equivalent,
        "score": round(caught / max(1, len(entries) - equivalent), 3),
    }


def store(what: str, entries: list[dict], waiting: list[dict]) -> None:
    """Write the result file: what was run, scores by module, and every fault on its own line."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    commit = subprocess.check_output(
        ["git", "rev-parse", "--short", "HEAD"], cwd=COPY, text=True
    ).strip()
    groups = sorted({e["of"] for e in entries})
    results[what] = {
        "command": f"python -m scripts.mutants {what}",
        "seed": SEED,
        "commit": commit,
        "python": sys.version.split()[0],
        "cosmic-ray": version("cosmic-ray"),
        "all": score(entries),
        "by": {g: score([e for e in entries if e["of"] == g]) for g in groups},
        "faults": entries + waiting,
    }
    text = json.dumps(results, indent=1)
    (HOME / "new.json").write_text(re.sub(r"\n {4,}|\n {3}(?=[}\]])", " ", text) + "\n")
    shutil.move(HOME / "new.json", RESULTS)


def share(path: Path) -> int:
    """How many faults of a module are tried."""
    if path.parts[0] == "helpers":
        return TAUGHT_SHARE if path.stem in TAUGHT else HELPERS_SHARE
    return EXERCISES_SHARE if "exercises" in path.parts else ROOM_SHARE


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.mutants", description="Plant faults; something must turn red."
    )
    parser.add_argument("what", choices=("tests", "notebooks", "exercises"))
    parser.add_argument("--again", action="store_true", help="survivors without a class once more")
    options = parser.parse_args(arguments)
    what = options.what
    prepare()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known = {identity(e): e for e in results.get(what, {}).get("faults", [])}
    todo, entries, sources = [], [], {}
    if what == "exercises":
        for number, _, expression, solution in import_module(
            "tests.rooms.test_exercises"
        ).EXERCISES:
            todo += sample(number, solution, 12)
            sources[number] = solution, expression
    else:
        for path in sorted(path for name in PACKAGES for path in (COPY / name).rglob("*.py")):
            key = path.relative_to(COPY).as_posix()
            sources[key] = path.read_text(), None
            todo += sample(key, sources[key][0], share(path.relative_to(COPY)))
    if what == "notebooks":  # three of each taught module, equivalents left out
        tried = results.get("tests", {"faults": []})["faults"]
        same = {identity(e) for e in tried if e.get("class") == "equivalent"}
        chosen = {}
        for fault in todo:
            path = Path(fault["of"])
            taught = path.parts[0] == "helpers" and path.stem in TAUGHT
            if taught and identity(fault) not in same:
                chosen.setdefault(path, []).append(fault)
        todo = [fault for faults in chosen.values() for fault in faults[:3]]
    check_children()
    tests = Tests() if what == "tests" else None
    for name in PRELOADED if what != "notebooks" else ():
        __import__(name)
    for number, fault in enumerate(todo, 1):
        key = fault["of"]
        entry = known.get(identity(fault), {})
        again = options.again and entry.get("outcome") == "survived" and "class" not in entry
        if entry.get("code") != fault["code"] or again:
            source, expression = sources[key]
            text = planted(source, fault["operator"], fault["occurrence"])
            if what == "exercises":
                outcome = exercise_sees(key, expression, text)
            else:
                (COPY / key).write_text(text)
                outcome = (
                    tests_see(tests, key, fault["line"], again or not fault["function"])
                    if tests
                    else chapter_sees(TAUGHT[Path(key).stem])
                )
                (COPY / key).write_text(source)
                # What the fault may have left
                subprocess.run(["git", "clean", "-fdq"], cwd=COPY, check=True)
                shutil.rmtree(HOME / "tmp")
                (HOME / "tmp").mkdir()
            entry = {**fault, "outcome": outcome[0], "by": outcome[1]}
            print(
                f"{number}/{len(todo)} {key}::{fault['function']} {fault['before'][:50]} -> "
                f"{fault['after'][:50]}: {outcome[0]} {outcome[1]}",
                flush=True,
            )
        entries.append(entry)
        rest = {identity(f) for f in todo[number:]} & known.keys()
        store(what, entries, [known[key] for key in rest])


if __name__ == "__main__":
    command.run(main)
