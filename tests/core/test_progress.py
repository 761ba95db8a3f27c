"""The progress bar and how to hide it."""

from helpers.progress import progress_bar


def test_progress_is_shown_unless_asked_not_to(monkeypatch, capsys):
    for variable, show, bar in (("", {}, True), ("1", {}, False), ("", {"show": False}, False)):
        monkeypatch.setenv("TQDM_DISABLE", variable)
        assert list(progress_bar([1, 2], "read", **show)) == [1, 2]
        assert ("read: 100%" in capsys.readouterr().err) == bar
