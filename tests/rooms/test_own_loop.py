"""Chapter 14's own loop: what is shown trains alike with one process and two, on the lines for GPUs
too; and its commands are what its text says.
"""

import ast
import json
import os
import re
import runpy
import shlex
import socket
import sys
from pathlib import Path

import nbformat
import pytest
import torch
import torch.distributed as dist
from torch.nn import parallel

from extras.training_tools.costs import training_cost
from helpers.config import TrainConfig, parse
from helpers.paths import ROOT
from tests.small_runs import processes

CHAPTER = ROOT / "notebooks" / "14_many_gpus.ipynb"
needs_gloo = pytest.mark.skipif(
    not dist.is_available() or sys.platform == "win32", reason="needs gloo"
)


def cells(kind: str) -> list[str]:
    found = nbformat.read(CHAPTER, as_version=4).cells
    return [cell.source for cell in found if cell.cell_type == kind]


def own_loop() -> str:
    """The program that the chapter's cells put together."""
    parts = {}
    for source in cells("code"):
        if re.match(r'\w+ = """\n', source):
            first = ast.parse(source).body[0]
            parts[first.targets[0].id] = first.value.value
    assert list(parts) == ["start", "setup", "loop", "end"]
    assert "write_text(start + setup + loop + end)" in "".join(cells("code"))
    return "".join(parts.values())


def one_process(rank: int, world: int, port: int, folder: Path, *words) -> None:
    """Run the program as one of `world` processes; with "cuda", GPUs are stood in for and what was
    asked of them is kept in <rank>.json.
    """
    torch.set_num_threads(1)
    os.chdir(folder)
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
    )
    asked = {}
    begin = dist.init_process_group
    wrap = parallel.DistributedDataParallel

    def begin_with_gloo(backend):
        asked["backend"] = backend
        begin("gloo")

    def wrap_on_cpu(network, device_ids):
        asked["device_ids"] = device_ids
        return wrap(network)

    def set_device(device):
        asked["set_device"] = device

    dist.init_process_group = begin_with_gloo
    parallel.DistributedDataParallel = wrap_on_cpu
    torch.cuda.set_device = set_device
    sys.argv = ["own_loop.py", *words]
    with open(f"{rank}.txt", "w") as sys.stdout:
        runpy.run_path("own_loop.py")
    Path(f"{rank}.json").write_text(json.dumps(asked))


def run(folder: Path, world: int, program: str, *words):
    """(what each process printed, the saved weights, what each asked of its device)"""
    folder.mkdir()
    (folder / "own_loop.py").write_text(program)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = [
        processes().Process(target=one_process, args=(rank, world, port, folder, *words))
        for rank in range(world)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * world
    said = [(folder / f"{rank}.txt").read_text().split() for rank in range(world)]
    asked = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(world)]
    return said, torch.load(folder / "network.pt", weights_only=True), asked


def assert_alike(run, other) -> None:
    """The same losses, counts and weights, and one process that speaks."""
    said, weights, _ = run
    assert len(said[0]) == 5 and not any(said[1:])
    for line, expected in zip(said[0], other[0][0], strict=True):
        loss, correct = line.split(",")
        expected_loss, expected_correct = expected.split(",")
        assert float(loss) == pytest.approx(float(expected_loss), abs=1e-5)
        assert abs(int(correct) - int(expected_correct)) <= 2
    assert weights.keys() == other[1].keys() and "0.weight" in weights
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, other[1][name], atol=1e-6, rtol=1e-6)


@needs_gloo
def test_the_number_of_processes_changes_nothing(tmp_path):
    program = own_loop()
    alone = run(tmp_path / "alone", 1, program)
    together = run(tmp_path / "together", 2, program)
    assert_alike(together, alone)
    losses = [float(line.split(",")[0]) for line in alone[0][0]]
    assert losses[-1] < 0.6 * losses[0]

    # Divided by its own pixels only, the mostly void frames count too much.
    right = "loss_sum * world_size / total.clamp(min=1)"
    assert program.count(right) == 1
    wrong = run(tmp_path / "wrong", 2, program.replace(right, "loss_sum / labeled"))
    with pytest.raises(AssertionError):
        assert_alike(wrong, alone)


@needs_gloo
def test_the_lines_for_gpus_do_the_same(tmp_path):
    program = own_loop()
    device = 'torch.device("cuda", local_rank)'
    assert program.count(device) == 1
    on_gpus = program.replace(device, 'torch.device("cpu")')
    stood_in = run(tmp_path / "gpus", 2, on_gpus, "cuda")
    assert_alike(stood_in, run(tmp_path / "cpus", 2, program))
    for rank, asked in enumerate(stood_in[2]):
        assert asked == {"set_device": rank, "backend": "nccl", "device_ids": [rank]}


def commands() -> list[list[str]]:
    """The words of every command of the chapter that trains."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", "\n".join(cells("markdown")), re.S))
    lines = blocks.replace("\\\n", " ").splitlines()
    trains = re.compile(
        r"-m (?:helpers\.training|extras\.training_tools\.distributed) (.*?)(?: &)?$"
    )
    return [shlex.split(found[1]) for line in lines if (found := trains.search(line))]


def test_commands_set_a_rate_for_their_batch_and_a_name_of_their_own():
    configs = []
    for given in commands():
        config = parse([word for word in given if word != "--gpu-batches"])
        configs.append(config)
        assert "--learning-rate" in given and config.epochs == TrainConfig().epochs
    assert [config.batch_size for config in configs] == [4, 4, 16, 128]
    names = {config.name for config in configs}
    assert len(names) == 4 and TrainConfig().name not in names
    for config in configs[2:]:
        square_root = 1e-4 * (config.batch_size / 4) ** 0.5
        assert config.learning_rate == pytest.approx(square_root, rel=0.02)


def test_what_the_text_says_of_sending_is_in_the_measurements():
    table = json.loads((ROOT / "benchmarks" / "results" / "gpu.json").read_text())
    card = next(iter(table["sources"]))
    ms = {}
    for row in table["rows"]:
        if (row["source"], row["precision"], row["mode"]) == (card, "bf16", "eager"):
            ms[row["batch"]] = row["ms"]
    megabytes = training_cost(572, 572).parameters * 4 / 1e6
    # PCIe: a third of the computing or more, for four GPUs and for eight.
    assert 0.3 < 1.5 * megabytes / 31.5 / ms[4] < 1.75 * megabytes / 31.5 / ms[4] < 0.4
    # At 100 Gbit/s about as long as computing; NVLink hardly matters.
    assert 0.8 < 1.75 * megabytes / 12.5 / ms[4] < 1.2
    assert 1.75 * megabytes / 450 / ms[4] < 0.05
    # Exercise 14.1: a little over 60 images.
    assert 60 < 1.75 * megabytes / 1.25 / (ms[8] / 8 * 2 / 3) < 65
