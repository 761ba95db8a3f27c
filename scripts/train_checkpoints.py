"""Train the networks that the chapters show, all from the sample city at quarter scale.

    python -m scripts.train_checkpoints unet       # also fcn32s, fcn16s, fcn8s, window, unet_photo,
                                                   # unet_valid; each takes up where it stopped

Writes data/checkpoints/NAME.pt, in half precision, and NAME.json: how it was made, its curve, hash.

U-Net and the three FCNs are trained alike: the same frames in the same order, the same flips,
steps, batch, optimizer and schedule, and the loss on the same pixels: every fourth in rows and in
columns, in each step another of the 16 grids. Learning rate and checkpoint are chosen on 20
further frames of the train cities ("dev"), never on val.
"""

import sys
import time
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from extras.experiments.trials import small_city
from extras.training_tools.muon import Muon
from helpers import command
from helpers.checkpoints import file_hash, load_model, save_model
from helpers.config import TrainConfig
from helpers.csv_index import Row
from helpers.dataset import CityscapesDataset, normalize
from helpers.fcn import ThinFCN, WindowClassifier
from helpers.files import write_json
from helpers.frame_cache import FrameCache
from helpers.labels import TRAIN_19
from helpers.normalization import channel_statistics
from helpers.paths import ROOT, data_dir
from helpers.recipes import make_model
from helpers.training import Run
from sample_city import VERSION
from sample_city.write import build, frame_plan
from scripts.photometric import distort
from scripts.processors import abilities

CHECKPOINTS = ROOT / "data" / "checkpoints"
SEED = 1  # of the city
TRAIN = range(320)
DEV = range(320, 340)  # frames of the train cities that no network is trained on
WARMUP = 30  # steps
GRID = 4  # the loss is taken on every fourth pixel
RATES = (0.01, 0.02, 0.04)
SHORT = 2  # epochs of the runs that choose the rate

# What all of them share: whole frames of 256x512, 320 of them, two a step, 4,000 steps.
ALIKE = TrainConfig(
    view="frame",
    padding="same",
    norm="batch",
    width=12,
    dropout=0.0,
    augment=True,
    epochs=25,
    batch_size=2,
    schedule="cosine",
    pictures=0,
)
CONFIGS = {
    "unet": replace(ALIKE, name="unet"),
    "fcn32s": replace(ALIKE, name="fcn32s", model="fcn32s", depth=0),
    "fcn16s": replace(ALIKE, name="fcn16s", model="fcn16s", depth=0),
    "fcn8s": replace(ALIKE, name="fcn8s", model="fcn8s", depth=0),
    # On from the weights of unet.pt, every image in other colors each time
    "unet_photo": replace(ALIKE, name="unet_photo", epochs=7, learning_rate=0.02),
    # The geometry of recipe A, thin: center crops of 572x572 at full resolution, no padding, no
    # augmentation. With Adam at 1e-4 and no batch norm it would hardly begin in so few steps.
    "unet_valid": TrainConfig(
        name="unet_valid",
        norm="batch",
        width=12,
        dropout=0.0,
        epochs=10,
        batch_size=2,
        learning_rate=0.02,
        schedule="cosine",
        pictures=0,
    ),
}
PAIR = ("unet", "fcn32s", "fcn16s", "fcn8s")


def city_at(scale: int):
    """The root of the sample city with 340 train and 20 val frames, reduced by `scale`."""
    frames = {"train": len(TRAIN) + len(DEV), "val": 20}
    if scale == 1:
        return build(data_dir() / "city340", **frames, test=0, seed=SEED)
    return small_city(data_dir() / "quarter_city", **frames, factor=scale, seed=SEED)


def plan_rows(indices) -> list[Row]:
    """The rows of these train frames of the city's plan, in the order of the plan."""
    rows = []
    for index in indices:
        city, stem, _, _ = frame_plan("train", index, SEED)
        image = f"leftImg8bit/train/{city}/{stem}_leftImg8bit.png"
        label = f"gtFine/train/{city}/{stem}_gtFine_labelIds.png"
        rows.append(Row(image, label, city, stem.removeprefix(city + "_")))
    return rows


class Photographed(CityscapesDataset):
    """The same pairs, each image as another camera might have taken it."""

    def __getitem__(self, index: int):
        image, target = self.pair(index)
        torch.manual_seed((self.seed * 1000 + self.epoch) * 100_000 + index)
        image = distort(image)
        return normalize(image, self.mean, self.std), torch.from_numpy(target.astype(np.int64))


