"""What a GPU does in a training step of recipe A: one command, one table, at most four minutes.

    python -m benchmarks.gpu                    # measures, and writes benchmarks/results/gpu.json
    python -m benchmarks.gpu --import FILE      # adds the rows of a run elsewhere, named as such
    python -m benchmarks.gpu --device cpu --width 4 --crop 188 --steps 2  # a rehearsal, not written

A step is forward, loss, backward and fused Adam of the U-Net (width 64) on 572x572 crops that lie
on the device. The peak that every row's share refers to is that of a large bfloat16 matrix product
on the same card. The rows are measured in a process of their own and printed as they come: one that
fails, hangs or does not fit into the memory is named and left out, and the rest goes on. cudnn
searches the fastest convolution in half precision only: in float32 its search took minutes, and 35
GiB of scratch memory.

In gpu.json, `sources` says of every run on which card and with which versions it was made, `rows`
what was measured, each with its `source`; `failed` what was tried in vain. What nobody measured is
not there.
"""

import argparse
import gc
import platform
import subprocess
import time
from collections import defaultdict
from multiprocessing import get_context
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as record
from torch.utils.flop_counter import FlopCounterMode

from extras.training_tools.gpu_batches import GpuLoader
from extras.training_tools.memory import step_memory
from helpers import command
from helpers.csv_index import Row
from helpers.dataset import CityscapesDataset
from helpers.device import checkpoint_blocks
from helpers.evaluate import pixel_loss
from helpers.files import read_json, write_json
from helpers.paths import ROOT
from helpers.sizes import output_size
from helpers.unet import UNet

RESULT = ROOT / "benchmarks" / "results" / "gpu.json"
COMMAND = "python -m benchmarks.gpu"
LIMIT = 205  # seconds for everything
ROW_LIMIT = 75  # seconds for a row: compiling is the longest

# (precision, batch, mode), the most wanted first.
PLAN = (
    ("bf16", 4, "eager"),
    ("bf16", 1, "eager"),
    ("bf16", 2, "eager"),
    ("bf16", 8, "eager"),
    ("bf16", 16, "eager"),
    ("bf16", 32, "eager"),
    ("fp16", 4, "eager"),
    ("bf16", 4, "checkpointing"),
    ("tf32", 4, "eager"),
    ("fp32", 4, "eager"),
    ("bf16", 16, "compiled"),
    ("bf16", 4, "compiled"),
    ("tf32", 16, "eager"),
    ("fp32", 16, "eager"),
)
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def step_flops(width: int = 64, crop: int = 572) -> int:
    """Floating-point operations of a training step of one image: forward counted, backward taken as
    twice that.
    """
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        UNet(width=width)(torch.empty(1, 3, crop, crop))
    return 3 * counter.get_total_flops()


