"""Every bug of the catalog is planted, and a named quick test must notice it; without the bug that
test must pass.

A check is named as pytest names it; it takes no fixture but `root`, `runs` and `tmp_path`.
"""

import inspect
from importlib import import_module

import pytest

from extras.bug_lab import bugs, troubleshooting
from extras.bug_lab.bug_list import BUGS


def named_test(node: str):
    """The function of a test that is named as pytest names it: tests/core/test_x.py::test_y."""
    path, _, name = node.partition("::")
    module = import_module(path.removesuffix(".py").replace("/", "."))
    return getattr(module, name)


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_bug_is_noticed(bug, root, tmp_path, monkeypatch):
    check = named_test(bug.check)

    def run(name):
        folder = tmp_path / name
        folder.mkdir()
        for variable in ("COURSE_RUNS", "COURSE_CACHE"):
            monkeypatch.setenv(variable, str(folder / variable))
        (folder / "COURSE_RUNS").mkdir()
        values = {"root": root, "runs": folder / "COURSE_RUNS", "tmp_path": folder}
        check(**{name: values[name] for name in inspect.signature(check).parameters})

    run("healthy")
    with bugs.planted(bug.name), pytest.raises((Exception, pytest.fail.Exception)) as caught:
        run("sick")
    assert not isinstance(caught.value, (ImportError, NameError, TypeError)), (
        "the bug itself is broken"
    )
    run("healed")


def test_an_entry_says_everything():
    names = [bug.name for bug in BUGS]
    assert len(set(names)) == len(names) >= 20
    assert {bug.group for bug in BUGS} <= set(troubleshooting.GROUPS)
    for bug in BUGS:
        assert (
            all(len(text) > 20 and text.endswith(".") for text in (bug.symptom, bug.cause, bug.fix))
            and len(bug.hint) > 20
        ), bug.name
        assert bugs.find_bug(f"case {names.index(bug.name) + 1}") is bug
        before, *changed = bugs.difference(bug.name).splitlines()
        assert before == f"helpers/{bug.module}.py" and any(
            line.startswith("- ") for line in changed
        )
    with pytest.raises(ValueError, match="flipped-alone"):
        bugs.find_bug("nothing")


def test_the_answer_names_the_test_that_notices(capsys):
    bugs.main(["--answer", "case 8"])
    cause, fix, test = capsys.readouterr().out.splitlines()[:3]
    assert cause == f"Cause: {BUGS[7].cause}" and fix == f"Fix:   {BUGS[7].fix}"
    assert test == f"Test:  {BUGS[7].check}"


def test_a_bug_that_does_not_fit_any_more_is_named(monkeypatch):
    stale = BUGS[0]._replace(old="no such line")
    monkeypatch.setattr(bugs, "BUGS", (stale,))
    with (
        pytest.raises(ValueError, match=r"helpers/evaluate.py has 0 places 'no such line'"),
        bugs.planted(stale.name),
    ):
        pass
    harmless = BUGS[0]._replace(new=BUGS[0].old)
    monkeypatch.setattr(bugs, "BUGS", (harmless,))
    with pytest.raises(ValueError, match="changed no function"), bugs.planted(harmless.name):
        pass


def test_bugs_do_not_pile_up():
    with (
        pytest.raises(ZeroDivisionError),
        bugs.planted("softmax-twice"),
        bugs.planted("void-counted"),
    ):
        raise ZeroDivisionError
    named_test(bugs.find_bug("softmax-twice").check)()
    named_test(bugs.find_bug("void-counted").check)()


def test_troubleshooting_page_is_current(capsys, monkeypatch, tmp_path):
    text = troubleshooting.markdown()
    assert troubleshooting.PAGE.read_text(encoding="utf-8") == text, (
        "run python -m extras.bug_lab.troubleshooting"
    )
    for trouble in (*BUGS, *troubleshooting.TROUBLES):
        assert troubleshooting.bold(trouble.symptom) in text, trouble.symptom
        assert trouble.cause in text and trouble.fix in text
        assert trouble.group in troubleshooting.GROUPS
    monkeypatch.setattr(troubleshooting, "PAGE", tmp_path / "T.md")
    troubleshooting.main([])
    assert (tmp_path / "T.md").read_text(encoding="utf-8") == text
    assert "symptoms" in capsys.readouterr().out


def test_the_list_and_one_bug_are_printed(capsys):
    bugs.main([])
    printed = capsys.readouterr().out
    assert all(bug.name in printed for bug in BUGS)
    for name in ("flipped-alone", "19"):
        bug = bugs.find_bug(name)
        bugs.main(["--show", name])
        shown = capsys.readouterr().out
        assert bug.symptom in shown and bug.hint in shown
        assert bug.cause not in shown and bug.fix not in shown and bug.name not in shown
        bugs.main(["--answer", name])
        answer = capsys.readouterr().out
        assert bug.cause in answer and bug.fix in answer and "- label = label[:, ::-1]" in answer
