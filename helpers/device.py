"""Which device to compute on, and a report of the machine for bug reports: `python -m
helpers.device`.
"""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import psutil  # comes with ipykernel
import torch

from helpers.paths import find_root


def find_device() -> torch.device:
    """$COURSE_DEVICE if set; else CUDA, else Apple's GPU, else the CPU."""
    found = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    return torch.device(os.environ.get("COURSE_DEVICE") or found)


def amp_dtype(device: torch.device) -> torch.dtype | None:
    """The dtype for mixed precision: bfloat16 on CUDA where supported, else float16; None elsewhere
    (float32).
    """
    if device.type != "cuda":
        return None
    return (
        torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    )


def prepare(device: torch.device, deterministic: bool = False) -> None:
    """CUDA: TF32 for float32, and the fastest convolution for each size, or (slower) one that
    repeats its bits.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = not deterministic
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


def report() -> str:
    """Versions, device, memory and the dataset root, one per line."""
    device, root = find_device(), find_root()
    lines = [f"python       {sys.version.split()[0]} on {platform.platform()}"]
    lines += [
        f"{name:12s} {_version(name)}"
        for name in (
            "torch",
            "torchvision",
            "numpy",
            "pillow",
            "matplotlib",
            "ipywidgets",
            "jupyterlab",
            "nbval",
        )
    ]
    lines += [
        f"device       {device}, {os.cpu_count()} processors, {torch.get_num_threads()} torch "
        "threads",
        f"memory       {psutil.virtual_memory().total / 2**30:.0f} GiB",
    ]
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        lines.append(
            f"gpu          {card.name}, {card.total_memory / 2**30:.0f} GiB, amp "
            f"{amp_dtype(device)}"
        )
    return "\n".join(
        [*lines, f"dataset root {root} ({'found' if root.is_dir() else 'not there yet'})"]
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # JupyterLab on Colab
        return "not installed"


if __name__ == "__main__":
    print(report())
