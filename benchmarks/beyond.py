"""The ladder and the ablations of chapter 12, three seeds each, on a reduced sample city. Resumes what is there.

    python benchmarks/beyond.py                # everything, about ten minutes of one core
    python benchmarks/beyond.py --only ladder  # about four minutes

Budget of every run: 40 training frames of the sample city reduced to 512x256 and seen at 128x64 (or as
crops of 96x96), 120 steps of 2 frames, a thin network: small enough for one core, far too small for good scores.
Scored on 10 val frames, whole, at 512x256, pooled mIoU over the 19 classes. All seeds
of a trial run before the next trial.
"""
import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from helpers.extra.experiments import IMAGENET, Trial, plain, run_trials, small_city  # noqa: E402
from helpers.paths import data_dir, sample_city_dir, write_atomically  # noqa: E402
from helpers.sample_city import build  # noqa: E402

SEEDS = (0, 1, 2)
RESULT = ROOT / "benchmarks" / "results" / "beyond.json"


def ladder() -> dict[str, tuple[str, Trial]]:
    """name: (what changed, trial); each rung adds one thing to the rung below."""
    recipe = Trial(name="trial", size=96, padding="same", width=8, epochs=6, batch_size=2, val_limit=10)
    crops = replace(recipe, augment=True)
    norm = replace(crops, norm="batch")
    adamw = replace(norm, optimizer="adamw", lr=3e-3, warmup=20, schedule="cosine")
    frames = replace(adamw, view="frame", height=64, size=None)
    scale = replace(frames, scale=(0.5, 2.0), colour=True)
    return {
        "recipe": ("centre crops, Adam 1e-4", recipe),
        "crops": ("random crops and flips", crops),
        "norm": ("batch norm", norm),
        "adamw": ("AdamW 3e-3, warm-up, cosine", adamw),
        "frames": ("whole frames, at a quarter of 512x256", frames),
        "scale": ("random scale and colour", scale),
        "weighted": ("class weights (on whole frames)", replace(frames, loss="weighted")),
        "dice": ("cross entropy plus Dice (on whole frames)", replace(frames, loss="dice")),
        "longer": ("twice as long (on whole frames)", replace(frames, epochs=12)),
        "ema": ("running average of the weights (on twice as long)", replace(frames, epochs=12, ema=0.98)),
        "flip": ("flip at test time (on twice as long)", replace(frames, epochs=12, flip_test=True)),
    }


def ablations() -> dict[str, tuple[str, Trial]]:
    """name: (what differs from the rung "frames", trial)."""
    base = ladder()["frames"][1]
    return {
        "valid": ("valid padding", replace(base, padding="valid")),
        "no skips": ("no skip connections", replace(base, skips="none")),
        "summed skips": ("skips added, as in FCN", replace(base, skips="sum")),
        "bilinear": ("bilinear instead of transposed convolution", replace(base, up="bilinear")),
        "width 4": ("half as wide", replace(base, width=4)),
        "width 16": ("twice as wide", replace(base, width=16)),
        "depth 2": ("two poolings instead of four", replace(base, depth=2)),
        "raw": ("pixels 0 to 1, not normalised", replace(base, mean=(0.0,) * 3, std=(1.0,) * 3)),
        "bytes": ("pixels 0 to 255", replace(base, mean=(0.0,) * 3, std=(1 / 255,) * 3)),
        "imagenet": ("ImageNet's mean and deviation", replace(base, **IMAGENET)),
        "per image": ("each image by its own", replace(base, per_image=True)),
        "30 classes": ("trained on 30 classes", replace(base, label_set="all30")),
        "fcn-8s": ("FCN-8s of about as many parameters", replace(base, model="fcn8s", width=6)),
    }


ALIKE = ("longer", "ema", "flip")  # one training run, scored in three ways


def jobs():
    """(part, names of the trials that share a training run, seed), in the order in which they run."""
    for part, trials in (("ladder", ladder()), ("ablations", ablations())):
        for name in trials:
            if name not in ALIKE[1:]:
                for seed in SEEDS:
                    yield part, ALIKE if name == ALIKE[0] else (name,), seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("ladder", "ablations"))
    only = parser.parse_args().only
    os.environ["TQDM_DISABLE"] = "1"
    torch.set_num_threads(1)
    root = small_city(data_dir() / "small_city", build(sample_city_dir(), progress=False))
    result = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    result.update(command="python benchmarks/beyond.py", hardware=f"{platform.machine()}, CPU, one thread",
                  budget="120 steps of 2 of 40 frames of the sample city, reduced to 512x256", seeds=list(SEEDS))
    for part, names, seed in jobs():
        trials = {name: (ladder() if part == "ladder" else ablations())[name] for name in names}
        entries = result.setdefault(part, {})
        for name, (change, trial) in trials.items():
            entries.setdefault(name, {"change": change, "trial": plain(trial), "runs": {}})
        if only not in (None, part) or all(str(seed) in entries[name]["runs"] for name in names):
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.environ["COURSE_RUNS"] = folder
            scores = run_trials([replace(trial, root=str(root), seed=seed) for _, trial in trials.values()])
        for name, score in zip(names, scores):
            entries[name]["runs"][str(seed)] = score
            print(part, name, seed, {k: round(v, 3) for k, v in score.items()}, flush=True)
        write_atomically(RESULT, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))


if __name__ == "__main__":
    main()
