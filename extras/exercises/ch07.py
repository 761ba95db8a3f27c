"""Checkers of chapter 07: the average loss of an epoch, accumulated gradients, an order that can be
resumed.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from extras.exercises import Wrong


def exercise_1(epoch_loss) -> None:
    """epoch_loss([(mean loss, pixels), ...]) -> mean loss of a labeled pixel."""
    value = epoch_loss([(2.0, 100), (2.0, 100)])
    if not math.isclose(value, 2.0):
        raise Wrong(f"two equal batches of loss 2.0 average 2.0, yours gives {value}.")
    value = epoch_loss([(2.0, 100), (1.0, 300)])
    if math.isclose(value, 1.5):
        raise Wrong(
            "you averaged over batches: with 100 pixels at loss 2 and 300 at loss 1, a pixel's "
            "mean is 1.25."
        )
    if not math.isclose(value, 1.25):
        raise Wrong(f"100 pixels at loss 2 and 300 at loss 1 average 1.25, yours gives {value}.")
    value = epoch_loss([(1.0, 50), (float("nan"), 0), (4.0, 50)])
    if not math.isclose(value, 2.5):
        raise Wrong(
            f"a batch without labeled pixels must not count; expected 2.5, yours gives {value}."
        )
    value = epoch_loss([(float("nan"), 0)])
    if value != 0:
        raise Wrong(f"with no labeled pixel at all the answer is 0, yours gives {value}.")


def exercise_2(accumulate) -> None:
    """accumulate(model, batches) leaves the gradient of the one large batch in the parameters."""
    generator = torch.Generator().manual_seed(7)
    images = torch.randn(6, 3, 8, 8, generator=generator)
    targets = torch.randint(0, 5, (6, 8, 8), generator=generator)
    targets[0, :, 2:] = 255  # void is spread unevenly
    targets[1] = 255
    lonely = torch.full_like(targets, 255)
    lonely[3, 4, 4] = 2
    for truth, sizes, what in (
        (targets, (2, 2, 2), "three batches of two"),
        (targets, (1, 4, 1), "batches of 1, 4 and 1 frames"),
        (targets, (1, 1, 4), "batches, one of them all void,"),
        (lonely, (3, 3), "one labeled pixel in all"),
    ):
        model = nn.Conv2d(3, 5, 3, padding=1)
        F.cross_entropy(model(images), truth, ignore_index=255).backward()
        expected = [parameter.grad.clone() for parameter in model.parameters()]
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)  # left over from an earlier step
        accumulate(model, list(zip(images.split(sizes), truth.split(sizes))))
        found = [parameter.grad for parameter in model.parameters()]
        if any(grad is None for grad in found):
            raise Wrong(
                "a parameter has no gradient afterwards: call backward() on every batch's loss."
            )
        if any(torch.isnan(grad).any() for grad in found):
            raise Wrong(
                "the gradient is nan: one batch had no labeled pixel, and the mean over nothing "
                "is nan."
            )
        if all(torch.allclose(grad - 1, right, atol=1e-5) for grad, right in zip(found, expected)):
            raise Wrong("right, but added to gradients left from before: set them to zero first.")
        if not all(torch.allclose(grad, right, atol=1e-5) for grad, right in zip(found, expected)):
            raise Wrong(
                f"with {what} the gradient is not that of the large batch: divide by the labeled "
                "pixels of all batches, not batch by batch."
            )


def exercise_3(epoch_order) -> None:
    """epoch_order(frames, seed, epoch) -> list, a function of its arguments alone."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    order = epoch_order(50, 0, 3)
    if not torch.equal(before, torch.get_rng_state()):
        raise Wrong(
            "PyTorch's global random state has changed: the dropout masks would differ after a "
            "resume. Use a generator of your own."
        )
    if sorted(order) != list(range(50)):
        raise Wrong("every frame from 0 to frames - 1 must occur exactly once.")
    torch.manual_seed(2)
    if epoch_order(50, 0, 3) != order:
        raise Wrong(
            "asked again, the order is another one: it may depend on frames, seed and epoch alone."
        )
    orders = {
        (seed, epoch): tuple(epoch_order(50, seed, epoch))
        for seed in range(4)
        for epoch in range(30)
    }
    if len({orders[0, epoch] for epoch in range(30)}) < 30:
        raise Wrong("two epochs have the same order.")
    if len({orders[seed, 0] for seed in range(4)}) < 4:
        raise Wrong("two seeds give the same order.")
    if len(set(orders.values())) < len(orders):
        raise Wrong("two different (seed, epoch) pairs give the same order: is it seed + epoch?")
