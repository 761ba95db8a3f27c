"""Training: resumed to the last bit, stopped at nan, whole checkpoints, gradients that add up."""

import os
import pickle
import random
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import fit, processes, save_half, small_config, small_root
from torch.utils.data import DataLoader

from benchmarks import gpu_table, training_step
from extras.training_tools.gpu_batches import GpuLoader, gpu_run
from extras.training_tools.insight import estimate, find_learning_rate, where_time_goes
from helpers import checkpoints, device
from helpers.config import TrainConfig, parse
from helpers.csv_index import read_csv
from helpers.dataset import CityscapesDataset
from helpers.progress import progress_bar
from helpers.training import make_run, train
from helpers.unet import UNet
from helpers.windows import View
from scripts.training_gif import LIMIT, chosen, gif


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return small_root(tmp_path_factory.mktemp("small"))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path


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


# -- interrupted and resumed
# ----------------------------------------------------------------------------------


def wait_for(condition, process, seconds=500):
    end = time.monotonic() + seconds
    while not condition():
        assert process.is_alive(), f"the training ended by itself, exit code {process.exitcode}"
        assert time.monotonic() < end, "timeout"
        time.sleep(0.002)


def kill(process):
    process.kill()
    process.join()
    assert process.exitcode != 0


def test_killed_at_random_moments_it_ends_like_an_uninterrupted_run(root, tmp_path):
    config = small_config(root)
    context, moments = processes(), random.Random()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    process = context.Process(target=fit, args=(config, whole))
    process.start()
    wait_for((whole / "small" / "last.pt").exists, process)
    first = time.monotonic()
    process.join()
    assert process.exitcode == 0
    epoch = max(0.02, (time.monotonic() - first) / (config.epochs - 1))
    last, delays = killed / "small" / "last.pt", []
    for _ in range(5):
        before = last.stat().st_mtime_ns if last.exists() else 0
        process = context.Process(target=fit, args=(config, killed))
        process.start()
        wait_for(lambda before=before: last.exists() and last.stat().st_mtime_ns != before, process)
        delays.append(moments.uniform(0, epoch))
        time.sleep(delays[-1])
        kill(process)
    process = context.Process(target=fit, args=(config, killed))
    process.start()
    process.join()
    assert process.exitcode == 0, f"killed after {delays} s"
    started = [int(line) for line in (killed / "started.txt").read_text().split()]
    assert started[0] == 0 and len(started) == 6 and sorted(set(started)) == started, (
        "every resumed run went on"
    )
    assert started[1] >= 1 and started[-1] < config.epochs
    for name in ("last.pt", "best.pt"):
        assert_same(state(killed / "small", name), state(whole / "small", name))
    assert (killed / "small" / "history.csv").read_bytes() == (
        whole / "small" / "history.csv"
    ).read_bytes()
    assert len(state(whole / "small")["info"]["history"]) == config.epochs
    assert not list((killed / "small").glob(".*.tmp"))


def test_killed_in_the_middle_of_a_save(root, tmp_path):
    config = small_config(root, epochs=4)
    process = processes().Process(target=fit, args=(config, tmp_path, save_half))
    process.start()
    folder = tmp_path / "small"
    wait_for((folder / "saving").exists, process)
    kill(process)
    halves = [path for path in folder.glob(".last.pt.*") if path.stat().st_size > 1000]
    assert halves, "the half-written file is there, under its temporary name"
    with pytest.raises(ValueError, match="not a whole"):
        checkpoints.load(halves[0])
    assert state(folder)["epochs_done"] == 2
    for where in (tmp_path, tmp_path / "whole"):
        where.mkdir(exist_ok=True)
        process = processes().Process(target=fit, args=(config, where))
        process.start()
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "started.txt").read_text().split() == ["0", "2"]
    assert_same(state(folder), state(tmp_path / "whole" / "small"))


