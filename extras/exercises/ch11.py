"""Checkers of chapter 11: a diagnosis, a guard, a floor, a test of alignment, an alarm."""

import math

import numpy as np
import torch

from extras.bug_lab.bugs import planted
from extras.exercises import Wrong, explain
from helpers.windows import View

CAUSES = (
    "label scaled",
    "red and blue exchanged",
    "crop shifted",
    "resized bilinearly",
    "other constants",
    "flipped alone",
)


def diagnose(number):
    """The cause of case 18, 19 or 20, in the words of the list."""
    causes = {
        18: "resized bilinearly",
        19: "flipped alone",
        20: "red and blue exchanged",
    }
    return causes[number]


def turn_a(answer) -> None:
    """diagnose(number) -> one of CAUSES, for 18, 19 and 20."""
    why_not = {
        (
            18,
            "crop shifted",
        ): "a shift keeps the classes that are there, and here are five new ones",
        (18, "label scaled"): "a scaled label would hold one or two classes; here there are 19",
        (18, "flipped alone"): "the label lies where it should; look at its outlines",
        (19, "crop shifted"): "compare left and right: the large car has changed sides",
        (
            19,
            "resized bilinearly",
        ): "the classes are those of the healthy pair; look where they lie",
        (
            20,
            "other constants",
        ): "constants change light and dark; they do not turn orange into blue",
        (20, "resized bilinearly"): "the label is that of the healthy pair; look at the frame",
    }
    for case in (18, 19, 20):
        cause = answer(case)
        if cause not in CAUSES:
            raise Wrong(f"case {case}: {cause!r} is not in the list; copy the words from there")
        if cause != diagnose(case):
            reason = why_not.get((case, cause), f"{cause!r} would look different")
            raise Wrong(f"case {case}: {reason}")


def check_target(target, num_classes):
    """Raise ValueError if a target holds anything but classes and 255."""
    values = target.unique()
    wrong = values[(values < 0) | (values >= num_classes)]
    wrong = wrong[wrong != 255]
    if len(wrong) > 0:
        raise ValueError(
            f"the target holds {wrong.tolist()}, "
            f"classes are 0 to {num_classes - 1}, and 255 is ignored"
        )


def turn_b(answer) -> None:
    """check_target(target, num_classes) -> None, or ValueError that names the values."""
    good = torch.tensor([[0, 7, 18], [255, 255, 3]])
    nothing_labeled = torch.full((2, 3), 255)
    for target, what in ((good, "classes and 255"), (nothing_labeled, "nothing but 255")):
        try:
            answer(target, 19)
        except ValueError as error:
            raise Wrong(
                f"a target of {what} was refused ({error}); 255 means ignored and is allowed"
            ) from error

    ids = torch.tensor([[7, 26, 33], [255, 8, 11]])
    scaled = torch.tensor([[0, -1], [3, 4]])
    for target, value, classes in ((ids, 26, 19), (torch.tensor([[19]]), 19, 19), (scaled, -1, 19)):
        try:
            said = answer(target, classes)
        except ValueError as error:
            if str(value) not in str(error):
                raise Wrong(
                    f"the message {str(error)!r} does not name {value}, the value that was found"
                ) from error
            continue
        except (AssertionError, RuntimeError, IndexError, KeyError, TypeError) as error:
            raise Wrong(
                f"for a target that holds {value} a ValueError was expected, not "
                f"{type(error).__name__}: {error}"
            ) from error
        if said is not None:
            raise Wrong(f"you return {said!r}; a guard stops: raise a ValueError instead")
        raise Wrong(
            f"a target that holds {value} passed, but the {classes} classes are 0 to {classes - 1}"
        )


def floor(num_classes):
    """The smallest loss that is left if softmax is applied twice."""
    return math.log(math.e + num_classes - 1) - 1


def turn_c(answer) -> None:
    """floor(num_classes) -> float."""
    for classes in (2, 19, 150):
        got = float(answer(classes))
        right = floor(classes)
        if abs(got - right) < 1e-6:
            continue
        if abs(got) < 1e-6:
            raise Wrong(
                "0 would need a first output that is infinitely larger than the others; but what "
                "reaches the second softmax is at most 1"
            )
        if abs(got - math.log(classes)) < 1e-6:
            raise Wrong("ln(classes) is the loss of knowing nothing; here the network is certain")
        if abs(got + right) < 1e-6:
            raise Wrong("a loss is positive: minus the logarithm of a probability below 1")
        if abs(got - math.log(math.e + classes)) < 1e-6 or abs(got - right - 1) < 1e-6:
            raise Wrong("the loss is -ln(e / (e + classes - 1)): ln(e) = 1 is subtracted")
        if abs(got - math.log(math.e + classes) + 1) < 1e-6:
            raise Wrong(f"of {classes} outputs one is 1; how many are 0?")
        if abs(got - math.exp(-right)) < 1e-6:
            raise Wrong("that is the probability of the right class; the loss is -ln of it")
        raise Wrong(f"for {classes} classes the floor is {right:.3f}, you return {got:.3f}")


def agreement(view):
    """The share of pixels whose color is their label, after cropping."""
    random = np.random.default_rng(0)
    label = random.integers(0, 19, (600, 800), dtype=np.uint8)
    image = np.stack([label, label, label], axis=2)
    image, label = view.pair(image, label)

    # The image window is wider than the label window, by the margin on each side.
    margin = view.margin
    height, width = label.shape
    middle = image[margin : margin + height, margin : margin + width, 0]
    return (middle == label).mean()


