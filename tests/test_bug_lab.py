"""Every bug of the catalog is planted, and a named quick test must notice it; without the bug that
test must pass.

Some of those tests stand in the other files of this folder, the rest here.
"""

import inspect
from importlib import import_module
from math import sqrt

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import small_config, small_root

from extras.bug_lab import bugs
from extras.bug_lab.bug_list import BUGS, MACHINE
from helpers.checkpoints import load_model, save_model
from helpers.csv_index import write_csv
from helpers.dataset import CityscapesCsv
from helpers.evaluate import dataset_for, evaluate
from helpers.labels import TRAIN_19
from helpers.normalization import CITYSCAPES_MEAN, CITYSCAPES_STD, channel_statistics
from helpers.training import Run
from helpers.unet import UNet
from helpers.windows import View

# -- quick tests for what no other file of this folder looks at
# ------------------------------------------------


def deaf_network() -> UNet:
    """A small padded network with batch norm, its weights far from those of a fresh one."""
    torch.manual_seed(1)
    model = UNet(width=2, depth=1, padding="same", norm="batch")
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


class Brightness(torch.nn.Module):
    """A good guess without training: the frames of small_root are as bright as their label says."""

    def __init__(self):
        super().__init__()
        self.p = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x):
        std, mean = (
            torch.tensor(values).reshape(3, 1, 1) for values in (CITYSCAPES_STD, CITYSCAPES_MEAN)
        )
        gray = (x * std + mean).mean(1)
        expected = torch.tensor([(7 * i + 20) / 255 for i in TRAIN_19.ids]).reshape(1, 19, 1, 1)
        return -(gray[:, None] - expected).abs()


def validation_set(root, folder) -> CityscapesCsv:
    write_csv(root, "val", folder / "val.csv")
    return CityscapesCsv(folder / "val.csv", root, View("frame", padding="same", depth=1))


def test_scores_do_not_depend_on_the_batch_size(root, tmp_path):
    dataset, model = validation_set(root, tmp_path), deaf_network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, three = (evaluate(model, dataset, size) for size in (1, 3))
    assert (one.confusion.counts == three.confusion.counts).all() and one.pixels > 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_scores_come_in_the_order_of_the_frames(root, tmp_path):
    dataset, model = validation_set(root, tmp_path), deaf_network()
    torch.manual_seed(1)  # an order that is not the identity, should somebody shuffle
    scores = evaluate(model, dataset)
    labeled = [int((target != 255).sum()) for _, target in dataset]
    assert [int(frame.counts.sum()) for frame in scores.per_frame] == labeled and len(
        set(labeled)
    ) == len(labeled)


def test_mean_iou_is_pooled(root, tmp_path):
    scores = evaluate(Brightness(), validation_set(root, tmp_path))
    pooled = sum(frame.counts for frame in scores.per_frame)[:-1, :-1]
    hits = np.diag(pooled)
    union = pooled.sum(0) + pooled.sum(1) - hits
    assert (
        scores.mean_iou == pytest.approx((hits[union > 0] / union[union > 0]).mean(), rel=1e-9)
        and hits.sum() > 99
    )


def test_the_checkpoint_says_how_to_normalize(root):
    info = {
        "view": View("crop", 32, "same", 1),
        "label_set": TRAIN_19,
        "mean": (0.1, 0.2, 0.3),
        "std": (0.5, 0.6, 0.7),
    }
    dataset = dataset_for(info, root, "val")
    assert (dataset.mean, dataset.std) == ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))


def test_a_saved_model_comes_back(tmp_path):
    model, view = (
        deaf_network().eval(),
        {"kind": "crop", "size": 32, "padding": "same", "depth": 1, "height": 256},
    )
    save_model(tmp_path / "m.pt", model, {"view": view, "label_set": "train19"}, half=False)
    x = torch.randn(1, 3, 32, 32)
    expected = model(x)
    assert torch.allclose(
        load_model(tmp_path / "m.pt")[0](x), expected, atol=1e-4 * expected.abs().max().item()
    )


def test_deviation_is_the_root(tmp_path):
    Image.fromarray(np.array([[[0, 51, 255], [51, 102, 255]]], np.uint8)).save(tmp_path / "two.png")
    statistics = channel_statistics([tmp_path / "two.png"])
    assert statistics.mean == pytest.approx((0.1, 0.3, 1.0)) and statistics.std == pytest.approx(
        (0.1, 0.1, 0.0)
    )
    assert statistics.std[0] == pytest.approx(sqrt(statistics.std[0] ** 2))


