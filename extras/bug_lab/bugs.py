"""A catalog of real bugs, and a way to have them: each can be planted into the running helpers for
a while.

    from extras.bug_lab.bugs import planted
    with planted("flipped-alone"):
        ...  # the helpers now have this bug, everywhere in this process

    python -m extras.bug_lab.bugs                         # the list
    python -m extras.bug_lab.bugs --show 19               # one of them: symptom and hint
    python -m extras.bug_lab.bugs --answer 19             # its cause, its fix, its line of code

Chapter 11 shows the symptoms, tests/rooms/test_bug_lab.py plants every one of them and wants a
test to notice.
"""

import argparse
import ast
import difflib
import importlib
import inspect
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType, FunctionType

from extras.bug_lab.bug_list import BUGS, Bug
from helpers import command


def find_bug(name: str) -> Bug:
    """The bug called `name`, or the n-th of the catalog for "case n" or "n"; ValueError that lists
    the names.
    """
    for number, bug in enumerate(BUGS, 1):
        if name in (bug.name, f"case {number}", f"{number}"):
            return bug
    raise ValueError(f"no bug {name!r}; there are {', '.join(bug.name for bug in BUGS)}")


def _lines_of(source: str, name: str) -> slice:
    """Where a function, or a method "Class.method", stands among the lines of `source`."""
    node = ast.parse(source)
    for part in name.split("."):
        inside = [item for item in node.body if getattr(item, "name", None) == part]
        if not inside:
            return slice(0, 0)
        node = inside[0]
    return slice(node.lineno - 1, node.end_lineno)


def _change(bug: Bug) -> tuple[str, str]:
    """The source of the bug's module as it is, and with the bug.

    Raises ValueError if the function does not have the bug's place exactly once.
    """
    module = importlib.import_module(f"helpers.{bug.module}")
    source = Path(module.__file__).read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    place = _lines_of(source, bug.function)
    function = "".join(lines[place])
    found = function.count(bug.old)
    if found != 1:
        raise ValueError(
            f"helpers/{bug.module}.py has {found} places {bug.old!r} in {bug.function}, expected "
            f"one: the helper was changed, or the bug {bug.name} is in it already; mend "
            "extras/bug_lab/bug_list.py"
        )
    lines[place] = [function.replace(bug.old, bug.new)]
    return source, "".join(lines)


def _functions(names: dict, module: str, path: str = "") -> dict[str, FunctionType]:
    """Every function of a module's namespace by name: also methods, properties, and what decorators
    wrap.
    """
    found = {}
    for name, item in names.items():
        if inspect.isclass(item) and item.__module__ == module and not path:
            found |= _functions(vars(item), module, f"{name}.")
        item = getattr(item, "__func__", None) or getattr(item, "fget", None) or item
        # What torch.no_grad() and the like wrap
        while isinstance(item, FunctionType) and hasattr(item, "__wrapped__"):
            item = item.__wrapped__
        if isinstance(item, FunctionType) and item.__module__ == module:
            found[path + name] = item
    return found


def _says(function: FunctionType) -> tuple:
    """What a function's code does, apart from where it stands in its file."""
    code = function.__code__
    return (
        code.co_code,
        code.co_names,
        [getattr(const, "co_code", const) for const in code.co_consts],
    )


@contextmanager
def planted(name: str):
    """While this context is open, the helpers have the bug `name`: the code of their functions is
    exchanged in place.

    So it acts wherever the function is already imported. Only this process is changed, and no file.
    """
    bug = find_bug(name)
    module = importlib.import_module(f"helpers.{bug.module}")
    _, changed = _change(bug)
    names = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(changed, f"helpers/{bug.module}.py with {bug.name}", "exec"), names)
    healthy = _functions(vars(module), module.__name__)
    sick = _functions(names, module.__name__)
    kept: list[tuple[FunctionType, CodeType]] = []
    try:
        for name in healthy.keys() & sick.keys():
            function = healthy[name]
            other = sick[name]
            if _says(function) != _says(other):
                kept.append((function, function.__code__))
                function.__code__ = other.__code__
        if not kept:
            raise ValueError(f"planting {bug.name} changed no function of helpers/{bug.module}.py")
        yield bug
    finally:
        for function, code in kept:
            function.__code__ = code


def case(number: int | None = None):
    """As `planted`, for the n-th bug of the catalog; without a number the helpers stay healthy."""
    return nullcontext() if number is None else planted(f"case {number}")


def difference(name: str) -> str:
    """The lines of the helper that the bug changes: "-" as they are, "+" with the bug."""
    bug = find_bug(name)
    before, after = _change(bug)
    lines = [f"helpers/{bug.module}.py"]
    for line in difflib.ndiff(before.splitlines(), after.splitlines()):
        if line.startswith(("- ", "+ ")):
            lines.append(line[:2] + line[2:].strip())
    return "\n".join(lines)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.bug_lab.bugs", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--show", metavar="NAME", help="one bug: its symptom and a hint")
    parser.add_argument("--answer", metavar="NAME", help="its cause, fix, test and line of code")
    args = parser.parse_args(arguments)
    if args.show:
        bug = find_bug(args.show)
        print(f"{bug.symptom}\n\nHint:  {bug.hint}")
    elif args.answer:
        bug = find_bug(args.answer)
        print(f"Cause: {bug.cause}\nFix:   {bug.fix}\nTest:  {bug.check}\n")
        print(difference(args.answer))
    else:
        for number, bug in enumerate(BUGS, 1):
            print(f"{number:3} {bug.name:32} {bug.group}")


if __name__ == "__main__":
    command.run(main)
