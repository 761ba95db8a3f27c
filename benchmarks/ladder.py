"""The ladder of chapter 12: one change a rung, three paired seeds, enough steps to learn.

    python -m benchmarks.ladder                 # about two hours of one core
    python -m benchmarks.ladder --only muon     # one rung

Takes up where it stopped: every training is written to benchmarks/results/ladder.json when it ends.

320 frames of the sample city at 256x128, whole, two a step, 19 epochs (3,040 steps), width 8. Each
rung is an earlier one with one thing changed. Where that is the optimizer or the network, its
learning rate is part of it: chosen in 6 epochs with a seed of its own, on 20 further frames of the
train cities that no network is trained on. Scored on the 20 val frames.
"""

import argparse
import json
import platform
import time
from dataclasses import replace
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


def train(trial: Trial, datasets: dict[str, CityscapesDataset], split: str) -> dict:
    """Train one network and score it on a split."""
    start = time.process_time()
    base = datasets["train"]
    train_set = CityscapesDataset(
        base.rows, base.root, base.view, TRAIN_19, base.mean, base.std, trial.augment, trial.seed
    )
    model = trial_model(trial, len(TRAIN_19))
    loss = cross_entropy_and_dice if trial.loss == "dice" else pixel_loss
    optimizer = trial_optimizer(trial, model)
    run = TrialRun(trial, model, train_set, datasets[split], optimizer, loss, progress=False)
    train_loss = run.fit()[-1]["train_loss"]
    return {
        "train_loss": round(train_loss, 4),
        **score(run.model, datasets[split]),
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
    result["hardware"] = f"one core, {platform.machine()}"
    result["budget"] = BUDGET
    result["seeds"] = list(SEEDS)
    rungs = result.setdefault("rungs", {})
    for name, (change, against, trial, _) in RUNGS.items():
        settings = json.loads(json.dumps(plain(trial)))
        fresh = {"change": change, "against": against, "settings": settings, "runs": {}}
        entry = rungs.setdefault(name, fresh)
        if entry["settings"] != settings:
            raise ValueError(
                f"{RESULT.name} holds the rung {name!r} as {entry['settings']}, here it is "
                f"{settings}; move the file away"
            )
    return result


def rate_of(name: str, result: dict, datasets: dict, result_file: Path) -> float:
    """The learning rate of a rung; where it has to choose, the best on dev, stored as they come."""
    *_, trial, rates = RUNGS[name]
    if isinstance(rates, str):
        return rate_of(rates, result, datasets, result_file)
    tried = result["rungs"][name].setdefault("dev_miou_of_rates", {})
    for rate in rates:
        if str(rate) in tried:
            continue
        short = replace(trial, learning_rate=rate, epochs=RATE_EPOCHS, seed=RATE_SEED)
        tried[str(rate)] = train(short, datasets, "dev")["miou"]
        write_json(result_file, result)
        print(f"{name}, rate {rate:g}: dev mIoU {tried[str(rate)]:.3f}", flush=True)
    return float(max(tried, key=tried.get))


def climb(names, datasets: dict, result_file: Path) -> None:
    """All trainings of these rungs that are not stored yet."""
    stored = json.loads(result_file.read_text()) if result_file.is_file() else {}
    result = prepare(stored)
    for seed in SEEDS:
        for name in names:
            runs = result["rungs"][name]["runs"]
            if str(seed) in runs:
                continue
            rate = rate_of(name, result, datasets, result_file)
            trial = replace(RUNGS[name][2], seed=seed, learning_rate=rate)
            runs[str(seed)] = {"learning_rate": rate, **train(trial, datasets, "val")}
            write_json(result_file, result)
            print(f"{name}, seed {seed}: mIoU {runs[str(seed)]['miou']:.3f}", flush=True)


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=RUNGS, nargs="+", default=list(RUNGS))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    root = small_city(data_dir() / "eighth_city", len(TRAIN) + len(DEV), 20, 8, SEED)
    climb(options.only, make_datasets(root), RESULT)


if __name__ == "__main__":
    command.run(main)
