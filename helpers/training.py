"""Training: the recipe, a thin demo for CPUs, and everything between. Chapter 07 builds the loop by hand.

    python -m helpers.training --preset demo              # whole frames at quarter scale, minutes on a CPU
    python -m helpers.training --preset recipe --root data/cityscapes
"""
import argparse
import copy
import csv
import json
import math
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from helpers import checkpoints
from helpers.crop_cache import FrameCache
from helpers.csv_index import write_csv
from helpers.dataset import CityscapesCsv
from helpers.device import amp_dtype, find_device
from helpers.evaluate import evaluate, pixel_loss
from helpers.labels import LABEL_SETS
from helpers.paths import check_root, find_root, runs_dir, shown, write_atomically
from helpers.progress import progress_bar
from helpers.statistics import channel_statistics
from helpers.unet import UNet
from helpers.windows import View


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run. The defaults are the recipe of the course."""

    name: str = "recipe"
    root: str | None = None
    label_set: str = "train19"
    view: str = "crop"  # "crop" or "frame"
    size: int | None = None  # of the label crop; None: 388 (valid) or 384 (same)
    height: int = 256  # of a whole frame after reduction
    padding: str = "valid"
    norm: str | None = None
    width: int = 64
    depth: int = 4
    dropout: float = 0.5
    epochs: int = 30
    batch_size: int = 4
    accumulate: int = 1  # batches a step, so that a small GPU reaches the same effective batch
    lr: float = 1e-4
    schedule: str | None = None  # None, "cosine" or "poly" (power 0.9)
    augment: bool = False
    cache: str | None = "auto"  # "auto", or None for no cache
    train_limit: int | None = None
    val_limit: int | None = None
    workers: int = 0
    seed: int = 0
    mean: tuple[float, ...] | None = None  # None: computed from the training images
    std: tuple[float, ...] | None = None
    compile: bool = False  # torch.compile: slow to start, then faster; needs a C++ compiler on the CPU
    pictures: int = 3  # validation frames whose prediction is saved every epoch

    @classmethod
    def recipe(cls, **changes) -> "TrainConfig":
        """572x572 centre crops, 388x388 labels, unpadded, width 64, Adam 1e-4, 30 epochs, plain cross entropy."""
        return cls(**changes)

    @classmethod
    def demo(cls, **changes) -> "TrainConfig":
        """Whole frames at quarter scale, same padding, batch norm, width 8: what a CPU trains in minutes."""
        demo = cls(name="demo", view="frame", padding="same", norm="batch", width=8, dropout=0.0, epochs=24,
                   batch_size=2, lr=3e-3, schedule="cosine", augment=True)
        return replace(demo, **changes)

    def make_view(self) -> View:
        return View(self.view, self.size, self.padding, self.depth, self.height)


class Run:
    """One training run and its folder runs/<name>/: config.json, history.csv, last.pt, best.pt, predictions/."""

    def __init__(self, config: TrainConfig, progress: bool = True):
        self.config, self.progress = config, progress
        self.device, self.half = find_device(), amp_dtype(find_device())
        self.folder = runs_dir() / config.name
        self.labels = LABEL_SETS[config.label_set]
        self._seed(config.seed)
        self.train_set, self.val_set = self._datasets()
        self.model = UNet(3, len(self.labels), config.width, config.depth, config.padding, config.norm, config.dropout)
        self.model.to(self.device, memory_format=torch.channels_last)
        self.fast_model = torch.compile(self.model) if config.compile else self.model  # the same weights
        fused = self.device.type in ("cuda", "cpu")
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=config.lr, fused=fused)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half == torch.float16)
        self.steps = math.ceil(math.ceil(len(self.train_set) / config.batch_size) / config.accumulate)
        self.history: list[dict] = []

    def _seed(self, seed: int) -> None:
        torch.manual_seed(seed)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32 where autocast leaves float32

    def _datasets(self):
        config, view = self.config, self.config.make_view()
        root = check_root(find_root(config.root))
        sets = []
        for split, limit in (("train", config.train_limit), ("val", config.val_limit)):
            index = self.folder / f"{split}.csv"
            write_csv(root, split, index)
            sets.append(CityscapesCsv(index, root, view, self.labels, limit=limit, seed=config.seed))
        train_set, val_set = sets
        train_set.augment = config.augment
        if config.mean is None or config.std is None:
            images = [root / row.image for row in train_set.rows]
            statistics = channel_statistics(images, progress=self.progress)
            self.config = replace(config, mean=statistics.mean, std=statistics.std)
        for dataset in sets:
            dataset.mean, dataset.std = self.config.mean, self.config.std
            if config.cache:
                cropped = view.kind == "crop" and not dataset.augment
                dataset.cache = FrameCache(dataset.rows, root, view, self.labels, cropped, progress=self.progress)
        return train_set, val_set

    # -- the loop ---------------------------------------------------------------------------------------------

    def learning_rate(self, step: int) -> float:
        """The learning rate of an optimizer step, counted from 0 over the whole run."""
        done = step / max(1, self.steps * self.config.epochs)
        factor = {None: 1.0, "cosine": (1 + math.cos(math.pi * done)) / 2, "poly": (1 - done) ** 0.9}
        return self.config.lr * factor[self.config.schedule]

    def loader(self, epoch: int) -> DataLoader:
        """Batches of one epoch in an order that depends on (seed, epoch) alone."""
        self.train_set.epoch = epoch
        order = torch.randperm(len(self.train_set), generator=torch.Generator().manual_seed(
            self.config.seed * 100_003 + epoch)).tolist()
        return DataLoader(self.train_set, self.config.batch_size, sampler=order, num_workers=self.config.workers,
                          pin_memory=self.device.type == "cuda")

    def forward_backward(self, model, images, targets) -> torch.Tensor:
        """One batch: gradients added up, and (loss sum, labelled pixels) returned, both still on the device."""
        images = images.to(self.device, non_blocking=True, memory_format=torch.channels_last)
        targets = targets.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, self.half, enabled=self.half is not None):
            logits = model(images)
        loss, pixels = pixel_loss(logits, targets)
        mean = loss / pixels.clamp(min=1)  # a batch that is all void has loss 0 and changes nothing
        self.scaler.scale(mean / self.config.accumulate).backward()
        return torch.stack([loss.detach(), pixels])

    def train_epoch(self, epoch: int) -> float:
        """One pass over the training set; the average loss of a labelled pixel."""
        self.model.train()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        step = epoch * self.steps
        batches = self.loader(epoch)
        for number, (images, targets) in enumerate(
                progress_bar(batches, f"epoch {epoch + 1}", self.progress, leave=False)):
            if number % self.config.accumulate == 0:
                for group in self.optimizer.param_groups:
                    group["lr"] = self.learning_rate(step)
                self.optimizer.zero_grad(set_to_none=True)
            sums += self.forward_backward(self.fast_model, images, targets)
            last = number + 1 == len(batches)
            if number % 16 == 0 or last:  # reading the number waits for the device, so not every step
                self._check_finite(sums[0], epoch, number)
            if (number + 1) % self.config.accumulate == 0 or last:
                self.scaler.step(self.optimizer)
                self.scaler.update()
                step += 1
        return float(sums[0] / sums[1].clamp(min=1))

    def _check_finite(self, loss_sum: torch.Tensor, epoch: int, number: int) -> None:
        if math.isfinite(float(loss_sum)):
            return
        batches = list(self.loader(epoch).batch_sampler)
        recent = [self.train_set.rows[i].image for batch in batches[max(0, number - 15) : number + 1] for i in batch]
        raise FloatingPointError(
            f"the loss became nan or infinite in epoch {epoch + 1}, among the batches up to {number + 1}, made of\n  "
            + "\n  ".join(recent) + f"\nThe last good checkpoint is {self.folder / 'last.pt'}; try a smaller "
            "learning rate, and look at these files")

    def fit(self) -> list[dict]:
        """Train from wherever the run's folder stands to the last epoch; returns one dict an epoch."""
        start = self.resume()
        for epoch in range(start, self.config.epochs):
            loss = self.train_epoch(epoch)
            scores = evaluate(self.model, self.val_set, self.config.batch_size, self.device)
            row = {"epoch": epoch + 1, "train_loss": loss, "val_loss": scores.loss_per_pixel,
                   "val_mean_iou": scores.mean_iou, "val_pixel_accuracy": scores.pixel_accuracy}
            best = all(row["val_mean_iou"] > old["val_mean_iou"] for old in self.history)
            self.history.append(row)
            self.save(epoch + 1, best)
            if self.progress:
                print(f"epoch {epoch + 1:3d}  train loss {loss:.4f}  val loss {row['val_loss']:.4f}  "
                      f"mIoU {row['val_mean_iou']:.4f}  pixel accuracy {row['val_pixel_accuracy']:.4f}")
        return self.history

    # -- what is kept on disk ---------------------------------------------------------------------------------

    def info(self) -> dict:
        """What a checkpoint says of itself, all plain values."""
        config = {**asdict(self.config), "root": None}
        return {"config": config, "label_set": self.config.label_set, "view": asdict(self.config.make_view()),
                "mean": list(self.config.mean), "std": list(self.config.std), "history": self.history}

    def save(self, epochs_done: int, best: bool) -> None:
        """Write last.pt (and best.pt), history.csv, config.json and the pictures, each whole or not at all."""
        state = {"format": checkpoints.FORMAT, "model": self.model.state_dict(), "arguments": self.model.arguments,
                 "info": self.info(), "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
                 "epochs_done": epochs_done, "random": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        self.save_pictures(epochs_done)
        if best:
            checkpoints.save_model(self.folder / "best.pt", self.model, self.info(), half=False)
        checkpoints.save(self.folder / "last.pt", state)  # last: only now does the epoch count as done
        self.write_records()

    def write_records(self) -> None:
        def write_history(path):
            with open(path, "w", newline="") as file:
                writer = csv.DictWriter(file, self.history[0].keys(), lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.history)

        write_atomically(self.folder / "history.csv", write_history)
        write_atomically(self.folder / "config.json",
                         lambda path: path.write_text(json.dumps(asdict(self.config), indent=1)))

    @torch.no_grad()
    def save_pictures(self, epochs_done: int) -> None:
        """predictions/<frame>_<epoch>.png: frame, truth and prediction side by side, at the size of the label."""
        self.model.eval()
        margin = self.val_set.view.margin
        for index in range(min(self.config.pictures, len(self.val_set))):
            frame, truth = self.val_set.pair(index)
            image, _ = self.val_set[index]
            prediction = self.model(image[None].to(self.device)).argmax(1)[0].byte().cpu().numpy()
            h, w = truth.shape
            panels = [frame[margin : margin + h, margin : margin + w], self.labels.colorize(truth),
                      self.labels.colorize(prediction)]
            row = self.val_set.rows[index]
            name = f"{row.city}_{row.frame}_epoch{epochs_done:03d}.png"
            picture = Image.fromarray(np.concatenate(panels, axis=1))
            write_atomically(self.folder / "predictions" / name, lambda path: picture.save(path, format="png"))  # noqa: B023

    def resume(self) -> int:
        """Take up what last.pt holds; the number of whole epochs done. Refuses a run with another config."""
        path = self.folder / "last.pt"
        if not path.is_file():
            return 0
        state = checkpoints.load(path)
        mine, theirs = self.info()["config"], state["info"]["config"]
        differ = [f"{k}: stored {theirs.get(k)!r}, now {v!r}" for k, v in mine.items()
                  if k not in ("epochs", "workers", "pictures", "cache", "compile") and theirs.get(k) != _plain(v)]
        if differ or (mine["schedule"] and mine["epochs"] != theirs["epochs"]):
            listed = "\n  ".join(differ or [f"epochs: stored {theirs['epochs']}, now {mine['epochs']} with a schedule"])
            raise ValueError(f"{path} is a run with another config:\n  {listed}\nGive this run another name, or "
                             f"remove the folder {self.folder}")
        checkpoints.load_weights(self.model, state["model"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.history = state["info"]["history"]
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and "random_cuda" in state:
            torch.cuda.set_rng_state(state["random_cuda"])
        self.write_records()  # a kill between last.pt and history.csv leaves the latter one epoch behind
        return state["epochs_done"]

    def estimate(self, steps: int = 3) -> float:
        """Seconds that the whole training will take, from a few timed steps on a copy; changes nothing."""
        random, model = torch.get_rng_state(), copy.deepcopy(self.model).train()
        batches, times = iter(self.loader(0)), []
        for images, targets in [next(batches, None) or next(iter(self.loader(0))) for _ in range(steps)]:
            start = time.perf_counter()
            self.forward_backward(model, images, targets).cpu()
            times.append(time.perf_counter() - start)
        torch.set_rng_state(random)
        return min(times) * self.config.epochs * (len(self.loader(0)) + len(self.val_set) / self.config.batch_size / 3)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def train(config: TrainConfig, progress: bool = True) -> list[dict]:
    """Train as `config` says, resuming what its folder holds; returns the history, one dict an epoch."""
    return Run(config, progress).fit()


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.training", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=["demo", "recipe"], help="default: recipe on a GPU, else demo")
    parser.add_argument("--export", metavar="FILE", help="write the final model in half precision to FILE")
    for field in fields(TrainConfig):
        kind = {int: int, float: float, "int | None": int}.get(field.type, str)
        if field.type is bool:
            parser.add_argument(f"--{field.name}", action=argparse.BooleanOptionalAction, default=None)
        elif field.name not in ("mean", "std"):
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=None)
    args = vars(parser.parse_args(arguments))
    preset, export = args.pop("preset"), args.pop("export")
    if preset is None:
        preset = "demo" if find_device().type == "cpu" else "recipe"
        if preset == "demo":
            print("no GPU found: training the thin demo; --preset recipe trains the full one")
    config = getattr(TrainConfig, preset)(**{k: v for k, v in args.items() if v is not None})
    if find_root(config.root) == find_root(None):
        from helpers.sample_city import ensure_root
        ensure_root(config.root)
    run = Run(config)
    print(f"training on {run.device}: {len(run.train_set)} frames, {config.epochs} epochs, about "
          f"{run.estimate() / 60:.0f} minutes on this machine; results in {shown(run.folder)}")
    run.fit()
    if export:
        path = checkpoints.save_model(Path(export), run.model, run.info())
        print(f"exported {shown(path)}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
