"""The progress bar and how to hide it."""

import ast

from helpers.paths import ROOT
from helpers.progress import count_cores, progress_bar


def test_progress_is_shown_unless_asked_not_to(monkeypatch, capsys):
    for variable, show, bar in (("", {}, True), ("1", {}, False), ("", {"show": False}, False)):
        monkeypatch.setenv("TQDM_DISABLE", variable)
        assert list(progress_bar([1, 2], "read", **show)) == [1, 2]
        assert ("read: 100%" in capsys.readouterr().err) == bar


def test_the_cores_of_this_process_are_counted(monkeypatch):
    """A container, or taskset, may allow fewer than the machine has."""
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert count_cores() == 3
    monkeypatch.delattr("os.sched_getaffinity")
    assert count_cores() == 64


def test_whoever_does_not_ask_sees_the_progress():
    """Statistics alone are computed in silence: chapter 04 shows a bar of its own."""
    found = {}
    for path in [*(ROOT / "helpers").glob("*.py"), *(ROOT / "extras").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                arguments = node.args.args[::-1]
                for argument, default in zip(arguments, node.args.defaults[::-1]):
                    if argument.arg == "progress":
                        found[f"{path.parent.name}.{path.stem}.{node.name}"] = default.value
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "progress":
                found[f"{path.parent.name}.{path.stem}"] = node.value.value
    silent = [name for name, default in found.items() if not default]
    assert len(found) > 15
    assert sorted(silent) == [
        "helpers.normalization.channel_statistics",
        "helpers.normalization.find_statistics",
    ]