def test_more_epochs_later_equal_all_at_once(root, runs):
    config = small_config(root, schedule=None, accumulate=1)
    once = train(replace(config, name="once", epochs=3), progress=False)
    train(replace(config, name="later", epochs=1), progress=False)
    seen = []
    later = train(
        replace(config, name="later", epochs=3),
        progress=False,
        watch=lambda rows: seen.append(len(rows)),
    )
    assert later == once and seen == [2, 3]
    assert_same(state(runs / "later")["model"], state(runs / "once")["model"])
    assert_same(state(runs / "later")["optimizer"], state(runs / "once")["optimizer"])


def test_looking_at_a_run_does_not_change_it(root, runs):
    config = small_config(root, epochs=1)
    plain = make_run(replace(config, name="plain"), progress=False).fit()
    run = make_run(replace(config, name="looked"), progress=False)
    before = torch.get_rng_state()
    assert estimate(run) > 0
    parts = where_time_goes(run, steps=2)
    assert list(parts) == ["data", "forward", "backward", "optimizer"] and min(parts.values()) > 0
    rates, losses = find_learning_rate(run, low=1e-4, high=1e-1, steps=6)
    assert np.allclose(np.diff(np.log(rates)), np.log(1000) / 5) and len(losses) == len(rates)
    assert torch.equal(torch.get_rng_state(), before)
    assert run.fit() == plain
    assert_same(state(runs / "looked")["model"], state(runs / "plain")["model"])


def test_learning_rate_finder_stops_when_the_loss_explodes(root, runs):
    run = make_run(small_config(root, norm=None), progress=False)
    rates, losses = find_learning_rate(run, low=1e-3, high=1e6, steps=30)
    assert len(rates) < 30 and np.isfinite(losses).all()
    assert all(loss <= 4 * min(losses[:step]) for step, loss in enumerate(losses) if step)


def test_workers_give_the_same_batches(root, runs):
    config = small_config(root)
    none, one = (
        list(make_run(replace(config, workers=n), progress=False).loader(3)) for n in (0, 1)
    )
    assert len(none) == 5
    assert_same(none, one)


# -- what can go wrong
# ----------------------------------------------------------------------------------------


def test_nan_stops_the_run_and_names_the_batch(root, runs):
    config = small_config(root, epochs=2, accumulate=1, batch_size=3)
    train(replace(config, epochs=2), progress=False)
    good = (runs / "small" / "last.pt").read_bytes()
    run = make_run(replace(config, epochs=2), progress=False)
    run.config = replace(run.config, epochs=3)
    run.resume = lambda: 2
    run.history = [{"val_mean_iou": 0.0}] * 2
    batch = run.batches(2)[1]
    run.loss = lambda logits, targets, old=run.loss, calls=[]: (
        calls.append(1),
        old(logits * (float("nan") if len(calls) == 2 else 1), targets),
    )[1]
    with pytest.raises(FloatingPointError) as caught:
        run.fit()
    named = [row.image for row in run.train_set.rows if row.image in str(caught.value)]
    assert sorted(named) == sorted(run.train_set.rows[i].image for i in batch) and len(named) == 3
    assert "epoch 3" in str(caught.value) and "last.pt" in str(caught.value)
    assert (runs / "small" / "last.pt").read_bytes() == good


def test_weights_that_explode_in_the_last_step_are_not_saved(root, runs):
    run = make_run(
        small_config(
            root, batch_size=10, accumulate=1, learning_rate=1e38, norm=None, schedule=None
        ),
        progress=False,
    )
    with pytest.raises(FloatingPointError, match="epoch 1"):
        run.fit()
    assert not (runs / "small" / "last.pt").exists()


