"""Training: the recipe, a thin demo for CPUs, and everything between. Chapter 07 builds the loop by
hand.

python -m helpers.training --preset demo              # whole frames at quarter scale, minutes on a
CPU python -m helpers.training --preset recipe --root data/cityscapes
"""

import csv
import io
import json
import math
import time
from dataclasses import asdict
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader

from helpers import checkpoints
from helpers.config import TrainConfig, parse
from helpers.device import amp_dtype, find_device, prepare
from helpers.evaluate import Scores, evaluate, pixel_loss
from helpers.files import write_image, write_json, write_text
from helpers.labels import IGNORE, LabelSet
from helpers.paths import runs_dir, shown
from helpers.progress import progress_bar
from helpers.recipes import make_datasets, make_model

# What may differ between two parts of one run.
MAY_CHANGE = {"workers", "pictures", "cache", "compile", "deterministic"}


def make_run(config: TrainConfig, progress: bool = True) -> "Run":
    """The run that a config describes: data, network and Adam."""
    config, train_set, val_set = make_datasets(config, progress)
    model = make_model(config, len(train_set.label_set))
    return Run(config, model, train_set, val_set, progress=progress)


def data_loader(
    dataset, batches: list[list[int]], device: torch.device, workers: int = 0
) -> DataLoader:
    """The batches, given as lists of indices, as images [N, 3, H, W] and targets [N, h, w]."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),
    )


class Run:
    """One training run and its folder runs/<name>/.

    Any network that turns images [N, 3, H, W] into logits [N, classes, h, w] and any optimizer can
    be trained. `loss(logits, targets)` returns the sum over all labeled pixels and their number;
    `make_loader` is called once per epoch as data_loader is.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: torch.nn.Module,
        train_set,
        val_set,
        optimizer=None,
        loss=pixel_loss,
        make_loader=None,
        progress: bool = True,
    ):
        self.config = config
        self.train_set = train_set
        self.val_set = val_set
        self.loss = loss
        self.make_loader = make_loader or data_loader
        self.progress = progress
        self.history = []
        self.folder = runs_dir() / config.name

        self.device = find_device()
        self.amp_dtype = amp_dtype(self.device)
        prepare(self.device, config.deterministic)
        # Channels last is faster on a GPU.
        on_gpu = self.device.type == "cuda"
        self.layout = torch.channels_last if on_gpu else torch.contiguous_format
        self.model = model.to(self.device, memory_format=self.layout)
        # The same weights, compiled: what is saved and scored is always `model`.
        self.fast_model = torch.compile(self.model) if config.compile else self.model
        if optimizer is None:
            fused = self.device.type != "mps"
            optimizer = torch.optim.Adam(
                self.model.parameters(), lr=config.learning_rate, fused=fused
            )
        self.optimizer = optimizer
        # float16 alone needs its gradients scaled.
        scale = self.amp_dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scale)

        batch = config.batch_size * config.accumulate
        self.steps_per_epoch = math.ceil(len(train_set) / batch)

    @property
    def label_set(self) -> LabelSet:
        return self.val_set.label_set

    # One process here; extras.training_tools.distributed trains with many.
    rank = 0
    world_size = 1

    def sum_over_processes(self, values: torch.Tensor) -> torch.Tensor:
        """`values` added over all processes; with one process they are the sum already."""
        return values

    def batches(self, epoch: int) -> list[list[int]]:
        """The frames of every batch of an epoch, shuffled by (seed, epoch)."""
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        order = torch.randperm(len(self.train_set), generator=generator).tolist()
        size = self.config.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def loader(self, epoch: int):
        """The batches of an epoch: images float32 [N, 3, H, W], targets int64 [N, h, w]."""
        self.train_set.epoch = epoch
        return self.make_loader(
            self.train_set, self.batches(epoch), self.device, self.config.workers
        )

    def validate(self) -> Scores:
        """The scores of the model as it stands on the validation set."""
        loader = DataLoader(self.val_set, self.config.batch_size)
        return evaluate(self.model, loader, self.label_set)

    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimizer step, counted from 0 over the whole run."""
        done = step / max(1, self.steps_per_epoch * self.config.epochs)
        if self.config.schedule == "cosine":
            return self.config.learning_rate * (1 + math.cos(math.pi * done)) / 2
        if self.config.schedule == "poly":
            return self.config.learning_rate * (1 - done) ** 0.9
        return self.config.learning_rate

    def step(self, number: int, batches: list) -> list[torch.Tensor]:
        """One optimizer step on the mean loss over all labeled pixels of `batches`.

        Returns (loss sum, labeled pixels) of each batch, on the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(number)
        self.optimizer.zero_grad(set_to_none=True)

        # The mean is over the pixels of all batches of the step, not the mean of their means.
        labeled = sum((targets != IGNORE).sum() for _, targets in batches)
        labeled = self.sum_over_processes(labeled).clamp(min=1) / self.world_size

        losses = []
        mixed = self.amp_dtype is not None
        for images, targets in batches:
            images = images.to(self.device, non_blocking=True, memory_format=self.layout)
            targets = targets.to(self.device, non_blocking=True)
            with torch.autocast(self.device.type, self.amp_dtype, enabled=mixed):
                logits = self.fast_model(images)
            loss, pixels = self.loss(logits, targets)
            self.scaler.scale(loss / labeled).backward()
            losses.append(torch.stack([loss.detach(), pixels]))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return losses

    def train_epoch(self, epoch: int) -> float:
        """One pass over the training set; the mean loss per labeled pixel."""
        self.model.train()
        loader = progress_bar(self.loader(epoch), f"epoch {epoch + 1}", self.progress, leave=False)
        batches = iter(loader)
        # Dropout starts from the epoch's own seed, so that a resumed run ends like any other.
        torch.manual_seed(self.config.seed * 100_003 + epoch * self.world_size + self.rank)

        losses = []
        first = epoch * self.steps_per_epoch
        for number in range(first, first + self.steps_per_epoch):
            losses += self.step(number, list(islice(batches, self.config.accumulate)))
            # Reading a loss waits for the device, so not after every step.
            if number % 16 == 15:
                self.check_finite(epoch, losses)
        self.check_finite(epoch, losses)
        total = torch.stack(losses).cpu().double().sum(0)
        loss_sum, pixels = self.sum_over_processes(total).tolist()
        return loss_sum / max(1, pixels)

    def check_finite(self, epoch: int, losses: list[torch.Tensor]) -> None:
        """Raises FloatingPointError with the files of the first batch whose loss is not finite."""
        finite = torch.stack(losses)[:, 0].isfinite()
        if not finite.all():
            self.stop(epoch, int((~finite).nonzero()[0]))

    def stop(self, epoch: int, batch: int) -> None:
        """Raises FloatingPointError that names the files of a batch."""
        rows = [self.train_set.rows[index] for index in self.batches(epoch)[batch]]
        files = "\n  ".join(row.image for row in rows)
        raise FloatingPointError(
            f"loss or weights became nan or infinite in epoch {epoch + 1}, at the batch of\n"
            f"  {files}\n"
            f"The last good checkpoint is {self.folder / 'last.pt'}; look at these files, or try "
            "a smaller learning rate"
        )

    def fit(self, watch=None) -> list[dict]:
        """Train from wherever the folder stands to the last epoch; returns the history.

        `watch(history)` is called after every epoch.
        """
        for epoch in range(self.resume(), self.config.epochs):
            start = time.perf_counter()
            loss = self.train_epoch(epoch)
            # The last step of an epoch can break the weights without any loss telling of it.
            if not all(weight.isfinite().all() for weight in self.model.parameters()):
                self.stop(epoch, -1)
            scores = self.validate()
            row = {
                "epoch": epoch + 1,
                "train_loss": loss,
                "val_loss": scores.loss_per_pixel,
                "val_mean_iou": scores.mean_iou,
                "val_pixel_accuracy": scores.pixel_accuracy,
            }
            self.history.append(row)
            self.save()
            if watch is not None:
                watch(self.history)
            if self.progress:
                seconds = time.perf_counter() - start
                minutes = seconds * (self.config.epochs - epoch - 1) / 60
                print(
                    f"epoch {epoch + 1}: training loss {loss:.4g}, val mIoU {scores.mean_iou:.4g}, "
                    f"about {minutes:.0f} minutes to go"
                )
        return self.history

    def info(self) -> dict:
        """What a checkpoint says of itself, all plain values."""
        return {
            "config": {**asdict(self.config), "root": None},
            "label_set": self.label_set.as_dict(),
            "view": asdict(self.val_set.view),
            "mean": list(self.config.mean),
            "std": list(self.config.std),
            "history": self.history,
        }

    def save(self) -> None:
        """Write pictures, best.pt, history.csv, config.json and, last of all, last.pt."""
        self.save_pictures()
        best = max(self.history, key=lambda row: row["val_mean_iou"])  # the first of equal ones
        if best is self.history[-1]:
            checkpoints.save_model(self.folder / "best.pt", self.model, self.info(), half=False)
        write_text(self.folder / "history.csv", history_csv(self.history))
        write_json(self.folder / "config.json", asdict(self.config))
        state = {
            "format": checkpoints.FORMAT,
            **checkpoints.network_entry(self.model),
            "model": self.model.state_dict(),
            "info": self.info(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epochs_done": len(self.history),
        }
        # Last of all: only now does the epoch count as done.
        checkpoints.save(self.folder / "last.pt", state)

    @torch.no_grad()
    def save_pictures(self) -> None:
        """predictions/<frame>_epoch<n>.png: frame, truth and prediction side by side."""
        self.model.eval()
        margin = self.val_set.view.margin
        for index, row in enumerate(self.val_set.rows[: self.config.pictures]):
            images, _ = self.val_set[index]
            logits = self.model(images[None].to(self.device))
            prediction = logits[0].argmax(0).cpu().numpy()
            frame, truth = self.val_set.pair(index)
            height, width = truth.shape
            frame = frame[margin : margin + height, margin : margin + width]
            truth = self.label_set.colorize(truth)
            prediction = self.label_set.colorize(prediction)
            picture = np.concatenate([frame, truth, prediction], axis=1)
            name = f"{row.city}_{row.frame}_epoch{len(self.history):03d}.png"
            write_image(self.folder / "predictions" / name, picture)

    def resume(self) -> int:
        """Take up what last.pt holds; returns the number of whole epochs done.

        Raises ValueError for a run with another config.
        """
        # A run that was killed while it wrote leaves these.
        for leftover in self.folder.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
        path = self.folder / "last.pt"
        if not path.is_file():
            return 0
        state = checkpoints.load(path)
        self.check_same_config(path, state["info"]["config"])
        checkpoints.load_weights(self.model, state["model"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.history = state["info"]["history"]
        return state["epochs_done"]

    def check_same_config(self, path, stored: dict) -> None:
        """Raises ValueError that names what differs between a stored run and this one."""
        # Both by way of JSON, so that tuples become lists.
        here = json.loads(json.dumps(self.info()["config"]))
        stored = json.loads(json.dumps(stored))
        may_change = set(MAY_CHANGE)
        if self.config.schedule is None:
            may_change.add("epochs")  # without a schedule, more epochs just go on
        differences = []
        for name, value in here.items():
            if name not in may_change and value != stored.get(name):
                differences.append(f"{name} was {stored.get(name)} and is {value}")
        if differences:
            raise ValueError(
                f"{path} is a run with another config: {', '.join(differences)}. Give "
                f"this run another name, or remove the folder {self.folder}"
            )


def history_csv(history: list[dict]) -> str:
    """The history as text: a header and a line per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=history[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def train(config: TrainConfig, progress: bool = True, watch=None) -> list[dict]:
    """Train as `config` says, resuming what its folder holds; returns the history, one dict per
    epoch.
    """
    return make_run(config, progress).fit(watch)


def main(arguments=None, make_run=make_run) -> None:
    """Train as the command line says, on `make_run(config)`."""
    config, export = parse(arguments)
    run = make_run(config)
    if run.progress:
        print(
            f"training {config.name} on {run.device}: {len(run.train_set)} frames, "
            f"{config.epochs} epochs; results in {shown(run.folder)}"
        )
    run.fit()
    if export and run.rank == 0:
        path = checkpoints.save_model(export, run.model, run.info())
        print(f"exported {shown(path)}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
