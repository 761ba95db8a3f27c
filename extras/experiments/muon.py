"""Muon: an optimizer whose steps turn all directions of a weight matrix by about the same amount
(chapter 12).

The gradient of a convolution, written as a matrix with one row per filter, is dominated by a few
directions; so is Adam's step. Muon keeps a momentum of the gradients and replaces its singular
values by (nearly) 1 before it steps. Jordan et al. 2024, "Muon: An optimizer for hidden layers in
neural networks"; step size and weight decay as in Liu et al. 2025, "Muon is scalable for LLM
training", so that AdamW's learning rate fits. `torch.optim.Muon` (PyTorch 2.9 and later) does the
same for matrices alone and refuses convolutions.
"""

import torch
from torch import nn


def orthogonalize(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """`matrix` [m, n] with its singular values brought near 1 (0.7 to 1.2), by Newton-Schulz
    iterations; no SVD.

    For U S V' the result is nearly U V', whatever the scale of `matrix`. Directions whose singular
    value is less than a thousandth of the norm may fall short.
    """
    wide = matrix.T if len(matrix) > matrix.shape[1] else matrix
    wide = wide / (wide.norm() + 1e-7)
    for _ in range(
        steps
    ):  # an odd polynomial of the matrix is the same polynomial of each singular value
        gram = wide @ wide.T
        wide = 3.4445 * wide + (2.0315 * gram @ gram - 4.7750 * gram) @ wide
    return wide.T if len(matrix) > matrix.shape[1] else wide


class Muon(torch.optim.AdamW):
    """Muon for the convolutions of `model`; AdamW for biases, batch norm and the last layer,
    `head`.

    A filter [out, in, h, w] counts as a matrix [out, in * h * w]. Groups: AdamW's first, then the
    convolutions. Raises ValueError if `model` has no convolution but its head.
    """

    def __init__(
        self, model: nn.Module, lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ):
        named = list(model.named_parameters())
        filters = {
            name for name, weight in named if weight.ndim == 4 and "head" not in name.split(".")
        }
        if not filters:
            raise ValueError(
                f"{type(model).__name__} has no convolution besides its head; Muon is for such "
                "weights"
            )
        super().__init__(
            [
                {"params": [weight for name, weight in named if name not in filters]},
                {
                    "params": [weight for name, weight in named if name in filters],
                    "momentum": momentum,
                },
            ],
            lr=lr,
            betas=(0.9, 0.95),
            weight_decay=weight_decay,
        )

    @torch.no_grad()
    def step(self, closure=None):
        if closure is not None:
            raise ValueError(
                "Muon wants gradients, not a closure: call backward first, then step()"
            )
        group = self.param_groups[1]
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:  # "step" as in AdamW, which looks for it when a state is loaded
                state.update(step=torch.tensor(0.0), average=torch.zeros_like(weight))
            state["step"] += 1
            average = state["average"].lerp_(weight.grad, 1 - group["momentum"])
            update = weight.grad.lerp(average, group["momentum"]).flatten(
                1
            )  # Nesterov: one step ahead
            size = (
                0.2 * max(update.shape) ** 0.5
            )  # then an entry changes by about as much as in AdamW
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_(orthogonalize(update).view_as(weight), alpha=group["lr"] * size)
            weight.grad = None  # done: AdamW passes over weights without a gradient
        super().step()