def make_datasets(config: TrainConfig):
    """The config with mean and std of the 320 train frames, the train set and the dev set."""
    root = city_at(1 if config.view == "crop" else 4)
    train_rows = plan_rows(TRAIN)
    statistics = channel_statistics([root / row.image for row in train_rows])
    config = replace(config, mean=statistics.mean, std=statistics.std)

    datasets = []
    for rows, augment in ((train_rows, config.augment), (plan_rows(DEV), False)):
        view = config.make_view()
        cache = FrameCache(rows, root, view, cropped=view.kind == "crop")
        photographed = augment and "unet_photo" in config.name
        kind = Photographed if photographed else CityscapesDataset
        datasets.append(
            kind(rows, root, view, TRAIN_19, config.mean, config.std, augment, config.seed, cache)
        )
    return config, *datasets


def sample(scores: torch.Tensor, size, rows: torch.Tensor, columns: torch.Tensor):
    """What `enlarge(scores, size)` has at these rows and columns: [N, C, rows, columns]."""
    y = (rows + 0.5) * 2 / size[0] - 1
    x = (columns + 0.5) * 2 / size[1] - 1
    y, x = torch.meshgrid(y, x, indexing="ij")
    places = torch.stack([x, y], dim=-1).expand(len(scores), -1, -1, -1)
    return F.grid_sample(scores.float(), places, padding_mode="border", align_corners=False)


def grid_logits(model: torch.nn.Module, images: torch.Tensor, row: int, column: int):
    """The logits of every GRID-th pixel, from (row, column) on. FCN's are interpolated there only:
    at every pixel that costs as much as the network.
    """
    if not isinstance(model, ThinFCN):
        return model(images)[:, :, row::GRID, column::GRID]
    height, width = images.shape[-2:]
    rows = torch.arange(row, height, GRID)
    columns = torch.arange(column, width, GRID)
    return sample(model.scores(images), (height, width), rows, columns)


def precision() -> torch.dtype | None:
    """bfloat16 where the processor has instructions for it; elsewhere it is ten times as slow as
    float32, which is None here as in Run.amp_dtype.
    """
    known = abilities() & {"avx512_bf16", "amx_bf16"}
    return torch.bfloat16 if known else None


class CheckpointRun(Run):
    """A run with a warm-up and a loss on one of 16 grids of pixels, in bfloat16 on processors that
    compute with it; its history counts steps and time.
    """

    def __init__(self, config: TrainConfig, model, train_set, dev_set, optimizer):
        super().__init__(config, model, train_set, dev_set, optimizer)
        self.amp_dtype = precision()
        self.layout = torch.channels_last
        self.model.to(memory_format=torch.channels_last)
        self.started = time.process_time()

    def learning_rate(self, step: int) -> float:
        return super().learning_rate(step) * min(1.0, (step + 1) / WARMUP)

    def step(self, number: int, batches: list) -> list[torch.Tensor]:
        row = number % GRID
        column = number // GRID % GRID
        self.fast_model = partial(grid_logits, self.model, row=row, column=column)
        on_grid = [(images, targets[:, row::GRID, column::GRID]) for images, targets in batches]
        return super().step(number, on_grid)

    def save(self) -> None:
        now = time.process_time()
        self.history[-1]["steps"] = len(self.history) * self.steps_per_epoch
        self.history[-1]["seconds"] = round(now - self.started, 1)
        self.started = now
        super().save()


def run_of(config: TrainConfig) -> CheckpointRun:
    """The run of a config, not begun."""
    config, train_set, dev_set = make_datasets(config)
    model = make_model(config, len(TRAIN_19))
    if "unet_photo" in config.name:
        model, _ = load_model(CHECKPOINTS / "unet.pt")
    return CheckpointRun(config, model, train_set, dev_set, Muon(model, config.learning_rate))


def choose_rate(name: str) -> dict[float, float]:
    """The dev mIoU that short runs reach with each learning rate."""
    reached = {}
    for rate in RATES:
        config = replace(
            CONFIGS[name], name=f"choose/{name}_{rate}", learning_rate=rate, epochs=SHORT
        )
        reached[rate] = run_of(config).fit()[-1]["val_mean_iou"]
        print(f"{name}, rate {rate}: dev mIoU {reached[rate]:.3f}", flush=True)
    return reached


def on_dev(history: list[dict]) -> list[dict]:
    """The history with the names of what was measured: a Run calls its second data set val."""
    return [{name.replace("val_", "dev_"): value for name, value in row.items()} for row in history]


def record(name: str, info: dict, model: torch.nn.Module, seconds: float, more: dict) -> None:
    """Write NAME.pt and NAME.json."""
    path = CHECKPOINTS / f"{name}.pt"
    path.with_suffix(".json").unlink(missing_ok=True)  # it describes the file that stood here
    save_model(path, model, info)
    entry = {
        "file": path.name,
        "sha256": file_hash(path),
        "command": f"python -m scripts.train_checkpoints {name}",
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": f"sample city version {VERSION}, seed {SEED}: train frames 0 to 319; rate and "
        "checkpoint chosen on train frames 320 to 339 (dev)",
        "hours": round(seconds / 3600, 2),
        "hardware": f"one thread of a processor, {str(precision() or torch.float32)[6:]}",
        "torch": torch.__version__,
        **more,
        "config": info["config"],
        "history": info["history"],
    }
    write_json(path.with_suffix(".json"), entry)
    print(f"{path.name}: {path.stat().st_size} bytes")


