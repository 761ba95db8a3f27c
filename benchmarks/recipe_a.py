"""Recipe A on one GPU, epoch by epoch: scores, and the seconds of training, validation and saving.

    python -m benchmarks.recipe_a --root data/cityscapes          # writes results/recipe_a.json
    python -m benchmarks.recipe_a --compile --batch-size 16 --learning-rate 2e-4
    python -m benchmarks.recipe_a --import recipe_a.json          # runs elsewhere, named as such
    python -m benchmarks.recipe_a --import HISTORY --machine CARD # one that another script noted

The options are those of extras.training_tools.gpu_batches, whose run this is, with a clock. Saving
happens beside the training: `save` is what the training waits for it. In recipe_a.json, `runs`
holds one entry for each source. Started again, a run goes on, but its clock does not: give it
another --name.
"""

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.gpu import describe, wait
from extras.training_tools.gpu_batches import GpuRun
from helpers import command
from helpers.config import parse
from helpers.files import read_json, write_json
from helpers.paths import ROOT
from helpers.training import make_run

RESULT = ROOT / "benchmarks" / "results" / "recipe_a.json"
COMMAND = "python -m benchmarks.recipe_a"
GENERATED = "a generated city (sample_city), not Cityscapes"


class TimedRun(GpuRun):
    """A GpuRun that notes the seconds of its parts, epoch by epoch."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.seconds = {"train": [], "val": [], "save": []}

    def clock(self, part: str, work, *arguments):
        start = wait(self.device)
        result = work(*arguments)
        self.seconds[part].append(wait(self.device) - start)
        return result

    def train_epoch(self, epoch: int) -> float:
        return self.clock("train", super().train_epoch, epoch)

    def validate(self):
        return self.clock("val", super().validate)

    def save(self) -> None:
        self.clock("save", super().save)


def entry(about: dict, frames: dict, config: dict, history: list, seconds: dict) -> dict:
    """One run as recipe_a.json holds it; `minutes` after every epoch, preparation left out."""
    minutes = []
    total = 0.0
    for parts in zip(seconds["train"], seconds["val"], seconds["save"]):
        total += sum(parts)
        minutes.append(round(total / 60, 3))
    return {
        **about,
        "frames": frames,
        "config": config,
        "history": history,
        "seconds": seconds,
        "minutes": minutes,
    }


def measure(arguments) -> dict:
    """Train as the options say, on the device that there is; returns the entry."""
    if "--preset" not in arguments:
        arguments = ["--preset", "recipe", *arguments]
    config = parse(arguments)
    start = time.perf_counter()
    run = make_run(config, run_class=TimedRun)
    preparation = time.perf_counter() - start
    run.fit()
    about = {**describe(run.device), "preparation_seconds": round(preparation, 1)}
    if run.device.type == "cuda":
        about["memory_gib"] = torch.cuda.max_memory_allocated(run.device) / 2**30
    frames = {"train": len(run.train_set), "val": len(run.val_set)}
    settings = {**asdict(run.config), "root": Path(run.val_set.root).name}
    about["data"] = settings["root"]
    if (Path(run.val_set.root) / "sample_city.json").is_file():
        about["data"] = GENERATED
    return entry(about, frames, settings, run.history, run.seconds)


def read_other(path: Path, machine: Path | None) -> dict[str, dict]:
    """Source and entry of every run elsewhere: what this command measured in a recipe_a.json, or a
    file of `history` and `times`, and one that describes the card. What was trained is what those
    two files do not say: recipe A at its defaults, on a sample city of as many frames as
    Cityscapes.
    """
    other = read_json(path)
    if "runs" in other:
        runs = other["runs"].items()
        return {
            f"imported from {path.name}: {source}": found
            for source, found in runs
            if source.startswith(COMMAND)
        }
    card = read_json(machine)
    about = {name: card[name] for name in ("card", "torch", "cudnn", "python", "measured")}
    about["data"] = GENERATED
    config = {"batch_size": 4, "learning_rate": 1e-4, "epochs": 30, "compile": False}
    found = entry(
        about, {"train": 2975, "val": 500}, config, other["history"], dict(other["times"])
    )
    return {f"imported from {path.name}": found}


def main(arguments=None) -> dict:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog=COMMAND, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--import", dest="other", type=Path, metavar="FILE")
    parser.add_argument("--machine", type=Path, metavar="FILE")
    parser.add_argument("--no-write", action="store_true")
    options, rest = parser.parse_known_args(arguments)
    if options.other is not None:
        new = read_other(options.other, options.machine)
    else:
        new = {" ".join([COMMAND, *rest]): measure(rest)}
    runs = read_json(RESULT)["runs"] if RESULT.is_file() else {}
    result = {"runs": {**runs, **new}}
    for found in new.values():
        last = found["history"][-1]
        print(
            f"{found['card']}: {last['epoch']} epochs of {found['frames']['train']} frames in "
            f"{found['minutes'][-1]:.2f} minutes, val mIoU {last['val_mean_iou']:.4f}"
        )
    if not options.no_write:
        write_json(RESULT, result)
    return result


if __name__ == "__main__":
    command.run(main)
