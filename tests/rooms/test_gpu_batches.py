"""Batches made on the GPU (here on the CPU) are those of the data set."""

from dataclasses import replace

import pytest
import torch
from torch.utils.data import DataLoader

from extras.training_tools.gpu_batches import GpuLoader, gpu_run
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.training import make_run, train
from helpers.windows import View
from tests.small_runs import assert_same, small_config


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
            CityscapesDataset(find_rows(root, "train"), root),
            [[0]],
            torch.device("cpu"),
        )
