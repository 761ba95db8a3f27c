"""Checkers of the exercises: `check("05.1", answer)` says whether an answer is right and, if not,
what is wrong.

The checkers of chapter NN are the functions `exercise_1`, `exercise_2`, ... of
extras.exercises.chNN.
"""

from importlib import import_module


class Wrong(Exception):
    """Raised by a checker; the message says what is wrong, and why that matters."""


def verdict(name: str, answer) -> str | None:
    """None if `answer` solves the exercise `name` ("chapter.number"), else what is wrong with it,
    in words.

    An error inside the answer counts as wrong; an unknown exercise raises ModuleNotFoundError or
    AttributeError.
    """
    chapter, number = name.split(".")
    checker = getattr(import_module(f"extras.exercises.ch{chapter}"), f"exercise_{number}")
    try:
        checker(answer)
    except Wrong as wrong:
        return str(wrong)
    except Exception as error:
        # The learner's own code failed: that is an answer too, and it is reported.
        return f"your code stopped with {type(error).__name__}: {error}"
    return None


def check(name: str, answer) -> None:
    """Print the verdict on an answer."""
    wrong = verdict(name, answer)
    print(f"Exercise {name}: " + ("right." if wrong is None else f"not yet. {wrong}"))
