"""Checkers of chapter 07: a step, an epoch, a fast step; accumulated gradients, a fixed order."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from extras.exercises import Wrong, explain


def train_step(model, optimizer, images, targets):
    """One step on a batch; returns the summed loss and the number of labeled pixels."""
    logits = model(images)  # predict
    loss_sum = F.cross_entropy(logits, targets, ignore_index=255, reduction="sum")
    pixels = (targets != 255).sum()  # measure
    optimizer.zero_grad()
    (loss_sum / pixels.clamp(min=1)).backward()  # compute the gradients
    optimizer.step()  # correct
    return loss_sum.item(), pixels.item()


def train_epoch(model, optimizer, loader):
    """One pass over the loader; returns the mean loss per labeled pixel."""
    model.train()
    loss_sum = 0.0
    pixels = 0
    for images, targets in loader:
        step_loss, step_pixels = train_step(model, optimizer, images, targets)
        loss_sum += step_loss
        pixels += step_pixels
    return loss_sum / max(1, pixels)


def fast_step(model, optimizer, scaler, images, targets, device, half):
    """train_step for a GPU; returns two tensors on the device."""
    images = images.to(device, non_blocking=True, memory_format=torch.channels_last)
    targets = targets.to(device, non_blocking=True)
    with torch.autocast(device.type, dtype=half):
        logits = model(images)
    loss_sum = F.cross_entropy(logits.float(), targets, ignore_index=255, reduction="sum")
    pixels = (targets != 255).sum()
    optimizer.zero_grad()
    scaler.scale(loss_sum / pixels.clamp(min=1)).backward()
    scaler.step(optimizer)
    scaler.update()
    return loss_sum.detach(), pixels


def small_problem():
    """A model, two batches of one frame, 88 and 40 labeled pixels of 128."""
    torch.manual_seed(7)
    model = nn.Conv2d(3, 5, 3, padding=1)
    images = torch.randn(2, 3, 8, 16)
    targets = torch.randint(0, 5, (2, 8, 16))
    targets[0].view(-1)[:40] = 255
    targets[1].view(-1)[:88] = 255
    batches = [(images[:1], targets[:1]), (images[1:], targets[1:])]
    return model, batches


def weights_of(model) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def turn_a(answer) -> None:
    """train_step(model, optimizer, images, targets) -> (loss sum, pixels)."""
    model, batches = small_problem()
    expected_model, _ = small_problem()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    expected_optimizer = torch.optim.SGD(expected_model.parameters(), lr=0.5)
    no_class = "255 is no class: tell F.cross_entropy to leave it out, with ignore_index=255"
    for number, (images, targets) in enumerate(batches):
        before = weights_of(model)
        softened = expected_model(images).softmax(dim=1)
        twice = F.cross_entropy(softened, targets, ignore_index=255, reduction="sum").item()
        with explain(IndexError, "Target 255", hint=no_class):
            got = answer(model, optimizer, images, targets)
        expected = train_step(expected_model, expected_optimizer, images, targets)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise Wrong(
                "return two numbers: the summed loss and the number of labeled pixels; found "
                f"{type(got).__name__}"
            )
        if torch.equal(before, weights_of(model)):
            raise Wrong(
                "no weight has moved: optimizer.step() was not called, or zero_grad() has emptied "
                "the gradients before it"
            )
        if isinstance(got[0], torch.Tensor) or isinstance(got[1], torch.Tensor):
            raise Wrong("return plain numbers: .item() makes one of a tensor")
        if got[1] == 128:
            raise Wrong(
                f"you counted all 128 pixels, {expected[1]} are labeled: pixels with 255 do not "
                "count"
            )
        if got[0] == expected[1]:
            raise Wrong("return the summed loss first, then the number of pixels")
        if got[1] != expected[1]:
            raise Wrong(f"{expected[1]} pixels are labeled, you return {got[1]}")
        if math.isclose(got[0], twice, rel_tol=1e-4):
            raise Wrong("F.cross_entropy computes the softmax itself: give it the logits")
        if math.isclose(got[0], expected[0] / expected[1], rel_tol=1e-3):
            raise Wrong("that is the mean loss; return the sum, so that an epoch can weigh it")
        if not math.isclose(got[0], expected[0], rel_tol=1e-3):
            raise Wrong(f"the summed loss is {expected[0]:.2f}, you return {got[0]:.2f}")
        if not torch.allclose(weights_of(model), weights_of(expected_model), atol=1e-4):
            if number == 1:
                raise Wrong(
                    "the second step goes wrong: PyTorch adds gradients up, so those of the step "
                    "before are still in there. Which call empties them?"
                )
            raise Wrong(
                "the weights have moved, but not by the gradient of the mean over the labeled "
                "pixels: divide the sum by their number before backward()"
            )


def turn_b(answer) -> None:
    """train_epoch(model, optimizer, loader) -> mean loss per labeled pixel."""
    model, batches = small_problem()
    expected_model, _ = small_problem()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    expected_optimizer = torch.optim.SGD(expected_model.parameters(), lr=0.5)
    model.eval()
    expected = train_epoch(expected_model, expected_optimizer, batches)
    got = answer(model, optimizer, batches)
    if not isinstance(got, float):
        raise Wrong(f"return one number, the mean loss of the epoch; found {type(got).__name__}")
    if not model.training:
        raise Wrong("the model is still in eval mode: call model.train() first")
    if math.isclose(got, expected, rel_tol=1e-4):
        return
    other_model, _ = small_problem()
    other = torch.optim.SGD(other_model.parameters(), lr=0.5)
    steps = [train_step(other_model, other, *batch) for batch in batches]
    if math.isclose(got, sum(loss / pixels for loss, pixels in steps) / 2, rel_tol=1e-4):
        raise Wrong(
            "you averaged over batches: one has 88 labeled pixels, the other 40. Add up sums and "
            "pixels, and divide once"
        )
    if math.isclose(got, steps[0][0] / steps[0][1], rel_tol=1e-4):
        raise Wrong("only the first batch is in it: does `return` stand inside the loop?")
    raise Wrong(f"the mean loss per labeled pixel is {expected:.4f}, you return {got:.4f}")


class RecordingScaler:
    """Stands in for a GradScaler and writes down what is called."""

    def __init__(self):
        self.called: list[str] = []

    def scale(self, loss):
        self.called.append("scale")
        return loss

    def step(self, optimizer):
        self.called.append("step")
        optimizer.step()

    def update(self):
        self.called.append("update")


class Spy(nn.Module):
    """A convolution that notes the type of its output, and how its input lies in memory."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.dtype = None
        self.channels_last = False

    def forward(self, images):
        self.channels_last = images.is_contiguous(memory_format=torch.channels_last)
        logits = self.layer(images)
        self.dtype = logits.dtype
        return logits


