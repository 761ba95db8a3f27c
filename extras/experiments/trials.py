"""Experiments beyond the baseline: training runs with one thing changed, all scored alike (chapter
12).

A `Trial` is a TrainConfig plus what only experiments need: losses, optimizers, a running average of
the weights, scale and color, a U-Net without skips.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from extras.training_tools.augment import distort, random_crop, random_scale
from extras.training_tools.muon import Muon
from helpers.config import TrainConfig
from helpers.dataset import normalize
from helpers.evaluate import pixel_loss
from helpers.files import read_json, write_image, write_text
from helpers.images import open_image, open_label
from helpers.labels import IGNORE
from helpers.progress import progress_bar
from helpers.recipes import make_datasets, make_model
from helpers.training import Run
from helpers.unet import UNet, double_conv, he_init
from helpers.windows import reduce_image, reduce_label
from sample_city.write import VERSION, frame_plan, write_frame


@dataclass(frozen=True)
class Trial(TrainConfig):
    """One experiment. Defaults leave everything as in TrainConfig."""

    optimizer: str = "adam"  # or, with weight decay 0.01, "adamw" or "muon"
    warmup: int = 0  # optimizer steps over which the learning rate rises
    color: bool = False  # brightness, contrast, saturation, hue
    scale: tuple[float, float] | None = None  # random scale, cut back to the frame's size
    # "weighted": cross entropy with class weights; "dice": cross entropy plus Dice
    loss: str = "ce"
    ema: float = 0.0  # decay of the running average of the weights, TrialRun.average
    skips: bool = True  # of a U-Net

    def choices(self) -> dict[str, tuple]:
        return {
            **super().choices(),
            "optimizer": ("adam", "adamw", "muon"),
            "loss": ("ce", "weighted", "dice"),
        }


class UNetWithoutSkips(UNet):
    """A U-Net whose expanding path sees nothing but the bottleneck; for an ablation.

    The first convolution of each merge has half as many channels to read.
    """

    def __init__(self, **arguments):
        super().__init__(**arguments)
        norm = self.arguments["norm"]
        self.merge = nn.ModuleList()
        for up in self.up:
            channels = up.out_channels
            self.merge.append(double_conv(channels, channels, self.padding, norm))
        self.merge.apply(he_init)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for level, block in enumerate(self.down):
            if level > 0:
                x = self.pool(x)
            x = block(x)
            if level >= self.depth - 1:
                x = self.dropout(x)
        for up, merge in zip(self.up, self.merge):
            x = merge(up(x))
        return self.head(x)


class Augmented:
    """`base` with random scale and color; what happens depends on (seed, epoch, index) alone."""

    def __init__(self, base, trial: Trial):
        self.base = base
        self.trial = trial
        self.rows = base.rows
        self.label_set = base.label_set
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, index: int):
        self.base.epoch = self.epoch
        image, target = self.base.pair(index)
        rng = np.random.default_rng([self.trial.seed, self.epoch, index, 1])
        if self.trial.scale:
            shape = target.shape
            image, target = random_scale(image, target, rng, self.trial.scale)
            image, target = random_crop(image, target, rng, shape)
        if self.trial.color:
            image = distort(image, rng)
        image = normalize(image, self.base.mean, self.base.std)
        return image, torch.from_numpy(target.astype(np.int64))


def class_weights(dataset) -> torch.Tensor:
    """1 / ln(1.02 + share of the class), scaled so that the mean over labeled pixels is 1 (the ENet
    paper's rule).
    """
    counts = np.zeros(256, np.int64)
    for index in range(len(dataset)):
        counts += np.bincount(dataset.pair(index)[1].ravel(), minlength=256)
    share = counts[: len(dataset.label_set)] / counts[: len(dataset.label_set)].sum()
    weights = 1 / np.log(1.02 + share)
    return torch.tensor(weights / (weights * share).sum(), dtype=torch.float32)


def dice_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """1 minus the mean Dice coefficient of the classes in the batch, from probabilities; ignored
    pixels left out.
    """
    valid = target != IGNORE
    truth = F.one_hot(torch.where(valid, target, 0), logits.shape[1])
    truth = truth.permute(0, 3, 1, 2) * valid[:, None]
    guess = logits.softmax(1) * valid[:, None]
    overlap = (truth * guess).sum((0, 2, 3))
    size = (truth + guess).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    if not present.any():
        return logits.sum() * 0
    return 1 - (2 * overlap[present] / size[present]).mean()


def trial_model(trial: Trial, num_classes: int) -> nn.Module:
    """The network of a trial, with weights drawn from its seed."""
    model = make_model(trial, num_classes)
    if trial.skips:
        return model
    torch.manual_seed(trial.seed)
    return UNetWithoutSkips(**model.arguments)


def trial_optimizer(trial: Trial, model: nn.Module) -> torch.optim.Optimizer:
    if trial.optimizer == "muon":
        return Muon(model, trial.learning_rate)
    if trial.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=trial.learning_rate, weight_decay=0.01)
    return torch.optim.Adam(model.parameters(), lr=trial.learning_rate)


class WeightedLoss:
    """Cross entropy with class weights, summed over the labeled pixels, and their number."""

    def __init__(self, weights: torch.Tensor):
        self.weights = weights

    def __call__(self, logits, target):
        weights = self.weights.to(logits.device)
        total = F.cross_entropy(
            logits.float(), target, weights, ignore_index=IGNORE, reduction="sum"
        )
        return total, (target != IGNORE).sum()


def cross_entropy_and_dice(logits, target):
    total, pixels = pixel_loss(logits, target)
    return total + pixels * dice_loss(logits.float(), target), pixels


def make_trial(trial: Trial) -> "TrialRun":
    """The run of one trial: data, network, loss and optimizer as it says."""
    trial, train_set, val_set = make_datasets(trial, progress=False)
    model = trial_model(trial, len(val_set.label_set))
    if trial.loss == "weighted":
        loss = WeightedLoss(class_weights(train_set))
    else:
        loss = {"ce": pixel_loss, "dice": cross_entropy_and_dice}[trial.loss]
    if trial.color or trial.scale:
        train_set = Augmented(train_set, trial)
    return TrialRun(
        trial, model, train_set, val_set, trial_optimizer(trial, model), loss, progress=False
    )


class TrialRun(Run):
    """A training run of one trial; writes no checkpoint, history or picture."""

    def __init__(self, trial: Trial, *arguments, **options):
        super().__init__(trial, *arguments, **options)
        self.average = None
        if trial.ema:
            self.average = AveragedModel(
                self.model, multi_avg_fn=get_ema_multi_avg_fn(trial.ema), use_buffers=True
            )

    def learning_rate(self, step: int) -> float:
        return super().learning_rate(step) * min(1.0, (step + 1) / max(1, self.config.warmup))

    def step(self, number, batches):
        losses = super().step(number, batches)
        if self.average is not None:
            self.average.update_parameters(self.model)
        return losses

    def fit(self, watch=None) -> list[dict]:
        for epoch in range(self.config.epochs):
            self.history.append({"epoch": epoch + 1, "train_loss": self.train_epoch(epoch)})
            if watch is not None:
                watch(self.history)
        return self.history


def small_city(root, train: int = 128, val: int = 20, factor: int = 8, seed: int = 1) -> Path:
    """The first frames of the sample city with frames and labels reduced by `factor`, so that
    trials are cheap.

    One frame at a time is drawn at full size and removed again; frames that are there are kept.
    Labels take one pixel of each block, never a mixture. Raises ValueError if `root` holds frames
    of another plan.
    """
    root, marker = Path(root), Path(root) / "small_city.json"
    plan = {"version": VERSION, "seed": seed, "factor": factor}
    if marker.is_file() and read_json(marker) != plan:
        raise ValueError(
            f"{root} holds a city made with {marker.read_text()}, wanted {json.dumps(plan)}; "
            "choose another folder or remove this one"
        )
    write_text(marker, json.dumps(plan))
    for split, count in (("train", train), ("val", val)):
        for index in progress_bar(range(count), f"small city, {split}"):
            city, stem, _, _ = frame_plan(split, index, seed)
            # The image last: then the frame is complete.
            names = [
                f"gtFine/{split}/{city}/{stem}_gtFine_labelIds.png",
                f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png",
            ]
            with suppress(OSError, ValueError):  # not there, or damaged: it is made
                open_label(root / names[0])
                open_image(root / names[1])
                continue
            with TemporaryDirectory() as folder:
                write_frame(folder, split, index, seed)
                for name, read, reduce in zip(
                    names, (open_label, open_image), (reduce_label, reduce_image)
                ):
                    write_image(root / name, reduce(read(Path(folder) / name), factor))
    return root


def plain(trial: Trial) -> dict:
    """What of a trial differs from TrainConfig's defaults, for the result file."""
    defaults = asdict(Trial())
    return {
        name: value
        for name, value in asdict(trial).items()
        if value != defaults[name] and name not in ("name", "root", "seed")
    }
