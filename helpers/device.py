"""Which device to compute on, and a report of the machine for bug reports: `python -m helpers.device`."""
import os
import platform
import sys

import torch


def find_device() -> torch.device:
    """$COURSE_DEVICE if set; else CUDA, else Apple's GPU, else the CPU."""
    if os.environ.get("COURSE_DEVICE"):
        return torch.device(os.environ["COURSE_DEVICE"])
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def amp_dtype(device: torch.device) -> torch.dtype | None:
    """The dtype for mixed precision: bfloat16 on CUDA where supported, else float16; None elsewhere (float32)."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def report() -> str:
    """Versions, device, memory and the dataset root, one per line."""
    import numpy
    import PIL
    import torchvision

    from helpers.paths import find_root

    device, root = find_device(), find_root()
    lines = [
        f"python       {sys.version.split()[0]} on {platform.platform()}",
        f"torch        {torch.__version__}, torchvision {torchvision.__version__}",
        f"numpy        {numpy.__version__}, pillow {PIL.__version__}",
        f"device       {device}, {os.cpu_count()} processors, {torch.get_num_threads()} torch threads",
    ]
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        lines.append(f"gpu          {card.name}, {card.total_memory / 2**30:.0f} GiB, amp {amp_dtype(device)}")
    lines.append(f"dataset root {root} ({'found' if root.is_dir() else 'not there yet'})")
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