def _after_fast_steps(step, count: int) -> torch.Tensor:
    """The weights after one step on each of the first `count` batches."""
    layer, batches = small_problem()
    model = Spy(layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    cpu = torch.device("cpu")
    for images, targets in batches[:count]:
        step(model, optimizer, RecordingScaler(), images, targets, cpu, torch.bfloat16)
    return weights_of(model)


def turn_c(answer) -> None:
    """fast_step(model, optimizer, scaler, images, targets, device, half) -> two tensors."""
    layer, batches = small_problem()
    model = Spy(layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler = RecordingScaler()
    before = weights_of(model)
    images, targets = batches[0]
    cpu = torch.device("cpu")
    got = answer(model, optimizer, scaler, images, targets, cpu, torch.bfloat16)
    if not isinstance(got, (tuple, list)) or len(got) != 2:
        raise Wrong(f"return two tensors, found {type(got).__name__}")
    loss_sum, pixels = got
    if not isinstance(loss_sum, torch.Tensor) or not isinstance(pixels, torch.Tensor):
        raise Wrong("return tensors: .item() makes everybody wait for the number")
    if model.dtype != torch.bfloat16:
        raise Wrong(
            "the network computed in float32: wrap the forward pass in torch.autocast(device.type, "
            "dtype=half)"
        )
    if not model.channels_last:
        raise Wrong("the images are not channels last: .to(..., memory_format=torch.channels_last)")
    if loss_sum.dtype != torch.float32:
        raise Wrong(f"the loss has the type {loss_sum.dtype}: take logits.float() first")
    if scaler.called != ["scale", "step", "update"]:
        raise Wrong(
            f"you called {scaler.called}; the order is scale (with backward), step, update, all of "
            "the scaler"
        )
    if torch.equal(before, weights_of(model)):
        raise Wrong("no weight has moved: scaler.scale(...) returns a loss that wants backward()")
    if loss_sum.requires_grad:
        raise Wrong("detach the loss that you return, or the whole step stays in memory")
    reference, _ = small_problem()
    with torch.no_grad():
        logits = reference(images)
    expected = F.cross_entropy(logits, targets, ignore_index=255, reduction="sum")
    if not math.isclose(float(loss_sum), float(expected), rel_tol=0.05):
        raise Wrong(f"the summed loss is about {expected:.1f}, you return {float(loss_sum):.1f}")
    if int(pixels) != 88:
        raise Wrong(f"88 pixels are labeled, you return {int(pixels)}")
    if not torch.allclose(weights_of(model), _after_fast_steps(fast_step, 1), atol=1e-2):
        raise Wrong(
            "the weights have moved, but not by the gradient of the mean over the labeled pixels: "
            "divide the sum by their number before backward()"
        )
    if not torch.allclose(_after_fast_steps(answer, 2), _after_fast_steps(fast_step, 2), atol=1e-2):
        raise Wrong("gradients of the step before are still in there: optimizer.zero_grad()")


TURNS = {"A": train_step, "B": train_epoch, "C": fast_step}


class NotesBatches(nn.Conv2d):
    """A convolution that notes the largest batch it was given."""

    largest = 0

    def forward(self, images):
        self.largest = max(self.largest, len(images))
        return super().forward(images)


def exercise_1(accumulate) -> None:
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
        model = NotesBatches(3, 5, 3, padding=1)
        F.cross_entropy(model(images), truth, ignore_index=255).backward()
        model.largest = 0
        expected = [parameter.grad.clone() for parameter in model.parameters()]
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)  # left over from an earlier step
        accumulate(model, list(zip(images.split(sizes), truth.split(sizes))))
        if model.largest > max(sizes):
            raise Wrong(
                f"the model saw {model.largest} frames at once, so it needed the memory of the "
                "large batch: send one batch after the other, each with a backward() of its own."
            )
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


def exercise_2(epoch_order) -> None:
    """epoch_order(frames, seed, epoch) -> list, a function of its arguments alone."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    order = epoch_order(50, 0, 3)
    if not torch.equal(before, torch.get_rng_state()):
        raise Wrong(
            "PyTorch's global random state has changed: the dropout masks would differ after a "
            "resume. Use a generator of your own."
        )
    if not isinstance(order, list):
        raise Wrong(f"return a list, found {type(order).__name__}: .tolist() makes one.")
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
