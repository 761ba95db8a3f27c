"""The same code on a CPU and on a card: results agree within the margins that stand here.

On the CPU, or on the card that COURSE_DEVICE=cuda names: CONTRIBUTING.md.
"""

import os

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from extras.browser.predictions import Predictions
from extras.exercises import ch07
from extras.training_tools.gpu_batches import GpuLoader, gpu_run
from helpers.checkpoints import load_model
from helpers.evaluate import dataset_for, evaluate, side_by_side
from helpers.inference import predict_frame
from helpers.training import make_run
from helpers.unet import UNet
from tests.small_runs import small_config

# How far 16 bits may take a number: a loss, and the direction of a gradient.
LOSS = 0.01
COSINE = 0.99


@pytest.fixture(autouse=True)
def device(runs, monkeypatch):
    """The device that the tests were asked for."""
    monkeypatch.setenv("COURSE_DEVICE", os.environ["COURSE_TEST_DEVICE"])
    yield torch.device(os.environ["COURSE_TEST_DEVICE"])
    torch.use_deterministic_algorithms(False)


def half_of(device):
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def test_the_fast_step_of_chapter_07_is_its_step(device):
    """`fast_step` with 16 bits, on the device, beside `train_step` with 32 bits on the CPU."""
    images = torch.randn(2, 3, 60, 92, generator=torch.Generator().manual_seed(1))
    targets = (images.sum(1) > 0).long()
    targets[:, :20] = 255
    found = []
    for where in (torch.device("cpu"), device):
        torch.manual_seed(0)
        model = UNet(width=8, depth=2, padding="same", norm="batch", dropout=0.0).to(where)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if not found:
            loss, pixels = ch07.train_step(model, optimizer, images, targets)
        else:
            half = half_of(device)
            scaler = torch.amp.GradScaler(device.type, enabled=half == torch.float16)
            loss, pixels = ch07.fast_step(model, optimizer, scaler, images, targets, device, half)
            assert loss.device.type == pixels.device.type == device.type
            scale = scaler.get_scale()
            assert scale == (65536 if scaler.is_enabled() else 1)
        gradient = torch.cat([weight.grad.flatten().cpu() for weight in model.parameters()])
        found.append((float(loss), int(pixels), gradient))
    (loss, pixels, gradient), (other_loss, other_pixels, other_gradient) = found
    assert other_pixels == pixels == 2 * 40 * 92
    assert other_loss == pytest.approx(loss, rel=LOSS)
    assert torch.nn.functional.cosine_similarity(gradient, other_gradient, dim=0) > COSINE


@pytest.mark.parametrize("make", [make_run, gpu_run])
def test_a_run_learns_is_stored_and_goes_on(root, device, make):
    config = small_config(root, epochs=3, dropout=0.0, schedule=None)
    run = make(config, progress=False)
    assert next(run.model.parameters()).device.type == device.type

    def stop(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.fit(stop)
    again = make(config, progress=False)
    assert again.resume() == 2
    history = again.fit()
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert history[2]["train_loss"] < history[0]["train_loss"]

    model, info = load_model(again.folder / "last.pt", device)
    scores = evaluate(model, DataLoader(again.val_set, 2), again.label_set)
    assert scores.loss_per_pixel == pytest.approx(history[2]["val_loss"], rel=LOSS)
    assert side_by_side(model, again.val_set, 0).dtype == np.uint8


def test_the_same_bits_every_time(root, device):
    runs = []
    for name in ("one", "two"):
        run = make_run(small_config(root, name=name, epochs=2, deterministic=True), progress=False)
        run.fit()
        runs.append(run)
    assert runs[0].history == runs[1].history
    for name, value in runs[0].model.state_dict().items():
        assert torch.equal(value, runs[1].model.state_dict()[name]), name


@pytest.mark.parametrize("augment", [False, True])
def test_batches_made_on_the_device_are_the_datasets(root, device, augment):
    run = make_run(small_config(root, augment=augment), progress=False)
    batches = run.batches(0)
    loader = GpuLoader(run.train_set, batches, device)
    for (images, targets), batch in zip(loader, batches):
        assert images.device.type == targets.device.type == device.type
        pairs = [run.train_set[index] for index in batch]
        # A card multiplies by 1/255 where a CPU divides.
        expected = torch.stack([image for image, _ in pairs])
        torch.testing.assert_close(images.cpu(), expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(targets.cpu(), torch.stack([target for _, target in pairs]))


def test_scores_and_pictures_agree_with_the_cpus(city, checkpoint, device):
    found = []
    frame = None
    for where in (torch.device("cpu"), device):
        model, info = load_model(checkpoint, where)
        dataset = dataset_for(info, city, "val")
        dataset.rows = dataset.rows[:2]
        frame = dataset.frame(0) if frame is None else frame
        scores = evaluate(model, DataLoader(dataset, 1), dataset.label_set, per_frame=True)
        found.append((scores, predict_frame(model, frame, info)))
    (scores, prediction), (other_scores, other_prediction) = found
    assert other_scores.pixels == scores.pixels and len(other_scores.per_frame) == 2
    assert other_scores.loss_per_pixel == pytest.approx(scores.loss_per_pixel, rel=0.02)
    assert other_scores.mean_iou == pytest.approx(scores.mean_iou, abs=0.01)
    assert (other_prediction == prediction).mean() > 0.995


def test_the_browser_predicts_on_the_device(city, checkpoint):
    predictions = Predictions(checkpoint, city, limit=1, progress=False)
    assert len(predictions.scores) == 1 and not predictions.problems
