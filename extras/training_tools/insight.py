"""Looking into a training: how long it will take, where the time goes, which learning rate suits
(chapter 07).
"""

import copy
import io
import math
import time
from itertools import cycle, islice

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from helpers.training import Run


def curve(history: list[dict], axes) -> None:
    """Training and validation loss and mIoU of a history, on a pair of matplotlib axes."""
    epochs = [row["epoch"] for row in history]
    for axis, names in zip(
        axes, (("train_loss", "val_loss"), ("val_mean_iou", "val_pixel_accuracy"))
    ):
        for name in names:
            axis.plot(
                epochs, [row[name] for row in history], marker="o", label=name.replace("_", " ")
            )
        axis.set_xlabel("epoch")
        axis.legend()
    axes[0].set_yscale("log")
    for which in (axes[0].yaxis.set_major_formatter, axes[0].yaxis.set_minor_formatter):
        which(ScalarFormatter())  # 0.6 and not 6 x 10^-1
    axes[1].set_ylim(0, 1)


class LiveCurve(widgets.Image):
    """A picture of the history that is redrawn after every epoch: `train(config,
    watch=curve.update)`.
    """

    def __init__(self):
        super().__init__(value=b"", format="png")
        self.update([])

    def update(self, history: list[dict]) -> None:
        figure, file = Figure((10, 3), layout="constrained"), io.BytesIO()
        curve(history, figure.subplots(1, 2))
        figure.savefig(file, format="png")
        self.value = file.getvalue()

    def __repr__(self) -> str:
        return "LiveCurve()"


def scratch(run: Run) -> Run:
    """A copy of `run` with weights and optimizer of its own, to try steps on; `run` itself stays as
    it is.
    """
    trial = copy.copy(run)
    trial.model = trial.fast_model = copy.deepcopy(run.model).train()
    trial.optimizer = torch.optim.Adam(
        trial.model.parameters(), lr=run.config.learning_rate, fused=run.device.type != "mps"
    )
    trial.scaler = copy.deepcopy(run.scaler)
    return trial


def clock(device: torch.device) -> float:
    """The time now, in seconds, after the device has finished what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def estimate(run: Run, steps: int = 3) -> float:
    """Seconds that the whole training will take, from a few timed steps on a copy; changes nothing.

    Validation counts as a third of a step a batch: forward without backward. Compiling is not
    foreseen.
    """
    random, trial = torch.get_rng_state(), scratch(run)
    loader, times = trial.loader(0), []
    batches = list(islice(loader, 1)) * trial.config.accumulate
    for _ in range(steps + 1):  # the first step warms up
        start = clock(run.device)
        trial.step(0, batches)
        times.append(clock(run.device) - start)
    torch.set_rng_state(random)
    validation = len(run.val_set) / run.config.batch_size / 3
    return (
        min(times[1:])
        * run.config.epochs
        * (run.steps_per_epoch + validation / run.config.accumulate)
    )


def where_time_goes(run: Run, steps: int = 4) -> dict[str, float]:
    """Seconds a step for "data", "forward", "backward" and "optimizer": medians over `steps`, on a
    copy of the run.

    Every part is waited for, so on a GPU the sum is larger than a step of the training, where parts
    overlap.
    """
    random, trial, rows = torch.get_rng_state(), scratch(run), []
    batches = cycle(trial.loader(0))
    for _ in range(steps + 1):
        times = [clock(run.device)]
        images, targets = next(batches)
        images = images.to(run.device, memory_format=run.layout)
        targets = targets.to(run.device)
        times.append(clock(run.device))
        with torch.autocast(run.device.type, run.amp_dtype, enabled=run.amp_dtype is not None):
            logits = trial.fast_model(images)
        loss, pixels = run.loss(logits, targets)
        times.append(clock(run.device))
        trial.optimizer.zero_grad(set_to_none=True)
        trial.scaler.scale(loss / pixels.clamp(min=1)).backward()
        times.append(clock(run.device))
        trial.scaler.step(trial.optimizer)
        trial.scaler.update()
        times.append(clock(run.device))
        rows.append([after - before for before, after in zip(times, times[1:])])
    torch.set_rng_state(random)
    medians = torch.tensor(rows[1:], dtype=torch.float64).median(0).values.tolist()
    return dict(zip(("data", "forward", "backward", "optimizer"), medians))


def find_learning_rate(
    run: Run, low: float = 1e-5, high: float = 1.0, steps: int = 40
) -> tuple[list, list]:
    """(learning rates, losses) of a trial whose rate grows geometrically from `low` to `high`
    (Smith 2017, Sec. 3.3).

    Runs on a copy. Stops early where the loss is not finite or four times the smallest. Choose a
    rate about a tenth of the one at which the loss is lowest: there the curve still falls.
    """
    random, trial, rates, losses = torch.get_rng_state(), scratch(run), [], []
    batches = cycle(trial.loader(0))
    for step in range(steps):
        rate = low * (high / low) ** (step / max(1, steps - 1))
        trial.learning_rate = lambda number, rate=rate: rate
        (values,) = trial.step(step, [next(batches)])
        if values[1] == 0:  # a batch without a labeled pixel tells nothing
            continue
        loss = float(values[0] / values[1])
        if not math.isfinite(loss) or losses and loss > 4 * min(losses):
            break
        rates.append(rate)
        losses.append(loss)
    torch.set_rng_state(random)
    return rates, losses