def test_an_all_void_batch_is_no_error(tmp_path, runs):
    root = small_root(tmp_path / "void", train=3, val=1)
    label = sorted((root / "gtFine" / "train").rglob("*.png"))[1]
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(label)
    run = make_run(small_config(root, batch_size=1, accumulate=1, epochs=2), progress=False)
    images, targets = run.train_set[1]
    assert (targets == 255).all()
    before = [p.clone() for p in run.model.parameters()]
    (values,) = run.step(0, [(images[None], targets[None])])
    assert values.tolist() == [0, 0]
    assert all(torch.equal(p, b) for p, b in zip(run.model.parameters(), before))
    assert all(np.isfinite(list(row.values())).all() for row in run.fit())


def test_refusals_in_words(root, runs):
    config = small_config(root, epochs=1)
    train(config, progress=False)
    path = runs / "small" / "last.pt"
    with pytest.raises(
        ValueError, match=r"another config: there \{'width': 4\}, here \{'width': 6\}"
    ):
        train(replace(config, width=6), progress=False)
    with pytest.raises(ValueError, match="epochs"):  # a schedule ends with its last epoch
        train(replace(config, epochs=2), progress=False)
    with pytest.raises(ValueError, match="another architecture:\n  .*weight: stored"):
        other = UNet(width=6, depth=2, padding="same", norm="batch")
        checkpoints.load_weights(other, state(runs / "small")["model"], path)
    content = path.read_bytes()
    for wrong in (content[: len(content) // 2], content[:10], b""):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=r"last.pt is not a whole, safe tensor file"):
            train(config, progress=False)
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        checkpoints.load(runs / "nothing.pt")
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="no checkpoint of this course"):
        checkpoints.load(path)


class Trap:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_an_unsafe_file_is_refused_and_not_executed(tmp_path):
    for number, write in enumerate(
        (torch.save, lambda state, path: path.write_bytes(pickle.dumps(state, 2)))
    ):
        path, trap = tmp_path / f"{number}.pt", tmp_path / f"trap{number}"
        write({"model": Trap(trap)}, path)
        with pytest.raises(ValueError, match="not a whole, safe tensor file"):
            checkpoints.load(path)
        assert not trap.exists()


def save_on_a_full_disk(folder):
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        checkpoints.save(folder / "last.pt", {"model": {"weight": torch.ones(100_000)}})
    except OSError as error:
        (folder / "message").write_text(str(error))


@pytest.mark.skipif(
    sys.platform == "win32", reason="limits the size of files, which Windows cannot"
)
def test_full_disk_while_saving(tmp_path):
    good = checkpoints.save(
        tmp_path / "last.pt", {"model": {"weight": torch.zeros(3)}}
    ).read_bytes()
    process = processes().Process(target=save_on_a_full_disk, args=(tmp_path,))
    process.start()
    process.join()
    message = (tmp_path / "message").read_text()
    assert "last.pt" in message and "nothing was lost" in message
    assert (tmp_path / "last.pt").read_bytes() == good and len(list(tmp_path.iterdir())) == 2


# -- what is computed
# -----------------------------------------------------------------------------------------


def test_accumulated_gradients_equal_those_of_the_large_batch(root, runs):
    gradients, losses = [], []
    for size, accumulate in ((9, 1), (3, 3), (1, 9)):
        run = make_run(
            small_config(root, batch_size=size, accumulate=accumulate, norm=None, dropout=0.0),
            progress=False,
        )
        run.model.train()
        batches = list(run.loader(0))[:accumulate]
        assert len({(targets != 255).sum().item() for _, targets in batches}) == accumulate, (
            "void is uneven"
        )
        losses.append(torch.stack(run.step(0, batches)).sum(0))
        gradients.append(torch.cat([p.grad.flatten() for p in run.model.parameters()]))
    for loss, gradient in zip(losses[1:], gradients[1:]):
        assert torch.allclose(loss, losses[0], rtol=1e-5)
        assert (
            torch.allclose(gradient, gradients[0], rtol=1e-4, atol=1e-6)
            and gradient.abs().max() > 1e-2
        )


def test_a_step_starts_from_no_gradient(root, runs):
    run = make_run(small_config(root, learning_rate=0.0, norm=None, dropout=0.0), progress=False)
    run.model.train()
    one, other = list(run.loader(0))[:2]
    gradients = []
    for batches in ([one], [other], [one]):
        run.step(0, batches)
        gradients.append(torch.cat([p.grad.flatten() for p in run.model.parameters()]))
    assert torch.equal(gradients[0], gradients[2]) and not torch.allclose(
        gradients[0], gradients[1]
    )


def test_best_is_the_first_epoch_of_the_highest_score(root, runs):
    run = make_run(small_config(root, epochs=4, pictures=0), progress=False)
    scores = iter([0.1, 0.3, 0.3, 0.2])
    run.validate = lambda *_, **__: SimpleNamespace(
        mean_iou=next(scores), loss_per_pixel=1.0, pixel_accuracy=0.5
    )
    run.fit()
    assert state(runs / "small", "best.pt")["info"]["history"][-1]["epoch"] == 2
    assert state(runs / "small")["epochs_done"] == 4


def test_the_loss_of_an_epoch_is_the_mean_over_pixels(root, runs):
    run = make_run(
        small_config(root, batch_size=4, accumulate=1, learning_rate=0.0, norm=None, dropout=0.0),
        progress=False,
    )
    with torch.no_grad():
        sums = [run.loss(run.model(images), targets) for images, targets in run.loader(0)]
    expected = sum(float(s) for s, _ in sums) / sum(int(n) for _, n in sums)
    assert run.train_epoch(0) == pytest.approx(expected, rel=1e-6)
    assert abs(np.mean([float(s / n) for s, n in sums]) - expected) > 1e-4


def test_schedules(root, runs):
    run = make_run(small_config(root, epochs=4), progress=False)
    assert run.steps_per_epoch == 3  # 5 batches, two a step
    assert run.learning_rate(0) == 3e-3 and run.learning_rate(6) == pytest.approx(1.5e-3)
    assert run.learning_rate(12) == pytest.approx(0, abs=1e-12)
    run.config = replace(run.config, schedule="poly")
    assert run.learning_rate(6) == pytest.approx(3e-3 * 0.5**0.9)
    run.config = replace(run.config, schedule=None)
    assert {run.learning_rate(n) for n in range(12)} == {3e-3}


def test_an_epoch_has_every_frame_once_in_an_order_of_its_own(root, runs):
    run = make_run(small_config(root), progress=False)
    orders = [sum(run.batches(epoch), []) for epoch in range(8)]
    assert (
        all(sorted(order) == list(range(10)) for order in orders)
        and len(set(map(tuple, orders))) == 8
    )
    crops = []
    for epoch in (0, 1, 0):
        run.loader(epoch)
        crops.append(run.train_set[4][0])
    assert torch.equal(crops[0], crops[2]) and not torch.equal(crops[0], crops[1])


def test_a_whole_run_learns_and_leaves_its_records(root, runs):
    config = small_config(
        root,
        epochs=4,
        schedule=None,
        accumulate=1,
        learning_rate=2e-2,
        dropout=0.0,
        pictures=2,
        width=8,
        augment=False,
    )
    rows = train(config, progress=False)
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"] and [
        row["epoch"] for row in rows
    ] == [1, 2, 3, 4]
    folder = runs / "small"
    pictures = sorted(path.name for path in (folder / "predictions").iterdir())
    assert len(pictures) == 8 and pictures[0] == "valville_000000_000000_epoch001.png"
    assert Image.open(folder / "predictions" / pictures[0]).size == (3 * 32, 32)
    lines = (folder / "history.csv").read_text().splitlines()
    assert (
        lines[0] == "epoch,train_loss,val_loss,val_mean_iou,val_pixel_accuracy" and len(lines) == 5
    )
    assert float(lines[4].split(",")[1]) == rows[3]["train_loss"]
    model, info = checkpoints.load_model(folder / "best.pt")
    best = max(row["val_mean_iou"] for row in rows)
    assert info["history"][-1]["val_mean_iou"] == best and not model.training
    assert info["view"] == View("crop", 32, "same", 2)
    exported = checkpoints.save_model(
        folder / "half.pt", model, {**info, "view": vars(info["view"]), "label_set": "train19"}
    )
    assert exported.stat().st_size < 0.6 * (folder / "best.pt").stat().st_size
    assert checkpoints.load_model(exported)[1]["sha256"] != info["sha256"]
    assert checkpoints.load(exported)["format"] == 1
    assert next(checkpoints.load_model(exported, "meta")[0].parameters()).device.type == "meta"


