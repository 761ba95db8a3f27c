"""Training: recipe A, a thin demo for CPUs, and everything between. Chapter 07 builds the loop.

python -m helpers.training --preset demo              # minutes on a CPU
python -m helpers.training --preset recipe --root data/cityscapes
"""

import math
import time
from contextlib import nullcontext
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from torch.utils.data import BatchSampler, DataLoader

from helpers import checkpoints, command
from helpers.config import TrainConfig, check_same, check_same_classes, check_same_config, parse
from helpers.csv_index import fingerprint
from helpers.device import amp_dtype, checkpoint_blocks, find_device, out_of_memory, prepare
from helpers.evaluate import Scores, evaluate, pixel_loss, side_by_side
from helpers.files import listed, locked, read_derived, write_image, write_json, write_table
from helpers.labels import IGNORE, LabelSet
from helpers.paths import runs_dir
from helpers.progress import progress_bar
from helpers.recipes import make_datasets, make_model


class Run:
    """One training run and its folder runs/<name>/.

    Any network that turns images [N, 3, H, W] into logits [N, classes, h, w] and any optimizer can
    be trained. `loss(logits, targets)` returns the sum over all labeled pixels and their number.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: torch.nn.Module,
        train_set,
        val_set,
        optimizer=None,
        loss=pixel_loss,
        progress: bool = True,
        folder=None,
    ):
        # What is trained, on what, and where it is kept.
        self.config = config
        self.train_set = train_set
        self.val_set = val_set
        self.loss = loss
        self.progress = progress
        self.history = []
        self.folder = Path(folder or runs_dir() / config.name)
        # A run that has begun goes on from its own weights.
        if config.init is not None and not (self.folder / "last.pt").is_file():
            checkpoints.load_fitting(model, config.init, progress)

        # Where it computes, and in which number format: mixed precision on a GPU alone.
        self.device = find_device()
        self.amp_dtype = amp_dtype(self.device)
        prepare(self.device, config.deterministic)
        # Channels last is faster on a GPU.
        on_gpu = self.device.type == "cuda"
        self.layout = torch.channels_last if on_gpu else torch.contiguous_format
        self.model = model.to(self.device, memory_format=self.layout)
        if config.checkpointing:
            checkpoint_blocks(self.model)
        # The same weights, compiled: what is saved and scored is always `model`.
        self.fast_model = torch.compile(self.model) if config.compile else self.model
        # Adam, unless the caller brings an optimizer; fused, all weights go in one pass.
        if optimizer is None:
            fused = self.device.type != "mps"
            optimizer = torch.optim.Adam(
                self.model.parameters(), lr=config.learning_rate, fused=fused
            )
        self.optimizer = optimizer
        # float16 alone needs its gradients scaled.
        scale = self.amp_dtype == torch.float16
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scale)

        # One step may take several batches: their gradients add up.
        batch = config.batch_size * config.accumulate
        self.steps_per_epoch = math.ceil(len(train_set) / batch)

    @property
    def label_set(self) -> LabelSet:
        return self.val_set.label_set

    @cached_property
    def rows(self) -> int:
        """The rows of a frame as the network sees it: photographs are brought to that height."""
        image, _ = self.val_set.read(0)
        return len(image)

    # One process here; extras.training_tools.distributed trains with many.
    rank = 0
    world_size = 1

    def sum_over_processes(self, values: torch.Tensor) -> torch.Tensor:
        """`values` added over all processes; with one process they are the sum already."""
        return values

    def batches(self, epoch: int) -> list[list[int]]:
        """The frames of every batch of an epoch, shuffled by (seed, epoch)."""
        # An order of its own for every epoch, and the same one in a run that was interrupted.
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        order = torch.randperm(len(self.train_set), generator=generator).tolist()
        return list(BatchSampler(order, self.config.batch_size, drop_last=False))

    def make_loader(self, dataset, batches: list[list[int]]):
        """The batches, given as lists of indices: images float32 [N, 3, H, W], targets int64
        [N, h, w].
        """
        return DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=min(self.config.workers, len(batches)),
            # Locked memory, from which a GPU copies while it computes.
            pin_memory=self.device.type == "cuda",
            # Its own, so that making workers draws nothing from the global generator.
            generator=torch.Generator(),
        )

    def loader(self, epoch: int):
        """The batches of an epoch, for training."""
        self.train_set.epoch = epoch
        return self.make_loader(self.train_set, self.batches(epoch))

    def val_batches(self) -> list[list[int]]:
        """The frames of every batch of the validation, in their order."""
        order = range(len(self.val_set))
        return list(BatchSampler(order, self.config.batch_size, drop_last=False))

    def validate(self) -> Scores:
        """The scores of the model as it stands on the validation set."""
        loader = self.make_loader(self.val_set, self.val_batches())
        return evaluate(self.model, loader, self.label_set)

    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimizer step, counted from 0 over the whole run."""
        # The schedules count in shares of the training, so that they fit any number of epochs.
        done = step / max(1, self.steps_per_epoch * self.config.epochs)
        return self.config.learning_rate_at(done)

    def network_for(self, images: torch.Tensor) -> torch.nn.Module:
        """The network that trains on a batch: the compiled one, if there is one.

        A shorter batch, the last of an epoch, goes without: it would be compiled anew for it.
        """
        shorter = len(images) < self.config.batch_size and self.world_size == 1
        return self.model if shorter else self.fast_model

    def step(self, number: int, batches: list) -> list[torch.Tensor]:
        """One optimizer step on the mean loss over all labeled pixels of `batches`.

        Returns (loss sum, labeled pixels) of each batch, on the device.
        """
        # Set by hand in every step: a resumed run needs no scheduler's state.
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
                logits = self.network_for(images)(images)
            loss, pixels = self.loss(logits, targets)
            # Divided by the labeled pixels of the whole step, so that each of them weighs the same.
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
        # In float64: a sum over millions of pixels loses digits in float32.
        total = torch.stack(losses).cpu().double().sum(0)
        loss_sum, pixels = self.sum_over_processes(total).tolist()
        if pixels == 0:
            raise ValueError(f"no labeled pixel in all {len(self.train_set)} training frames")
        return loss_sum / pixels

    def check_finite(self, epoch: int, losses: list[torch.Tensor]) -> None:
        """Raises FloatingPointError with the files of the first batch whose loss is not finite."""
        finite = torch.stack(losses)[:, 0].isfinite()
        if not finite.all():
            self.stop(epoch, int((~finite).nonzero()[0]))

    def stop(self, epoch: int, batch: int) -> None:
        """Raises FloatingPointError that names the files of a batch."""
        rows = [self.train_set.rows[index] for index in self.batches(epoch)[batch]]
        last = self.folder / "last.pt"
        first = epoch == 0 and batch == 0  # before any step was taken
        advice = "at the weights it began with" if first else "try a smaller learning rate"
        kept = f"The last good checkpoint is {last}; " if last.is_file() else ""
        raise FloatingPointError(
            f"loss or weights became nan or infinite in epoch {epoch + 1}, at the batch of"
            f"{listed([row.image for row in rows])}\n{kept}look at these files, or {advice}"
        )

    def fit(self, watch=None) -> list[dict]:
        """Train from wherever the folder stands to the last epoch; returns the history.

        `watch(history)` is called after every epoch. Raises OSError if another process trains in
        the folder, ValueError if it holds another run.
        """
        with locked(self.folder) if self.rank == 0 else nullcontext():
            done = self.resume()
            if self.rank == 0:
                self.save_records()
            if self.progress and done > 0:
                best = max(row["val_mean_iou"] for row in self.history)
                rest = "goes on" if done < self.config.epochs else "complete; --name begins another"
                print(f"{done} of {self.config.epochs} epochs done, best mIoU {best:.4g}: {rest}")
                if not (self.folder / "best.pt").is_file():
                    print("best.pt is gone: only a better epoch writes it again; last.pt is there")
            # The training itself: whatever goes wrong in an epoch, the ones before are on the disk.
            for epoch in range(done, self.config.epochs):
                try:
                    self.train_and_save(epoch)
                except ValueError as error:
                    # Batch norm on the deepest map of one frame, if that is a single pixel
                    if "more than 1 value per channel" not in str(error):
                        raise
                    fix = "take a larger --size or --height, or another --batch-size"
                    raise ValueError(f"{error}: {fix}") from error
                except RuntimeError as error:
                    if not command.memory_is_full(error):
                        raise
                    raise ValueError(out_of_memory(self.config)) from error
                if watch is not None:
                    watch(self.history)
        return self.history

    def train_and_save(self, epoch: int) -> None:
        """One epoch of training, its scores in the history, and all of it on the disk."""
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
        if self.progress:
            seconds = time.perf_counter() - start
            minutes = seconds * (self.config.epochs - epoch - 1) / 60
            print(
                f"epoch {epoch + 1}: training loss {loss:.4g}, val mIoU {scores.mean_iou:.4g}, "
                f"about {minutes:.0f} minutes to go"
            )
            guessing = math.log(len(self.label_set))
            if loss > 100 * guessing:
                print(f"guessing gives a loss of {guessing:.2g}: is the learning rate too high?")

    @cached_property
    def data(self) -> dict:
        """What identifies the data: a resumed run must find the same rows and labels."""
        root = self.val_set.root
        train = fingerprint("train", self.train_set.rows, root)
        return {**train, **fingerprint("val", self.val_set.rows, root)}

    def info(self) -> dict:
        """What a checkpoint says of itself, all plain values."""
        return {
            "config": {**asdict(self.config), "root": None},
            "data": self.data,
            "label_set": self.label_set.as_dict(),
            "view": asdict(self.val_set.view),
            "rows": self.rows,
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
        self.save_records()
        # Everything that the next epoch depends on, so that a resumed run ends like any other.
        state = {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "epochs_done": len(self.history),
        }
        # Last of all: only now does the epoch count as done.
        last = self.folder / "last.pt"
        checkpoints.save_model(last, self.model, self.info(), half=False, **state)

    def save_records(self) -> None:
        """The run as text: config.json, and history.csv after the first epoch."""
        write_json(self.folder / "config.json", asdict(self.config))
        if self.history:
            rows = [row.values() for row in self.history]
            write_table(self.folder / "history.csv", self.history[0], rows)

    def save_pictures(self) -> None:
        """predictions/<frame>_epoch<n>.png: frame, truth and prediction side by side."""
        for index, row in enumerate(self.val_set.rows[: self.config.pictures]):
            name = f"{row.city}_{row.frame}_epoch{len(self.history):03d}.png"
            picture = side_by_side(self.model, self.val_set, index)
            write_image(self.folder / "predictions" / name, picture)

    def resume(self) -> int:
        """Take up what last.pt holds; returns the number of whole epochs done.

        Raises ValueError, before any file is changed, for a run with another config or other data.
        """
        path = self.folder / "last.pt"
        if path.is_file():
            state = checkpoints.load(path, "info", "optimizer", "scaler", "epochs_done")
            # First all that can be refused, then what changes the run.
            check_same_config(self.config, state["info"]["config"], self.folder)
            check_same_classes(self.folder, self.label_set, state["info"]["label_set"])
            check_same(self.folder, self.data, state["info"].get("data", {}))
            checkpoints.load_weights(self.model, state["model"], path)
            self.optimizer.load_state_dict(state["optimizer"])
            # Fused Adam goes through memory, not through indices: what it remembers must lie as the
            # weights do, also in a run that began on another device, with another layout.
            for weight, memory in self.optimizer.state.items():
                for name, value in memory.items():
                    if getattr(value, "shape", None) == weight.shape:
                        memory[name] = torch.empty_like(weight).copy_(value)
            # Float16 alone scales its gradients: after another precision there is nothing stored.
            if state["scaler"]:
                self.scaler.load_state_dict(state["scaler"])
            self.history = state["info"]["history"]
        else:
            checkpoints.check_nothing_is_lost(self.folder, self.config, self.label_set)
        # A run that was killed while it wrote leaves these; now nobody else writes here.
        # Deeper folders may be runs of their own: series and series/small.
        if self.rank == 0:
            for folder in (self.folder, self.folder / "predictions"):
                for leftover in folder.glob(".*.tmp"):
                    leftover.unlink(missing_ok=True)
        return len(self.history)


def make_run(config: TrainConfig, progress: bool = True, folder=None, run_class=Run) -> Run:
    """The run that a config describes: data, network and Adam; in runs/<name> if no `folder`."""
    folder = Path(folder or runs_dir() / config.name)
    # Said here already, before all frames are read.
    begun = (folder / "last.pt").is_file()
    if begun:
        check_same_config(config, read_derived(folder / "config.json"), folder)
    elif config.init is not None:
        checkpoints.load(config.init)
    config, train_set, val_set = make_datasets(config, progress)
    model = make_model(config, len(train_set.label_set))
    return run_class(config, model, train_set, val_set, progress=progress, folder=folder)


def train(config: TrainConfig, progress: bool = True, watch=None) -> list[dict]:
    """Train as `config` says, resuming what its folder holds; returns the history, one dict per
    epoch.
    """
    return make_run(config, progress).fit(watch)


def main(arguments=None, make_run=make_run) -> None:
    """Train as the command line says, on `make_run(config)`."""
    config = parse(arguments)
    command.ensure_data(config.root)
    run = make_run(config)
    if run.progress:
        print(
            f"training {config.name} on {run.device}: {len(run.train_set)} frames, "
            f"{config.epochs} epochs; results in {run.folder}"
        )
    try:
        run.fit()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(how_to_go_on(run)) from None


def how_to_go_on(run: Run) -> str:
    """What to do after Ctrl-C."""
    last = run.folder / "last.pt"
    if not last.is_file():
        return "stopped before the first epoch was done; the same command begins again"
    # Of the disk, not of the history: it may have been stopped while an epoch was saved.
    done = checkpoints.load(last, "epochs_done")["epochs_done"]
    return f"stopped; {last} holds {done} of {run.config.epochs} epochs; the same command goes on"


if __name__ == "__main__":
    command.run(main)
