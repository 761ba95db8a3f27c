"""The ladder and the ablations of chapter 12, three seeds each, on a reduced sample city; first two
learning rates.

Resumes what is there.

    python -m benchmarks.beyond                # everything, about 100 minutes of one core
    python -m benchmarks.beyond --only ladder  # about 40 minutes
    python -m benchmarks.beyond --anew         # forget what an earlier version has measured

Budget of every run: 320 steps on 128 frames of the sample city, reduced to 256x128; a step sees 8
crops of 96x96 (74,000 pixels) or 2 whole frames (66,000). A thin network: small enough for one
core, far too small for good scores. Scored on 20 whole val frames of other cities at 256x128,
pooled mIoU over the 19 classes.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import replace

import torch

from extras.experiments.trials import IMAGENET, Trial, plain, run_trials, small_city
from helpers import command
from helpers.files import write_text
from helpers.paths import ROOT, data_dir

SEEDS = (0, 1, 2)
TUNING_SEED = (
    7  # learning rates are chosen with this one, so that no run that is compared has chosen its own
)
RESULT = ROOT / "benchmarks" / "results" / "beyond.json"
BUDGET = {
    "steps": 320,
    "train_frames": 128,
    "val_frames": 20,
    "frame": [128, 256],
    "a_step": "8 crops or 2 frames",
}
ALIKE = ("longer", "ema", "flip")  # one training run, scored in three ways


def ladder() -> dict[str, tuple[str, str | None, Trial]]:
    """name: (what changed, against which rung, trial); one change each."""
    recipe = Trial(name="trial", size=96, padding="same", width=8, epochs=20, batch_size=8)
    crops = replace(recipe, augment=True)
    norm = replace(crops, norm="batch")
    adamw = replace(norm, optimizer="adamw", learning_rate=3e-3, warmup=32, schedule="cosine")
    frames = replace(adamw, view="frame", height=128, size=None, batch_size=2, epochs=5)
    longer = replace(frames, epochs=10)
    large = replace(frames, learning_rate=3e-2)  # the best of `tuning` for both optimizers
    return {
        "recipe": ("center crops, Adam 1e-4", None, recipe),
        "crops": ("random crops and flips", "recipe", crops),
        "norm": ("batch norm", "crops", norm),
        "adamw": ("AdamW 3e-3, warm-up, cosine", "norm", adamw),
        "frames": ("whole frames", "adamw", frames),
        "scale": ("random scale 0.5 to 2", "frames", replace(frames, scale=(0.5, 2.0))),
        "color": ("random color", "frames", replace(frames, color=True)),
        "weighted": ("class weights", "frames", replace(frames, loss="weighted")),
        "dice": ("cross entropy plus Dice", "frames", replace(frames, loss="dice")),
        "longer": ("twice as long", "frames", longer),
        "ema": ("running average of the weights", "longer", replace(longer, ema=0.98)),
        "flip": ("flip at test time", "longer", replace(longer, flip_test=True)),
        "large": ("AdamW 3e-2, ten times as large", "frames", large),
        "muon": ("Muon 3e-2", "large", replace(large, optimizer="muon")),
    }


def ablations() -> dict[str, tuple[str, str | None, Trial]]:
    """name: (what differs, from which trial, trial)."""
    base, adamw = (ladder()[name][2] for name in ("frames", "adamw"))
    bare = replace(
        base, norm=None, learning_rate=1e-3
    )  # FCN-8s has no batch norm: compare it with a U-Net without
    return {
        "no skips": ("no skip connections", "frames", replace(base, skips="none")),
        "bilinear": (
            "bilinear instead of transposed convolution",
            "frames",
            replace(base, up="bilinear"),
        ),
        "bare": ("no batch norm, step size 1e-3", "frames", bare),
        "fcn parameters": (
            "FCN-8s of about as many parameters",
            "bare",
            replace(bare, model="paper_fcn8s", width=7),
        ),
        "valid": ("valid padding", "frames", replace(base, padding="valid")),
        "center": (
            "center crops instead of random ones, no flips",
            "adamw",
            replace(adamw, augment=False),
        ),
        "bytes": ("pixels 0 to 255", "frames", replace(base, mean=(0.0,) * 3, std=(1 / 255,) * 3)),
        "per image": ("each image by its own", "frames", replace(base, per_image=True)),
        "30 classes": ("trained on 30 classes", "frames", replace(base, label_set="all30")),
        "width 16": ("twice as wide", "frames", replace(base, width=16)),
        "depth 2": ("two poolings instead of four", "frames", replace(base, depth=2)),
        "summed skips": ("skips added, as in FCN", "frames", replace(base, skips="sum")),
        "raw": (
            "pixels 0 to 1, not normalized",
            "frames",
            replace(base, mean=(0.0,) * 3, std=(1.0,) * 3),
        ),
        "imagenet": ("ImageNet's mean and deviation", "frames", replace(base, **IMAGENET)),
        "width 4": ("half as wide", "frames", replace(base, width=4)),
        "fcn compute": (
            "FCN-8s of about as many multiplications",
            "bare",
            replace(bare, model="paper_fcn8s", width=6),
        ),
    }


def tuning() -> dict[str, tuple[str, str | None, Trial]]:
    """name: (what differs, None, trial): whole frames with both optimizers and four learning rates,
    one seed.
    """
    base = ladder()["frames"][2]
    return {
        f"{kind} {lr:g}": (
            f"{kind}, learning rate {lr:g}",
            None,
            replace(base, optimizer=kind, learning_rate=lr),
        )
        for kind in ("adamw", "muon")
        for lr in (3e-3, 1e-2, 3e-2, 1e-1)
    }


PARTS = {"ladder": ladder, "ablations": ablations, "tuning": tuning}


def jobs():
    """(part, names of the trials that share a training run, seed), in the order in which they run.

    The learning rates first, then the ladder. Of the ablations two seeds of every trial first, the
    third when all trials have two.
    """
    for part, rounds in (
        ("tuning", [(TUNING_SEED,)]),
        ("ladder", [SEEDS[:1], SEEDS[1:2], SEEDS[2:]]),
        ("ablations", [SEEDS[:2], SEEDS[2:]]),
    ):
        for seeds in rounds:
            for name in PARTS[part]():
                for seed in seeds if name not in ALIKE[1:] else ():
                    yield part, ALIKE if name == ALIKE[0] else (name,), seed


def prepare(result: dict) -> dict:
    """`result` with an entry for every trial of today. ValueError if it holds runs of another
    budget or trial.
    """
    if result.get("budget", BUDGET) != BUDGET:
        raise ValueError(
            f"{RESULT} holds runs with the budget {result['budget']}, here it is {BUDGET}; "
            "results of two budgets must not mix: move the file away, or start it with --anew"
        )
    result.update(
        command="python -m benchmarks.beyond",
        hardware=f"{platform.machine()}, CPU, one thread",
        budget=BUDGET,
        seeds=list(SEEDS),
        tuning_seed=TUNING_SEED,
    )
    for part, trials in PARTS.items():
        entries = result.setdefault(part, {})
        for name, (change, against, trial) in trials().items():
            fresh = {
                "change": change,
                "against": against,
                "trial": json.loads(json.dumps(plain(trial))),
                "runs": {},
            }
            entry = entries.setdefault(name, fresh)
            if entry["trial"] != fresh["trial"]:
                raise ValueError(
                    f"{RESULT} holds runs of {name!r} as {entry['trial']}, here it is "
                    f"{fresh['trial']}; move the file away, or start it with --anew"
                )
    return result


def read() -> dict:
    """The file of results, with an entry for every trial of today."""
    return prepare(json.loads(RESULT.read_text()) if RESULT.is_file() else {})


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--anew", action="store_true", help="start the file of results again")
    args = parser.parse_args(arguments)
    os.environ["TQDM_DISABLE"] = "1"
    torch.set_num_threads(1)
    if args.anew:
        RESULT.unlink(missing_ok=True)
    result = read()
    root = small_city(data_dir() / "city_256x128", BUDGET["train_frames"], BUDGET["val_frames"])
    for part, names, seed in jobs():
        if args.only not in (None, part) or all(
            str(seed) in result[part][name]["runs"] for name in names
        ):
            continue
        trials, start = (
            [replace(PARTS[part]()[name][2], root=str(root), seed=seed) for name in names],
            time.time(),
        )
        with tempfile.TemporaryDirectory() as folder:
            os.environ["COURSE_RUNS"] = folder
            scores = run_trials(trials)
        result = read()  # again: the other part may be running beside this one
        for name, score in zip(names, scores):
            result[part][name]["runs"][str(seed)] = score
            print(
                part,
                name,
                seed,
                f"{time.time() - start:.0f} s",
                {k: round(v, 3) for k, v in score.items()},
                flush=True,
            )
        text = json.dumps(result, indent=1) + "\n"
        write_text(RESULT, text)


if __name__ == "__main__":
    command.run(main)
