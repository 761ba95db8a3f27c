"""Every exercise: the starter runs and is refused, the folded solution is accepted."""

import re

import nbformat
import pytest

from extras.exercises import check, verdict
from helpers.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CALL = re.compile(r'check\("(\d\d\.\d+)", (.+)\)\s*$')


def exercises():
    """(number, starter source, expression that is checked, solution source) of every exercise of
    the course.
    """
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        solutions = {
            m[1]: m[2]
            for c in cells
            if c.cell_type == "markdown"
            for m in re.finditer(
                r"<summary>Solution (\d\d\.\d+)</summary>.*?```python\n(.*?)```", c.source, re.S
            )
        }
        for cell in cells:
            if cell.cell_type == "code" and "exercise" in cell.metadata:
                call = CALL.search(cell.source)
                assert call and call[1] == cell.metadata.exercise, (
                    f"{path.name}: a starter must end on its check"
                )
                yield call[1], cell.source[: call.start()], call[2], solutions.get(call[1])


EXERCISES = list(exercises())


def answer(source: str, expression: str):
    names: dict = {}
    exec(compile(source, "answer", "exec"), names)
    return eval(expression, names)


def is_refused(number: str, starter) -> bool:
    """Whether a starter is told to be wrong, or says itself that it is not written yet."""
    try:
        return verdict(number, starter) is not None
    except NotImplementedError:
        return True


@pytest.mark.parametrize(
    ("number", "starter", "expression", "solution"), EXERCISES, ids=[e[0] for e in EXERCISES]
)
def test_starter_is_refused_and_solution_accepted(number, starter, expression, solution):
    assert is_refused(number, answer(starter, expression))
    assert solution, f"exercise {number} has no folded solution"
    assert verdict(number, answer(solution, expression)) is None


def test_an_error_of_a_library_is_not_an_unwritten_answer(capsys):
    def iou_of(matrix):
        raise NotImplementedError("mode bilinear needs 4D input")

    check("08.1", iou_of)
    said = capsys.readouterr().out
    assert "not yet. your code stopped with NotImplementedError: mode bilinear" in said
    assert "not written" not in said


@pytest.mark.parametrize(
    "path", [p for p in NOTEBOOKS if int(p.name[:2]) < 10], ids=lambda p: p.stem
)
def test_core_chapters_have_two_or_three_exercises(path):
    chapter = path.name[:2]
    numbers = [e[0] for e in EXERCISES if e[0].startswith(chapter)]
    assert chapter == "00" or 2 <= len(numbers) <= 4


