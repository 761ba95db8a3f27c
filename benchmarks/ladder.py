"""The ladder of chapter 12: one change a rung, three paired seeds, enough steps to learn.

    python -m benchmarks.ladder                 # four to six core-hours
    python -m benchmarks.ladder --processes 2   # two trainings side by side, a core each
    python -m benchmarks.ladder --only muon     # one rung

Takes up where it stopped: every training is written to benchmarks/results/ladder.json when it ends.

320 frames of the sample city at 256x128, whole, two a step, 19 epochs (3,040 steps), width 8. Each
rung is an earlier one with one thing changed. Where the change is the optimizer or the network,
its learning rate is part of it: chosen in 6 epochs with a seed of its own, on 20 further frames of
the train cities that no network is trained on. Scored on the 20 val frames.
"""

import argparse
import json
import multiprocessing
import platform
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from extras.experiments.trials import (
    Trial,
    TrialRun,
    cross_entropy_and_dice,
    plain,
    small_city,
    trial_model,
    trial_optimizer,
)
from helpers import command
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.evaluate import pixel_loss
from helpers.files import write_json
from helpers.labels import TRAIN_19
from helpers.metrics import ConfusionMatrix
from helpers.normalization import channel_statistics
from helpers.paths import ROOT, data_dir
from scripts.train_checkpoints import DEV, SEED, TRAIN, plan_rows

RESULT = ROOT / "benchmarks" / "results" / "ladder.json"
SEEDS = (0, 1, 2)
RATE_SEED = 7  # chooses the learning rates and is compared with nobody
EPOCHS = 19
RATE_EPOCHS = 6
ADAM_RATES = (1e-3, 3e-3, 1e-2)
MUON_RATES = (1e-2, 3e-2, 1e-1)

PLAIN = Trial(
    name="ladder",
    view="frame",
    height=128,
    padding="same",
    width=8,
    dropout=0.0,
    batch_size=2,
    epochs=EPOCHS,
    pictures=0,
)
NORM = replace(PLAIN, norm="batch")
FLIPS = replace(NORM, augment=True)
DICE = replace(FLIPS, loss="dice")

# name: (what is changed, against which rung, the trial, whose learning rate: that of another rung,
# or the best of several)
RUNGS = {
    "plain": ("a U-Net with Adam", None, PLAIN, ADAM_RATES),
    "batch norm": ("batch norm", "plain", NORM, "plain"),
    "no skips": ("no skips", "batch norm", replace(NORM, skips=False), "plain"),
    "own rate": ("its own learning rate", "batch norm", NORM, ADAM_RATES),
    "flips": ("flips", "own rate", FLIPS, "own rate"),
    "dice": ("cross entropy plus Dice", "flips", DICE, "own rate"),
    "muon": ("Muon for Adam", "dice", replace(DICE, optimizer="muon"), MUON_RATES),
    # About as many multiplications as the U-Net: 379 and 387 million a frame
    "fcn8s": (
        "FCN-8s for the U-Net",
        "own rate",
        replace(NORM, model="fcn8s", depth=0, width=12),
        ADAM_RATES,
    ),
}
BUDGET = {
    "steps": EPOCHS * len(TRAIN) // 2,
    "steps_for_a_rate": RATE_EPOCHS * len(TRAIN) // 2,
    "frames_a_step": 2,
    "train_frames": len(TRAIN),
    "dev_frames": len(DEV),
    "val_frames": 20,
    "frame": [128, 256],
}


@cache
def make_datasets(root: Path) -> dict[str, CityscapesDataset]:
    """The frames that train, those that choose a rate, and those that score."""
    rows = {"train": plan_rows(TRAIN), "dev": plan_rows(DEV), "val": find_rows(root, "val")}
    statistics = channel_statistics([root / row.image for row in rows["train"]])
    view = PLAIN.make_view()
    datasets = {}
    for split in rows:
        datasets[split] = CityscapesDataset(
            rows[split], root, view, TRAIN_19, statistics.mean, statistics.std
        )
    return datasets


def score(model: torch.nn.Module, dataset: CityscapesDataset) -> dict:
    """mIoU, IoU of every class, and the accuracy of every frame."""
    total = ConfusionMatrix(len(TRAIN_19))
    frames = []
    model.eval()
    for index in range(len(dataset)):
        image, target = dataset[index]
        with torch.no_grad():
            prediction = model(image[None])[0].argmax(0)
        own = ConfusionMatrix(len(TRAIN_19))
        own.update(prediction, target)
        total.update(prediction, target)
        frames.append(round(own.pixel_accuracy(), 4))
    iou = {name: round(float(value), 4) for name, value in zip(TRAIN_19.names, total.iou())}
    return {
        "miou": round(total.mean_iou(), 4),
        "accuracy": round(total.pixel_accuracy(), 4),
        "iou": iou,
        "accuracy_of_frames": frames,
    }


