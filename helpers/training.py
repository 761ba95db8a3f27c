"""Training: the recipe, a thin demo for CPUs, and everything between. Chapter 07 builds the loop by hand.

    python -m helpers.training --preset demo              # whole frames at quarter scale, minutes on a CPU
    python -m helpers.training --preset recipe --root data/cityscapes
"""
import json
import math
import time
from dataclasses import asdict, replace
from itertools import islice

import numpy as np
import torch
from torch.utils.data import DataLoader

from helpers import checkpoints
from helpers.config import TrainConfig, parse
from helpers.csv_index import write_csv
from helpers.dataset import CityscapesCsv
from helpers.device import amp_dtype, find_device, prepare
from helpers.evaluate import evaluate, pixel_loss
from helpers.files import write_image, write_json, write_text
from helpers.frame_cache import FrameCache
from helpers.labels import IGNORE, find_label_set
from helpers.normalization import channel_statistics
from helpers.paths import check_root, find_root, runs_dir, shown
from helpers.progress import progress_bar
from helpers.unet import UNet


class Run:
    """One training run and its folder runs/<name>/. What is marked (D) extras.training_tools.distributed overrides."""

    rank, world = 0, 1  # of this process, and how many there are (D)
    all_sum = staticmethod(lambda values: values)  # a tensor, summed over all processes (D)
    loss, evaluate = staticmethod(pixel_loss), staticmethod(evaluate)  # (D)

    def __init__(self, config: TrainConfig, progress: bool = True, make_loader=None):
        self.config, self.progress, self.history = config, progress, []
        self.make_loader = make_loader  # (dataset, batches, device) -> what iterates over an epoch; None: a DataLoader
        self.device, self.half = find_device(), amp_dtype(find_device())
        prepare(self.device, config.deterministic)
        self.folder, self.labels = runs_dir() / config.name, find_label_set(config.label_set)
        self.train_set, self.val_set = self._datasets()
        torch.manual_seed(config.seed)
        self.model = UNet(3, len(self.labels), config.width, config.depth, config.padding, config.norm, config.dropout)
        self.layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format  # faster there
        self.model.to(self.device, memory_format=self.layout)
        self.fast_model = torch.compile(self.model) if config.compile else self.model  # the same weights
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.lr, fused=self.device.type != "mps")
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half == torch.float16)
        self.steps = math.ceil(len(self.train_set) / (config.batch_size * config.accumulate))  # an epoch

    def _datasets(self) -> list[CityscapesCsv]:
        config, view, sets = self.config, self.config.make_view(), []
        root = check_root(find_root(config.root))
        for split, limit in (("train", config.train_limit), ("val", config.val_limit)):
            write_csv(root, split, self.folder / f"{split}.csv")
            sets.append(CityscapesCsv(self.folder / f"{split}.csv", root, view, self.labels, limit=limit,
                                      augment=config.augment and split == "train", seed=config.seed))
        if config.mean is None or config.std is None:
            statistics = channel_statistics([root / row.image for row in sets[0].rows], progress=self.progress)
            self.config = replace(config, mean=statistics.mean, std=statistics.std)
        for dataset in sets:
            dataset.mean, dataset.std = self.config.mean, self.config.std
            if config.cache:
                dataset.cache = FrameCache(dataset.rows, root, view, self.labels, progress=self.progress,
                                           cropped=view.kind == "crop" and not dataset.augment)
        return sets

    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimizer step, counted from 0 over the whole run."""
        done = step / max(1, self.steps * self.config.epochs)
        factor = {None: 1.0, "cosine": (1 + math.cos(math.pi * done)) / 2, "poly": (1 - done) ** 0.9}
        return self.config.lr * factor[self.config.schedule]

    def batches(self, epoch: int) -> list[list[int]]:
        """The frames of every batch of an epoch. (D)"""
        self.train_set.epoch = epoch
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        order, size = torch.randperm(len(self.train_set), generator=generator).tolist(), self.config.batch_size
        return [order[start : start + size] for start in range(0, len(order), size)]

    def loader(self, epoch: int):
        """The batches of an epoch: images float32 [N, 3, H, W], targets int64 [N, h, w]. (D)"""
        if self.make_loader is not None:
            return self.make_loader(self.train_set, self.batches(epoch), self.device)
        return DataLoader(self.train_set, batch_sampler=self.batches(epoch), num_workers=self.config.workers,
                          pin_memory=self.device.type == "cuda", generator=torch.Generator())

    def step(self, number: int, batches: list) -> list[torch.Tensor]:
        """A step on the mean loss of all labelled pixels of `batches`; (loss sum, pixels) of each, on the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(number)
        self.optimizer.zero_grad(set_to_none=True)
        pixels = self.all_sum(sum((targets != IGNORE).sum() for _, targets in batches))
        pixels = pixels.clamp(min=1) / self.world  # all void: the loss is 0, and so are the gradients
        losses = []
        for images, targets in batches:
            images = images.to(self.device, non_blocking=True, memory_format=self.layout)
            with torch.autocast(self.device.type, self.half, enabled=self.half is not None):
                logits = self.fast_model(images)
            loss, count = self.loss(logits, targets.to(self.device, non_blocking=True))
            self.scaler.scale(loss / pixels).backward()
            losses.append(torch.stack([loss.detach(), count]))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return losses

    def train_epoch(self, epoch: int) -> float:
        """One pass over the training set; the mean loss of a labelled pixel."""
        self.model.train()
        batches = iter(progress_bar(self.loader(epoch), f"epoch {epoch + 1}", self.progress, leave=False))
        torch.manual_seed(self.config.seed * 100_003 + epoch * self.world + self.rank)  # resumed runs end alike
        total, done, waiting, end = torch.zeros(2).double(), 0, [], (epoch + 1) * self.steps
        for number in range(end - self.steps, end):
            waiting += self.step(number, list(islice(batches, self.config.accumulate)))
            if len(waiting) >= 16 or number + 1 == end:
                for values in torch.stack(waiting).cpu().double():  # waits for the device, so not after every step
                    if not values[0].isfinite():
                        self.stop(epoch, done)
                    total, done = total + values, done + 1
                waiting = []
        total = self.all_sum(total)
        return float(total[0] / total[1].clamp(min=1))

    def stop(self, epoch: int, batch: int) -> None:
        files = "\n  ".join(self.train_set.rows[index].image for index in self.batches(epoch)[batch])
        raise FloatingPointError(
            f"loss or weights became nan or infinite in epoch {epoch + 1}, at the batch of\n  {files}\nThe last good "
            f"checkpoint is {self.folder / 'last.pt'}; look at these files, or try a smaller learning rate")

    def fit(self, watch=lambda history: None) -> list[dict]:
        """Train from wherever the run's folder stands to the last epoch: one dict an epoch, after each to `watch`."""
        for epoch in range(self.resume(), self.config.epochs):
            start = time.perf_counter()
            loss = self.train_epoch(epoch)
            if not all(weight.isfinite().all() for weight in self.model.parameters()):  # broken by the last step
                self.stop(epoch, -1)
            scores = self.evaluate(self.model, self.val_set, self.config.batch_size, self.device, per_frame=False)
            self.history.append({"epoch": epoch + 1, "train_loss": loss, "val_loss": scores.loss_per_pixel,
                                 "val_mean_iou": scores.mean_iou, "val_pixel_accuracy": scores.pixel_accuracy})
            self.save()
            watch(self.history)
            if self.progress:
                minutes = (time.perf_counter() - start) / 60 * (self.config.epochs - epoch - 1)
                scores = "  ".join(f"{name} {value:.4g}" for name, value in self.history[-1].items())
                print(f"{scores}  about {minutes:.0f} minutes to go")
        return self.history

    def info(self) -> dict:
        """What a checkpoint says of itself, all plain values."""
        return {"config": {**asdict(self.config), "root": None}, "label_set": self.config.label_set,
                "view": asdict(self.config.make_view()), "mean": list(self.config.mean),
                "std": list(self.config.std), "history": self.history}

    def save(self) -> None:
        """Write pictures, best.pt, history.csv, config.json and last.pt, each whole or not at all. (D)"""
        self.save_pictures()
        if max(self.history, key=lambda row: row["val_mean_iou"]) is self.history[-1]:  # the first of equal ones
            checkpoints.save_model(self.folder / "best.pt", self.model, self.info(), half=False)
        table = "".join(",".join(map(str, line)) + "\n" for line in (self.history[0], *map(dict.values, self.history)))
        write_text(self.folder / "history.csv", table)
        write_json(self.folder / "config.json", asdict(self.config))
        checkpoints.save(self.folder / "last.pt", {  # the last one: only now does the epoch count as done
            "format": checkpoints.FORMAT, "model": self.model.state_dict(), "arguments": self.model.arguments,
            "info": self.info(), "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            "epochs_done": len(self.history)})

    @torch.no_grad()
    def save_pictures(self) -> None:
        """predictions/<frame>_epoch<n>.png: frame, truth and prediction side by side, at the size of the label."""
        self.model.eval()
        margin = self.val_set.view.margin
        for index, row in enumerate(self.val_set.rows[: self.config.pictures]):
            frame, truth = self.val_set.pair(index)
            classes = self.model(self.val_set[index][0][None].to(self.device)).argmax(1)[0].cpu().numpy()
            frame = frame[margin : margin + truth.shape[0], margin : margin + truth.shape[1]]
            picture = np.concatenate([frame, self.labels.colorize(truth), self.labels.colorize(classes)], axis=1)
            name = f"{row.city}_{row.frame}_epoch{len(self.history):03d}.png"
            write_image(self.folder / "predictions" / name, picture)

    def resume(self) -> int:
        """Take up what last.pt holds; the number of whole epochs done. Refuses a run with another config."""
        for left in self.folder.glob(".*.tmp"):  # by a run that was killed while it wrote
            left.unlink(missing_ok=True)
        path = self.folder / "last.pt"
        if not path.is_file():
            return 0
        state = checkpoints.load(path)
        stored, now = (json.loads(json.dumps(info["config"])) for info in (state["info"], self.info()))
        free = {"workers", "pictures", "cache", "compile", "deterministic", "" if self.config.schedule else "epochs"}
        differ = {name: value for name, value in now.items() if name not in free and stored.get(name) != value}
        if differ:
            raise ValueError(f"{path} is a run with another config: there { {k: stored.get(k) for k in differ} }, here "
                             f"{differ}. Give this run another name, or remove the folder {self.folder}")
        checkpoints.load_weights(self.model, state["model"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.history = state["info"]["history"]
        return state["epochs_done"]


def train(config: TrainConfig, progress: bool = True, **options) -> list[dict]:
    """Train as `config` says, resuming what its folder holds; returns the history, one dict an epoch."""
    return Run(config, progress).fit(**options)


def main(arguments=None, make_run=Run) -> None:
    """Train as the command line says, on `make_run(config)`."""
    config, export = parse(arguments)
    run = make_run(config)
    if run.progress:
        print(f"training {config.name} on {run.device}: {len(run.train_set)} frames, {config.epochs} epochs; "
              f"results in {shown(run.folder)}")
    run.fit()
    if export and run.rank == 0:
        path = checkpoints.save_model(export, run.model, run.info())
        print(f"exported {shown(path)}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
