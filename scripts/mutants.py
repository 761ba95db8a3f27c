"""Do the tests test? Small faults are planted in a copy of helpers/, one at a time, and something
must turn red.

    python -m pip install cosmic-ray==8.7.0 coverage     # the one makes the faults, the other says whom they concern
    python -m scripts.mutants tests                      # a sample from every module against the tests: an hour or two
    python -m scripts.mutants notebooks                  # those of taught modules against the chapter alone
    python -m scripts.mutants exercises                  # faults in the folded solutions against the checkers

Each goes on where it was interrupted and writes benchmarks/results/mutants.json. The "class" of a
survivor ("equivalent", "harmless", "gap") and "why" are written there by hand; --again tries those
without them once more. Works on a clone of HEAD in a temporary folder, on Linux and macOS;
scripts/changed_outputs.py does the stored outputs.
"""

import ast
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
from importlib.metadata import version
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from helpers import command

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
HOME = Path(tempfile.gettempdir()) / "course-mutants"
COPY, COVERAGE = HOME / "copy", HOME / "coverage"
SEED = 10
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
SHARES = {
    "extra": 2,
    "checks": 1,
    "sample_city": 2,
}  # faults a module of the wings; a taught one gets 8, the rest 4
PRELOADED = [
    "pytest",
    "numpy",
    "torch",
    "torch._dynamo",
    "torchvision",
    "matplotlib.pyplot",
    "PIL.Image",
    "nbformat",
    "ipywidgets",
]  # once, before the forks
LOCKED = {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def faults(source: str, nodes: list, line: int) -> dict:
    """{family: [(operator, place), ...]} of all that cosmic-ray can change on a line; annotations
    left out.
    """
    hints = [
        h
        for n in ast.walk(ast.parse(source))
        for h in map(vars(n).get, ("annotation", "returns"))
        if h
    ]
    near = [n for n in nodes if n.start_pos[0] <= line <= n.end_pos[0]]
    found = {}
    for name in operator_names():
        if "Variable" not in name:  # these want arguments
            for node in near:
                for place in get_operator(name)().mutation_positions(node):
                    if place[0][0] == line and not any(
                        (h.lineno, h.col_offset) <= place[0] < (h.end_lineno, h.end_col_offset)
                        for h in hints
                    ):
                        found.setdefault(name.split("Operator_")[0], []).append((name, place))
    return found


def planted(source: str, name: str, occurrence: int) -> str | None:
    """The source with that fault; None where it does not compile or means the same to Python."""
    try:
        text = mutate_code(source, get_operator(name)(), occurrence)
        return text if ast.dump(ast.parse(text)) != ast.dump(ast.parse(source)) else None
    except (SyntaxError, AttributeError):  # the latter: the tool cannot do "except module.Error"
        return None


def sample(key: str, source: str, count: int, spread: bool = True) -> list[dict]:
    """`count` faults: a line is drawn, then a family, then one of it; lines are all different if
    `spread`.
    """
    kept = HOME / "drawn" / f"{key.replace('/', '-')}.json"
    if kept.exists():
        return json.loads(kept.read_text())[:count]
    generator, drawn, nodes = random.Random(f"{SEED} {key}"), [], list(ast_nodes(get_ast(source)))
    lines = [n for n, text in enumerate(source.splitlines(), 1) if text.strip()]
    for line in generator.sample(lines, len(lines)) * (1 if spread else count):
        found = faults(source, nodes, line) if len(drawn) < count else {}
        if not found:
            continue
        name, place = generator.choice(found[generator.choice(sorted(found))])
        operator = get_operator(name)()
        places = [p for node in nodes for p in operator.mutation_positions(node)]
        occurrence = generator.choice([i for i, p in enumerate(places) if p == place])
        text = planted(source, name, occurrence)
        if text is not None and (name, occurrence) not in [
            (d["operator"], d["occurrence"]) for d in drawn
        ]:
            before, after = (t.splitlines()[line - 1].strip() for t in (source, text + "\n\n"))
            drawn.append(
                {
                    "of": key,
                    "line": line,
                    "operator": name,
                    "occurrence": occurrence,
                    "before": before,
                    "after": after,
                }
            )
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(drawn))
    return drawn


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
            sys.path[:0] = [str(COPY)]
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
            name = f"{case.get('classname').split('.')[-1]}.{case.get('name').split('[')[0]}"
            self.seconds[name] = self.seconds.get(name, 0) + float(case.get("time"))
        self.texts = {p.name: p.read_text() for p in (COPY / "tests").glob("test_*.py")}

    def of(self, path: str, line: int) -> tuple[list[str], float, list[str]]:
        """Tests that reach the line, the quick ones first and 60 s at most; their time; the
        module's test files.
        """
        word = rf"\b{Path(path).stem.removesuffix('_command').removesuffix('__main__')}"
        counts = {name: len(re.findall(word, text)) for name, text in self.texts.items()}
        own = [f"tests/{n}" for n in sorted(counts, key=counts.get, reverse=True)[:2] if counts[n]]
        own = own[:1] if "tests/test_distributed.py" in own[1:] else own  # slow
        tree = ast.parse((COPY / path).read_text())
        spans = [(n.lineno, n.end_lineno) for n in ast.walk(tree) if isinstance(n, ast.stmt)]
        first, last = max((s for s in spans if s[0] <= line <= s[1]), default=(line, line))
        contexts = self.data.contexts_by_lineno(str(COPY / path))
        names = {c for n in range(first, last + 1) for c in contexts.get(n, [])} - {""}
        names = names or {c for found in contexts.values() for c in found} - {
            ""
        }  # a constant: all that use the module
        chosen, total = [], 0.0
        for name in sorted(
            names, key=lambda n: (f"tests/{n.split('.')[0]}.py" not in own, self.seconds.get(n, 1))
        ):
            if total + self.seconds.get(name, 1) < 60:
                chosen.append("tests/" + name.replace(".", ".py::", 1))
                total += self.seconds.get(name, 1)
        return chosen, total, own


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
            f"[run]\nsource = helpers\ndynamic_context = test_function\ndata_file = {COVERAGE}\n"
        )
        left_out = [
            f"--ignore=tests/{n}"
            for n in ("browser", "test_distributed.py", "test_opened_alone.py")
        ]
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
    whole files.
    """
    import pytest

    chosen, total, own = tests.of(path, line)
    for names, seconds in ((chosen, 2 * total + 40), (own if whole or not chosen else [], 400)):
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
    """Counts of one module: a score is the share of faults caught of those that are no equivalents."""
    equivalent = sum(e.get("class") == "equivalent" for e in entries)
    caught = sum(e["outcome"] != "survived" for e in entries)
    return {
        "faults": len(entries),
        "caught": caught,
        "equivalent": equivalent,
        "score": round(caught / max(1, len(entries) - equivalent), 3),
    }


def store(what: str, entries: list[dict], waiting: list[dict]) -> None:
    """Write the result file: what was run, scores by module, and every fault on a line of its own."""
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


def main() -> None:
    what = sys.argv[1]
    prepare()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known = {
        (e["of"], e["operator"], e["occurrence"]): e
        for e in results.get(what, {}).get("faults", [])
    }
    todo, entries, sources = [], [], {}
    if what == "exercises":
        sys.path[:0] = [str(COPY), str(COPY / "tests")]
        for number, _, expression, solution in __import__("test_exercises").EXERCISES:
            todo += sample(number, solution, 12, spread=False)
            sources[number] = solution, expression
    for path in sorted((COPY / "helpers").rglob("*.py")) if what != "exercises" else []:
        key, wing = path.relative_to(COPY).as_posix(), path.parent.name
        sources[key] = path.read_text(), None
        todo += sample(key, sources[key][0], SHARES.get(wing, 8 if path.stem in TAUGHT else 4))
    if what == "notebooks":  # three of each taught module, equivalents left out
        same = {
            (e["of"], e["operator"], e["occurrence"])
            for e in results.get("tests", {"faults": []})["faults"]
            if e.get("class") == "equivalent"
        }
        todo = [
            f
            for f in todo
            if Path(f["of"]).stem in TAUGHT
            and Path(f["of"]).parent.name == "helpers"
            and (f["of"], f["operator"], f["occurrence"]) not in same
        ]
        todo = [f for i, f in enumerate(todo) if sum(g["of"] == f["of"] for g in todo[:i]) < 3]
    tests = Tests() if what == "tests" else None
    for name in PRELOADED if what != "notebooks" else ():
        __import__(name)
    for number, fault in enumerate(todo, 1):
        key = fault["of"]
        entry = known.get((key, fault["operator"], fault["occurrence"]), {})
        again = (
            "--again" in sys.argv and entry.get("outcome") == "survived" and "class" not in entry
        )
        if entry.get("before") != fault["before"] or again:
            source, expression = sources[key]
            text = planted(source, fault["operator"], fault["occurrence"])
            if what == "exercises":
                outcome = exercise_sees(key, expression, text)
            else:
                (COPY / key).write_text(text)
                outcome = (
                    tests_see(tests, key, fault["line"], again)
                    if tests
                    else chapter_sees(TAUGHT[Path(key).stem])
                )
                (COPY / key).write_text(source)
                subprocess.run(
                    ["git", "clean", "-fdq"], cwd=COPY, check=True
                )  # what the fault may have left
                shutil.rmtree(HOME / "tmp")
                (HOME / "tmp").mkdir()
            entry = {**fault, "outcome": outcome[0], "by": outcome[1]}
            print(
                f"{number}/{len(todo)} {key}:{fault['line']} {fault['before'][:50]} -> "
                f"{fault['after'][:50]}: {outcome[0]} {outcome[1]}",
                flush=True,
            )
        entries.append(entry)
        rest = {(f["of"], f["operator"], f["occurrence"]) for f in todo[number:]} & known.keys()
        store(what, entries, [known[key] for key in rest])


if __name__ == "__main__":
    command.run(main)
