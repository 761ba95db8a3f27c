"""The table of processors: what is set, what is not tried, what is stored."""

import json
import subprocess

import pytest

from scripts import processors


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """pytest is recorded and says what it is told to say."""
    monkeypatch.setattr(processors, "RESULT", tmp_path / "processors.json")
    monkeypatch.setattr(processors, "processor", lambda: "a processor")
    monkeypatch.setattr(processors, "abilities", lambda: {"avx2", "sse4_1"})
    record = []

    def run(words, env, **options):
        record.append((words, env))
        said = "..F\nFAILED tests/a.py::test_b - assert 1\nFAILED notebooks/14.ipynb::Cell 3\n"
        if env.get("ATEN_CPU_CAPABILITY") != "default":
            said = "...\n"
        said += "== 2 failed, 1 passed in 3.21s ==" if "FAILED" in said else "3 passed in 1.00s"
        return subprocess.CompletedProcess(words, 0, said, "")

    monkeypatch.setattr(processors.subprocess, "run", run)
    return record


def test_what_this_processor_lacks_is_not_tried(runs):
    processors.main(["--threads", "1"])
    stored = json.loads(processors.RESULT.read_text())
    outcomes = {row["setting"]: row["outcome"] for row in stored["rows"]}
    assert list(outcomes) == list(processors.SETTINGS)
    for name, said in outcomes.items():
        assert (said == processors.NOT_TRIED) == ("vx512" in name.lower()), name
    assert outcomes["ATen avx2"] == "3 passed"
    assert outcomes["lowest"] == (
        "2 failed, 1 passed: tests/a.py::test_b, notebooks/14.ipynb::Cell 3"
    )


def test_settings_reach_the_processes(runs, capsys):
    processors.main(["--only", "lowest", "--", "notebooks/14.ipynb"])
    assert len(runs) == 2
    for threads, (words, environment) in zip(("1", "2"), runs):
        assert words[-1] == "notebooks/14.ipynb" and environment["OMP_NUM_THREADS"] == threads
        assert environment["ATEN_CPU_CAPABILITY"] == "default"
        assert environment["ONEDNN_MAX_CPU_ISA"] == "SSE41"
        assert environment["MKL_CBWR"] == "COMPATIBLE"

    # A second time takes the place of the first; another processor begins a new table.
    processors.main(["--only", "lowest", "--", "notebooks/14.ipynb"])
    assert len(json.loads(processors.RESULT.read_text())["rows"]) == 2
    processors.main(["--table"])
    assert len(runs) == 4 and "| lowest | 2 | notebooks/14.ipynb |" in capsys.readouterr().out


def test_the_variables_do_something():
    """PyTorch itself says which instructions it takes."""
    import os
    import sys

    program = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() in ("DEFAULT", "NO AVX")


def test_the_stored_table_is_green():
    """Whatever was tried on the recorded processor passed."""
    from helpers.paths import ROOT

    stored = json.loads((ROOT / "benchmarks" / "results" / "processors.json").read_text())
    for row in stored["rows"]:
        said = row["outcome"]
        assert said == processors.NOT_TRIED or "passed" in said and "failed" not in said, row
