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
    # An odd polynomial of the matrix is the same polynomial of each of its singular values.
    for _ in range(steps):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (2.0315 * gram @ gram - 4.7750 * gram) @ wide
    return wide.T if len(matrix) > matrix.shape[1] else wide


LAST_LAYERS = ("head", "score")  # what the names of the layers that score classes begin with


def is_hidden_convolution(name: str, weight: torch.Tensor) -> bool:
    """Whether a parameter is the kernel of a convolution that does not score classes."""
    last = any(part.startswith(LAST_LAYERS) for part in name.split("."))
    return weight.ndim == 4 and not last


class Muon(torch.optim.AdamW):
    """Muon for the convolutions of `model`; AdamW for biases, batch norm and the layers that score.

    A kernel [out, in, h, w] counts as a matrix [out, in * h * w]. Groups: AdamW's first, then the
    convolutions. Raises ValueError if `model` has no convolution but its last layer.
    """

    def __init__(
        self, model: nn.Module, lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ):
        kernels = []
        others = []
        for name, weight in model.named_parameters():
            if is_hidden_convolution(name, weight):
                kernels.append(weight)
            else:
                others.append(weight)
        if not kernels:
            raise ValueError(
                f"{type(model).__name__} has no convolution besides its head; Muon is for such "
                "weights"
            )
        groups = [{"params": others}, {"params": kernels, "momentum": momentum}]
        super().__init__(groups, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure=None):
        if closure is not None:
            raise ValueError(
                "Muon wants gradients, not a closure: call backward first, then step()"
            )
        group = self.param_groups[1]
        for kernel in group["params"]:
            if kernel.grad is None:
                continue
            state = self.state[kernel]
            if not state:  # "step" as in AdamW, which looks for it when a state is loaded
                state["step"] = torch.tensor(0.0)
                state["average"] = torch.zeros_like(kernel)
            state["step"] += 1

            # Nesterov: the momentum, one step ahead
            average = state["average"].lerp_(kernel.grad, 1 - group["momentum"])
            update = kernel.grad.lerp(average, group["momentum"]).flatten(1)
            update = orthogonalize(update).view_as(kernel)

            # With this factor an entry changes by about as much as in AdamW.
            size = 0.2 * max(kernel.flatten(1).shape) ** 0.5
            kernel.mul_(1 - group["lr"] * group["weight_decay"])
            kernel.sub_(update, alpha=group["lr"] * size)
            kernel.grad = None  # done: AdamW passes over weights without a gradient
        super().step()
