"""Chapter 11: wrong versions of what the learner writes are refused in the words that fit; and what
the alarm's curves promise holds when they are measured.
"""

import inspect
import re

import nbformat
import numpy as np
import pytest
import torch

from extras.bug_lab.bugs import case, difference
from extras.exercises import ch11, verdict
from helpers.config import TrainConfig
from helpers.csv_index import Row
from helpers.dataset import CityscapesDataset
from helpers.labels import TRAIN_19
from helpers.paths import ROOT
from helpers.training import Run
from helpers.unet import UNet

STEPS = 120
MIDDLE = "image[margin : margin + height, margin : margin + width, 0]"
RANDOM = "random.integers(0, 19, (600, 800), dtype=np.uint8)"
WRONG = [
    ("11.A", '18: "resized bilinearly"', '18: "crop shifted"', "five new ones"),
    ("11.A", '19: "flipped alone"', '19: "crop shifted"', "changed sides"),
    ("11.A", '"red and blue exchanged"', '"other constants"', "orange into blue"),
    ("11.A", '"flipped alone"', '"mirrored"', "is not in the list"),
    ("11.B", "wrong = wrong[wrong != 255]", "", "255 means ignored"),
    ("11.B", "values >= num_classes", "values > num_classes", "a target that holds 19 passed"),
    ("11.B", "(values < 0) | ", "", "a target that holds -1 passed"),
    ("11.B", "{wrong.tolist()}", "wrong values", "does not name 26"),
    ("11.B", "raise ValueError(", "return str(", "a guard stops"),
    ("11.B", "raise ValueError(", "raise RuntimeError(", "a ValueError was expected"),
    ("11.C", "math.log(math.e + num_classes - 1) - 1", "0", "at most 1"),
    ("11.C", "math.log(math.e + num_classes - 1) - 1", "math.log(num_classes)", "knowing nothing"),
    ("11.C", " - 1) - 1", " - 1)", "is subtracted"),
    ("11.C", "num_classes - 1) - 1", "num_classes) - 1", "how many are 0"),
    ("11.C", "return ", "return math.e / (math.e + num_classes - 1)  # ", "the probability of"),
    ("11.D", MIDDLE, "image[..., 0]", "cut view.margin off"),
    ("11.D", MIDDLE, "image[:height, :width, 0]", "healthy helpers get"),
    ("11.D", RANDOM, "np.full((600, 800), 3, np.uint8)", "neighbors are alike"),
    (
        "11.D",
        RANDOM,
        "np.repeat(random.integers(0, 19, (600, 1), dtype=np.uint8), 800, axis=1)",
        "further to the right still agrees",
    ),
    ("11.D", "(middle == label).mean()", "(middle == label).sum()", "a share is at most 1"),
    ("11.E", "labeled = targets[targets != 255]", "labeled = targets.ravel()", "255 is no class"),
    ("11.E", "knows_shares / 4", "math.log(num_classes)", "case 4 passes"),
    ("11.E", "len(present) < expected", "False", "case 7 passes"),
    ("11.E", "len(present) < expected", "len(present) < 3", "healthy batch of two classes"),
    ("11.E", "losses[0] / math.log(num_classes)", "losses[0] / 2.94", "healthy batch of two"),
    ("11.E", "0.5 < losses[0] / math.log(num_classes) < 2", "losses", "first loss of 25.3 passes"),
    ("11.E", "knows_shares / 4", "0.01", "a false alarm is a fault"),
    ("11.E", 'return "the batch was not learned by heart"', "return True", "as a text"),
]


def changed(name: str, right: str, wrong: str):
    """The course's version of a turn with one piece of its source replaced."""
    function = ch11.TURNS[name[-1]]
    source = inspect.getsource(function)
    assert right in source
    names = dict(vars(ch11))
    exec(compile(source.replace(right, wrong), "answer", "exec"), names)
    return names[function.__name__]


@pytest.mark.parametrize("name, right, wrong, phrase", WRONG)
def test_a_wrong_turn_is_refused_in_the_words_that_fit(name, right, wrong, phrase):
    assert phrase in verdict(name, changed(name, right, wrong))