def test_a_step_uses_its_own_gradient(root, runs):
    config = small_config(
        root, learning_rate=0.0, dropout=0.0, norm=None, accumulate=1, batch_size=5
    )
    run = Run(config, progress=False)
    batches, gradients = list(run.loader(0)), []
    for number in range(2):  # the same batch twice, and weights that do not move
        run.step(number, batches[:1])
        gradients.append(torch.cat([p.grad.flatten().clone() for p in run.model.parameters()]))
    assert torch.allclose(*gradients) and gradients[0].abs().max() > 0


def test_running_statistics_remember():
    norm = next(
        m
        for m in UNet(width=2, depth=1, padding="same", norm="batch").modules()
        if isinstance(m, torch.nn.BatchNorm2d)
    )
    for mean in (1.0, 5.0):
        norm(torch.randn(8, 2, 16, 16) + mean)
    assert (norm.running_mean < 2).all() and (norm.running_mean > 0.2).all()


def test_only_training_is_augmented(root, runs):
    run = Run(small_config(root), progress=False)
    assert run.train_set.augment and not run.val_set.augment


# -- the catalog
# ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    return small_root(tmp_path_factory.mktemp("lab"))


@pytest.fixture
def root(small):
    return small


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_bug_is_noticed(bug, small, tmp_path, monkeypatch):
    module, function = bug.check.split(".")
    check = getattr(import_module(module), function)

    def run(name):
        folder = tmp_path / name
        folder.mkdir()
        for variable in ("COURSE_RUNS", "COURSE_CACHE"):
            monkeypatch.setenv(variable, str(folder / variable))
        (folder / "COURSE_RUNS").mkdir()
        values = {"root": small, "runs": folder / "COURSE_RUNS", "tmp_path": folder}
        check(**{name: values[name] for name in inspect.signature(check).parameters})

    run("healthy")
    with bugs.planted(bug.name), pytest.raises((Exception, pytest.fail.Exception)) as caught:
        run("sick")
    assert not isinstance(caught.value, (ImportError, NameError, TypeError)), (
        "the bug itself is broken"
    )
    run("healed")


def test_an_entry_says_everything():
    names = [bug.name for bug in BUGS]
    assert len(set(names)) == len(names) >= 20 and {bug.group for bug in BUGS} == set(bugs.GROUPS)
    for bug in BUGS:
        assert (
            all(len(text) > 20 and text.endswith(".") for text in (bug.symptom, bug.cause, bug.fix))
            and len(bug.hint) > 20
        ), bug.name
        assert bugs.find_bug(f"case {names.index(bug.name) + 1}") is bug
        before, *changed = bugs.difference(bug.name).splitlines()
        assert before == f"helpers/{bug.module}.py" and any(
            line.startswith("- ") for line in changed
        )
    with pytest.raises(KeyError, match="flipped-alone"):
        bugs.find_bug("nothing")


def test_a_bug_that_does_not_fit_any_more_is_named(monkeypatch):
    stale = BUGS[0]._replace(old="no such line")
    monkeypatch.setattr(bugs, "BUGS", (stale,))
    with (
        pytest.raises(ValueError, match=r"helpers/evaluate.py has 0 places 'no such line'"),
        bugs.planted(stale.name),
    ):
        pass
    harmless = BUGS[0]._replace(new=BUGS[0].old)
    monkeypatch.setattr(bugs, "BUGS", (harmless,))
    with pytest.raises(ValueError, match="changed no function"), bugs.planted(harmless.name):
        pass


def test_bugs_do_not_pile_up():
    with (
        pytest.raises(ZeroDivisionError),
        bugs.planted("softmax-twice"),
        bugs.planted("void-counted"),
    ):
        raise ZeroDivisionError
    import_module("test_metrics").test_pixel_loss_is_a_sum_over_labeled_pixels()
    import_module("test_metrics").test_void_predictions_do_not_matter()


def test_troubleshooting_page_is_current(capsys, monkeypatch, tmp_path):
    assert bugs.PAGE.read_text(encoding="utf-8") == bugs.markdown(), (
        "run python -m extras.bug_lab.bugs --markdown"
    )
    text = bugs.markdown()
    assert all(bug.symptom in text and bug.cause in text and bug.fix in text for bug in BUGS)
    assert all(entry[0] in text for entry in MACHINE)
    monkeypatch.setattr(bugs, "PAGE", tmp_path / "T.md")
    bugs.main(["--markdown"])
    assert (tmp_path / "T.md").read_text(encoding="utf-8") == text
    bugs.main(["--show", "flipped-alone"])
    bugs.main([])
    printed = capsys.readouterr().out
    assert "+ image = image[:, ::-1]" in printed and all(bug.name in printed for bug in BUGS)
