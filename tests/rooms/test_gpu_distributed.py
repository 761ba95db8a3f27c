"""Chapter 14's command with two processes, and the frames in the memory of each one's device."""

import csv
import os
import subprocess
import sys

import pytest
import torch.distributed as dist

from helpers.paths import ROOT

TINY = [
    "--preset=recipe",
    "--padding=same",
    "--size=32",
    "--width=4",
    "--depth=2",
    "--dropout=0",
    "--epochs=2",
    "--batch-size=3",
    "--learning-rate=3e-3",
    "--augment",
    "--pictures=1",
]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def history_of(command: list[str], root, folder) -> list[dict]:
    """The curve that a command leaves in `folder`."""
    place = {"COURSE_RUNS": str(folder), "COURSE_CACHE": str(folder / "cache")}
    environment = {**os.environ, **place, "COURSE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command, f"--root={root}", *TINY],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    # Only one of them speaks.
    assert done.stdout.count("epoch 2: training loss") == 1
    with open(folder / "recipe" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: float(value) for name, value in row.items()} for row in rows]


@pytest.mark.skipif(not dist.is_available() or sys.platform == "win32", reason="needs gloo")
def test_two_processes_from_the_memory_of_their_devices(root, tmp_path):
    alone = history_of(["-m", "extras.training_tools.gpu_batches"], root, tmp_path / "alone")
    command = [*TORCHRUN, "-m", "extras.training_tools.distributed", "--gpu-batches"]
    together = history_of(command, root, tmp_path / "together")
    assert len(alone) == len(together) == 2
    for row, other in zip(together, alone):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=1e-4)
        assert row["val_loss"] == pytest.approx(other["val_loss"], abs=1e-4)
        assert row["val_mean_iou"] == pytest.approx(other["val_mean_iou"], abs=2e-3)
