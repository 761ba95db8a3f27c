"""One training on many processes, each with its own GPU: torchrun and DistributedDataParallel
(chapter 14).

    torchrun --standalone --nproc-per-node 8 -m extras.training_tools.distributed \\
        --preset recipe --batch-size 32

`batch_size` is that of all processes together, and the loss is the sum over all labeled pixels
divided by their number over all processes. So the number of processes changes the time and not the
training, and a run may be resumed with another number. Dropout masks differ, and batch
normalization sees the share of one process only (on GPUs: the whole batch, through SyncBatchNorm).
"""

import os
import sys
from dataclasses import replace
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from extras.training_tools.gpu_batches import GpuLoader
from helpers import command, training
from helpers.config import TrainConfig
from helpers.device import find_device
from helpers.evaluate import Scores, score_batches
from helpers.labels import IGNORE
from helpers.metrics import ConfusionMatrix
from helpers.paths import find_root
from helpers.recipes import make_datasets, make_model
from helpers.training import Run
from sample_city import ensure_root


def add_scores(scores: Scores, device: torch.device) -> Scores:
    """The scores of all processes together; every process gets the same. Counts are added as
    integers.
    """
    counts = torch.from_numpy(scores.confusion.counts).to(device)
    sums = torch.tensor(
        [scores.loss_sum, scores.pixels, scores.batch_losses, scores.batches],
        dtype=torch.float64,
        device=device,
    )
    for tensor in (counts, sums):
        dist.all_reduce(tensor)
    loss_sum, pixels, batch_losses, batches = sums.tolist()
    confusion = ConfusionMatrix(len(scores.label_set))
    confusion.counts = counts.cpu().numpy()
    return Scores(scores.label_set, confusion, loss_sum, int(pixels), batch_losses, int(batches))


class VoidAtTheEnd:
    """A loader whose last batch has no labeled pixel: for the process that the last, short batch
    leaves empty-handed.

    It must take part, for the others wait for its gradients; they are zero.
    """

    def __init__(self, loader):
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self):
        for number, (images, targets) in enumerate(self.loader, 1):
            yield images, targets if number < len(self.loader) else torch.full_like(targets, IGNORE)


def make_run(
    config: TrainConfig, progress: bool = True, gpu_batches: bool = False
) -> "DistributedRun":
    """This process's share of the run that `config` describes; what all need is written by one
    process first. `gpu_batches` as in DistributedRun.
    """
    rank = dist.get_rank()
    world_size = dist.get_world_size()
    local_rank = int(os.environ.get("LOCAL_RANK", rank))
    if config.batch_size < world_size:
        raise ValueError(
            f"batch_size {config.batch_size} is that of all {world_size} processes together: it "
            f"must be at least {world_size}"
        )
    parts = None
    if rank == 0:  # statistics, the index, the cache
        if find_root(config.root) == find_root(None):
            ensure_root(config.root)
        parts = make_datasets(config, progress)
        config = parts[0]
    shared = [config]
    dist.broadcast_object_list(shared, src=0)
    config = replace(config, mean=shared[0].mean, std=shared[0].std)
    # The first process of another machine goes before the rest there: it may have its own disk.
    if parts is None and local_rank == 0:
        parts = make_datasets(config, progress=False)
    dist.barrier()
    if parts is None:
        parts = make_datasets(config, progress=False)
    dist.barrier()
    config, train_set, val_set = parts
    model = make_model(config, len(train_set.label_set))
    return DistributedRun(
        config, model, train_set, val_set, gpu_batches, progress=progress and rank == 0
    )


class DistributedRun(Run):
    """A Run of which this process does its share. Checkpoints, history and pictures are written by
    process 0 alone. With `gpu_batches`, frames lie in the memory of the process's GPU.
    """

    def __init__(
        self, config: TrainConfig, model, train_set, val_set, gpu_batches=False, **options
    ):
        self.gpu_batches = gpu_batches
        self.rank = dist.get_rank()
        self.world_size = dist.get_world_size()
        cuda = find_device().type == "cuda"
        if cuda and config.norm == "batch":
            model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
        super().__init__(config, model, train_set, val_set, **options)
        device_ids = [torch.cuda.current_device()] if cuda else None
        self.fast_model = DistributedDataParallel(self.model, device_ids=device_ids)
        if config.compile:
            self.fast_model = torch.compile(self.fast_model)

    def make_loader(self, dataset, batches: list[list[int]]):
        if self.gpu_batches:
            return GpuLoader(dataset, batches, self.device)
        return super().make_loader(dataset, batches)

    def val_batches(self) -> list[list[int]]:
        """Every world_size-th batch of Run's."""
        return super().val_batches()[self.rank :: self.world_size]

    def validate(self) -> Scores:
        """The scores of all processes together: each validates its own batches."""
        loader = self.make_loader(self.val_set, self.val_batches())
        scores = add_scores(score_batches(self.model, loader, self.label_set), self.device)
        scores.check()
        return scores

    def batches(self, epoch: int) -> list[list[int]]:
        """This process's share of every batch: every world-th frame, or, where none is left, a
        frame to be voided.
        """
        return [
            batch[self.rank :: self.world_size] or batch[:1] for batch in super().batches(epoch)
        ]

    def loader(self, epoch: int):
        empty = len(Run.batches(self, epoch)[-1]) <= self.rank
        return VoidAtTheEnd(super().loader(epoch)) if empty else super().loader(epoch)

    def sum_over_processes(self, values: torch.Tensor) -> torch.Tensor:
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
            raise ValueError(
                f"process {self.rank} finds {done} epochs in its {self.folder / 'last.pt'}, "
                f"process 0 finds {int(first)}: the folder of runs must be on a disk that all "
                "machines share"
            )
        return done


def main(arguments=None) -> None:
    if "RANK" not in os.environ and {"-h", "--help"} & set(sys.argv[1:]):
        print(f"{__doc__}\nThe options are those of python -m helpers.training, and --gpu-batches.")
        return
    if "RANK" not in os.environ:
        raise SystemExit(
            "start this with torchrun: torchrun --standalone --nproc-per-node 2 -m "
            "extras.training_tools.distributed --preset demo   (one process a GPU)"
        )
    backend = "gloo"
    if find_device().type == "cuda":
        cards = torch.cuda.device_count()
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % cards)
        # NCCL wants a card for every process; several on one card are for trying things out.
        if int(os.environ["LOCAL_WORLD_SIZE"]) <= cards:
            backend = "nccl"
    dist.init_process_group(backend, timeout=timedelta(hours=1))  # caching a large set takes long
    try:
        arguments = list(sys.argv[1:] if arguments is None else arguments)
        gpu_batches = "--gpu-batches" in arguments
        arguments = [a for a in arguments if a != "--gpu-batches"]
        if os.environ["RANK"] == "0":
            print("if a process ends, the same command goes on after the last whole epoch")
        training.main(arguments, lambda config: make_run(config, gpu_batches=gpu_batches))
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        raise SystemExit(
            f"process {os.environ['RANK']}: lost the connection to another process, which has "
            f"ended ({str(error).splitlines()[0][:100]}). The last whole epoch is in last.pt: the "
            "same command continues there, also with another number of processes"
        ) from error
    dist.destroy_process_group()


if __name__ == "__main__":
    command.run(main)
