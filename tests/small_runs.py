"""Short trainings: their config, and what the processes that some tests start run."""

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import torch

from helpers.config import TrainConfig
from helpers.paths import ROOT
from helpers.training import make_run


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
    # The optimizer imports the second
    context.set_forkserver_preload(["helpers.training", "torch._dynamo"])
    return context


def fit(config: TrainConfig, folder: Path, save=None) -> None:
    """Train in `folder`; the epoch at which this process goes on is added to started.txt."""
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


def state(folder, name="last.pt"):
    return torch.load(folder / name, weights_only=True)


def assert_same(a, b):
    """Nested dicts, lists and tensors are equal to the last bit."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
    else:
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


if __name__ == "__main__":  # what torchrun starts: the test wants to know whom to kill
    from extras.training_tools.distributed import main

    Path(os.environ["PIDS"], f"pid{os.environ['RANK']}").write_text(str(os.getpid()))
    main()
