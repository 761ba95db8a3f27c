"""What a training costs, counted without running it: floating-point operations and memory
(chapters 06, 07, 14).

A network on PyTorch's "meta" device has shapes and no numbers. A forward pass there tells every
product it would compute and every tensor it would keep for the backward pass, in milliseconds, for
a network of any size.
"""

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers.device import checkpoint_blocks
from helpers.unet import UNet


class Cost(NamedTuple):
    """One image through a training step: `flop` (forward and backward), `kept` bytes of
    activations, `parameters`.
    """

    flop: float
    kept: int
    parameters: int


def training_cost(
    rows: int, columns: int, dtype=torch.bfloat16, checkpointing: bool = False, **arguments
) -> Cost:
    """The cost of one image [3, rows, columns] for UNet(**arguments): backward counts twice the
    forward.

    With `checkpointing`, what is kept is what stands between the blocks (helpers.device); the
    second forward pass of the blocks is not counted.
    """
    with torch.device("meta"):
        model = UNet(**arguments).to(dtype).train()
        image = torch.empty(1, 3, rows, columns, dtype=dtype)
    own = {p.untyped_storage()._cdata for p in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}  # a tensor and its views count once

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    if checkpointing:
        checkpoint_blocks(model)
    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
    ):
        logits = model(image)
        target = torch.zeros(1, *logits.shape[2:], dtype=torch.int64, device="meta")
        torch.nn.functional.cross_entropy(logits.float(), target)
    return Cost(
        3 * counter.get_total_flops(),
        sum(s.nbytes() for s in kept.values()),
        sum(p.numel() for p in model.parameters()),
    )
