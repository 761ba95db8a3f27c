"""What all cores save when the data are prepared: statistics and frame cache, beside one worker.

    python -m benchmarks.preparation                   # writes benchmarks/results/preparation.json
    python -m benchmarks.preparation --frames 8 --rounds 1 --no-write

Every round does the same work with one worker and with one a core, in turn, so that a busy machine
disturbs both; results are compared bit by bit first. `ratio` is that of wall times, median over the
rounds. `machine` is the same ratio for plain decompression, which shares nothing: what this machine
had to give in those minutes. Where it is far below the number of cores, others were working.

On Linux the kernel also says how long every thread computed, and how long it stood in the queue for
a core. What is left is what the threads waited for each other (Python's lock, the disk), whatever
else the machine did. `ratio_from_waiting` is computed from it: cores x computing of one worker /
(computing + waiting of all), the ratio to expect where nobody else works.
"""

import argparse
import json
import os
import platform
import tempfile
import zlib
from pathlib import Path
from statistics import median
from time import perf_counter

import PIL
import torch

from helpers import command
from helpers.csv_index import find_rows
from helpers.files import write_json
from helpers.frame_cache import FrameCache
from helpers.labels import TRAIN_19
from helpers.normalization import channel_statistics, frame_histogram
from helpers.paths import ROOT
from helpers.progress import count_cores, parallel_map
from helpers.windows import View
from sample_city import ensure_root

RESULT = ROOT / "benchmarks" / "results" / "preparation.json"


def statistics(rows, root, folder, workers: int):
    """Mean and standard deviation of the frames."""
    return channel_statistics([root / row.image for row in rows], workers=workers)


def crops(rows, root, folder, workers: int):
    """The cache that recipe A reads: center crops."""
    return FrameCache(rows, root, cropped=True, folder=folder, progress=False, workers=workers)


def count_time(work, item, total: dict):
    """`work(item)`; adds the seconds that this thread computed, and waited for others, to `total`.

    /proc/thread-self/schedstat: nanoseconds on a core, and in the queue for one.
    """
    file = Path("/proc/thread-self/schedstat")
    start = perf_counter()
    before = [int(value) for value in file.read_text().split()]
    result = work(item)
    after = [int(value) for value in file.read_text().split()]
    seconds = perf_counter() - start
    computing = (after[0] - before[0]) / 1e9
    queue = (after[1] - before[1]) / 1e9
    total["computing"] += computing
    total["waiting"] += max(0.0, seconds - computing - queue)
    return result


def read_times(name: str, rows, root, workers: int) -> dict:
    """Seconds of computing and waiting of all threads while they prepare `rows`."""
    total = {"computing": 0.0, "waiting": 0.0}
    if name == "statistics":
        items = [root / row.image for row in rows]
        work = frame_histogram
    else:
        items = rows
        cache = object.__new__(FrameCache)  # only to read with: nothing is written
        vars(cache).update(root=root, view=View(), label_set=TRAIN_19, cropped=True)
        work = cache._read
    for _ in parallel_map(lambda item: count_time(work, item, total), items, workers):
        pass
    return total


def decompression(rows, root, folder, workers: int):
    """A control: work of about a frame's cost a piece, without a thing in common."""
    blocks = [zlib.compress(os.urandom(1 << 16) * 128)] * len(rows)
    return sum(map(len, parallel_map(zlib.decompress, blocks, workers)))


TASKS = {"statistics": statistics, "cache": crops, "machine": decompression}


def seconds(task, rows, root, workers: int) -> float:
    """Wall seconds of a task in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        task(rows, root, Path(folder) / "cache", workers)
        return perf_counter() - start


def check(rows, root, cores: int) -> None:
    """SystemExit if the number of workers changes a bit."""
    with tempfile.TemporaryDirectory() as folder:
        one = crops(rows, root, Path(folder) / "one", 1)
        all_cores = crops(rows, root, Path(folder) / "all", cores)
        same = (one.images == all_cores.images).all() and (one.labels == all_cores.labels).all()
        del one, all_cores
    found = [statistics(rows, root, None, workers) for workers in (1, cores)]
    if not same or found[0] != found[1]:
        raise SystemExit("one worker and many do not give the same")


def main(arguments=None) -> dict:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_root(parser)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    root = ensure_root(options.root)
    rows = find_rows(root, "train")[: options.frames]
    cores = count_cores()
    check(rows, root, cores)

    times = {name: {1: [], cores: []} for name in TASKS}
    loads = []
    for _ in range(options.rounds):
        loads.append(os.getloadavg()[0] if hasattr(os, "getloadavg") else None)
        for name, task in TASKS.items():
            for workers in times[name]:
                times[name][workers].append(seconds(task, rows, root, workers))

    result = {
        "command": "python -m benchmarks.preparation",
        "frames": len(rows),
        "rounds": options.rounds,
        "cores": cores,
        "load": loads,
        "tasks": {},
        "versions": {"python": platform.python_version(), "pillow": PIL.__version__},
    }
    for name, found in times.items():
        ratios = [one / many for one, many in zip(found[1], found[cores])]
        task = {
            "ms_per_frame_one_worker": 1000 * median(found[1]) / len(rows),
            "ms_per_frame_all_cores": 1000 * median(found[cores]) / len(rows),
            "ratio": median(ratios),
            "ratios": ratios,
        }
        if name != "machine" and Path("/proc/thread-self/schedstat").is_file():
            # A thread that stands in the queue while it holds the lock lets others wait: the
            # smallest of all rounds comes nearest to a quiet machine.
            rounds = range(options.rounds)
            one = min(read_times(name, rows, root, 1)["computing"] for _ in rounds)
            many = min(
                (read_times(name, rows, root, cores) for _ in rounds),
                key=lambda times: times["waiting"],
            )
            task["ms_per_frame_computing"] = 1000 * many["computing"] / len(rows)
            task["ms_per_frame_waiting"] = 1000 * many["waiting"] / len(rows)
            task["ratio_from_waiting"] = cores * one / sum(many.values())
        result["tasks"][name] = task
    print(json.dumps(result, indent=1))
    if not options.no_write:
        write_json(RESULT, result)
    return result


if __name__ == "__main__":
    command.run(main)
