"""What a training step costs: this project's against a plain one, and width 64 against a padded
network of its width.

    python -m benchmarks.training_step     # a few minutes; writes results/training_step.json
    python -m benchmarks.training_step --widths 8 --rounds 3 --no-write

All variants run in turn, round after round, in one process. A ratio is the median of the ratios
within the rounds, of wall time, and of the processor time of the whole process, which is the
steadier one on a busy machine.

- *recipe*: ReLU in place and fused Adam, as helpers.training has it on a CPU (float32);
- *channels_last*: the recipe in that memory layout, which helpers.training takes on CUDA;
- *plain*: the same network and optimizer at PyTorch's defaults: channels first, ReLU out of place,
  a step a tensor;
- *padded*: same padding and batch norm, the form most often found in public code, at PyTorch's
  defaults. It labels every pixel it sees, so it is compared per labeled pixel too.

Without dropout, whose masks depend on the memory layout: so all first losses can be compared.
"""

import argparse
import json
import os
import platform
import sys
from statistics import median
from time import perf_counter, process_time

import torch
from torch import nn

from helpers import command
from helpers.evaluate import pixel_loss
from helpers.files import write_json
from helpers.paths import ROOT
from helpers.sizes import output_size
from helpers.unet import UNet

RESULT = ROOT / "benchmarks" / "results" / "training_step.json"
CROP = 572


def step_of(variant: str, width: int, batch: int):
    """(a function that does one training step and returns its loss, labeled pixels a step)."""
    torch.manual_seed(0)
    fast = variant in ("recipe", "channels_last")
    padding = "same" if variant == "padded" else "valid"
    # The nearest size that poolings divide
    size = CROP if padding == "valid" else CROP // 16 * 16 + 16
    labeled = output_size(size, 4, padding)
    model = UNet(
        width=width, padding=padding, norm="batch" if padding == "same" else None, dropout=0.0
    )
    images = torch.randn(batch, 3, size, size)
    if variant == "channels_last":
        model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = fast
    targets = torch.randint(0, 19, (batch, labeled, labeled))
    optimizer = torch.optim.Adam(
        model.parameters(), lr=1e-4, fused=fast, foreach=False if not fast else None
    )

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss, pixels = pixel_loss(model(images), targets)
        (loss / pixels).backward()
        optimizer.step()
        return float(loss.detach() / pixels)

    return step, batch * labeled * labeled


def compare(width: int, batch: int, rounds: int, variants) -> dict:
    steps = {name: step_of(name, width, batch) for name in variants}
    losses = {name: step() for name, (step, _) in steps.items()}  # warms up
    if max(abs(losses["recipe"] - losses[name]) for name in losses if name != "padded") > 1e-3:
        raise SystemExit(f"the variants do not compute the same: first losses {losses}")
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, (step, _) in steps.items():
            wall, cpu = perf_counter(), process_time()
            step()
            times[name].append((perf_counter() - wall, process_time() - cpu))
    result = {
        "width": width,
        "batch": batch,
        "rounds": rounds,
        "labeled_pixels": {n: p for n, (_, p) in steps.items()},
        "wall_s_median": {n: median(w for w, _ in t) for n, t in times.items()},
        "cpu_s_median": {n: median(c for _, c in t) for n, t in times.items()},
    }
    for name in variants[1:]:
        for kind, place in (("wall", 0), ("cpu", 1)):
            ratio = median(a[place] / b[place] for a, b in zip(times[name], times["recipe"]))
            result[f"{name}_over_recipe_{kind}"] = ratio
            pixels = result["labeled_pixels"]
            result[f"{name}_over_recipe_{kind}_per_labeled_pixel"] = (
                ratio * pixels["recipe"] / pixels[name]
            )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    rows = []
    for width in args.widths:
        variants = ["recipe", "plain", "channels_last"] + (
            ["padded"] if width == max(args.widths) else []
        )
        rows.append(compare(width, args.batch, args.rounds, variants))
        print(json.dumps(rows[-1], indent=1), flush=True)
    result = {
        "command": " ".join(["python -m benchmarks.training_step", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, "
        f"{torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "rows": rows,
    }
    if not args.no_write:
        write_json(RESULT, result)
        print(f"written: {RESULT.relative_to(ROOT).as_posix()}")


if __name__ == "__main__":
    command.run(main)
