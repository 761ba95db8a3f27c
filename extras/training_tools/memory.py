"""Which batches of recipe A fit into the memory of a GPU, by a formula.

python -m extras.training_tools.memory           # for this machine's card
python -m extras.training_tools.memory --gib 6   # for any other
"""

import argparse

import torch

from helpers import command
from helpers.device import find_device
from helpers.sizes import require

# The memory of recipe A's training step (width 64, 572x572 crops) in GiB, counted by
# extras.training_tools.costs: float32 weights, gradients and Adam's two moments; and what each
# crop keeps for the backward pass, in half precision.
WEIGHTS_GIB = 0.462
CROP_GIB = 0.397
CROP_CHECKPOINTED_GIB = 0.284
# Steps of 16 crops: (batch, batches a step, checkpointing), the fastest first.
LADDER = (
    (16, 1, False),
    (8, 2, False),
    (4, 4, False),
    (2, 8, False),
    (1, 16, False),
    (1, 16, True),
)


def step_memory(batch: int, checkpointing: bool = False) -> float:
    """GiB of tensors in a training step of recipe A with autocast, by the formula above."""
    return WEIGHTS_GIB + batch * (CROP_CHECKPOINTED_GIB if checkpointing else CROP_GIB)


def memory_ladder(card: float) -> list[str]:
    """The ladder as lines of text; the first row that fits into a card of `card` GiB is marked.

    A tenth is added for what lives for a moment, and 0.6 GiB for CUDA itself (not measured).
    """
    lines = []
    found = False
    for batch, accumulate, checkpointing in LADDER:
        need = step_memory(batch, checkpointing)
        mark = ""
        if not found and 1.1 * need + 0.6 <= card:
            found = True
            mark = "  <- this card"
        options = f"--batch-size {batch} --accumulate {accumulate}"
        if checkpointing:
            options += " --checkpointing"
        lines.append(f"{need:5.1f} GiB  {options}{mark}")
    return lines


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m extras.training_tools.memory", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--gib", type=float, help="memory of the card (default: this machine's)")
    gib = parser.parse_args(arguments).gib
    if gib is None:
        device = find_device()
        if device.type != "cuda":
            raise ValueError("no CUDA card here: say with --gib how much memory yours has")
        gib = torch.cuda.get_device_properties(device).total_memory / 2**30
    require(0, 1e4, gib=gib)
    print("A step of 16 crops needs, the fastest way first:")
    print(*memory_ladder(gib), sep="\n")


if __name__ == "__main__":
    command.run(main)