def wait(device: torch.device) -> float:
    """The time now, in seconds, after the device has finished what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(work, device: torch.device, repeats: int, warm_up: int = 5) -> float:
    """Mean seconds of `work()` after warming up."""
    for _ in range(warm_up):
        work()
    start = wait(device)
    for _ in range(repeats):
        work()
    return (wait(device) - start) / repeats


def matmul_peak(device: torch.device) -> float:
    """Operations a second of a bfloat16 matrix product, the best of five tries."""
    size = 8192 if device.type == "cuda" else 512
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / min(seconds(lambda: a @ b, device, 10) for _ in range(5))


def make_step(device, precision: str, batch: int, mode: str, width: int = 64, crop: int = 572):
    """A function that does one training step on data that lie on the device."""
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    torch.backends.cudnn.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.benchmark = precision in HALF
    torch.manual_seed(0)
    model = UNet(width=width).to(device, memory_format=torch.channels_last)
    if mode == "checkpointing":
        checkpoint_blocks(model)
    network = torch.compile(model) if mode == "compiled" else model
    images = torch.randn(batch, 3, crop, crop, device=device).to(memory_format=torch.channels_last)
    targets = torch.randint(0, 19, (batch, output_size(crop), output_size(crop)), device=device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
    half = HALF.get(precision)

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, half, enabled=half is not None):
            logits = network(images)
        loss, pixels = pixel_loss(logits, targets)
        scaler.scale(loss / pixels).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach() / pixels

    return step


def measure(device, plan: tuple, peak: float, options) -> dict:
    """One row; if it fails, with an "error" in place of the numbers."""
    precision, batch, mode = plan
    row = {"precision": precision, "batch": batch, "mode": mode}
    cuda = device.type == "cuda"
    if cuda:
        gc.collect()  # a compiled network of the row before is in a circle of references
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    try:
        step = make_step(device, *plan, options.width, options.crop)
        time_of_step = seconds(step, device, options.steps)
    except Exception as error:
        return {**row, "error": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}
    row["ms"] = 1000 * time_of_step
    row["images_per_second"] = batch / time_of_step
    flops = step_flops(options.width, options.crop) * batch
    row["share_of_peak"] = flops / time_of_step / peak
    row["memory_gib"] = torch.cuda.max_memory_allocated(device) / 2**30 if cuda else None
    return row


def profile(device, options, steps: int = 3) -> list[dict]:
    """The kernels of a bfloat16 step that take the most time: share of it, and calls a step."""
    step = make_step(device, "bf16", options.profile, "eager", options.width, options.crop)
    for _ in range(5):
        step()
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if cuda else [ProfilerActivity.CPU]
    with record(activities=activities) as recording:
        for _ in range(steps):
            step()
        wait(device)
    times = defaultdict(float)
    calls = defaultdict(int)
    for event in recording.events():
        # A name that spans many kernels, such as "Optimizer.step", would count them twice.
        if getattr(event, "is_user_annotation", False):
            continue
        if event.device_type == torch.autograd.DeviceType.CUDA or not cuda:
            times[event.name] += event.self_device_time_total if cuda else event.self_cpu_time_total
            calls[event.name] += 1
    total = sum(times.values())
    longest = sorted(times, key=times.get, reverse=True)[:15]
    return [
        {"kernel": name[:100], "share": times[name] / total, "calls": calls[name] / steps}
        for name in longest
    ]


def loading(device, batch: int = 16, frames: int = 64) -> float:
    """Images a second of gpu_batches: random crops, mirrored or not, of frames of 2048x1024."""
    if device.type != "cuda":
        frames = batch = 2

    class Cache:
        cropped = False
        images = torch.randint(0, 256, (frames, 1024, 2048, 3), dtype=torch.uint8).numpy()
        labels = torch.randint(0, 34, (frames, 1024, 2048), dtype=torch.uint8).numpy()

    rows = [Row("a.png", "b.png", "city", str(number)) for number in range(frames)]
    dataset = CityscapesDataset(rows, "nowhere", augment=True, cache=Cache())
    loader = GpuLoader(dataset, [list(range(batch))], device)
    return batch / seconds(lambda: loader.make(loader.batches[0]), device, 10, 2)


def describe(device: torch.device) -> dict:
    """The card, its driver, and the versions."""
    card = platform.processor() or platform.machine()
    driver = None
    if device.type == "cuda":
        card = torch.cuda.get_device_name(device)
        question = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            answer = subprocess.run(question, capture_output=True, text=True, timeout=20)
            driver = answer.stdout.splitlines()[0].strip()
        except (OSError, subprocess.SubprocessError, IndexError):
            pass  # a container without nvidia-smi
    return {
        "card": card,
        "driver": driver,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "python": platform.python_version(),
        "measured": time.strftime("%Y-%m-%d"),
    }


def work(plans: list, options, sender) -> None:
    """In a process of its own: sends what the card is, then a row for each plan, then the rest."""
    device = torch.device(options.device)
    if device.type == "cpu":
        torch.set_num_threads(1)  # a rehearsal, on a machine that may be busy
    about = describe(device)
    peak = matmul_peak(device)
    about["bf16_peak_tflops"] = peak / 1e12
    about["tflop_per_image"] = step_flops(options.width, options.crop) / 1e12
    sender.send(about)
    for plan in plans:
        torch.compiler.reset()
        sender.send(measure(device, plan, peak, options))
    if options.profile:
        more = {"loading_images_per_second": loading(device), "profile": profile(device, options)}
        sender.send(more)
    sender.close()


def run(plans: list, options, deadline: float) -> tuple[dict, list[dict]]:
    """(what the card is, the rows): measured in another process, which is ended if it hangs, and
    begun anew for the rows that are left.
    """
    plans = list(plans)
    about = {}
    rows = []
    context = get_context("spawn")
    while plans and time.monotonic() < deadline:
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(target=work, args=(plans, options, sender), daemon=True)
        worker.start()
        sender.close()
        try:
            while True:
                patience = max(0, min(options.row_limit, deadline - time.monotonic()))
                if not receiver.poll(patience):
                    error = f"not ready after {patience:.0f} seconds"
                    if patience < options.row_limit:
                        error += ", when the time for the table was over"
                    break
                message = receiver.recv()
                if "precision" not in message:
                    about.update(message)
                    continue
                plans.pop(0)
                rows.append(message)
                print(line(message), flush=True)
        except EOFError:
            worker.join()
            error = f"the process ended with {worker.exitcode}"
            if not plans and worker.exitcode == 0:
                break
        worker.kill()
        worker.join()
        if plans:
            # Where even the card was not told, no row is to blame.
            if not about:
                raise SystemExit(f"{COMMAND}: nothing could be measured: {error}")
            precision, batch, mode = plans.pop(0)
            row = {"precision": precision, "batch": batch, "mode": mode, "error": error}
            rows.append(row)
            print(line(row), flush=True)
    return about, rows


def line(row: dict) -> str:
    """A row as it is printed while the others are measured."""
    name = f"{row['precision']:5s} batch {row['batch']:3d} {row['mode']:14s}"
    if "error" in row:
        return name + row["error"]
    memory = "" if row["memory_gib"] is None else f", {row['memory_gib']:.2f} GiB"
    return (
        f"{name}{row['ms']:9.2f} ms {row['images_per_second']:8.1f} images/s "
        f"{row['share_of_peak']:6.1%}{memory}"
    )


def merged(stored: dict, source: str, about: dict, rows: list[dict]) -> dict:
    """`stored` with the rows of one source in place of those that it had from there."""
    result = {
        "command": COMMAND,
        "network": "UNet, width 64, 572x572 crops without padding, 19 classes: a training step "
        "(forward, loss, backward, fused Adam), channels last",
        "sources": {**stored.get("sources", {}), source: about},
    }
    measured = [{**row, "source": source} for row in rows if "error" not in row]
    failed = [{**row, "source": source} for row in rows if "error" in row]
    for name, new in (("rows", measured), ("failed", failed)):
        result[name] = [row for row in stored.get(name, []) if row["source"] != source] + new
    return result


def read_other(path: Path) -> tuple[str, dict, list[dict]]:
    """(source, what its card is, rows) of a run elsewhere: a gpu.json, of which only what this
    command has measured there is taken, or a file with `rows` of `ms_per_step` and
    `peak_memory_gib` beside `card` and `torch`.
    """
    other = read_json(path)
    source = f"imported from {path.name}"
    if "sources" in other:
        if COMMAND not in other["sources"]:
            raise SystemExit(f"{path}: nothing in it was measured by {COMMAND}")
        rows = [row for row in other["rows"] + other["failed"] if row["source"] == COMMAND]
        return source, other["sources"][COMMAND], rows
    rows = []
    for row in other["rows"]:
        rows.append(
            {
                "precision": row["precision"],
                "batch": row["batch"],
                "mode": row.get("mode", "eager"),
                "ms": row["ms_per_step"],
                "images_per_second": row["images_per_second"],
                "share_of_peak": row["share_of_peak"],
                "memory_gib": row["peak_memory_gib"],
            }
        )
    about = {
        "card": other["card"],
        "torch": other["torch"],
        "cudnn": other["cudnn"],
        "python": other["python"],
        "measured": other["measured"],
        "bf16_peak_tflops": other["bf16_matmul_peak_tflops"],
        "not_measured": other["not_measured"],
    }
    return source, about, rows


def table(result: dict) -> str:
    """All rows as Markdown, with the memory that extras.training_tools.memory gives by formula."""
    lines = [
        "| card | precision | batch | mode | ms | images/s | share of peak | GiB | by formula |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        memory = formula = ""
        if row["memory_gib"] is not None:
            memory = f"{row['memory_gib']:.2f}"
            if row["precision"] in HALF and row["mode"] != "compiled":
                formula = f"{step_memory(row['batch'], row['mode'] == 'checkpointing'):.2f}"
        lines.append(
            f"| {result['sources'][row['source']]['card']} | {row['precision']} | {row['batch']} "
            f"| {row['mode']} | {row['ms']:.1f} | {row['images_per_second']:.1f} "
            f"| {row['share_of_peak']:.1%} | {memory} | {formula} |"
        )
    return "\n".join(lines)


def main(arguments=None) -> dict:
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--import", dest="other", type=Path, metavar="FILE")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--crop", type=int, default=572)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rows", type=int, default=len(PLAN), help="how many rows of the plan")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    parser.add_argument("--row-limit", type=float, default=ROW_LIMIT, help="seconds for a row")
    parser.add_argument("--profile", type=int, default=16, help="batch to profile; 0: none")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args(arguments)

    if options.other is not None:
        source, about, rows = read_other(options.other)
    else:
        if options.device == "cuda" and not torch.cuda.is_available():
            raise SystemExit(
                f"{COMMAND} measures a CUDA GPU, and PyTorch finds none here: run it on a machine "
                "that has one, with a CUDA build of PyTorch (python -m helpers.device shows both)"
            )
        source = COMMAND
        deadline = time.monotonic() + options.limit
        about, rows = run(PLAN[: options.rows], options, deadline)
    result = merged(read_json(RESULT) if RESULT.is_file() else {}, source, about, rows)
    print(table(result))
    rehearsal = options.device == "cpu" or (options.width, options.crop) != (64, 572)
    if not options.no_write and not rehearsal:
        write_json(RESULT, result)
    return result


if __name__ == "__main__":
    command.run(main)
