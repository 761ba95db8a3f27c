"""The picture of chapter 07 that is drawn anew after every epoch."""

import numpy as np

from extras.explorers.live import LiveTraining
from helpers.csv_index import find_rows
from helpers.dataset import CityscapesDataset
from helpers.unet import UNet
from helpers.windows import View


def test_answer_is_of_the_chosen_frame_and_the_network_stays_as_it_was(root):
    rows = find_rows(root, "val")
    view = View("frame", padding="same", height=64)
    frames = CityscapesDataset(rows, root, view, mean=(0, 0, 0), std=(1, 1, 1))
    model = UNet(width=2, padding="same", norm="batch").train()
    live = LiveTraining(frames, 2)
    empty = bytes(live.value)

    row = {"epoch": 1, "train_loss": 3.0, "val_loss": 3.0}
    live.update(model, [{**row, "val_pixel_accuracy": 0.5, "val_mean_iou": 0.1}])
    ignored = [frames[index][1].numpy() == 255 for index in (0, 2)]
    assert not np.array_equal(*ignored)
    assert np.array_equal(live.answers[0] == 255, ignored[1])
    assert bytes(live.value) != empty and bytes(live.value[1:4]) == b"PNG" and model.training
