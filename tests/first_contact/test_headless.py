"""A server without notebooks and without a display imports helpers and trains."""

import os
import subprocess
import sys

import pytest

from helpers.paths import ROOT
from tests.roots import small_root

# What a server lacks; whoever imports one of them here fails.
MISSING = (
    "ipywidgets",
    "IPython",
    "ipykernel",
    "matplotlib_inline",
    "jupyterlab",
    "notebook",
    "nbformat",
    "psutil",
    "tkinter",
)
BLOCK = f"""
import sys
for name in {MISSING!r}:
    sys.modules[name] = None  # import raises ModuleNotFoundError
"""
MODULES = sorted(path.stem for path in (ROOT / "helpers").glob("[!_]*.py"))


def run(program: str, **variables) -> subprocess.CompletedProcess:
    environment = {**os.environ, **variables}
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MPLBACKEND"):
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", BLOCK + program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_every_module_of_helpers_can_be_imported():
    lines = [f"import helpers.{name}" for name in MODULES]
    done = run("\n".join(lines))
    assert len(lines) > 20 and done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", ["helpers.training", "extras.training_tools.gpu_batches"])
def test_a_server_trains(module, tmp_path):
    root = small_root(tmp_path / "root", train=4, val=2)
    arguments = ["--preset=demo", f"--root={root}", "--height=32", "--width=2", "--epochs=1"]
    program = f"""
import runpy
sys.argv = [{module!r}, *{[*arguments, "--name=server"]!r}]
runpy.run_module({module!r}, run_name="__main__")
"""
    done = run(program, COURSE_RUNS=str(tmp_path / "runs"), COURSE_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "epoch 1: training loss" in done.stdout
    assert (tmp_path / "runs" / "server" / "best.pt").is_file()


def test_the_report_of_the_machine_does_without_them():
    done = run("from helpers.device import report; print(report())")
    assert done.returncode == 0 and "ipywidgets" in done.stdout, done.stderr


def test_figures_are_drawn_without_a_display(tmp_path):
    program = f"""
import numpy as np
from helpers import plots
figure = plots.panels([np.zeros((8, 16, 3), np.uint8)], ["black"])
figure.savefig({str(tmp_path / "black.png")!r})
"""
    done = run(program)
    assert done.returncode == 0 and (tmp_path / "black.png").is_file(), done.stderr
