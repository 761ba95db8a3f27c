"""The device that is chosen, what is set up on it, and the report of the machine."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch

from helpers import device
from helpers.paths import ROOT


@pytest.mark.parametrize(
    ("cuda", "mps", "wish", "found"),
    [
        (True, True, "", "cuda"),
        (False, True, "", "mps"),
        (False, False, "", "cpu"),
        (True, True, "cpu", "cpu"),
    ],
)
def test_the_device_is_the_fastest_or_the_one_asked_for(monkeypatch, cuda, mps, wish, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setenv("COURSE_DEVICE", wish)
    assert device.find_device() == torch.device(found)


def test_mixed_precision_is_for_cuda(monkeypatch):
    assert (
        device.amp_dtype(torch.device("cpu")) is None
        and device.amp_dtype(torch.device("mps")) is None
    )
    for native, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, native=native: native
        )
        assert device.amp_dtype(torch.device("cuda")) == dtype


def test_cuda_is_prepared_fast_or_repeatable(monkeypatch):
    said = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", said.append)
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda on, warn_only: said.append((on, warn_only))
    )
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    device.prepare(torch.device("cpu"))
    assert said == [] and "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    for deterministic, how in ((False, ()), (False, (False,)), (True, (True,))):
        device.prepare(torch.device("cuda"), *how)
        assert said[-2:] == ["high", (deterministic, True)]
        assert torch.backends.cudnn.benchmark is not deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_report_of_the_machine():
    text = subprocess.run(
        [sys.executable, "-m", "helpers.device"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    assert f"torch        {version('torch')}" in text and "device       cpu, " in text
    assert (
        f"python       {sys.version.split()[0]} on " in text
        and "dataset root " in text
        and "; found)" in text
    )