SOLUTIONS = {number: (expression, solution) for number, _, expression, solution in EXERCISES}
# what is replaced in the folded solution, by what, and what the checker then says
WRONG = [
    ("01.1", "+=", "=", "x 3x2, kernel 4x4, stride 2: the values differ"),
    (
        "01.1",
        "return result",
        "return result[1:]",
        "x 2x3, kernel 2x2, stride 2: the result must be (4, 6), it is (3, 6)",
    ),
    (
        "01.2",
        "middle) // 2",
        "middle) // 2 + 1",
        "n = 5, p = 100: 20 is not the offset; the paper's network has 19 there",
    ),
    ("01.2", "middle) // 2", "middle) / 2", "an offset must be an int, to slice with; found float"),
    ("02.1", "out >= wanted", "out > wanted", "388 pixels at depth 4: 572 is enough, you say 588"),
    ("02.1", "2 * size + 4", "2 * size", "388 pixels at depth 4: 512 is not legal"),
    (
        "02.1",
        "out = bottom - 4",
        "out = bottom",
        "388 pixels at depth 4: 508 is legal, but only 324",
    ),
    ("02.2", "torch.cat([maps[here - 1], x]", "torch.cat([maps[here - 1] * 0, x]", "nothing else"),
    ("02.2", "x = torch.zeros_like(x)", "pass", "nothing is silent"),
    (
        "02.2",
        "x = torch.zeros_like(x)\n        x = torch.cat([maps[here - 1], x]",
        "pass\n        x = torch.cat([maps[here - 1] * (here != level), x]",
        "you silenced the skip",
    ),
    ("02.2", "here == level", "here == level != 3", "level 3: nothing is silent"),
    ("04.1", ".round()", "", "bytes did not come back. Does the conversion to uint8 round?"),
    ("04.1", ".clamp(0, 255)", "", "yours wrap around"),
    ("04.1", "tensor * std", "tensor.mul_(std)", "the tensor that was passed in has changed"),
    (
        "04.2",
        "np.cumsum(numbers, dtype=np.float32)[-1]",
        "np.sum(numbers, dtype=np.float32)",
        "you find no difference",
    ),
    ("04.2", "exact - float(rounded)", "float(rounded) - exact", "the answer is positive"),
    ("04.2", "100 * (", "(", "percent are missing"),
    (
        "06.1",
        "* k + outputs",
        "* k",
        "for 3 channels, 19 classes and width 64 the network has 31,0",
    ),
    (
        "06.2",
        "torch.sqrt(norm.running_var + norm.eps)",
        "(norm.running_var + norm.eps)",
        "the root",
    ),
    ("06.2", " + norm.eps", "", "norm.eps is missing"),
    ("06.2", "norm.weight / torch", "1 / torch", "norm.weight is missing"),
    ("06.2", "norm.running_mean * scale", "norm.running_mean", "the bias is not"),
    ("06.2", ".view(-1, 1, 1, 1)", "", "the shapes do not fit"),
    ("06.2", ", padding=1", "", "kernel 3, padding 1"),
    ("06.2", "folded.bias.copy_(shift)", "folded.bias = None", "has no bias"),
    (
        "06.2",
        "folded = nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1)",
        "folded = nn.Conv2d(3, 4, 3, padding=1); folded.weight = conv.weight",
        "conv or norm has changed",
    ),
    ("06.2", "return folded", "return nn.Sequential(conv, norm)", "found Sequential"),
    ("07.1", "model.zero_grad()", "pass", "right, but added to gradients left from before"),
    (
        "07.1",
        ', reduction="sum"',
        "",
        "divide by the labeled pixels of all batches, not batch by batch",
    ),
    (
        "07.1",
        "max(1, pixels)",
        "int((targets != 255).sum() + 1)",
        "with three batches of two the gradient is not",
    ),
    (
        "07.1",
        "max(1, pixels)",
        "max(2, pixels)",
        "with one labeled pixel in all the gradient is not that of",
    ),
    ("02.2", "maps[here - 1]", "maps.pop(here - 1)", "the list of maps has changed"),
    (
        "07.1",
        "    for images, targets in batches:\n",
        "    import torch\n\n"
        "    images, targets = (torch.cat(parts) for parts in zip(*batches))\n"
        "    if True:\n",
        "the memory of the large batch",
    ),
    ("07.2", ".tolist()", "", "return a list, found Tensor"),
    ("07.2", "seed * 100_003 + epoch", "seed + epoch", "is it seed + epoch?"),
    ("07.2", "seed * 100_003 + epoch", "epoch", "two seeds give the same order"),
    ("07.2", "seed * 100_003 + epoch", "seed", "two epochs have the same order"),
    ("07.2", ", generator=generator", "", "PyTorch's global random state has changed"),
    (
        "07.2",
        ".tolist()",
        ".tolist()[1:]",
        "every frame from 0 to frames - 1 must occur exactly once",
    ),
    (
        "08.1",
        "share(hits, called), share(hits, there)",
        "share(hits, there), share(hits, called)",
        "class 0 has the precision 0.750, you return 0.600; that is the recall",
    ),
    (
        "08.1",
        "share(2 * hits, there + called)",
        "share(hits, there + called - hits)",
        "class 0 has the Dice 0.667, you return 0.500; that is the IoU",
    ),
    (
        "08.1",
        "np.full(len(part), np.nan)",
        "np.zeros(len(part))",
        "the precision of class 3 in",
    ),
    ("08.1", ", where=whole > 0", "", "numpy warned (invalid value encountered in divide)"),
    (
        "08.2",
        "mean_iou(pooled_b) >",
        "mean_iou(pooled_b) >=",
        "a B that is better in some frames wins 94.0% of "
        "these draws, you say 99.0%: A and B must be compared on the same draw",
    ),
    (
        "08.2",
        "(hits[occurs] / union[occurs])",
        "(hits[occurs] * union[occurs])",
        "a B that is the only one to find both classes wins 100.0%",
    ),
    (
        "09.1",
        "torch.softmax(logits, dim=0).topk(3, dim=0)",
        "logits.topk(3, dim=0)",
        "a probability is off by",
    ),
    ("09.1", ".round()", "", "a probability is off by 1 in 255 for logits of size 1"),
    (
        "09.1",
        ".topk(3, dim=0)",
        ".topk(3, dim=0, largest=False)",
        "are not the three most probable ones",
    ),
    ("09.2", "distance * inside.mean()", "distance / 10", "you return"),
    ("09.2", "        if inside.any():", "        if True:", "a bin without pixels has no mean"),
    ("09.2", "abs(confidence", "(confidence", "cancel out"),
    (
        "09.2",
        "np.minimum((confidence * 10).astype(int), 9)",
        "(confidence * 10).astype(int)",
        "exactly 1 fall",
    ),
    ("10.1", "math.ceil(reach / grid) * grid", "reach", "107 is no multiple of 16"),
    ("10.1", "math.ceil(reach / grid) * grid", "reach // grid * grid", "96 is too little"),
    (
        "10.1",
        "math.ceil(reach / grid) * grid",
        "2 ** math.ceil(math.log2(reach))",
        "112 is enough, you take 128",
    ),
    ("12.1", "1 - (1 - single) ** changes", "changes * single", "the expected number of accidents"),
    ("12.1", "1 / 2**seeds", "1 / 2", "each pair is a coin"),
    ("13.1", "return val", "return set(sorted(val)[1:])", "place0 is in train and in val"),
    (
        "13.1",
        "set(places[smallest_first[0]])",
        "set(places[names[0].split('/')[0]])",
        "the order of the names",
    ),
    ("13.1", "<= share * len(names)", "<= len(names)", "val got 20 of 25: more than half"),
    (
        "13.1",
        "return val",
        "return set()",
        "one side is empty for places of (5, 5, 5, 5, 5) pictures",
    ),
]


