"""What a bug report needs to say of the machine: python -m helpers.device."""
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import psutil  # comes with ipykernel
import torch

from helpers.device import amp_dtype, find_device
from helpers.paths import find_root


def report() -> str:
    """Versions, device, memory and the dataset root, one per line."""
    device, root = find_device(), find_root()
    lines = [f"python       {sys.version.split()[0]} on {platform.platform()}"]
    lines += [f"{name:12s} {_version(name)}" for name in (
        "torch", "torchvision", "numpy", "pillow", "matplotlib", "ipywidgets", "jupyterlab", "nbval")]
    lines += [f"device       {device}, {os.cpu_count()} processors, {torch.get_num_threads()} torch threads",
              f"memory       {psutil.virtual_memory().total / 2**30:.0f} GiB"]
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        lines.append(f"gpu          {card.name}, {card.total_memory / 2**30:.0f} GiB, amp {amp_dtype(device)}")
    return "\n".join([*lines, f"dataset root {root} ({'found' if root.is_dir() else 'not there yet'})"])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # JupyterLab on Colab
        return "not installed"
