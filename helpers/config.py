"""Everything that decides a training run, and the command line that fills it."""

import argparse
import json
import math
from dataclasses import asdict, dataclass, fields, replace

from helpers.device import find_device
from helpers.files import listed, stays_inside
from helpers.labels import LABEL_SETS, LabelSet
from helpers.sizes import outside
from helpers.windows import View

# What may differ between two parts of one run.
MAY_CHANGE = {
    "name", "root", "classes", "init", "workers", "pictures", "cache",
    "compile", "checkpointing", "deterministic",
}  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run.

    The defaults are recipe A: 572x572 center crops, 388x388 labels, no padding, width 64, Adam
    1e-4, 30 epochs, plain cross entropy.
    """

    name: str = "recipe"
    root: str | None = None
    label_set: str = "train19"  # or "all30", "camvid11"
    classes: str | None = None  # the file with classes of one's own, instead of a label set

    # The network: "unet", or "fcn32s", "fcn16s", "fcn8s" (with padding="same" and depth=0)
    model: str = "unet"
    padding: str = "valid"
    norm: str | None = None  # of a U-Net; an FCN always has batch norm
    width: int = 64
    depth: int = 4  # of a U-Net
    hidden: int = 112  # channels of an FCN's two converted layers
    dropout: float = 0.5  # of a U-Net; an FCN has none

    # What it sees: "crop", a window at full resolution, or "frame", the whole frame reduced
    view: str = "crop"
    size: int | None = None  # of the label crop; None: 388 (valid) or 384 (same)
    height: int = 256  # of a whole frame after reduction
    augment: bool = False

    init: str | None = None  # a checkpoint whose weights a new run begins with, where they fit
    epochs: int = 30
    batch_size: int = 4  # of all processes together
    accumulate: int = 1  # batches per step: a small GPU reaches the gradient of a large batch
    learning_rate: float = 1e-4
    schedule: str | None = None  # None, "cosine" or "poly" (power 0.9)
    seed: int = 0

    cache: str | None = "auto"  # on disk, in data/cache; None: none
    train_limit: int | None = None
    val_limit: int | None = None
    workers: int = 0
    mean: tuple[float, ...] | None = None  # None: computed from the training images
    std: tuple[float, ...] | None = None
    compile: bool = False  # torch.compile: slow to start, then faster; needs a C++ compiler
    checkpointing: bool = False  # less memory, a third more time (helpers.device)
    deterministic: bool = False  # on CUDA: slower, and the same bits every time
    pictures: int = 3  # validation frames whose prediction is saved every epoch

    def __post_init__(self):
        """Raises ValueError with everything that makes no sense, before any data are touched."""
        # All problems at once: nobody wants to mend them one run at a time.
        given = vars(self)
        counts = ("width", "hidden", "height", "size", "epochs", "batch_size", "accumulate")
        counts += ("train_limit", "val_limit")
        problems = outside(1, 1e9, **{name: given[name] for name in counts})
        # Twice the channels, and sizes that are a multiple of twice as much, with every level.
        problems += outside(0, 9, depth=self.depth)
        problems += outside(0, 1e9, seed=self.seed, workers=self.workers, pictures=self.pictures)
        problems += outside(0, math.inf, learning_rate=self.learning_rate)
        problems += outside(0, 1, dropout=self.dropout)
        for name, choices in self.choices().items():
            if given[name] not in choices:
                words = ", ".join(str(choice).lower() for choice in choices)
                problems.append(f"{name} must be one of {words}, found {given[name]!r}")
        if (self.mean is None) != (self.std is None):
            problems.append("mean and std must be given together")
        elif self.std is not None and not all(0 < value < math.inf for value in self.std):
            problems.append(f"std must be above 0 in every channel, found {self.std}")
        if self.model.startswith("fcn") and self.padding != "same":
            problems.append(f"padding must be same for {self.model}, found {self.padding!r}")
        if self.checkpointing and (self.model != "unet" or self.norm is not None):
            problems.append(
                "checkpointing is for a U-Net without batch norm, which would run twice"
            )
        if not stays_inside(self.name):
            problems.append(f"name must lead to a folder inside runs/, found {self.name!r}")
        if problems:
            raise ValueError("this is no training:" + listed(problems))
        self.make_view()  # raises ValueError for a crop that the network cannot give

    def choices(self) -> dict[str, tuple]:
        """The words that a setting may be; a config with more words of its own adds them."""
        return {
            "model": ("unet", "fcn32s", "fcn16s", "fcn8s"),
            "padding": ("valid", "same"),
            "norm": (None, "batch"),
            "label_set": tuple(LABEL_SETS),
            "view": ("crop", "frame"),
            "schedule": (None, "cosine", "poly"),
            "cache": (None, "auto"),
        }

    @classmethod
    def demo(cls, **changes) -> "TrainConfig":
        """Whole frames at quarter scale and a thin padded network: what a CPU trains in minutes."""
        demo = cls(
            name="demo",
            view="frame",
            padding="same",
            norm="batch",
            width=8,
            dropout=0.0,
            epochs=24,
            batch_size=2,
            learning_rate=3e-3,
            schedule="cosine",
            augment=True,
        )
        return replace(demo, **changes)

    def learning_rate_at(self, done: float) -> float:
        """The learning rate when a share `done`, 0 to 1, of the training is behind."""
        if self.schedule == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * done)) / 2
        if self.schedule == "poly":
            return self.learning_rate * (1 - done) ** 0.9
        return self.learning_rate

    def make_view(self) -> View:
        """The view of the frames that this config trains on."""
        return View(self.view, self.size, self.padding, self.depth, self.height)


def check_same_config(config: TrainConfig, stored: dict, folder) -> None:
    """Raises ValueError if the run in `folder` began with other settings than `config`."""
    may_change = set(MAY_CHANGE)
    if config.schedule is None:
        may_change.add("epochs")  # without a schedule, more epochs just go on
    if config.mean is None:
        may_change |= {"mean", "std"}  # not computed yet
    settings = {name: value for name, value in asdict(config).items() if name not in may_change}
    check_same(folder, settings, stored)


def check_same_classes(folder, label_set: LabelSet, stored: dict) -> None:
    """Raises ValueError if the run in `folder` began with other classes; the path of their file and
    their colors may change.
    """
    here = label_set.as_dict()
    del here["colors"]
    check_same(folder, here, stored)


def check_same(folder, here: dict, stored: dict) -> None:
    """Raises ValueError that names what differs between a run in `folder` and the one begun now."""
    # By way of JSON, so that tuples become lists, as in the file.
    here = json.loads(json.dumps(here))
    stored = json.loads(json.dumps(stored))
    differences = []
    for name in here.keys() & stored.keys():
        if here[name] != stored[name]:
            differences.append(f"{name} was {stored[name]!r} and is {here[name]!r}")
    if differences:
        raise ValueError(
            f"{folder} holds a run with another config: {', '.join(sorted(differences))}. Give "
            "this run another name, or remove the folder (more epochs go on if the schedule is "
            "none: any other ends with its last epoch, and a run of another name goes on from its "
            f"weights with --init {folder}/last.pt)"
        )


def parse(arguments=None) -> TrainConfig:
    """The config that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers.training",
        argument_default=argparse.SUPPRESS,
        description="Train a U-Net or an FCN; started again, it resumes where it was interrupted.",
    )
    parser.add_argument(
        "--preset",
        choices=["demo", "recipe"],
        help="demo: whole frames at quarter scale, width 8; recipe: the full one. The options "
        "below change single values. Default: recipe on a GPU, else demo",
    )
    # One option per field of TrainConfig; mean and std come from the data.
    types = {int: int, int | None: int, float: float, str: str}
    for field in fields(TrainConfig):
        option = "--" + field.name.replace("_", "-")
        if field.type is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction)
        elif field.name not in ("mean", "std"):
            kind = types.get(field.type, text_or_none)
            parser.add_argument(option, type=kind, help=f"in the recipe: {field.default}")
    # Only what was typed is in here; everything else comes from the preset.
    given = vars(parser.parse_args(arguments))
    preset = given.pop("preset", None)
    # The full recipe takes days on a CPU.
    if preset is None:
        preset = "demo" if find_device().type == "cpu" else "recipe"
        if preset == "demo":
            print("no GPU found: training the thin demo; --preset recipe trains the full one")
    return TrainConfig.demo(**given) if preset == "demo" else TrainConfig(**given)


def text_or_none(value: str) -> str | None:
    """A word of the command line; "none" stands for None."""
    return None if value == "none" else value
