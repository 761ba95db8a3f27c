"""One training on many processes, each with its own GPU: torchrun and DistributedDataParallel (chapter 14).

    torchrun --standalone --nproc-per-node 8 -m extras.training_tools.distributed --preset recipe --batch-size 32

`batch_size` is that of all processes together, and the loss is the sum over all labelled pixels divided by their number
over all processes. So the number of processes changes the time and not the training, and a run may be resumed with
another number. Dropout masks differ, and batch normalisation sees the share of one process only (on GPUs: the whole
batch, through SyncBatchNorm).
"""
import os
import sys
from dataclasses import replace
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from extras.training_tools.gpu_batches import GpuLoader
from helpers import training
from helpers.config import TrainConfig
from helpers.device import amp_dtype, find_device
from helpers.evaluate import Scores, pixel_loss
from helpers.labels import IGNORE
from helpers.metrics import ConfusionMatrix
from helpers.paths import find_root
from helpers.training import Run
from sample_city import ensure_root


@torch.no_grad()
def evaluate_shared(model, dataset, batch_size: int, device, per_frame: bool = False) -> Scores:
    """As helpers.evaluate.evaluate, each process taking every world-th batch; all get the same Scores.

    The batches are those of a single process, none is seen twice, and the counts are added as integers: the matrix is
    the same for every number of processes.
    """
    if per_frame:
        raise ValueError("the matrices of single frames stay on the process that made them: use helpers.evaluate")
    rank, world = dist.get_rank(), dist.get_world_size()
    device, half, was_training = torch.device(device), amp_dtype(torch.device(device)), model.training
    share = [range(start, min(start + batch_size, len(dataset))) for start in range(0, len(dataset), batch_size)]
    confusion = ConfusionMatrix(len(dataset.label_set))
    sums = torch.zeros(4, dtype=torch.float64, device=device)  # loss, pixels, means of batches, batches with pixels
    model.eval()
    for images, targets in DataLoader(dataset, batch_sampler=share[rank::world], pin_memory=device.type == "cuda"):
        targets = targets.to(device, non_blocking=True)
        with torch.autocast(device.type, half, enabled=half is not None):
            logits = model(images.to(device, non_blocking=True, memory_format=torch.channels_last))
        loss, pixels = pixel_loss(logits, targets)
        confusion.update(logits.argmax(1), targets)
        sums += torch.stack([loss, pixels, loss / pixels.clamp(min=1), pixels > 0]).double()
    model.train(was_training)
    counts = torch.from_numpy(confusion.counts).to(device)  # int64
    for tensor in (counts, sums):
        dist.all_reduce(tensor)
    confusion._counts = counts.cpu().numpy()
    loss, pixels, means, batches = sums.tolist()
    if pixels == 0:
        raise ValueError("this split has no labelled pixel: evaluate on val")
    if not sums.isfinite().all():
        raise ValueError("the model's loss is not a finite number: its weights are broken")
    return Scores(confusion, loss / pixels, means / batches, int(pixels), dataset.label_set.names)


class VoidAtTheEnd:
    """A loader whose last batch has no labelled pixel: for the process that the last, short batch leaves empty-handed.

    It must take part, for the others wait for its gradients; they are zero.
    """

    def __init__(self, loader):
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        for number, (images, targets) in enumerate(self.loader, 1):
            yield images, targets if number < len(self.loader) else torch.full_like(targets, IGNORE)


class DistributedRun(Run):
    """A Run of which this process does its share. Checkpoints, history and pictures are written by process 0 alone."""

    evaluate = staticmethod(evaluate_shared)

    def __init__(self, config: TrainConfig, progress: bool = True, make_loader=None):
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        local = int(os.environ.get("LOCAL_RANK", self.rank))
        if config.batch_size < self.world:
            raise ValueError(f"batch_size {config.batch_size} is that of all {self.world} processes together: it must "
                             f"be at least {self.world}")
        if self.rank == 0:  # one process writes what all need: statistics, the index, the cache
            super().__init__(config, progress, make_loader)
            config = self.config
        shared = [config]
        dist.broadcast_object_list(shared, src=0)
        config = replace(config, mean=shared[0].mean, std=shared[0].std)
        if self.rank != 0 and local == 0:  # then the first of each machine, which may have a disk of its own
            super().__init__(config, False, make_loader)
        dist.barrier()
        if local != 0:
            super().__init__(config, False, make_loader)
        dist.barrier()
        cuda = self.device.type == "cuda"
        if cuda and config.norm == "batch":
            self.model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        self.fast_model = DistributedDataParallel(self.model, device_ids=[local] if cuda else None)
        if config.compile:
            self.fast_model = torch.compile(self.fast_model)

    def _datasets(self):
        if find_root(self.config.root) == find_root(None):
            ensure_root(self.config.root)
        return super()._datasets()

    def batches(self, epoch: int) -> list[list[int]]:
        """This process's share of every batch: every world-th frame, or, where none is left, a frame to be voided."""
        return [batch[self.rank :: self.world] or batch[:1] for batch in super().batches(epoch)]

    def loader(self, epoch: int):
        empty = len(Run.batches(self, epoch)[-1]) <= self.rank
        return VoidAtTheEnd(super().loader(epoch)) if empty else super().loader(epoch)

    def all_sum(self, values: torch.Tensor) -> torch.Tensor:
        values = values.to(self.device, copy=True)
        dist.all_reduce(values)
        return values

    def save(self) -> None:
        if self.rank == 0:
            super().save()

    def resume(self) -> int:
        done = super().resume()
        first = torch.tensor(done, device=self.device)
        dist.broadcast(first, src=0)
        if int(first) != done:
            raise RuntimeError(f"process {self.rank} finds {done} epochs in its {self.folder / 'last.pt'}, process 0 "
                               f"finds {int(first)}: the folder of runs must be on a disk that all machines share")
        return done


def main(arguments=None) -> None:
    if "RANK" not in os.environ:
        raise SystemExit("start this with torchrun: torchrun --standalone --nproc-per-node 2 -m "
                         "extras.training_tools.distributed --preset demo   (one process a GPU)")
    cuda = find_device().type == "cuda"
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(hours=1))  # caching a large set takes long
    try:
        arguments = list(sys.argv[1:] if arguments is None else arguments)
        make_loader = GpuLoader if "--gpu-batches" in arguments else None
        arguments = [a for a in arguments if a != "--gpu-batches"]
        training.main(arguments, lambda config: DistributedRun(config, make_loader=make_loader))
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise SystemExit(f"process {os.environ['RANK']}: lost the connection to another process, which has ended "
                         f"({str(error).splitlines()[0][:100]}). The last whole epoch is in last.pt: the same command "
                         "continues there, also with another number of processes") from error
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
