"""Which device to compute on, what to do when its memory is full, and a report of the machine.

python -m helpers.device
"""

import math
import os
import platform
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import torch
from torch.utils.checkpoint import checkpoint

from helpers import command
from helpers.paths import find_root, missing_folders, origin


def find_device() -> torch.device:
    """$COURSE_DEVICE if set; else CUDA, else Apple's GPU, else the CPU.

    Raises ValueError if $COURSE_DEVICE is no device of this machine.
    """
    # All that is there, the fastest first.
    cards = max(1, torch.cuda.device_count()) if torch.cuda.is_available() else 0
    there = [f"cuda:{number}" for number in range(cards)]
    if torch.backends.mps.is_available():
        there.append("mps:0")
    there.append("cpu:0")
    fastest = there[0].removesuffix(":0")

    name = os.environ.get("COURSE_DEVICE", "").strip(" '\"").lower() or fastest
    if name not in there and f"{name}:0" not in there:
        raise ValueError(
            f"COURSE_DEVICE={name}, but torch {torch.__version__} finds {', '.join(there)} here; "
            "unset it, or set it to cpu"
        )
    return torch.device(name)


def amp_dtype(device: torch.device) -> torch.dtype | None:
    """The number format for mixed precision; None means float32 throughout.

    bfloat16 on CUDA cards that have it, float16 on older ones, None elsewhere.
    """
    if device.type != "cuda":
        return None
    # bfloat16 has float32's range, so that its gradients need no scaling.
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16


def mixed_precision(device: torch.device) -> torch.autocast:
    """`with mixed_precision(device):` computes in the format of `amp_dtype`."""
    half = amp_dtype(device)
    return torch.autocast(device.type, half, enabled=half is not None)


def prepare(device: torch.device, deterministic: bool = False) -> None:
    """On CUDA: TF32 for float32, and the fastest convolution for each size.

    `deterministic` takes, more slowly, one that gives the same bits every time.
    """
    if device.type == "cuda":
        # cuBLAS wants this to repeat its sums in one order.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_float32_matmul_precision("high")
        # cuDNN tries its convolutions once for each new size and keeps the fastest.
        torch.backends.cudnn.benchmark = not deterministic
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


def checkpoint_blocks(model: torch.nn.Module) -> None:
    """Let a U-Net keep the input of each block alone, and compute the block again where the
    backward pass needs the rest: less memory, the same gradients, one more forward pass.
    """
    for block in [*model.down, *model.merge]:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def out_of_memory(config) -> str:
    """What to try next, the cheapest first, when a training step did not fit into the memory."""
    view = config.make_view()
    batch = config.batch_size // 2
    if batch > 0:
        accumulate = math.ceil(config.batch_size * config.accumulate / batch)
        advice = f"--batch-size {batch} --accumulate {accumulate} (no fewer frames a step)"
    elif config.model == "unet" and config.norm is None and not config.checkpointing:
        advice = "--checkpointing (the same gradient, a third more time)"
    elif config.view == "crop" and view.legal(view.size // 2) < view.size:
        advice = f"--size {view.legal(view.size // 2)} (a smaller crop)"
    else:
        advice = f"--width {config.width // 2} (a thinner network, which learns less)"
    return (
        f"out of memory with --batch-size {config.batch_size}. Next, try {advice}. In a notebook, "
        "restart the kernel first: the error keeps its tensors"
    )


PACKAGES = ("torch", "torchvision", "numpy", "pillow", "matplotlib", "ipywidgets", "jupyterlab")


def report() -> str:
    """Versions, device, memory and the dataset root, one per line."""
    try:
        device = find_device()
        chosen = str(device)
    except ValueError as error:  # the report is for finding such things
        device = torch.device("cpu")
        chosen = str(error)
    root = find_root()
    threads = torch.get_num_threads()

    lines = [f"python       {sys.version.split()[0]} on {platform.platform()}"]
    for name in PACKAGES:
        lines.append(f"{name:12s} {_version(name)}")
    lines.append(f"device       {chosen}, {os.cpu_count()} processors, {threads} torch threads")
    lines.append(f"memory       {_memory()}")
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        size = card.total_memory / 2**30
        lines.append(f"gpu          {card.name}, {size:.0f} GiB, amp {amp_dtype(device)}")
        lines.append(
            "             python -m extras.training_tools.memory: which batches fit into it"
        )
    there = "not there yet"
    if root.is_dir():
        missing = missing_folders(root)
        there = f"without {' and '.join(missing)}" if missing else "found"
    lines.append(f"dataset root {root} ({origin(root)}; {there})")
    return "\n".join(lines)


def _memory() -> str:
    try:
        import psutil  # comes with the notebooks' kernel; a server may lack it
    except ImportError:
        return "unknown without psutil"
    return f"{psutil.virtual_memory().total / 2**30:.0f} GiB"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # JupyterLab on Colab
        return "not installed"


def main() -> None:
    print(report())


if __name__ == "__main__":
    command.run(main)
