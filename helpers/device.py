"""Which device to compute on, and a report of the machine for bug reports.

python -m helpers.device
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
    name = os.environ.get("COURSE_DEVICE")
    if name:
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def amp_dtype(device: torch.device) -> torch.dtype | None:
    """The number format for mixed precision; None means float32 throughout.

    bfloat16 on CUDA cards that have it, float16 on older ones, None elsewhere.
    """
    if device.type != "cuda":
        return None
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16


def prepare(device: torch.device, deterministic: bool = False) -> None:
    """On CUDA: TF32 for float32, and the fastest convolution for each size.

    `deterministic` takes, more slowly, one that gives the same bits every time.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = not deterministic
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "matplotlib",
    "ipywidgets",
    "jupyterlab",
    "nbval",
)


def report() -> str:
    """Versions, device, memory and the dataset root, one per line."""
    device = find_device()
    root = find_root()
    memory = psutil.virtual_memory().total / 2**30
    threads = torch.get_num_threads()

    lines = [f"python       {sys.version.split()[0]} on {platform.platform()}"]
    for name in PACKAGES:
        lines.append(f"{name:12s} {_version(name)}")
    lines.append(f"device       {device}, {os.cpu_count()} processors, {threads} torch threads")
    lines.append(f"memory       {memory:.0f} GiB")
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        size = card.total_memory / 2**30
        lines.append(f"gpu          {card.name}, {size:.0f} GiB, amp {amp_dtype(device)}")
    there = "found" if root.is_dir() else "not there yet"
    lines.append(f"dataset root {root} ({there})")
    return "\n".join(lines)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # JupyterLab on Colab
        return "not installed"


if __name__ == "__main__":
    print(report())
