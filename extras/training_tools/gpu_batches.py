"""Recipe A fast on one GPU: frames and batches in its memory, files written beside the training.

    python -m extras.training_tools.gpu_batches --preset recipe
    python -m extras.training_tools.gpu_batches --preset recipe --compile \\
        --batch-size 16 --learning-rate 2e-4

Whole batches, of training and of validation, are cut, mirrored, flipped, normalized and encoded by
a handful of indexing operations: nothing is decoded, copied or done in Python for each frame. What
is drawn at random comes from the dataset, so that a batch equals the one that a DataLoader would
make, and a resumed run stays exact. Cityscapes' 2,975 training frames take 3.1 GiB as center crops,
23 GiB whole, 1.5 GiB at quarter scale; a card needs that beside what a step takes.

The second command takes fewer and larger steps, which keep the GPU busier, by a compiled network.
Four times the batch of recipe A wants another learning rate: with Adam, twice (the square root;
Malladi et al. 2022, arXiv:2205.10287). It is no longer recipe A to the letter: compare its curve.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import torch

from helpers import command, training
from helpers.config import TrainConfig
from helpers.labels import IGNORE
from helpers.training import Run


def mirror(positions: torch.Tensor, size: int) -> torch.Tensor:
    """Positions on an axis of `size` pixels, reflected at both ends as helpers.windows does."""
    if size == 1:
        return torch.zeros_like(positions)
    period = 2 * size - 2
    positions = positions % period
    return torch.where(positions < size, positions, period - positions)


def frames_on_device(dataset, device: torch.device) -> list[torch.Tensor]:
    """The stored frames and labels of a dataset, uint8 tensors on `device`.

    Raises ValueError if its memory cannot hold them.
    """
    arrays = (dataset.cache.images, dataset.cache.labels)
    try:
        return [torch.from_numpy(np.array(array)).to(device) for array in arrays]
    except torch.cuda.OutOfMemoryError as error:
        need = sum(array.nbytes for array in arrays) / 2**30
        raise ValueError(
            f"out of memory: {len(dataset)} frames take {need:.1f} GiB, and {device} has less "
            "left. Next, try python -m helpers.training with the same options: it keeps them on "
            "the disk (more --workers read ahead)"
        ) from error


class GpuLoader:
    """Iterates over `batches` (lists of frame numbers): images float32 [N, 3, H, W] and targets
    int64 [N, h, w].

    Both are on `device`, images in channels_last. `dataset` is a CityscapesDataset with a cache of
    its frames. The copy in the device's memory is made once a dataset and kept as
    `dataset.on_device`.
    """

    def __init__(self, dataset, batches: list[list[int]], device: torch.device):
        if dataset.cache is None:
            raise ValueError(
                "the dataset has no cache: give it a FrameCache (TrainConfig.cache does)"
            )
        if getattr(dataset, "on_device", None) is None:
            dataset.on_device = frames_on_device(dataset, device)
        self.dataset = dataset
        self.batches = batches
        self.device = device
        self.frames, self.labels = dataset.on_device
        self.train_id_of = torch.from_numpy(dataset.train_id_of.astype(np.int64)).to(device)
        self.mean = torch.tensor(dataset.mean, device=device).view(3, 1, 1)
        self.std = torch.tensor(dataset.std, device=device).view(3, 1, 1)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self):
        for batch in self.batches:
            yield self.make(batch)

    def make(self, batch: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """One batch. What goes to the device of each frame: which, where, mirrored or not."""
        view = self.dataset.view
        rows, columns = self.labels.shape[1:]
        margin = view.margin
        plan = [(index, *self.dataset.draw(index, (rows, columns))) for index in batch]
        plan = torch.tensor(plan, dtype=torch.int64)
        if self.device.type == "cuda":
            plan = plan.pin_memory()
        plan = plan.to(self.device, non_blocking=True).unsqueeze(-1)
        index, top, left, flip = plan.unbind(1)

        if self.dataset.cache.cropped:
            # The stored frames are the windows themselves, the images with their margin.
            height, width = rows, columns
            top = left = image_top = image_left = torch.zeros_like(index)
        else:
            height, width = view.label_shape(rows, columns)
            image_top = top - margin
            image_left = left - margin
        wide = (height + 2 * margin, width + 2 * margin)
        images = self.window(self.frames, index, image_top, image_left, flip, wide)
        labels = self.window(self.labels, index, top, left, flip, (height, width), IGNORE)

        images = images.permute(0, 3, 1, 2).float().div_(255).sub_(self.mean).div_(self.std)
        return images, self.train_id_of[labels.long()]

    def window(self, arrays, index, top, left, flip, shape, outside=None) -> torch.Tensor:
        """Windows of `shape` out of arrays [F, H, W, ...], their first pixels at (top, left): all
        int64 [N, 1]. Beyond the frame they are mirrored or, where `outside` is given, that value.
        """
        height, width = arrays.shape[1:3]
        rows = top + torch.arange(shape[0], device=self.device)  # [N, h]
        columns = torch.arange(shape[1], device=self.device)
        columns = torch.where(flip > 0, shape[1] - 1 - columns, columns)
        columns = left + columns  # [N, w]
        inner_rows = mirror(rows, height)
        inner_columns = mirror(columns, width)
        result = arrays[index[:, :, None], inner_rows[:, :, None], inner_columns[:, None, :]]
        if outside is None:
            return result

        # A position that mirroring has moved lay outside.
        row_inside = rows == inner_rows
        column_inside = columns == inner_columns
        inside = row_inside[:, :, None] & column_inside[:, None, :]
        return torch.where(inside, result, outside)


class GpuRun(Run):
    """A Run whose frames lie in the GPU's memory, and whose files are written by a thread while the
    next epoch trains.

    An epoch's files are whole before those of the next are begun, and before `fit` ends; an error
    in writing is raised there.
    """

    writer = None
    writing = None

    def make_loader(self, dataset, batches: list[list[int]]) -> GpuLoader:
        return GpuLoader(dataset, batches, self.device)

    def save(self) -> None:
        """Hand a copy of the run, standing still, to the thread that writes."""
        self.finish_writing()
        self.info()  # what a run computes once, it should not compute for every copy
        still = copy.copy(self)
        # On the device, where copying takes milliseconds. Together: the optimizer refers to the
        # weights.
        still.model, still.optimizer = copy.deepcopy((self.model, self.optimizer))
        still.scaler = copy.deepcopy(self.scaler)
        still.history = list(self.history)
        stream = None
        if self.device.type == "cuda":
            stream = torch.cuda.Stream(self.device)
            stream.wait_stream(torch.cuda.current_stream(self.device))
        if self.writer is None:
            self.writer = ThreadPoolExecutor(1)
        self.writing = self.writer.submit(write_files, still, stream)
        if len(self.history) == self.config.epochs:
            self.finish_writing()

    def finish_writing(self) -> None:
        """Wait until the files of the last epoch are whole."""
        if self.writing is not None:
            writing = self.writing
            self.writing = None
            writing.result()

    def fit(self, watch=None) -> list[dict]:
        try:
            return super().fit(watch)
        finally:
            self.finish_writing()


def write_files(run: Run, stream: torch.cuda.Stream | None) -> None:
    """Save `run`, on a GPU in a stream of its own.

    In the stream of the training each of some 200 tensors would be copied to the CPU only after all
    steps that are queued there.
    """
    with torch.cuda.stream(stream) if stream is not None else nullcontext():
        Run.save(run)


def gpu_run(config: TrainConfig, progress: bool = True, folder=None) -> GpuRun:
    """The run that `config` describes, with its frames in the GPU's memory."""
    return training.make_run(config, progress, folder, GpuRun)


def main() -> None:
    training.main(make_run=gpu_run)


if __name__ == "__main__":
    command.run(main)
