"""Which device to compute on, and a report of the machine for bug reports: `python -m helpers.device`."""
import os

import torch


def find_device() -> torch.device:
    """$COURSE_DEVICE if set; else CUDA, else Apple's GPU, else the CPU."""
    found = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return torch.device(os.environ.get("COURSE_DEVICE") or found)


def amp_dtype(device: torch.device) -> torch.dtype | None:
    """The dtype for mixed precision: bfloat16 on CUDA where supported, else float16; None elsewhere (float32)."""
    if device.type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def prepare(device: torch.device, deterministic: bool = False) -> None:
    """CUDA: TF32 for float32, and the fastest convolution for each size, or (slower) one that repeats its bits."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = not deterministic
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


if __name__ == "__main__":
    from helpers.extra.report import report
    print(report())
