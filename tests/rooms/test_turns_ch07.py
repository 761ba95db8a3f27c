"""Chapter 07: wrong versions of what the learner writes are refused in the words that fit."""

import inspect

import pytest

from extras.exercises import ch07, verdict

CLAMPED = "(loss_sum / pixels.clamp(min=1)).backward()  # compute the gradients"
WRONG = [
    ("07.A", "    optimizer.zero_grad()\n    (loss", "    (loss", "the second step goes wrong"),
    ("07.A", "    optimizer.step()  # correct\n", "", "optimizer.step() was not called"),
    (
        "07.A",
        "    optimizer.step()",
        "    optimizer.zero_grad()\n    optimizer.step()",
        "before it",
    ),
    ("07.A", "F.cross_entropy(logits", "F.cross_entropy(logits.softmax(1)", "give it the logits"),
    ("07.A", " ignore_index=255,", "", "with ignore_index=255"),
    ("07.A", "loss_sum.item(), pixels.item()", "pixels.item(), loss_sum.item()", "loss first"),
    ("07.A", CLAMPED, "loss_sum.backward()", "the mean over the labeled pixels"),
    ("07.A", CLAMPED, "(loss_sum / 128).backward()", "the mean over the labeled pixels"),
    ("07.A", "pixels = (targets != 255).sum()  # m", "pixels = (targets > -1).sum()  # m", "128"),
    ("07.A", "return loss_sum.item(), pixels.item()", "return loss_sum, pixels", "plain numbers"),
    (
        "07.A",
        "return loss_sum.item(), pixels.item()",
        "return loss_sum.item() / pixels.item(), pixels.item()",
        "that is the mean loss",
    ),
    ("07.B", "    model.train()\n", "", "still in eval mode"),
    ("07.B", "return loss_sum / max(1, pixels)", "return loss_sum", "the mean loss per labeled"),
    (
        "07.B",
        "        loss_sum += step_loss\n        pixels += step_pixels",
        "        loss_sum += step_loss / step_pixels\n        pixels += 1",
        "you averaged over batches",
    ),
    (
        "07.B",
        "    return loss_sum / max(1, pixels)",
        "        return loss_sum / pixels",
        "`return` stand inside the loop",
    ),
    ("07.C", "    optimizer.zero_grad()\n", "", "optimizer.zero_grad()"),
    ("07.C", "loss_sum / pixels.clamp(min=1)", "loss_sum", "divide the sum by their number"),
    ("07.C", ", memory_format=torch.channels_last", "", "not channels last"),
    ("07.C", "with torch.autocast(device.type, dtype=half):", "if True:", "computed in float32"),
    ("07.C", "logits.float()", "logits", "take logits.float() first"),
    ("07.C", "    scaler.step(optimizer)\n", "    optimizer.step()\n", "the order is scale"),
    ("07.C", "return loss_sum.detach(), pixels", "return loss_sum.item(), pixels", ".item()"),
    ("07.C", "return loss_sum.detach(), pixels", "return loss_sum, pixels", "detach the loss"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch07.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch07))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


@pytest.mark.parametrize("name", ["07.A", "07.C"])
def test_gradients_may_be_emptied_at_the_end_of_a_step(name):
    function = ch07.TURNS[name[-1]]
    source = inspect.getsource(function).replace("    optimizer.zero_grad()\n", "")
    source = source.replace("    return", "    optimizer.zero_grad()\n    return")
    names = dict(vars(ch07))
    exec(compile(source, "answer", "exec"), names)
    assert verdict(name, names[function.__name__]) is None
