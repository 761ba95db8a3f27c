"""Two processes train as one: the same curve, the same evaluation, one writer, and a killed process
loses an epoch.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from extras.training_tools import distributed
from helpers import checkpoints, training
from helpers.evaluate import evaluate
from helpers.paths import ROOT
from helpers.training import make_run, train
from tests.small_runs import processes, shared, small_config

pytestmark = pytest.mark.skipif(
    not dist.is_available() or sys.platform == "win32", reason="needs gloo and signals"
)


def config_for(root, **changes):
    """Nothing that depends on the number of processes: no dropout, no batch norm. 10 frames in
    batches 3, 3, 3, 1.
    """
    return small_config(
        root, norm=None, dropout=0.0, batch_size=3, accumulate=1, schedule=None, **changes
    )


def together(folder, world, work, *arguments):
    """What `work` returned in each of `world` processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [
        processes().Process(target=shared, args=(rank, world, port, folder, work, *arguments))
        for rank in range(world)
    ]
    for process in started:
        process.start()
    end = time.monotonic() + 500
    while (
        None in (codes := [process.exitcode for process in started])
        and not any(codes)
        and time.monotonic() < end
    ):
        time.sleep(0.05)
    for process in started:  # where one has failed, the others wait for it
        process.kill()
        process.join()
    assert codes == [0] * world
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(world)]


def assert_close(curve, expected):
    """Equal but for the order of additions, whose effect grows from step to step and is another on
    every processor.
    """
    assert len(curve) == len(expected)
    for row, other in zip(curve, expected):
        assert row["train_loss"] == pytest.approx(other["train_loss"], abs=3e-3)
        assert row["val_loss"] == pytest.approx(other["val_loss"], abs=3e-3)
        assert row["val_mean_iou"] == pytest.approx(other["val_mean_iou"], abs=0.02)


def refuse(*_, **__):
    raise AssertionError("only process 0 writes")


def validate(run, batch_size):
    run.config = replace(run.config, batch_size=batch_size)
    return run.validate()


def train_and_evaluate(config):
    """In one process of several: resume, train to the end, evaluate; returns what this process did
    and found.
    """
    run = distributed.make_run(config, progress=False)
    if run.rank > 0:
        checkpoints.save = checkpoints.save_model = run.save_pictures = refuse
    first, history = run.resume(), run.fit()
    shares = [run.batches(epoch) for epoch in (0, 1)]
    matrices = {size: validate(run, size) for size in (1, 2, 3)}
    return {
        "first": first,
        "history": history,
        "shares": shares,
        "matrices": {
            size: (s.confusion.counts, s.loss_per_pixel, s.loss_per_batch, s.pixels)
            for size, s in matrices.items()
        },
        "weights": torch.cat([p.detach().flatten() for p in run.model.parameters()]),
    }


def evaluate_alone(config):
    run = distributed.make_run(config, progress=False)
    run.resume()
    return {size: validate(run, size).confusion.counts for size in (1, 2, 3)}


def test_two_processes_train_and_evaluate_as_one(root, runs):
    config = config_for(root, epochs=4)
    single = make_run(replace(config, name="single"), progress=False)
    expected = single.fit()
    train(replace(config, epochs=1), progress=False)  # one process begins, two continue
    zero, one = together(runs, 2, train_and_evaluate, config)
    assert zero["first"] == one["first"] == 1 and len(zero["history"]) == 4
    assert zero["history"] == one["history"] and torch.equal(zero["weights"], one["weights"])
    assert_close(zero["history"], expected)
    # Adam makes whole steps of tiny gradients, so a single weight may differ more than their mean.
    alone = torch.cat([p.detach().flatten() for p in single.model.parameters()])
    assert (zero["weights"] - alone).norm() < 0.02 * alone.norm()
    for epoch in (
        0,
        1,
    ):  # 3 = 2 + 1, and the last batch of one frame leaves process 1 with a frame to be voided
        for batch, a, b in zip(single.batches(epoch), zero["shares"][epoch], one["shares"][epoch]):
            assert (sorted(a + b) == sorted(batch)) if len(batch) > 1 else (a == b == batch)
    model, _ = checkpoints.load_model(runs / "small" / "last.pt")
    for size in (1, 2, 3):  # of 3 frames: 2 + 1 batches, 1 + 1 uneven ones, 1 + 0
        scores = evaluate(model, DataLoader(single.val_set, size), single.label_set)
        counts, per_pixel, per_batch, pixels = zero["matrices"][size]
        assert (
            counts.dtype.kind == "i"
            and (counts == scores.confusion.counts).all()
            and pixels == scores.pixels
        )
        assert (one["matrices"][size][0] == counts).all() and counts.sum() == pixels > 0
        assert per_pixel == pytest.approx(scores.loss_per_pixel, rel=1e-12)
        assert per_batch == pytest.approx(scores.loss_per_batch, rel=1e-6)
    (alone,) = together(runs, 1, evaluate_alone, config)
    assert all((alone[size] == zero["matrices"][size][0]).all() for size in (1, 2, 3))


def too_many(config):
    with pytest.raises(ValueError, match="at least 2"):
        distributed.make_run(replace(config, batch_size=1), progress=False)


def test_a_batch_smaller_than_the_number_of_processes_is_refused(root, runs):
    together(runs, 2, too_many, config_for(root, epochs=1))


def test_a_killed_process_ends_the_run_and_one_process_continues(root, runs):
    config = replace(config_for(root, epochs=1000), mean=None, std=None)
    options = [
        f"--{name.replace('_', '-')}={getattr(config, name)}"
        for name in (
            "name",
            "root",
            "view",
            "size",
            "padding",
            "width",
            "depth",
            "dropout",
            "batch_size",
            "learning_rate",
            "epochs",
            "pictures",
        )
    ]
    torchrun = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            str(ROOT / "tests" / "small_runs.py"),
            "--preset=recipe",
            "--augment",
            *options,
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PIDS": str(runs), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    last, end = runs / "small" / "last.pt", time.monotonic() + 500
    while not last.exists() and torchrun.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert last.exists(), (
        torchrun.communicate()[0] if torchrun.poll() is not None else torchrun.kill()
    )
    os.kill(int((runs / "pid1").read_text()), signal.SIGKILL)
    message = torchrun.communicate(timeout=400)[0]
    assert torchrun.returncode != 0 and "SIGKILL" in message, message
    assert message.count("training small on cpu") == 1, "only process 0 speaks"
    done = checkpoints.load(last)["epochs_done"]
    assert 1 <= done < 1000
    run = make_run(replace(config, epochs=done + 1), progress=False)
    assert run.resume() == done
    assert_close(run.fit(), train(replace(config, name="single", epochs=done + 1), progress=False))


def test_it_says_how_to_be_started(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(SystemExit, match="torchrun --standalone"):
        distributed.main([])


@pytest.mark.parametrize(
    ("error", "raised", "words"),
    [
        (RuntimeError("sizes do not match"), RuntimeError, "sizes do not match"),
        (
            RuntimeError("gloo: connection closed by peer"),
            SystemExit,
            "process 0: lost the connection to another process",
        ),
        (
            distributed.dist.DistError("timed out"),
            SystemExit,
            "process 0: lost the connection to another process",
        ),
    ],
)
def test_a_lost_process_is_told_from_an_error_of_ones_own(monkeypatch, error, raised, words):
    def main(*arguments):
        raise error

    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda *arguments, **options: None)
    monkeypatch.setattr(training, "main", main)
    with pytest.raises(raised, match=words):
        distributed.main([])
