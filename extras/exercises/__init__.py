"""Checkers of what the learner writes: `check` says whether it is right and, if not, what is wrong.

"06.A" is a *turn* of chapter 06: a piece of the chapter's own code, which the notebook goes on
with. Its checker is the function `turn_a` of extras.exercises.ch06, and `TURNS["A"]` there is the
course's own version. "06.1" is an *exercise* at the end of the chapter, checked by `exercise_1`.
"""

import sysconfig
import traceback
from contextlib import contextmanager
from importlib import import_module

from helpers.paths import ROOT

# Where code lies that the learner did not write: the course's, Python's, and installed packages.
OTHERS = (
    str(ROOT / "extras"),
    str(ROOT / "helpers"),
    sysconfig.get_path("stdlib"),
    sysconfig.get_path("purelib"),
    sysconfig.get_path("platlib"),
)


class Wrong(Exception):
    """Raised by a checker; the message says what is wrong, and why that matters."""


@contextmanager
def explain(kind: type[Exception] | tuple, *phrases: str, hint: str):
    """What stops the code inside becomes a Wrong with this hint, if it is the error that is meant.

    Meant is an error of this kind; where phrases are given, one whose message has one of them.
    """
    try:
        yield
    except kind as error:
        if phrases and not any(phrase in str(error) for phrase in phrases):
            raise
        first_line = str(error).splitlines()[0]
        raise Wrong(f"{hint} ({type(error).__name__}: {first_line})") from error


def what_stopped(error: Exception) -> str:
    """What to say of an error that is not a Wrong, with the learner's line if theirs it was."""
    said = f"{type(error).__name__}: {error}"
    if "NoneType" in said:
        said += "; None is what a function without `return` gives back"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(OTHERS):
            place = f" (in the line: {frame.line})" if frame.line else ""
            return f"your code stopped with {said}{place}"
    return f"the check could not go on ({said}): are arguments and result as the task wants them?"


def verdict(name: str, answer) -> str | None:
    """None if `answer` solves "chapter.number" or "chapter.letter", else what is wrong with it.

    An error inside the answer counts as wrong; an unknown name raises ModuleNotFoundError or
    AttributeError. A starter that nobody touched raises NotImplementedError.
    """
    chapter, _, part = name.partition(".")
    module = import_module(f"extras.exercises.ch{chapter}")
    kind = "exercise" if part.isdigit() else "turn"
    checker = getattr(module, f"{kind}_{part.lower()}")
    try:
        checker(answer)
    except Wrong as wrong:
        return str(wrong)
    except Exception as error:
        # The starter's NotImplementedError says nothing; those of libraries do.
        if isinstance(error, NotImplementedError) and not error.args:
            raise
        # The learner's own code failed: that is an answer too, and it is reported.
        return what_stopped(error)
    return None


def check(name: str, answer):
    """Print the verdict on an answer.

    Of a turn it returns what the notebook goes on with: `answer` if it is right, else the course's
    own version.
    """
    chapter, _, part = name.partition(".")
    is_turn = not part.isdigit()
    kind = "Your turn" if is_turn else "Exercise"
    try:
        wrong = verdict(name, answer)
        said = "right." if wrong is None else f"not yet. {wrong}"
    except NotImplementedError:
        wrong = "not written"
        said = "not written yet."

    print(f"{kind} {name}: {said}")
    if not is_turn:
        return None
    if wrong is None:
        return answer
    print("The course's version is used from here on.")
    return import_module(f"extras.exercises.ch{chapter}").TURNS[part]
