"""The progress bar and how to hide it."""

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
