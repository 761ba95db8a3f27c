"""What the data path costs: statistics against decoding alone, and three ways to make a center-crop
item.

    python -m benchmarks.data_path                     # writes benchmarks/results/data_path.json
    python -m benchmarks.data_path --frames 4 --rounds 3 --no-write

All variants run in turn, round after round, in one process and one thread; times are process CPU
time, and a ratio is the median of the ratios within the rounds, so a busy machine disturbs both
sides alike. Every variant's item is compared with the others first: a fast path that gives other
numbers is no path.
"""

import argparse
import json
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.functional import center_crop, normalize, to_tensor

from helpers import command
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.files import write_json
from helpers.frame_cache import FrameCache
from helpers.labels import TRAIN_19
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD, channel_statistics
from helpers.paths import ROOT
from sample_city import ensure_root

RESULT = ROOT / "benchmarks" / "results" / "data_path.json"


def naive(row, root):
    """Decode, the whole frame to a float tensor, then crop: what most tutorials do."""
    with Image.open(root / row.image) as picture:
        image = center_crop(to_tensor(picture), 572)
    target = TRAIN_19.encode(np.asarray(Image.open(root / row.label)))
    target = center_crop(torch.from_numpy(target.astype(np.int64)), 388)
    return normalize(image, CITYSCAPES_MEAN, CITYSCAPES_STD), target


def cpu() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def measure(variants: dict, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each variant in every round, the variants in turn; one round before that does
    not count.
    """
    seconds = {name: [] for name in variants}
    for round_number in range(rounds + 1):
        for name, work in variants.items():
            start = process_time()
            work()
            if round_number:
                seconds[name].append(process_time() - start)
    return seconds


def main(arguments=None) -> dict:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_root(parser)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    root = ensure_root(options.root)

    with tempfile.TemporaryDirectory() as folder:
        rows = find_rows(root, "train")[: options.frames]
        plain = CityscapesDataset(rows, root)
        cache = FrameCache(rows, root, cropped=True, folder=Path(folder) / "cache", progress=False)
        cached = CityscapesDataset(rows, root, cache=cache)
        for i, row in enumerate(plain.rows):
            items = naive(row, root), plain[i], cached[i]
            if not all(torch.equal(a, b) for item in items[1:] for a, b in zip(items[0], item)):
                raise SystemExit(f"{row.image}: the three ways give different items")
        paths = [root / row.image for row in plain.rows]

        def each(item):
            def work():
                for i in range(len(paths)):
                    item(i)  # used and dropped, as a training does

            return work

        seconds = measure(
            {
                "decode only": each(lambda i: Image.open(paths[i]).load()),
                "statistics, whole frames": lambda: channel_statistics(paths),
                "item: decode, tensor, crop": each(lambda i: naive(plain.rows[i], root)),
                "item: decode, crop, tensor": each(plain.__getitem__),
                "item: from the cache": each(cached.__getitem__),
            },
            options.rounds,
        )
        del cache, cached

    def ratio(a, b):
        return round(median(x / y for x, y in zip(seconds[a], seconds[b])), 3)

    result = {
        "command": " ".join(
            ["python -m benchmarks.data_path", *(sys.argv[1:] if arguments is None else arguments)]
        ),
        "frames": len(paths),
        "rounds": options.rounds,
        "frame": list(np.asarray(Image.open(paths[0])).shape),
        "cpu_ms_per_frame": {
            name: round(1000 * median(s) / len(paths), 3) for name, s in seconds.items()
        },
        "statistics_over_decoding": ratio("statistics, whole frames", "decode only"),
        "cached_item_speedup_over_naive": ratio(
            "item: decode, tensor, crop", "item: from the cache"
        ),
        "crop_first_speedup_over_naive": ratio(
            "item: decode, tensor, crop", "item: decode, crop, tensor"
        ),
        "hardware": {"cpu": cpu(), "threads": 1},
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pillow": Image.__version__,
        },
    }
    print(json.dumps(result, indent=1))
    if not options.no_write:
        write_json(RESULT, result)
    return result


if __name__ == "__main__":
    command.run(main)