class _Shifted:
    """A view whose label window lies one pixel lower, or one further to the right."""

    def __init__(self, down: int, right: int):
        self.view = View("crop")
        self.margin = self.view.margin
        self.down = down
        self.right = right

    def pair(self, image, label):
        moved = np.roll(label, (-self.down, -self.right), axis=(0, 1))
        return self.view.pair(image, moved)


def turn_d(answer) -> None:
    """agreement(view) -> share of pixels, 1.0 for a healthy view, chance for a shifted one."""
    wider = "the image window is wider than the label window: cut view.margin off each side first"
    with explain((ValueError, IndexError), "shape", "broadcast", hint=wider):
        healthy = answer(View("crop"))
    if healthy is None or np.asarray(healthy).size != 1:
        raise Wrong(f"expected one number, found {type(healthy).__name__}")
    healthy = float(healthy)
    if healthy > 1.001:
        raise Wrong(f"a share is at most 1, you return {healthy:g}")
    if healthy < 0.999:
        raise Wrong(f"healthy helpers get {healthy:.3f} and should get 1: {wider}")
    with planted("one-pixel-off"):
        sick = answer(View("crop"))
    if sick > 0.9:
        raise Wrong(
            f"with the label one pixel off, {sick:.3f} still agree: where neighbors are alike a "
            "shift goes unnoticed; draw every pixel of the label at random"
        )
    for down, right, where in ((1, 0, "down"), (0, 1, "to the right")):
        sick = answer(_Shifted(down, right))
        if sick > 0.9:
            raise Wrong(
                f"a label one pixel further {where} still agrees in {sick:.3f}: your label hardly "
                "changes in that direction"
            )


def alarm(losses, targets, num_classes, expected=3):
    """What is wrong with a batch to be learned by heart, or None."""
    labeled = targets[targets != 255]
    shares = np.bincount(labeled) / len(labeled)
    present = shares[shares > 0]
    if len(present) < expected:
        return f"the targets hold only {len(present)} classes"

    # Weights are random: allow a factor of two.
    if not 0.5 < losses[0] / math.log(num_classes) < 2:
        return "the first loss is far from that of knowing nothing"

    # Knowing the batch is far better than knowing its shares.
    knows_shares = -(present * np.log(present)).sum()
    if losses[-1] > knows_shares / 4:
        return "the batch was not learned by heart"
    return None


# What chapter 11 measures, every tenth step.
CURVES = {
    "healthy": (3.13, 1.67, 1.06, 0.71, 0.50, 0.37, 0.27, 0.20, 0.15, 0.12, 0.10, 0.08),
    4: (2.94, 2.67, 2.47, 2.38, 2.31, 2.29, 2.28, 2.24, 2.21, 2.18, 2.17, 2.17),
    5: (3.13, 1.92, 1.59, 1.46, 1.42, 1.39, 1.32, 1.53, 1.56, 1.44, 1.39, 1.75),
    6: (3.13, 1.96, 1.75, 1.63, 1.42, 1.38, 1.21, 1.15, 1.15, 1.14, 1.11, 1.14),
    7: (3.69, 1.96, 1.22, 0.69, 0.32, 0.14, 0.07, 0.04, 0.03, 0.02, 0.02, 0.01),
    "car or not": (0.76, 0.08, 0.03, 0.02, 0.01, 0.01, 0.01, 0.00, 0.00, 0.00, 0.00, 0.00),
}
# A last layer 20 times too large begins at 25.3; trained long enough, it would end as the healthy.
CURVES["last layer"] = (25.3, *CURVES["healthy"][1:])


def turn_e(answer) -> None:
    """alarm(losses, targets, num_classes, expected=3) -> text or None."""
    random = np.random.default_rng(1)
    street = random.choice(np.arange(14), (1, 40, 60), p=[0.3, 0.2, 0.14] + [0.36 / 11] * 11)
    street[:, :5] = 255
    scaled = np.where(street == 255, 1, 0)
    missed = {
        4: "it falls, but it stays above 2: learned by heart means close to 0",
        5: "it falls at first and then stays above 1: learned by heart means close to 0",
        6: "it is below the loss of knowing nothing, and still far from 0",
        7: "a loss of almost 0 is right only if the targets are: how many classes do they hold?",
    }
    said = answer(list(CURVES["healthy"]), street.copy(), 19)
    if said is not None:
        raise Wrong(
            f"the healthy training raises {said!r} instead of None: a false alarm is a fault, too"
        )
    # One class of 14 % against all others, as the car in the street.
    one_or_not = np.where(street == 255, 255, (street == 2).astype(int))
    said = answer(list(CURVES["car or not"]), one_or_not, 2, expected=2)
    if said is not None:
        raise Wrong(
            f"a healthy batch of two classes raises {said!r}, although two were expected: "
            "compare with expected, num_classes and the batch's own shares, not with fixed numbers"
        )
    for case in (4, 5, 6, 7):
        said = answer(list(CURVES[case]), (scaled if case == 7 else street).copy(), 19)
        if said is None:
            raise Wrong(f"case {case} passes: {missed[case]}")
        if not isinstance(said, str):
            raise Wrong(f"return what is wrong as a text, or None; for case {case} it is {said!r}")
    only_void_beside = np.where(street == 255, 255, 0)
    if answer(list(CURVES[7]), only_void_beside, 19, expected=2) is None:
        raise Wrong(
            "a target of one class and void passes where two were expected: 255 is no class"
        )
    if answer(list(CURVES["last layer"]), street.copy(), 19) is None:
        raise Wrong(
            "a first loss of 25.3 passes, if the batch is learned in the end: an untrained network "
            "starts near ln(num_classes)"
        )


TURNS = {"A": diagnose, "B": check_target, "C": floor, "D": agreement, "E": alarm}
