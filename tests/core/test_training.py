"""Training: resumed to the last bit, stopped at nan, whole checkpoints, gradients that add up."""

import random
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from helpers import checkpoints
from helpers.training import make_run, train
from helpers.unet import UNet
from helpers.windows import View
from tests.roots import small_root
from tests.small_runs import assert_same, fit, processes, save_half, small_config, state


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


def test_workers_give_the_same_batches(root, runs):
    config = small_config(root)
    none, one = (
        list(make_run(replace(config, workers=n), progress=False).loader(3)) for n in (0, 1)
    )
    assert len(none) == 5
    assert_same(none, one)


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
        ValueError, match=r"another config: width was 4 and is 6\. Give this run another name"
    ):
        train(replace(config, width=6), progress=False)
    with pytest.raises(ValueError, match="epochs"):  # a schedule ends with its last epoch
        train(replace(config, epochs=2), progress=False)
    with pytest.raises(
        ValueError, match="another architecture:\n  size mismatch for down.0.0.weight"
    ):
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


def test_a_checkpoint_knows_the_rows_of_its_frames(root, runs):
    config = small_config(root, view="frame", size=None, epochs=1, pictures=0)
    train(config, progress=False)
    _, info = checkpoints.load_model(runs / "small" / "best.pt")
    assert info["rows"] == 64 < info["view"].height


def test_a_step_uses_its_own_gradient(root, runs):
    config = small_config(
        root, learning_rate=0.0, dropout=0.0, norm=None, accumulate=1, batch_size=5
    )
    run = make_run(config, progress=False)
    batches, gradients = list(run.loader(0)), []
    for number in range(2):  # the same batch twice, and weights that do not move
        run.step(number, batches[:1])
        gradients.append(torch.cat([p.grad.flatten().clone() for p in run.model.parameters()]))
    assert torch.allclose(*gradients) and gradients[0].abs().max() > 0


def test_only_training_is_augmented(root, runs):
    run = make_run(small_config(root), progress=False)
    assert run.train_set.augment and not run.val_set.augment


def test_a_missing_beginning_is_said_before_the_frames_are_read(root, runs, monkeypatch):
    def read(*arguments):
        raise AssertionError("the frames were read first")

    monkeypatch.setattr("helpers.training.make_datasets", read)
    with pytest.raises(FileNotFoundError, match="nope.pt"):
        make_run(small_config(root, init="nope.pt"), progress=False)