def test_command_line(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    config, export = parse([])
    assert config == TrainConfig.demo() and export is None and "no GPU" in capsys.readouterr().out
    arguments = "--preset recipe --train-limit 4 --learning-rate .5 --compile --schedule none --size 36 --export x.pt --no-augment"
    config, export = parse(arguments.split())
    assert (
        config
        == TrainConfig(train_limit=4, learning_rate=0.5, compile=True, schedule=None, size=36)
        and export == "x.pt"
    )


# -- batches made on the GPU (run on the CPU here)
# -------------------------------------------------------------


@pytest.mark.parametrize(
    "view",
    [
        View("crop", 32, "same", 2),
        View("crop", 36, "valid", 2),
        View("frame", padding="same", depth=2, height=32),
        View("crop", 164, "valid", 2),
    ],
    ids=["crop", "valid", "frame", "larger than the frame"],
)
@pytest.mark.parametrize("augment", [False, True])
def test_gpu_batches_equal_the_datasets(root, runs, view, augment):
    config = small_config(
        root,
        view=view.kind,
        size=view.size if view.kind == "crop" else None,
        padding=view.padding,
        height=view.height,
        augment=augment,
    )
    run = make_run(config, progress=False)
    dataset: CityscapesDataset = run.train_set
    dataset.epoch = 5
    batches = run.batches(5)
    expected = list(DataLoader(dataset, batch_sampler=batches))
    found = list(GpuLoader(dataset, batches, torch.device("cpu")))
    assert len(GpuLoader(dataset, batches, torch.device("cpu"))) == len(found) == 5
    assert_same([list(pair) for pair in found], expected)
    assert expected[0][1].shape[1:] == (view.size,) * 2 or view.kind == "frame"
    assert found[0][0].is_contiguous(memory_format=torch.channels_last)


def test_training_from_the_gpu_cache_is_the_same_training(root, runs):
    config = small_config(root, epochs=2)
    plain = train(config, progress=False)
    assert gpu_run(replace(config, name="gpu"), progress=False).fit() == plain
    with pytest.raises(ValueError, match="cache"):
        GpuLoader(
            CityscapesDataset(read_csv(runs / "small" / "train.csv"), root),
            [[0]],
            torch.device("cpu"),
        )


# -- what is measured and drawn
# -------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_the_gpu_table_refuses_without_cuda():
    with pytest.raises(SystemExit, match="finds none here"):
        gpu_table.main([])


def test_the_parts_of_the_gpu_table_that_need_no_gpu():
    assert gpu_table.step_flops() == pytest.approx(3 * 2 * 150.97e9, rel=1e-4)
    step = gpu_table.make_step(torch.device("cpu"), 1, "bf16", compiled=False, width=4, crop=188)
    assert all(2.5 < float(step()) < 8 for _ in range(2))
    rows = [
        {
            "batch": 4,
            "precision": "bf16",
            "compiled": True,
            "ms_per_step": 10.0,
            "images_per_second": 400.0,
            "share_of_bf16_matmul_peak": 0.5,
            "peak_memory_gib": 3.25,
        },
        {"batch": 32, "precision": "fp32", "compiled": False, "error": "out of memory"},
    ]
    text = gpu_table.table(
        {"device": "card", "torch": "2", "bf16_matmul_tflops": 700.0, "command": "c", "rows": rows}
    )
    assert "| 4 | bf16 | compiled | 10.0 | 400.0 | 50.0% | 3.2 |" in text
    assert "| 32 | fp32 | eager | out of memory |" in text


def test_the_compared_steps_compute_the_same(monkeypatch):
    monkeypatch.setattr(training_step, "CROP", 188)
    result = training_step.compare(4, 1, 2, ["recipe", "plain", "channels_last", "padded"])
    assert result["labeled_pixels"] == {
        "recipe": 16,
        "plain": 16,
        "channels_last": 16,
        "padded": 192 * 192,
    }
    assert (
        result["plain_over_recipe_wall"] == result["plain_over_recipe_wall_per_labeled_pixel"] > 0
    )
    assert result["padded_over_recipe_cpu_per_labeled_pixel"] == pytest.approx(
        result["padded_over_recipe_cpu"] * 16 / 192**2
    )


def test_gif_of_a_training(root, runs):
    train(small_config(root, epochs=3), progress=False)
    path = gif(runs / "small", 0, runs / "training.gif")
    animation = Image.open(path)
    assert (
        animation.n_frames == 3 and path.stat().st_size <= LIMIT and animation.size == (1080, 386)
    )
    assert (
        chosen(list(range(1, 31)), 16)[:3] == [1, 2, 3] and chosen(list(range(1, 31)), 16)[-1] == 30
    )
    with pytest.raises(SystemExit, match="number 7"):
        gif(runs / "small", 7, runs / "training.gif")


@pytest.mark.parametrize(
    ("cuda", "mps", "wish", "found"),
    [
        (True, True, "", "cuda"),
        (False, True, "", "mps"),
        (False, False, "", "cpu"),
        (True, True, "cpu", "cpu"),
    ],
)
def test_the_device_is_the_fastest_or_the_one_asked_for(monkeypatch, cuda, mps, wish, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setenv("COURSE_DEVICE", wish)
    assert device.find_device() == torch.device(found)


def test_mixed_precision_is_for_cuda(monkeypatch):
    assert (
        device.amp_dtype(torch.device("cpu")) is None
        and device.amp_dtype(torch.device("mps")) is None
    )
    for native, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, native=native: native
        )
        assert device.amp_dtype(torch.device("cuda")) == dtype


def test_cuda_is_prepared_fast_or_repeatable(monkeypatch):
    said = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", said.append)
    monkeypatch.setattr(
        torch, "use_deterministic_algorithms", lambda on, warn_only: said.append((on, warn_only))
    )
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    device.prepare(torch.device("cpu"))
    assert said == [] and "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    for deterministic, how in ((False, ()), (False, (False,)), (True, (True,))):
        device.prepare(torch.device("cuda"), *how)
        assert said[-2:] == ["high", (deterministic, True)]
        assert torch.backends.cudnn.benchmark is not deterministic
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_report_of_the_machine():
    text = subprocess.run(
        [sys.executable, "-m", "helpers.device"],
        cwd=Path(__file__).parent.parent,
        text=True,
        capture_output=True,
        check=True,
    ).stdout
    assert f"torch        {version('torch')}" in text and "device       cpu, " in text
    assert (
        f"python       {sys.version.split()[0]} on " in text
        and "dataset root " in text
        and "(found)" in text
    )


def test_progress_is_shown_unless_asked_not_to(monkeypatch, capsys):
    for variable, show, bar in (("", {}, True), ("1", {}, False), ("", {"show": False}, False)):
        monkeypatch.setenv("TQDM_DISABLE", variable)
        assert list(progress_bar([1, 2], "read", **show)) == [1, 2]
        assert ("read: 100%" in capsys.readouterr().err) == bar