def train_network(name: str) -> None:
    """Choose the rate, train, and export the epoch that was best on dev."""
    config = CONFIGS[name]
    rates = {}
    if name in PAIR:
        rates = choose_rate(name)
        config = replace(config, learning_rate=max(rates, key=rates.get))
    run = run_of(replace(config, name=f"shipped/{name}"))
    history = run.fit()

    best = max(history, key=lambda row: row["val_mean_iou"])
    model, _ = load_model(run.folder / "best.pt")
    info = run.info()
    info["config"]["name"] = name
    info["history"] = on_dev(history)
    more = {
        "starts_from": "unet.pt" if name == "unet_photo" else None,
        "seed": config.seed,
        "optimizer": type(run.optimizer).__name__,
        "warmup_steps": WARMUP,
        "loss_on_every": GRID,
        "dev_mean_iou_of_rates": rates,
        "epoch": best["epoch"],
    }
    record(name, info, model, sum(row["seconds"] for row in history), more)


# The classifier that chapter 01 slides over the street.


def cut_windows(dataset: CityscapesDataset, each: int, seed: int):
    """Windows float32 [n, 3, 32, 32] and the classes of their central pixels, int64 [n].

    `each` windows of every class, no more than 50 of a class from one frame; fewer where a class
    has too few pixels.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(things: torch.Tensor, number: int) -> torch.Tensor:
        return things[torch.randperm(len(things), generator=generator)[:number]]

    found = {train_id: [] for train_id in range(len(TRAIN_19))}
    for index in range(len(dataset)):
        image, target = dataset[index]
        # Row and column 16 of 32 are the center; no window leaves its frame.
        centers = target[16:-15, 16:-15]
        for train_id in found:
            for row, column in draw((centers == train_id).nonzero(), 50).tolist():
                found[train_id].append(image[:, row : row + 32, column : column + 32].clone())

    windows, classes = [], []
    for train_id, own in found.items():
        chosen = draw(torch.arange(len(own)), each)
        windows += [own[number] for number in chosen.tolist()]
        classes += [train_id] * len(chosen)
    return torch.stack(windows), torch.tensor(classes)


def train_window(
    each: int = 1000, epochs: int = 12, batch_size: int = 128, learning_rate: float = 2e-3
) -> None:
    """Train the classifier of windows on as many windows of each class."""
    started = time.process_time()
    config, train_set, dev_set = make_datasets(replace(ALIKE, name="window", augment=False))
    windows, classes = cut_windows(train_set, each, seed=0)
    dev_windows, dev_classes = cut_windows(dev_set, 200, seed=0)

    torch.manual_seed(0)
    model = WindowClassifier(len(TRAIN_19))
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    steps = epochs * (len(windows) // batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    history = []
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(windows))[: len(windows) // batch_size * batch_size]
        losses = []
        for chosen in order.split(batch_size):
            batch = windows[chosen]
            if torch.rand(()) < 0.5:
                batch = batch.flip(-1)
            loss = F.cross_entropy(model(batch), classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            right = (model(dev_windows).argmax(1) == dev_classes).float().mean()
        history.append(
            {
                "epoch": epoch + 1,
                "train_loss": float(np.mean(losses)),
                "dev_accuracy": float(right),
            }
        )
        print(f"epoch {epoch + 1}: dev accuracy {float(right):.3f}", flush=True)

    info = {
        "config": {**asdict(config), "root": None, "model": "window"},
        "label_set": TRAIN_19.as_dict(),
        "view": asdict(train_set.view),
        "mean": list(config.mean),
        "std": list(config.std),
        "history": history,
    }
    more = {
        "seed": 0,
        "windows": len(windows),
        "windows_of_each_class": each,
        "optimizer": "Adam",
        "window_learning_rate": learning_rate,
        "window_batch_size": batch_size,
        "epoch": epochs,
    }
    record("window", info, model, time.process_time() - started, more)


def main() -> None:
    names = sys.argv[1:]
    known = [*CONFIGS, "window"]
    if not names or not set(names) <= set(known):
        sys.exit(f"usage: python -m scripts.train_checkpoints NAME ...; NAME is one of {known}")
    torch.set_num_threads(1)
    for name in names:
        if name == "window":
            train_window()
        else:
            train_network(name)


if __name__ == "__main__":
    command.run(main)
