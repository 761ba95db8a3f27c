"""One mirrored pass against tiles, whole frames of 1024x2048: CPU time on one thread, peak memory;
processes in turn.

    python -m benchmarks.inference               # writes benchmarks/results/inference.json

"textbook tiles" are 18 windows of 572x572, 384 apart; the helper's tiles cut the last row and
column to size. By multiplications alone the textbook tiles cost 1.61 times the single pass, the
helper's 1.32 times.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from helpers import command

WAYS = ("one pass", "helper's tiles", "textbook tiles")
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 30),
    "OMP_NUM_THREADS": "1",
}
CHILD = """
import json, resource, sys
import numpy as np, torch
from helpers.dataset import normalize
from helpers.inference import predict_frame
from helpers.unet import UNet
from helpers.windows import View, cut
torch.set_num_threads(1)
torch.manual_seed(0)
net = UNet(width=int(sys.argv[1])).eval().to(memory_format=torch.channels_last)
info = {"view": View(), "mean": (0.5,) * 3, "std": (0.25,) * 3}
frame = np.random.RandomState(0).randint(0, 256, (1024, 2048, 3)).astype(np.uint8)

def textbook():
    labels = np.empty((768 + 388, 1920 + 388), np.uint8)
    with torch.no_grad():
        for y in range(0, 1028 - 4, 384):
            for x in range(0, 2052 - 4, 384):
                window = cut(frame, y - 94, x - 94, 572, 572)
                inputs = normalize(window, info["mean"], info["std"])[None]
                piece = net(inputs.to(memory_format=torch.channels_last))[0].argmax(0)
                labels[y : y + 388, x : x + 388] = piece.numpy()
    return labels[2:1026, 2:2050]

def once():
    if sys.argv[2] == "textbook tiles":
        return textbook()
    tile = None if sys.argv[2] == "one pass" else 388
    return predict_frame(net, frame, info, tile=tile, budget=1 << 40)

usage = lambda: resource.getrusage(resource.RUSAGE_SELF)
before = usage().ru_maxrss
once()  # the first time the memory is new
peak, start = usage().ru_maxrss, usage()
labels = once()
end = usage()
print(json.dumps({"seconds": end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime,
                  "MiB": (peak - before) / 1024, "labels": labels[::64, ::64].ravel().tolist()}))
"""


def main() -> None:
    import numpy as np
    import torch

    parser = argparse.ArgumentParser(prog="python -m benchmarks.inference")
    parser.description = __doc__.splitlines()[0]
    parser.add_argument("width", nargs="?", type=int, default=16)
    parser.add_argument("rounds", nargs="?", type=int, default=3)
    options = parser.parse_args()
    width, rounds = options.width, options.rounds

    runs = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name in WAYS:
            done = subprocess.run(
                [sys.executable, "-c", CHILD, str(width), name],
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, **KEEP_MEMORY},
            )
            runs[name].append(json.loads(done.stdout))
    labels = np.array([r["labels"] for part in runs.values() for r in part])
    assert (labels == labels[0]).mean() > 0.999, "labels differ"
    faster = {
        name: round(
            median(r["seconds"] / one["seconds"] for r, one in zip(runs[name], runs["one pass"])), 2
        )
        for name in WAYS[1:]
    }
    report = {
        "what": f"U-Net of width {width}, 572 -> 388, labels of one frame of 1024x2048: CPU "
        f"seconds on one thread, median of {rounds} rounds, memory above the process before",
        "torch": torch.__version__,
        "seconds": {
            name: round(median(r["seconds"] for r in part), 2) for name, part in runs.items()
        },
        "MiB": {name: round(median(r["MiB"] for r in part)) for name, part in runs.items()},
        "one_pass_times_faster_than": faster,
        "labels_equal": True,
    }
    print(json.dumps(report, indent=1))
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "inference.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    command.run(main)
