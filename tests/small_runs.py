"""For the tests of training: a tiny data set in Cityscapes' layout, and what the processes that
they start run.
"""

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers.config import TrainConfig
from helpers.paths import ROOT
from helpers.training import make_run


def small_root(root: Path, train: int = 10, val: int = 3, shape=(64, 96)) -> Path:
    """Frames whose brightness follows their label, so that there is something to learn; void is
    spread unevenly.
    """
    random = np.random.default_rng(5)
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            name = f"{split}ville/{split}ville_000000_{number:06d}"
            ids = np.array([7, 11, 21, 23, 26, 0])[
                random.integers(0, 6, (shape[0] // 16, shape[1] // 16))
            ]
            label = ids.repeat(16, 0).repeat(16, 1).astype(np.uint8)
            label[: 6 * (number % 8)] = 0
            noise = random.integers(0, 40, (*shape, 3))
            for folder, end, array in (
                ("leftImg8bit", "leftImg8bit", (label[..., None] * 7 + noise).astype(np.uint8)),
                ("gtFine", "gtFine_labelIds", label),
            ):
                path = root / folder / split / f"{name}_{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


def small_config(root, **changes) -> TrainConfig:
    """Everything that draws random numbers is on: random crops, flips, dropout; and batches are
    accumulated.
    """
    config = TrainConfig(
        name="small",
        root=str(root),
        view="crop",
        size=32,
        padding="same",
        norm="batch",
        width=4,
        depth=2,
        dropout=0.5,
        epochs=12,
        batch_size=2,
        accumulate=2,
        learning_rate=3e-3,
        schedule="cosine",
        augment=True,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        pictures=1,
    )
    return replace(config, **changes)


def processes():
    """A multiprocessing context whose children start quickly: torch is imported once (not on
    Windows).
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    os.environ["PYTHONPATH"] = str(ROOT)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["helpers.training", "torch._dynamo"]
    )  # the optimizer imports the second
    return context


def fit(config: TrainConfig, folder: Path, save=None) -> None:
    """Train in `folder`; the epoch at which this process takes up the run is added to started.txt."""
    torch.set_num_threads(1)
    os.environ.update(
        COURSE_RUNS=str(folder), COURSE_CACHE=str(folder / "cache"), COURSE_DEVICE="cpu"
    )
    if save is not None:
        torch.save = save
    run = make_run(config, progress=False)
    with open(folder / "started.txt", "a") as file:
        file.write(f"{run.resume()}\n")
    run.fit()


def shared(rank: int, world: int, port: int, folder: Path, work, *arguments) -> None:
    """Run `work(*arguments)` as one of `world` processes joined by gloo; what it returns goes to
    <rank>.pt.
    """
    torch.set_num_threads(1)
    os.environ.update(
        COURSE_RUNS=str(folder),
        COURSE_CACHE=str(folder / "cache"),
        COURSE_DEVICE="cpu",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        RANK=str(rank),
        WORLD_SIZE=str(world),
    )
    torch.distributed.init_process_group("gloo")
    torch.save(work(*arguments), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def save_half(state, path) -> None:
    """In place of torch.save, from the third epoch on: half of the file, a sign to the test, and
    then it hangs.
    """
    if "optimizer" not in state or state["epochs_done"] < 3:
        whole_save(state, path)
        return
    whole_save(state, path)
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    Path(path).with_name("saving").touch()
    time.sleep(600)


whole_save = torch.save

if __name__ == "__main__":  # what torchrun starts: the test wants to know whom to kill
    from extras.training_tools.distributed import main

    Path(os.environ["PIDS"], f"pid{os.environ['RANK']}").write_text(str(os.getpid()))
    main()
