"""FCN-8s in stages or at once? And how much do the networks' scores hang on the seed?

    python -m benchmarks.fcn_stages            # hours of one thread; keeps what is stored

Stages, as in the paper: FCN-32s, then FCN-16s from its weights, then FCN-8s from those, a third of
the steps each. At once: FCN-8s from the start, for all of the steps. Three heads: FCN-8s from the
start, whose scores of all three strides are trained. Then the networks of the course, trained alike
for fewer steps than the shipped ones. Three seeds each. Scored on the 20 val frames; the curves are
measured on dev (scripts.train_checkpoints). Writes benchmarks/results/fcn_stages.json.
"""

import argparse
import json
from dataclasses import replace
from functools import partial

import torch

from extras.training_tools.muon import Muon
from helpers import command
from helpers.config import TrainConfig
from helpers.evaluate import dataset_for, evaluate, pixel_loss
from helpers.fcn import ThinFCN, enlarge
from helpers.files import write_json
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.recipes import make_model
from scripts.score_checkpoints import quarter_val
from scripts.train_checkpoints import CHECKPOINTS, CONFIGS, PAIR, CheckpointRun, make_datasets

RESULT = ROOT / "benchmarks" / "results" / "fcn_stages.json"
SEEDS = (0, 1, 2)
RATE = 0.02
STAGE = 2  # epochs of 160 steps
EQUAL = 3  # epochs of the networks that are trained alike


class ThreeHeads(ThinFCN):
    """FCN-8s whose training scores are those of all three strides, one after the other."""

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """[N, 3 num_classes, H/8, W/8] in training; those of stride 8 alone in use."""
        pool3 = self.block3(self.block2(self.block1(images)))
        pool4 = self.block4(pool3)
        scores32 = self.score32(self.fc7(self.fc6(self.block5(pool4))))
        scores16 = enlarge(scores32, pool4.shape[-2:]) + self.score16(pool4)
        scores8 = enlarge(scores16, pool3.shape[-2:]) + self.score8(pool3)
        if not self.training:
            return scores8
        coarse = [enlarge(scores, pool3.shape[-2:]) for scores in (scores32, scores16)]
        return torch.cat([*coarse, scores8], dim=1)


def mean_of_heads(logits: torch.Tensor, target: torch.Tensor):
    """The loss of ThreeHeads: the mean of its heads'. With one head it is the usual one."""
    losses = []
    for head in logits.split(len(TRAIN_19), dim=1):
        loss, pixels = pixel_loss(head, target)
        losses.append(loss)
    return torch.stack(losses).mean(), pixels


def shipped_rate(name: str) -> float:
    """The learning rate that was chosen for a shipped network."""
    return json.loads((CHECKPOINTS / f"{name}.json").read_text())["config"]["learning_rate"]


def train(
    name: str,
    model_name: str,
    epochs: int,
    seed: int,
    start: dict | None = None,
    rate: float = RATE,
):
    """The run, trained to its end, of a network that begins with the weights of `start`."""
    config = CONFIGS["fcn8s" if model_name == "three heads" else model_name]
    config = replace(config, name=name, epochs=epochs, seed=seed, learning_rate=rate)
    config, train_set, dev_set = make_datasets(config)
    model = network(config, model_name)
    if start is not None:
        model.load_state_dict(start, strict=False)  # what is new in a stage stays as it is
    run = CheckpointRun(config, model, train_set, dev_set, Muon(model, rate))
    run.loss = mean_of_heads
    run.fit()
    return run


def network(config: TrainConfig, model_name: str) -> torch.nn.Module:
    """The network of a config, with weights drawn from its seed."""
    if model_name != "three heads":
        return make_model(config, len(TRAIN_19))
    torch.manual_seed(config.seed)
    return ThreeHeads(len(TRAIN_19), 8, config.width, config.hidden)


def outcome(runs: list[CheckpointRun]) -> dict:
    """Scores on val of the last run's network, and the dev curve over the steps of all runs."""
    last = runs[-1]
    info = {
        "view": last.config.make_view(),
        "label_set": TRAIN_19,
        "mean": last.config.mean,
        "std": last.config.std,
    }
    batches = torch.utils.data.DataLoader(dataset_for(info, quarter_val(), "val"))
    scores = evaluate(last.model, batches, TRAIN_19)
    curve = []
    before = 0
    for run in runs:
        for row in run.history:
            curve.append(
                {"steps": before + row["steps"], "dev_mean_iou": round(row["val_mean_iou"], 4)}
            )
        before += run.history[-1]["steps"]
    return {
        "mean_iou": round(scores.mean_iou, 4),
        "pixel_accuracy": round(scores.pixel_accuracy, 4),
        "curve": curve,
    }


def in_stages(seed: int) -> list[CheckpointRun]:
    runs = []
    weights = None
    for name in ("fcn32s", "fcn16s", "fcn8s"):
        runs.append(train(f"stages/{name}_{seed}", name, STAGE, seed, weights))
        weights = runs[-1].model.state_dict()
    return runs


def at_once(seed: int) -> list[CheckpointRun]:
    return [train(f"stages/at_once_{seed}", "fcn8s", 3 * STAGE, seed)]


def three_heads(seed: int) -> list[CheckpointRun]:
    return [train(f"stages/three_heads_{seed}", "three heads", 3 * STAGE, seed)]


def budget() -> dict:
    """What the results were made with: results of two budgets must not mix."""
    return {
        "command": "python -m benchmarks.fcn_stages",
        "steps": 3 * STAGE * 160,
        "learning_rate": RATE,
        "equal_steps": EQUAL * 160,
    }


def stored() -> dict:
    """The results so far. ValueError if they were made with another budget."""
    fresh = {**budget(), "ways": {}, "equal": {}}
    if not RESULT.is_file():
        return fresh
    result = json.loads(RESULT.read_text())
    for key, value in budget().items():
        if result[key] != value:
            raise ValueError(
                f"{RESULT.name} holds {key} = {result[key]}, here it is {value}; move it away"
            )
    return {**fresh, **result}


def alike(name: str, seed: int) -> list[CheckpointRun]:
    """One of the networks of the course, with its own rate, for the equal number of steps."""
    return [train(f"equal/{name}_{seed}", name, EQUAL, seed, rate=shipped_rate(name))]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    result = stored()
    trainings = {
        "ways": {"at once": at_once, "three heads": three_heads, "in stages": in_stages},
        "equal": {name: partial(alike, name) for name in PAIR},
    }
    for part, makers in trainings.items():
        for seed in SEEDS:
            for name, runs_of in makers.items():
                rows = result[part].setdefault(name, [])
                if any(row["seed"] == seed for row in rows):
                    continue
                found = outcome(runs_of(seed))
                rows.append({"seed": seed, **found})
                write_json(RESULT, result)
                print(f"{name}, seed {seed}: mIoU {found['mean_iou']:.3f}", flush=True)


if __name__ == "__main__":
    command.run(main)
