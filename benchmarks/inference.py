"""One mirrored pass against tiles, whole frames of 1024x2048: CPU time, one thread, peak memory; processes in turn.

    python -m benchmarks.inference               # writes benchmarks/results/inference.json
"""
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

CHILD = """
import json, resource, sys, time
import numpy as np, torch
from helpers.inference import frame_logits
from helpers.unet import UNet
torch.set_num_threads(1)
torch.manual_seed(0)
net = UNet(width=int(sys.argv[1])).eval().to(memory_format=torch.channels_last)
frame = np.random.RandomState(0).randint(0, 256, (1024, 2048, 3)).astype(np.uint8)
frame_logits(net, frame[:388, :388])  # warm
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, start = peak(), time.process_time()
logits = frame_logits(net, frame, tile=388 if sys.argv[2] == "tiles" else None, budget=1 << 40)
print(json.dumps({"seconds": time.process_time() - start, "MiB": peak() - before,
                  "sum": int(logits.argmax(0).sum())}))
"""


def main(width: int = 8, rounds: int = 3) -> None:
    import torch

    results = {"one pass": [], "tiles": []}
    for _ in range(rounds):
        for name in results:
            done = subprocess.run([sys.executable, "-c", CHILD, str(width), name], check=True, capture_output=True,
                                  text=True)
            results[name].append(json.loads(done.stdout))
    assert len({r["sum"] for part in results.values() for r in part}) == 1, "labels differ"
    pairs = list(zip(results["one pass"], results["tiles"]))
    report = {"what": f"U-Net of width {width}, 572 -> 388, one frame of 1024x2048, CPU seconds on one thread, "
                      f"median of {rounds} rounds; memory above the process before",
              "torch": torch.__version__, "tiles": 18,
              "seconds": {name: round(median(r["seconds"] for r in part), 2) for name, part in results.items()},
              "MiB": {name: round(median(r["MiB"] for r in part)) for name, part in results.items()},
              "one_pass_times_faster": round(median(b["seconds"] / a["seconds"] for a, b in pairs), 2),
              "labels_equal": True}
    print(json.dumps(report, indent=1))
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / "inference.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