def test_other_right_answers_are_accepted():
    def floor(num_classes):
        return float(np.log(1 + (num_classes - 1) / np.e))

    assert verdict("11.C", floor) is None


def by_heart(number=None, last_layer=1, num_classes=19, steps=STEPS):
    """The losses of learning the street by heart as chapter 11 does, the target, the prediction.

    The last layer of the fresh network is `last_layer` times too large; with two classes the
    target is car or not.
    """
    config = TrainConfig(
        name="by_heart",
        view="frame",
        height=64,
        padding="same",
        depth=3,
        epochs=steps,
        batch_size=1,
        learning_rate=1e-2,
    )
    row = Row("frame.webp", "labelIds.png", "kastanienbad", "000005_000019")
    with case(number):
        street = CityscapesDataset([row], ROOT / "data" / "frame", config.make_view())
        image, target = street[0]
        if num_classes == 2:
            target = torch.where(target == 255, 255, (target == 13).long())
        torch.manual_seed(0)
        model = UNet(
            num_classes=num_classes, width=8, depth=3, padding="same", norm="batch", dropout=0.0
        )
        model.head.weight.data *= last_layer
        run = Run(config, model, street, street, progress=False)
        run.model.train()
        losses = []
        for step in range(steps):
            loss_sum, pixels = run.step(step, [(image[None], target[None])])[0]
            losses.append(float(loss_sum / pixels))
    with torch.no_grad():
        prediction = run.model(image[None])[0].argmax(0)
    return losses, target.numpy(), prediction.numpy()


@pytest.mark.parametrize("number", [None, 4, 5, 6, 7])
def test_the_curves_are_as_far_apart_as_the_chapter_says(number):
    losses, target, _ = by_heart(number)
    assert 2.5 < losses[0] < 4.5  # within the factor of two that the chapter allows
    said = ch11.alarm(losses, target, 19)
    if number is None:
        assert said is None and losses[-1] < 0.25
    elif number == 7:
        assert losses[-1] < 0.1 and said == "the targets hold only 2 classes"
        assert np.unique(target).tolist() == [0, 1]
    else:
        assert said == "the batch was not learned by heart"
        assert losses[-1] > (ch11.floor(19) if number == 4 else 0.8)


def test_what_is_small_is_learned_last():
    """After 300 steps nearly every pixel is right, the rider's and the bicycles' too."""
    _, target, prediction = by_heart(steps=300)
    labeled = target != 255
    assert (prediction == target)[labeled].mean() > 0.995
    small = np.isin(target, [TRAIN_19.names.index(name) for name in ("rider", "bicycle")])
    assert small.sum() / labeled.sum() == pytest.approx(0.01, abs=0.002)
    assert (prediction == target)[small].mean() > 0.7


def test_a_last_layer_that_is_too_large_shows_in_the_first_loss():
    losses, target, _ = by_heart(last_layer=20)
    assert losses[0] == pytest.approx(25.3, abs=3) and losses[-1] < losses[0] / 10
    assert ch11.alarm(losses, target, 19) == "the first loss is far from that of knowing nothing"


def test_a_healthy_batch_of_two_classes_raises_no_alarm():
    losses, target, _ = by_heart(num_classes=2)
    assert ch11.alarm(losses, target, 2, expected=2) is None
    assert ch11.alarm(losses, target, 2) == "the targets hold only 2 classes"


def test_the_folded_answers_show_the_lines_that_the_bugs_change():
    notebook = nbformat.read(ROOT / "notebooks" / "11_bug_lab.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    answers = re.findall(r"<summary>Answer to case (\d+)</summary>(.*?)</details>", text, re.S)
    hints = re.findall(r"<summary>Hint for case (\d+)</summary>", text)
    numbers = [number for number, _ in answers]
    assert len(set(numbers)) == len(numbers) == 17
    assert hints == [number for number in numbers if number in hints]
    for number, answer in answers:
        shown = re.search(r"```diff\n(.*?)```", answer, re.S)
        assert shown, f"case {number} shows no line"
        assert shown[1].strip() == difference(f"case {number}"), number
