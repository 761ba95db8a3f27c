"""The whole GPU table in one command: U-Net of width 64 on 572x572 crops, a training step, on one
CUDA device.

    python -m benchmarks.gpu_table         # writes gpu_table.json and gpu_table.md into results/
    python -m benchmarks.gpu_table --batches 4 8 --steps 10 --no-compile

First the peak that this device reaches in a large bfloat16 matrix product is measured; every row's
share refers to it. Rows: batch 4 to 32, eager and compiled, float32 without and with TF32, bfloat16
autocast. Images a second are those of a whole training step (forward, loss, backward, fused Adam)
on data that is already on the device; what the loading adds is measured on its own, with
extras.training_tools.gpu_batches. Last comes a profile of the fastest row: which kernels take the
time. Without CUDA it refuses. Not run on a GPU yet; the parts that need none are tested on the CPU.
"""

import argparse
import platform
import sys
from collections import defaultdict
from itertools import product

import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers.evaluate import pixel_loss
from helpers.files import write_json, write_text
from helpers.paths import ROOT
from helpers.sizes import output_size
from helpers.unet import UNet

RESULTS = ROOT / "benchmarks" / "results"
CROP = 572


def step_flops(width: int = 64, crop: int = CROP) -> int:
    """Floating-point operations of a training step of one image: forward counted, backward taken as
    twice that.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        UNet(width=width)(torch.empty(1, 3, crop, crop))
    return 3 * counter.get_total_flops()


def seconds(work, device: torch.device, repeats: int, warm_up: int = 5) -> float:
    """Mean seconds of `work()` on a CUDA device, between two events, after warming up."""
    for _ in range(warm_up):
        work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    for _ in range(repeats):
        work()
    end.record()
    torch.cuda.synchronize(device)
    return start.elapsed_time(end) / 1000 / repeats


def matmul_peak(device: torch.device, size: int = 8192) -> float:
    """Operations a second of a bfloat16 matrix product, the best of five tries."""
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b, device, 10) for _ in range(5))


def make_step(
    device: torch.device,
    batch: int,
    precision: str,
    compiled: bool,
    width: int = 64,
    crop: int = CROP,
):
    """A function that does one training step on data that lies on the device."""
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    model = UNet(width=width).to(device, memory_format=torch.channels_last)
    images = torch.randn(batch, 3, crop, crop, device=device).to(memory_format=torch.channels_last)
    targets = torch.randint(0, 19, (batch, output_size(crop), output_size(crop)), device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    forward = torch.compile(model) if compiled else model

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = forward(images)
        loss, pixels = pixel_loss(logits, targets)
        (loss / pixels).backward()
        optimizer.step()
        return loss.detach() / pixels

    return step


def measure(device, batch, precision, compiled, steps, peak) -> dict:
    """One row; a row that does not fit into the memory says so."""
    row = {"batch": batch, "precision": precision, "compiled": compiled}
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    try:
        time = seconds(make_step(device, batch, precision, compiled), device, steps)
    except torch.cuda.OutOfMemoryError:
        return {**row, "error": "out of memory"}
    return {
        **row,
        "ms_per_step": 1000 * time,
        "images_per_second": batch / time,
        "share_of_bf16_matmul_peak": step_flops() * batch / time / peak,
        "peak_memory_gib": torch.cuda.max_memory_allocated(device) / 2**30,
    }


def profile(device, row: dict, steps: int = 3) -> list[dict]:
    """The kernels of a row that take most time: share of the device's time, and calls a step."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    step = make_step(device, row["batch"], row["precision"], row["compiled"])
    for _ in range(5):
        step()
    with record(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as recording:
        for _ in range(steps):
            step()
        torch.cuda.synchronize(device)
    kernels = defaultdict(lambda: [0.0, 0])
    for event in recording.events():
        if event.device_type == torch.autograd.DeviceType.CUDA:
            kernels[event.name][0] += event.self_device_time_total
            kernels[event.name][1] += 1
    total = sum(time for time, _ in kernels.values()) or 1.0
    ordered = sorted(kernels.items(), key=lambda item: -item[1][0])[:15]
    return [
        {"kernel": name[:100], "share": time / total, "calls_per_step": count / steps}
        for name, (time, count) in ordered
    ]


def loading(device, batch: int, frames: int = 64) -> float:
    """Images a second that gpu_batches makes: random 572 crops of frames of 2048x1024, flips
    included.
    """
    from extras.training_tools.gpu_batches import GpuLoader
    from helpers.csv_index import Row
    from helpers.dataset import CityscapesDataset

    rows = [Row("a.png", "b.png", "city", "0")] * frames  # never read: the cache has the frames
    dataset = CityscapesDataset(rows, "", augment=True)

    class Cache:
        cropped = False
        images = torch.randint(0, 256, (frames, 1024, 2048, 3), dtype=torch.uint8).numpy()
        labels = torch.randint(0, 34, (frames, 1024, 2048), dtype=torch.uint8).numpy()

    dataset.cache = Cache()
    loader = GpuLoader(dataset, [list(range(batch))], device)
    return batch / seconds(lambda: loader.make(loader.batches[0]), device, 20)


def table(result: dict) -> str:
    """The rows as Markdown."""
    lines = [
        f"{result['device']}, torch {result['torch']}, bfloat16 matmul peak "
        f"{result['bf16_matmul_tflops']:.0f} TFLOP/s; `{result['command']}`",
        "",
        "| batch | precision | mode | ms a step | images a second | share of peak | memory, GiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        mode = "compiled" if row["compiled"] else "eager"
        values = (
            [row["error"], "", "", ""]
            if "error" in row
            else [
                f"{row['ms_per_step']:.1f}",
                f"{row['images_per_second']:.1f}",
                f"{row['share_of_bf16_matmul_peak']:.1%}",
                f"{row['peak_memory_gib']:.1f}",
            ]
        )
        lines.append("| " + " | ".join([str(row["batch"]), row["precision"], mode, *values]) + " |")
    return "\n".join(lines) + "\n"


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        raise SystemExit(
            "python -m benchmarks.gpu_table measures a CUDA GPU, and PyTorch finds none here: "
            "run it on a machine that has one, with a CUDA build of PyTorch (python -m "
            "helpers.device shows both)"
        )
    device = torch.device("cuda")
    peak = matmul_peak(device)
    result = {
        "command": " ".join(["python -m benchmarks.gpu_table", *(arguments or sys.argv[1:])]),
        "device": torch.cuda.get_device_name(device),
        "system": platform.platform(),
        "torch": torch.__version__,
        "bf16_matmul_tflops": peak / 1e12,
        "tflop_per_image": step_flops() / 1e12,
        "rows": [],
    }
    modes = (False, True) if args.compile else (False,)
    for batch, precision, compiled in product(args.batches, ("fp32", "tf32", "bf16"), modes):
        torch.compiler.reset()
        result["rows"].append(measure(device, batch, precision, compiled, args.steps, peak))
        print(result["rows"][-1], flush=True)
    best = max(
        (row for row in result["rows"] if "error" not in row),
        key=lambda row: row["images_per_second"],
    )
    result["loading_images_per_second"] = loading(device, best["batch"])
    result["profile_of_the_fastest"] = {"row": best, "kernels": profile(device, best)}
    write_json(RESULTS / "gpu_table.json", result)
    write_text(RESULTS / "gpu_table.md", table(result))
    print(table(result))


if __name__ == "__main__":
    main()