def train(trial: Trial, root: Path, split: str) -> dict:
    """Train one network and score it on a split."""
    start = time.process_time()
    datasets = make_datasets(root)
    score_set = datasets[split]
    train_set = replace(datasets["train"], augment=trial.augment, seed=trial.seed)
    model = trial_model(trial, len(TRAIN_19))
    loss = cross_entropy_and_dice if trial.loss == "dice" else pixel_loss
    optimizer = trial_optimizer(trial, model)
    run = TrialRun(trial, model, train_set, score_set, optimizer, loss, progress=False)
    train_loss = run.fit()[-1]["train_loss"]
    return {
        "train_loss": round(train_loss, 4),
        **score(run.model, score_set),
        "parameters": sum(p.numel() for p in model.parameters()),
        "cpu_seconds": round(time.process_time() - start),
    }


def prepare(result: dict) -> dict:
    """`result` with an entry for every rung. ValueError if it holds another budget or rung."""
    if result.get("budget", BUDGET) != BUDGET:
        raise ValueError(
            f"{RESULT.name} holds the budget {result['budget']}, here it is {BUDGET}; results of "
            "two budgets must not mix: move the file away"
        )
    result["command"] = "python -m benchmarks.ladder"
    result["hardware"] = f"one core a training, {platform.machine()}"
    result["budget"] = BUDGET
    result["seeds"] = list(SEEDS)
    stored = result.get("rungs", {})
    result["rungs"] = {}
    for name, (change, against, trial, _) in RUNGS.items():
        settings = json.loads(json.dumps(plain(trial)))
        fresh = {"change": change, "against": against, "settings": settings, "runs": {}}
        entry = result["rungs"][name] = stored.get(name, fresh)
        if entry["settings"] != settings:
            raise ValueError(
                f"{RESULT.name} holds the rung {name!r} as {entry['settings']}, here it is "
                f"{settings}; move the file away"
            )
    return result


def rate_owner(name: str) -> str:
    """The rung whose tried learning rates a rung takes: its own, or those of the rung it names."""
    rates = RUNGS[name][3]
    return rate_owner(rates) if isinstance(rates, str) else name


def rate_of(name: str, result: dict) -> float:
    """The learning rate of a rung: the best on dev of those tried."""
    tried = result["rungs"][rate_owner(name)]["dev_miou_of_rates"]
    return float(max(tried, key=tried.get))


def rates_to_try(names, result: dict) -> dict[tuple, Trial]:
    """{(rung, rate): the short training that is not stored yet}, for the rates these rungs need."""
    waiting = {}
    for name in names:
        owner = rate_owner(name)
        *_, trial, rates = RUNGS[owner]
        tried = result["rungs"][owner].setdefault("dev_miou_of_rates", {})
        for rate in rates:
            if str(rate) not in tried:
                waiting[owner, rate] = replace(
                    trial, learning_rate=rate, epochs=RATE_EPOCHS, seed=RATE_SEED
                )
    return waiting


def runs_to_make(names, result: dict) -> dict[tuple, Trial]:
    """{(rung, seed): the training that is not stored yet}, all rungs of a seed before the next."""
    waiting = {}
    for seed in SEEDS:
        for name in names:
            if str(seed) not in result["rungs"][name]["runs"]:
                waiting[name, seed] = replace(
                    RUNGS[name][2], seed=seed, learning_rate=rate_of(name, result)
                )
    return waiting


def train_all(trials: dict[tuple, Trial], root: Path, split: str, processes: int):
    """Yield the key and the result of every training as it ends."""
    if processes == 1:
        for key, trial in trials.items():
            yield key, train(trial, root, split)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        waiting = {pool.submit(train, trial, root, split): key for key, trial in trials.items()}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


def climb(names, root: Path, result_file: Path, processes: int = 1) -> None:
    """All trainings of these rungs that are not stored yet: first the rates, then the seeds."""
    stored = json.loads(result_file.read_text()) if result_file.is_file() else {}
    result = prepare(stored)
    rates = rates_to_try(names, result)
    for (name, rate), scores in train_all(rates, root, "dev", processes):
        result["rungs"][name]["dev_miou_of_rates"][str(rate)] = scores["miou"]
        write_json(result_file, result)
        print(f"{name}, rate {rate:g}: dev mIoU {scores['miou']:.3f}", flush=True)
    runs = runs_to_make(names, result)
    for (name, seed), scores in train_all(runs, root, "val", processes):
        run = {"learning_rate": runs[name, seed].learning_rate, **scores}
        result["rungs"][name]["runs"][str(seed)] = run
        write_json(result_file, result)
        print(f"{name}, seed {seed}: mIoU {scores['miou']:.3f}", flush=True)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=RUNGS, nargs="+", default=list(RUNGS))
    parser.add_argument("--processes", type=int, default=1, help="trainings side by side")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    root = small_city(data_dir() / "eighth_city", len(TRAIN) + len(DEV), 20, 8, SEED)
    climb(options.only, root, RESULT, options.processes)


if __name__ == "__main__":
    command.run(main)