@pytest.mark.parametrize(
    ("number", "right", "wrong", "phrase"), WRONG, ids=lambda value: str(value)[:24]
)
def test_a_wrong_answer_is_refused_in_the_words_that_fit(number, right, wrong, phrase):
    expression, solution = SOLUTIONS[number]
    assert right in solution
    said = verdict(number, answer(solution.replace(right, wrong), expression))
    assert phrase in str(said)


def past_the_end(classes, palette):
    return palette[classes[99]]


def test_an_error_of_ones_own_is_told_with_its_line_and_another_one_as_another():
    said = verdict("00.A", past_the_end)
    assert said.startswith("your code stopped with IndexError")
    assert said.endswith("(in the line: return palette[classes[99]])")
    said = verdict("00.1", lambda truth, number: None)
    assert said.startswith("the check could not go on (TypeError")
    said = verdict("02.A", lambda model, maps: None)
    assert "return the scores" in said


def test_check_prints_the_verdict(capsys):
    check("02.1", answer(*SOLUTIONS["02.1"][::-1]))
    check("02.1", lambda wanted, depth: 572)
    assert capsys.readouterr().out == (
        "Exercise 02.1: right.\nExercise 02.1: not yet. "
        "512 pixels at depth 4: 572 is legal, but only 388 pixels come out\n"
    )
