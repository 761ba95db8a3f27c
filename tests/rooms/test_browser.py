"""The prediction browser without a front end: predictions, cache, order, pictures, words,
callbacks, page.
"""

import base64
import io
import json
import re
import shutil
import time
import zlib
from dataclasses import asdict, replace

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset

from extras.browser import browse, page, views
from extras.browser.controls import uploads
from extras.browser.predictions import Predictions
from extras.browser.views import State
from extras.browser.widget import PredictionBrowser
from helpers.checkpoints import load_model, save_model
from helpers.csv_index import find_rows
from helpers.evaluate import dataset_for, evaluate
from helpers.inference import predict_frame, predict_photograph
from helpers.labels import ALL_30, IGNORE, LABEL_SETS, TRAIN_19, LabelSet
from helpers.metrics import ConfusionMatrix
from helpers.unet import UNet
from helpers.windows import View


def make_checkpoint(path, seed=0, view=None, label_set="train19", **arguments):
    """An untrained U-Net of width 4 with large logits, so that its confidences spread."""
    torch.manual_seed(seed)
    view = view or View("frame", padding="same", depth=2, height=64)
    model = UNet(
        num_classes=len(LABEL_SETS[label_set]),
        width=4,
        depth=view.depth,
        padding=view.padding,
        **arguments,
    )
    with torch.no_grad():
        model.head.weight.mul_(4)
    return save_model(
        path,
        model,
        {
            "view": asdict(view),
            "label_set": label_set,
            "mean": [0.3, 0.35, 0.3],
            "std": [0.2, 0.2, 0.2],
        },
        half=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module", autouse=True)
def own_cache(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(folder / "cache"))
        patch.setenv("COURSE_RUNS", str(folder / "runs"))
        yield


@pytest.fixture(scope="module")
def checkpoint(folder):
    return make_checkpoint(folder / "small.pt")


@pytest.fixture(scope="module")
def other(folder):
    return make_checkpoint(folder / "other.pt", seed=1)


@pytest.fixture(scope="module")
def one(checkpoint, small_city):
    return Predictions(checkpoint, small_city)


@pytest.fixture
def browser(checkpoint, small_city):
    return PredictionBrowser(checkpoint, small_city)


def decoded(image: widgets.Image) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image.value)))


def index_at(browser) -> int:
    return views.index_of(browser.predictions, browser.state)


# what is predicted, and where it is kept


@pytest.mark.parametrize(
    "view",
    [
        View("frame", padding="same", depth=2, height=64),
        View("crop", 196, "valid", 2),
        View("frame", padding="valid", depth=2, height=64),
        View("crop", 128, "same", 2),
    ],
    ids=lambda v: f"{v.kind}-{v.padding}",
)
@pytest.mark.parametrize("label_set", ["train19", "all30"])
def test_predictions_are_those_that_evaluate_scores(folder, small_city, view, label_set):
    path = make_checkpoint(
        folder / f"{view.kind}{view.padding}{label_set}.pt", view=view, label_set=label_set
    )
    found = Predictions(path, small_city, limit=2)
    model, info = load_model(path)
    frames = Subset(dataset_for(info, small_city, "val"), [0, 1])
    expected = evaluate(model, DataLoader(frames), info["label_set"], per_frame=True)
    for index, matrix in enumerate(expected.per_frame):
        assert np.array_equal(found.scores[index].matrix, matrix.matrix)
    assert np.array_equal(found.total().matrix, expected.confusion.matrix)
    assert {a.dtype for a in found.load(0)} == {np.dtype(np.uint8)}
    assert (
        found.load(0).image.shape[:2]
        == found.load(0).truth.shape
        == found.load(0).classes.shape[1:]
    )


def test_image_truth_and_best_three_belong_to_each_other(one, checkpoint, small_city):
    model, info = load_model(checkpoint)
    dataset = dataset_for(info, small_city, "val")
    with torch.no_grad():
        probabilities = model(dataset[3][0][None])[0].softmax(0)
    image, truth = dataset.pair(3)
    frame = one.load(3)
    assert np.array_equal(frame.image, image) and np.array_equal(frame.truth, truth)
    values = probabilities.sort(0, descending=True)[0][:3]
    assert np.array_equal(frame.classes[0], probabilities.argmax(0))
    for classes, chances, value in zip(frame.classes, frame.chances, values.numpy()):
        own = np.take_along_axis(probabilities.numpy(), classes[None].astype(int), 0)[0]
        assert np.abs(own - value).max() < 1e-6
        assert np.abs(chances - value * 255).max() <= 0.51
    assert one.doubt[3] == pytest.approx(1 - float(values[0].mean()), abs=0.003)


def test_crop_shows_the_inner_window(folder, small_city):
    path = make_checkpoint(folder / "crop.pt", view=View("crop", 196, "valid", 2))
    frame = Predictions(path, small_city, limit=1).load(0)
    pixels = np.asarray(Image.open(small_city / find_rows(small_city, "val")[0].image))
    top, left = (pixels.shape[0] - 196) // 2, (pixels.shape[1] - 196) // 2
    assert np.array_equal(frame.image, pixels[top : top + 196, left : left + 196])


def test_whole_frames_of_a_network_of_crops(folder, small_city):
    path = make_checkpoint(folder / "crops.pt", view=View("crop", 196, "valid", 2))
    assert Predictions(path, small_city, limit=1, whole=True).load(0).truth.shape == (1024, 2048)


def test_predicted_once_and_again_when_something_changes(
    checkpoint, other, small_city, monkeypatch, tmp_path
):
    calls = []
    original = Predictions._predict
    monkeypatch.setattr(
        Predictions, "_predict", lambda self, row: calls.append(row) or original(self, row)
    )
    Predictions(checkpoint, small_city)
    calls.clear()
    again = Predictions(checkpoint, small_city)
    assert calls == []
    first = again.load(0).classes[0].copy()
    namesake = tmp_path / checkpoint.name
    shutil.copy(other, namesake)
    second = Predictions(namesake, small_city, limit=1)
    assert not np.array_equal(first, second.load(0).classes[0])
    calls.clear()
    path = small_city / again.rows[2].image
    time.sleep(0.01)
    path.touch()
    Predictions(checkpoint, small_city)
    assert calls == [again.rows[2]]


def test_nothing_half_written_stays(one, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))

    def interrupted(self, row):
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictions, "_predict", interrupted)
    with pytest.raises(KeyboardInterrupt):
        one._load(0)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_memory_holds_eight_frames(one):
    assert one.load.cache_info().maxsize == 8
    assert not any(
        isinstance(v, np.ndarray) and v.size > 100
        for store in (one.scores, one.doubt, one.pixels)
        for v in store.values()
    )


# order


def test_orders(one):
    miou = []
    for i in range(6):
        iou = one.scores[i].iou()
        miou.append(np.mean([iou[c] for c in np.unique(one.load(i).truth) if c != IGNORE]))
    assert one.sequence("as listed") == list(range(6))
    assert one.sequence("worst first") == sorted(range(6), key=miou.__getitem__)
    assert one.sequence("most uncertain first") == sorted(range(6), key=lambda i: -one.doubt[i])
    car = one.label_set.names.index("car")
    pixels = [int((one.load(i).truth == car).sum()) for i in range(6)]
    assert one.sequence("most of a class", car) == sorted(range(6), key=lambda i: -pixels[i])
    wrong = []
    for i in range(6):
        frame = one.load(i)
        asked = frame.truth != IGNORE
        wrong.append((frame.truth != frame.classes[0])[asked].mean())
        assert one.wrong_pixels(i) == (frame.truth != frame.classes[0])[asked].sum()
    assert one.sequence("most wrong pixels first") == sorted(range(6), key=lambda i: -wrong[i])


def test_an_order_about_pixels_leaves_out_the_frames_that_have_none(one):
    for focus in range(19):
        there = [i for i in range(6) if (one.load(i).truth == focus).any()]
        assert sorted(one.sequence("most of a class", focus)) == there
    for called in range(19):
        many = {}
        for i in range(6):
            frame = one.load(i)
            many[i] = int(((frame.truth == 0) & (frame.classes[0] == called)).sum())
        expected = sorted((i for i in many if many[i]), key=lambda i: -many[i])
        assert one.sequence("most of a mistake", 0, called) == expected


def test_a_stray_pixel_of_a_class_that_is_not_there_costs_little(one, monkeypatch):
    """The plain mean falls to a half, the mean over the classes that are there stays near 1."""
    stray = ConfusionMatrix(19)
    stray.counts[0, 0], stray.counts[0, 5] = 999, 1
    monkeypatch.setitem(one.scores, 0, stray)
    assert stray.mean_iou() == pytest.approx(0.4995)
    assert one.frame_iou(0) == pytest.approx(0.999)


def test_frames_without_truth_go_last(one, monkeypatch):
    empty = ConfusionMatrix(19)
    monkeypatch.setitem(one.scores, 1, empty)
    assert one.sequence("worst first")[-1] == 1


# pictures and words


def panel(one, index, name, **changes):
    return views.paint(
        one.load(index), name, State(**changes), one.label_set, one.load(index).truth.shape[1]
    )


def test_opacity(one):
    frame = one.load(0)
    for name, ids in (("truth", frame.truth), ("prediction", frame.classes[0])):
        assert np.array_equal(panel(one, 0, name, opacity=0.0), frame.image)
        known = frame.truth != IGNORE
        assert np.array_equal(
            panel(one, 0, name, opacity=1.0)[known], one.label_set.colorize(ids)[known]
        )
        half = panel(one, 0, name, opacity=0.5)[known].astype(float)
        assert (
            np.abs(half - (frame.image[known] / 2 + one.label_set.colorize(ids)[known] / 2)).max()
            <= 1
        )
    assert np.array_equal(panel(one, 0, "frame", opacity=1.0), frame.image)


def test_difference_lights_the_wrong_pixels_only(one):
    frame = one.load(0)
    wrong = (frame.truth != frame.classes[0]) & (frame.truth != IGNORE)
    orange = (panel(one, 0, "difference", opacity=1.0) == views.WRONG).all(-1)
    assert wrong.any() and np.array_equal(orange, wrong)


def test_confidence_is_the_table_whatever_the_opacity(one):
    frame = one.load(0)
    asked = frame.truth != IGNORE
    for opacity in (0.1, 1.0):
        painted = panel(one, 0, "confidence", opacity=opacity)
        assert np.array_equal(painted[asked], views.CONFIDENCE[frame.chances[0]][asked])


def test_nobody_is_asked_where_the_truth_is_void(one):
    frame = one.load(0)
    void = frame.truth == IGNORE
    for name in ("prediction", "confidence"):
        painted = panel(one, 0, name, opacity=1.0)
        assert void.any() and np.array_equal(painted[void], frame.image[void])


def colored(image, color) -> np.ndarray:
    return (image == color).all(-1)


def test_one_class_in_three_colors(one):
    frame = one.load(0)
    truth, prediction = frame.truth, frame.classes[0]
    number = int(np.bincount(prediction[truth != IGNORE]).argmax())
    painted = panel(one, 0, "one class", focus=number)
    asked = truth != IGNORE
    is_class, called = truth == number, (prediction == number) & asked
    assert np.array_equal(colored(painted, views.FOUND), is_class & called)
    assert np.array_equal(colored(painted, views.FALSE_ALARM), called & ~is_class)
    assert np.array_equal(colored(painted, views.MISSED), is_class & ~called)


def test_one_mistake_in_three_colors(one):
    frame = one.load(0)
    truth, prediction = frame.truth, frame.classes[0]
    called = 1 + int(np.bincount(prediction[truth == 0], minlength=19)[1:].argmax())
    painted = panel(one, 0, "one mistake", focus=0, called=called)
    road = truth == 0
    assert np.array_equal(colored(painted, views.FALSE_ALARM), road & (prediction == called))
    other = road & (prediction != called) & (prediction != 0)
    assert np.array_equal(colored(painted, views.MISSED), other)


def test_who_is_right(checkpoint, other, small_city):
    browser = browse([checkpoint, other], small_city)
    browser.view = "who is right"
    first, second = (p.load(0) for p in browser.predictions)
    painted = views.paint(first, "who is right", browser.state, TRAIN_19, 128, second)
    asked = first.truth != IGNORE
    one_right = (first.classes[0] == first.truth) & asked
    two_right = (second.classes[0] == first.truth) & asked
    assert np.array_equal(colored(painted, views.FOUND), one_right & ~two_right)
    assert np.array_equal(colored(painted, views.MISSED), two_right & ~one_right)
    assert np.array_equal(colored(painted, views.BOTH_WRONG), asked & ~one_right & ~two_right)
    browser.order = "most disagreement"
    index = index_at(browser)
    differ = []
    for i in range(6):
        a, b = (p.load(i) for p in browser.predictions)
        differ.append((a.classes[0] != b.classes[0])[a.truth != IGNORE].mean())
    assert index == int(np.argmax(differ))


def test_flick_shows_the_truth_in_place_of_the_prediction(browser):
    browser.view = "truth"
    truth = browser.picture()
    browser.view = "prediction"
    browser.flick = True
    assert np.array_equal(browser.picture(), truth)
    assert "truth in place of the prediction" in browser.caption.value
    browser.flick = False
    assert not np.array_equal(browser.picture(), truth)


def test_colors_that_are_not_those_of_classes_have_a_key(one):
    for view, panels in views.VIEWS.items():
        for name in panels:
            kind = name.removesuffix(views.OTHER)
            named = kind in ("frame", "truth", "prediction", "confidence")
            assert bool(views.key(kind, State(view=view), one.label_set)) != named
    keyed = views._strip("difference", 512, views.key("difference", State(), one.label_set))
    assert colored(keyed, views.WRONG).sum() > 50
    ramp = views._strip("confidence", 512, (), scale=True)
    assert colored(ramp, views.CONFIDENCE[255]).any() and colored(ramp, views.CONFIDENCE[0]).any()


def test_class_switches(one):
    frame = one.load(0)
    asked = frame.truth != IGNORE
    predicted, many = np.unique(frame.classes[0][asked], return_counts=True)
    klass = int(predicted[many.argmax()])
    hidden = frozenset(range(19)) - {klass}
    colored = panel(one, 0, "prediction", opacity=1.0, hidden=hidden)
    lit = (frame.classes[0] == klass) & (frame.truth != IGNORE)
    assert (
        np.array_equal(colored[~lit], frame.image[~lit])
        and (colored[lit] == one.label_set.colors[klass]).all()
    )
    wrong = (frame.truth != frame.classes[0]) & (frame.truth != IGNORE)
    wrong &= (frame.classes[0] == klass) | (frame.truth == klass)
    difference = panel(one, 0, "difference", opacity=1.0, hidden=hidden)
    assert np.array_equal((difference == views.WRONG).all(-1), wrong)


def test_zoom_shows_the_part_around_the_point(one):
    frame = one.load(0)
    zoomed = panel(one, 0, "frame", zoom=4, row=40, column=50)
    assert np.array_equal(zoomed[::4, ::4], frame.image[32:48, 34:66])
    corner = panel(one, 0, "frame", zoom=4, row=0, column=127)
    assert np.array_equal(corner[::4, ::4], frame.image[:16, 96:])


def test_zoom_of_a_tiny_picture_shows_a_pixel():
    assert views.window((5, 9), State(zoom=8, row=4, column=8)) == (4, 8, 1, 1)


def test_large_frames_are_reduced(one):
    assert views.paint(one.load(0), "prediction", State(), one.label_set, 64).shape == (32, 64, 3)
    assert views.paint(one.load(0), "prediction", State(), one.label_set, 512).shape == (
        256,
        512,
        3,
    )


def test_outlines_run_along_the_regions(one):
    frame = one.load(0)
    outlined, plain = (panel(one, 0, "truth", opacity=1.0, outlines=on) for on in (True, False))
    changed = (outlined != plain).any(-1)
    border = np.zeros_like(changed)
    for ids, where in (
        (frame.truth[:, 1:] != frame.truth[:, :-1], (slice(None), slice(1, None))),
        (frame.truth[1:] != frame.truth[:-1], (slice(1, None), slice(None))),
    ):
        border[where] |= ids
        border[tuple(slice(0, -1) if s == slice(1, None) else s for s in where)] |= ids
    assert changed.any() and not (changed & ~border).any()
    assert {tuple(c) for c in outlined[border]} == {(0, 0, 0), (255, 255, 255)}
    none = frozenset(range(19))
    assert np.array_equal(
        panel(one, 0, "truth", outlines=True, hidden=none), panel(one, 0, "truth", hidden=none)
    )


def test_mark_stands_at_the_point(one):
    marked = panel(one, 0, "frame", mark=True, row=20, column=90) != panel(one, 0, "frame")
    rows, columns = np.nonzero(marked.any(-1))
    assert abs(rows.mean() - 20) < 1 and abs(columns.mean() - 90) < 1


def test_picture_puts_named_panels_side_by_side(one):
    picture = views.picture([one], State(view="side by side", opacity=1.0))
    size = 512
    assert picture.shape == (2 * (256 + views.TITLE), 2 * size + 4, 3)
    assert np.array_equal(
        picture[views.TITLE : views.TITLE + 256, :size], one.load(0).image.repeat(4, 0).repeat(4, 1)
    )
    assert (picture[: views.TITLE] == 255).any(), "the panels have their names above them"


def test_words(one):
    state = State(position=1, order="worst first", view="prediction", hidden=frozenset({3}), zoom=2)
    index = one.sequence("worst first")[1]
    text = views.caption([one], state)
    for part in (
        "2 of 6",
        "worst first",
        one.title(index),
        f"mIoU {one.frame_iou(index):.3f} over its",
        f"{one.scores[index].pixel_accuracy():.1%} of the pixels right",
        "18 of 19",
        "prediction with opacity 60%",
        "zoom 2",
        f"{one.total().mean_iou():.3f}",
    ):
        assert part in text, (part, text)
    row, column = 33, 77
    frame = one.load(index)
    text = views.readout([one], replace(state, row=row, column=column))
    truth, best = frame.truth[row, column], frame.classes[:, row, column]
    name = "ignored" if truth == IGNORE else one.label_set.names[truth]
    assert text.startswith(
        f"row 33, column 77: truth {name}; predicted {one.label_set.names[best[0]]} "
    )
    chances = [float(n) for n in re.findall(r" (0\.\d\d|1\.00)", text)]
    assert chances == [round(int(c) / 255, 2) for c in frame.chances[:, row, column]]
    legend = views.legend([one], state)
    assert legend[0][:2] == ("road", (128, 64, 128)) and len(legend) == 19
    for number, line in enumerate(legend):
        assert line.pixels_here == (frame.truth == number).sum()
        asked = frame.truth != IGNORE
        assert line.called_here == (frame.classes[0] == number)[asked].sum()
        assert views.in_words(line).startswith("not here") == (line.pixels_here == 0)
    assert views.in_words(legend[0]).endswith(f"{one.total().iou()[0]:.2f}")


def test_split_without_labels(checkpoint, small_city):
    row = find_rows(small_city, "test")[0]
    (small_city / row.label).unlink(missing_ok=True)
    browser = PredictionBrowser(checkpoint, small_city, split="test")
    assert "no truth" in browser.caption.value and "nan" not in browser.caption.value
    assert "truth ignored" in browser.readout.value
    for view in browser.controls["view"].options:
        browser.view = view
        shown = views.panels(browser.predictions, browser.state)
        assert shown and not set(views.NEED_TRUTH) & set(shown)


# the widget: moving a control changes what is shown


def test_every_control_changes_what_it_should(browser):
    shown = []

    def changes(name, value, picture=True):
        before = (browser.image.value, browser.caption.value, browser.readout.value)
        setattr(browser, name, value)
        after = (browser.image.value, browser.caption.value, browser.readout.value)
        assert (before[0] != after[0]) == picture, name
        shown.append(name)
        expected = views.picture(browser.predictions, browser.state)
        assert browser.image.value == views.encode(expected)
        assert (
            views.caption(browser.predictions, browser.state).split("&")[0].split("<")[0]
            in browser.caption.value
        )
        assert browser.readout.value == views.readout(browser.predictions, browser.state)

    for name in ("row", "column"):  # the point begins in the middle
        assert browser.controls[name].value == (browser.controls[name].max + 1) // 2
    changes("position", 2)
    for view in ("frame", "truth", "difference", "confidence", "prediction"):
        changes("view", view)
    changes("opacity", 0.9)
    changes("outlines", True)
    changes("zoom", 2)
    changes("row", 10)
    changes("column", 10)
    changes("mark", False)
    changes("zoom", 1)
    changes(
        "order",
        "worst first",
        picture=index_at(browser) != browser.predictions[0].sequence("worst first")[0],
    )
    assert browser.position == 0
    for name in ("truth", "prediction"):
        browser.view = name
    changes("flick", True)
    browser.flick = False
    changes("view", "one class")
    changes("focus", "building")
    assert browser.position == 0
    changes("view", "one mistake")
    changes("called", "road")
    for order in ("worst first", "most uncertain first", "as listed", "most of a class"):
        browser.order = order
        assert browser.position == 0
    browser.focus = "car"
    assert index_at(browser) == browser.predictions[0].sequence("most of a class", 13)[0]
    assert set(shown) | {"checkpoint"} == set(browser.controls)


def test_menus_of_classes_stand_there_when_something_asks_for_them(browser):
    def there():
        return [n for n in ("focus", "called") if browser.controls[n].layout.display != "none"]

    assert there() == []
    browser.view = "one class"
    assert there() == ["focus"]
    browser.order = "most of a mistake"
    assert there() == ["focus", "called"]
    browser.order, browser.view = "worst first", "frame"
    assert there() == []


def test_none_where_an_order_finds_nothing(browser, tmp_path):
    browser.order, browser.focus = "most of a class", "train"
    names = browser.predictions[0].label_set.names
    there = browser.predictions[0].sequence("most of a class", names.index("train"))
    assert browser.slider.max == max(0, len(there) - 1)
    browser.predictions[0].pixels = {i: np.zeros(19, np.int64) for i in range(6)}
    browser.focus = "bus"
    assert "none: no frame has bus" in browser.caption.value and browser.frames() == []
    assert browser.frame is None and browser.readout.value == "" and browser.slider.max == 0
    assert decoded(browser.image).shape[1] == 1024
    assert "none" in browser.save().name
    with pytest.raises(ValueError, match="none: no frame has bus"):
        browser.to_html(tmp_path / "page.html")
    browser.order = "as listed"
    assert browser.slider.max == 5 and "1 of 6" in browser.caption.value


def test_what_the_controls_do_code_does_too(browser):
    one = browser.predictions[0]
    matrix = browser.scores().matrix.copy()
    np.fill_diagonal(matrix, 0)
    is_class, called = np.unravel_index(matrix.argmax(), matrix.shape)
    names = one.label_set.names
    browser.mistake = names[is_class], names[called]
    assert browser.mistake == (names[is_class], names[called])
    assert (browser.order, browser.view) == ("most of a mistake", "one mistake")
    rows = browser.frames()
    assert [r.pixels for r in rows] == sorted((r.pixels for r in rows), reverse=True)
    assert sum(r.pixels for r in rows) == matrix.max()
    assert rows[0].title == one.title(index_at(browser)) and rows[0].title in browser.caption.value
    assert np.array_equal(browser.picture(), views.picture(browser.predictions, browser.state))
    browser.classes = ["road", "car"]
    assert browser.classes == ["road", "car"] and "2 of 19" in browser.caption.value
    with pytest.raises(ValueError, match="invalid classes"):
        browser.classes = ["river"]
    with pytest.raises(ValueError, match="invalid called"):
        browser.mistake = ("road", "river")
    browser.point = (5, 7)
    assert browser.point == (5, 7) and browser.mark and "row 5, column 7" in browser.readout.value
    assert np.array_equal(browser.frame.truth, one.load(index_at(browser)).truth)


def test_only_and_play(browser):
    parts = list(walk(browser))
    only = next(p for p in parts if getattr(p, "description", "") == "only")
    only.value = "car"
    assert browser.classes == ["car"] and only.value == "…"
    (play,) = (p for p in parts if isinstance(p, widgets.Play))
    play.value = 3
    assert browser.position == 3 and "4 of 6" in browser.caption.value
    browser.order, browser.focus = "most of a class", "truck"
    assert play.max == browser.slider.max and play.value == browser.position == 0


def test_switches_buttons_and_numbers(browser):
    before = browser.image.value
    browser.switches[int(browser.predictions[0].load(0).classes[0, 32, 64])].value = False
    assert browser.image.value != before and "18 of 19 classes" in browser.caption.value
    browser.switch(["car"])
    assert "1 of 19 classes" in browser.caption.value
    assert [s.description for s in browser.switches if s.value] == ["car"]
    buttons = {b.description: b for b in walk(browser) if isinstance(b, widgets.Button)}
    buttons["show all classes"].click()
    assert browser.image.value == before
    buttons["next ▶"].click()
    assert browser.position == 1
    for _ in range(9):
        buttons["next ▶"].click()
    assert browser.position == 5
    buttons["◀ previous"].click()
    assert browser.position == 4
    assert views.in_words(browser.legend()[0]) in browser.numbers[0].value


def walk(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def test_every_control_has_a_label_and_nothing_needs_an_extension(browser):
    parts = list(walk(browser))
    for part in parts:
        if hasattr(part, "description") and not isinstance(part, widgets.HTML):
            assert part.description
    assert not [p for p in parts if isinstance(p, widgets.Output)]
    assert {p._view_module for p in parts} <= {"@jupyter-widgets/controls", "@jupyter-widgets/base"}
    assert all(
        any(p is control for p in parts)
        for control in (*browser.controls.values(), *browser.switches)
    )
    silent = [p for p in (*browser.controls.values(), *browser.switches) if not p.tooltip]
    assert silent == []


def test_second_checkpoint(checkpoint, other, small_city, folder):
    browser = PredictionBrowser(checkpoint, small_city, compare=other)
    first = index_at(browser)
    browser.view, browser.opacity = "prediction", 1.0
    one = views.paint(
        browser.predictions[1].load(first),
        "prediction",
        browser.state,
        browser.predictions[0].label_set,
        1024,
    )
    before = browser.image.value
    browser.checkpoint = 1
    assert index_at(browser) == first and browser.image.value != before
    assert np.array_equal(views.picture(browser.predictions, browser.state)[views.TITLE :], one)
    assert "other is" in browser.caption.value
    browser.view = "compare"
    assert views.picture(browser.predictions, browser.state).shape[0] == 2 * (256 + views.TITLE)
    with pytest.raises(ValueError, match="only like can be compared"):
        PredictionBrowser(
            checkpoint, small_city, compare=make_checkpoint(folder / "30.pt", label_set="all30")
        )


def test_exceptions_reach_the_caller(browser, monkeypatch):
    monkeypatch.setattr(views, "picture", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        browser.position = 1


def test_wrong_values_are_refused(browser):
    for name, value in (("order", "best first"), ("view", "x-ray"), ("zoom", 3)):
        with pytest.raises(Exception, match="[Ii]nvalid"):
            setattr(browser, name, value)


def test_broken_missing_and_vanishing_files(checkpoint, small_city, tmp_path):
    city = tmp_path / "city"
    shutil.copytree(small_city, city)
    rows = find_rows(city, "val")
    (city / rows[0].image).write_bytes((city / rows[0].image).read_bytes()[:3000])
    bad_label = np.asarray(Image.open(city / rows[1].label)).copy()
    bad_label[0, 0] = 77
    Image.fromarray(bad_label).save(city / rows[1].label)
    browser = PredictionBrowser(checkpoint, city)
    assert index_at(browser) == 2 and browser.slider.max == 3 and "1 of 4" in browser.caption.value
    assert rows[0].image in browser.notice.value and "unknown label id 77" in browser.notice.value
    (city / rows[3].image).unlink()
    browser.predictions[0].load.cache_clear()
    browser.position = 1
    assert (
        index_at(browser) == 4 and rows[3].image in browser.notice.value and browser.slider.max == 2
    )
    assert browser.image.value == views.encode(views.picture(browser.predictions, browser.state))
    for row in rows:
        (city / row.image).unlink(missing_ok=True)
    csv = tmp_path / "gone.csv"
    from helpers.csv_index import write_csv

    write_csv(small_city, "val", csv)
    with pytest.raises(ValueError, match="no frame to show"):
        PredictionBrowser(checkpoint, city, csv=csv)


def test_photographs(checkpoint, small_city, tmp_path):
    photo = tmp_path / "my street.jpg"
    Image.open(small_city / find_rows(small_city, "val")[0].image).resize((300, 200)).convert(
        "L"
    ).save(photo)
    browser = PredictionBrowser(checkpoint, photos=[tmp_path / "none.png", photo])
    assert "my street" in browser.caption.value and "none.png" in browser.notice.value
    assert browser.predictions[0].load(1).image.shape == (67, 100, 3)


def test_a_picture_of_ones_own_by_path_and_by_upload(checkpoint, other, small_city, tmp_path):
    browser = browse([checkpoint, other], small_city)
    photo = tmp_path / "my street.png"
    Image.open(small_city / find_rows(small_city, "val")[0].image).resize((300, 200)).save(photo)
    parts = list(walk(browser))
    field = next(p for p in parts if getattr(p, "description", "") == "path")
    field.value = f'"{photo}"'
    assert browser.slider.max == browser.position == 6 and "my street, no truth" in str(browser)
    assert browser.frame.image.shape == (67, 100, 3)
    for view in browser.controls["view"].options:
        browser.view = view
        assert not set(views.NEED_TRUTH) & set(views.panels(browser.predictions, browser.state))
    field.value = str(tmp_path / "nowhere.jpg")
    assert "nowhere.jpg: no such file" in browser.notice.value and browser.slider.max == 6
    (button,) = (p for p in parts if isinstance(p, widgets.FileUpload))
    file = {"name": "up.png", "content": memoryview(photo.read_bytes())}
    eight = ({**file, "type": "image/png", "size": 1, "last_modified": 0},)
    assert uploads(eight) == uploads({"up.png": {"content": photo.read_bytes()}})
    browser.add_uploads(uploads(eight))
    assert browser.position == 7 and browser.predictions[1].title(7) == "up"
    browser.add_uploads([("bad.png", b"no picture")])
    assert "bad.png" in browser.notice.value and browser.slider.max == 7
    browser.order = "worst first"
    assert browser.predictions[0].sequence("worst first")[-2:] == [6, 7]
    assert button.accept == "image/*"


def test_photographs_by_their_own_statistics(checkpoint, small_city, tmp_path):
    """Twice as dark, a picture looks the same once it is normalized with its own numbers."""
    pixels = np.asarray(Image.open(small_city / find_rows(small_city, "val")[0].image))
    light, dark = tmp_path / "light.png", tmp_path / "dark.png"
    Image.fromarray(pixels[::4, ::4] // 2 * 2).save(light)
    Image.fromarray(pixels[::4, ::4] // 2).save(dark)
    share = {}
    for how in ("checkpoint", "own"):
        found = Predictions(checkpoint, photos=[light, dark], photo_statistics=how)
        share[how] = (found.load(0).classes[0] == found.load(1).classes[0]).mean()
    assert share["own"] > max(0.9, share["checkpoint"] + 0.1), share
    with pytest.raises(ValueError, match="photo_statistics"):
        Predictions(checkpoint, photos=[light], photo_statistics="mine")


def test_a_photograph_is_labeled_as_inference_labels_it(checkpoint, small_city, tmp_path):
    """One whose rows are not those of the training, and few enough to be shown at full size."""
    picture = Image.open(small_city / find_rows(small_city, "val")[0].image).resize((120, 90))
    picture.save(tmp_path / "p.png")
    model, info = load_model(checkpoint)
    expected = predict_photograph(model, np.asarray(picture), info)
    assert (expected != predict_frame(model, np.asarray(picture), info)).any()
    found = Predictions(checkpoint, photos=[tmp_path / "p.png"])
    assert np.array_equal(found.load(0).classes[0], expected)


def test_a_window_of_a_photograph_has_its_own_statistics_too(folder, small_city, tmp_path):
    pixels = np.asarray(Image.open(small_city / find_rows(small_city, "val")[0].image))
    Image.fromarray(pixels[::2, ::2] // 3).save(tmp_path / "dark.png")
    crops = make_checkpoint(folder / "crops.pt", view=View("crop", 196, "valid", 2))
    found = {}
    for how in ("checkpoint", "own"):
        prediction = Predictions(crops, photos=[tmp_path / "dark.png"], photo_statistics=how)
        found[how] = prediction.load(0)
    assert np.array_equal(found["own"].image, found["checkpoint"].image)
    assert not np.array_equal(found["own"].chances, found["checkpoint"].chances)


def test_two_networks_of_one_name_are_told_apart(small_city, tmp_path):
    best = []
    for seed, run in enumerate(("first", "second")):
        best.append(make_checkpoint(tmp_path / run / "best.pt", seed=seed))
    browser = browse(best, small_city, limit=1)
    assert [p.name for p in browser.predictions] == ["first/best", "second/best"]
    browser.checkpoint = 1
    assert "second/best is" in browser.caption.value
    saved = browser.save()
    assert saved.is_file() and "second" in saved.name
    assert browse(best[0], small_city, limit=1).predictions[0].name == "best"


def test_a_network_of_two_classes_names_two(folder, small_city, tmp_path):
    classes = LabelSet(("cell", "background"), ((255, 0, 0), (0, 0, 255)), (1, 2))
    torch.manual_seed(0)
    model = UNet(num_classes=2, width=4, depth=2, padding="same")
    info = {"label_set": classes.as_dict(), "mean": [0.3] * 3, "std": [0.2] * 3}
    info["view"] = asdict(View("frame", padding="same", depth=2, height=64))
    path = save_model(tmp_path / "two.pt", model, info)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(picture)
    browser = browse(path, photos=[picture])
    words = views.readout(browser.predictions, browser.state)
    assert words.count("cell") == words.count("background") == 1


def test_a_network_that_sees_smaller_frames_is_shown_at_the_size_of_the_first(
    checkpoint, folder, small_city
):
    half = View("frame", padding="same", depth=2, height=32)
    browser = browse([checkpoint, make_checkpoint(folder / "half.pt", view=half)], small_city)
    one, two = browser.predictions
    alone = Predictions(folder / "half.pt", small_city).load(0)
    assert one.load(0).truth.shape == (64, 128) and alone.truth.shape == (32, 64)
    assert np.array_equal(two.load(0).classes, alone.classes.repeat(2, 1).repeat(2, 2))
    assert np.array_equal(two.load(0).truth, one.load(0).truth)
    assert two.total().counts.sum() == one.total().counts.sum()
    browser.view = "compare"
    assert "half" in views.panel_title(
        "prediction" + views.OTHER, "prediction", [one, two], State()
    )


def test_one_or_two_checkpoints(checkpoint, small_city):
    assert len(browse(checkpoint, small_city, limit=1).predictions) == 1
    assert len(browse([str(checkpoint)], small_city, limit=1).predictions) == 1
    with pytest.raises(ValueError, match="one checkpoint or two, found 3"):
        browse([checkpoint] * 3, small_city)


def test_save_and_error_names_the_file(browser, tmp_path):
    browser.view = "truth"
    saved = browser.save()
    assert np.array_equal(
        np.asarray(Image.open(saved)), views.picture(browser.predictions, browser.state)
    )
    assert saved.name in browser.notice.value
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OSError, match="file"):
        browser.save(blocked / "x.png")


def test_without_a_kernel_the_picture_stands_there(browser):
    bundle = browser._repr_mimebundle_()
    still = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"]))))
    assert still.shape == browser.picture().shape
    assert np.abs(still.astype(int) - browser.picture()).mean() < 8
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == browser.model_id
    assert bundle["text/plain"] == repr(browser) and browser.predictions[0].title(0) in repr(
        browser
    )


def test_stepping_back_and_forth_reads_and_predicts_nothing(browser, monkeypatch):
    for position in range(6):
        browser.position = position
    monkeypatch.setattr(Predictions, "_load", lambda self, index: pytest.fail("loaded again"))
    shown = browser.image.value
    for position in (1, 2, 3, 4, 5):
        browser.position = position
        assert position == 5 or browser.image.value != shown
    assert browser.image.value == shown


# the page


def read_page(path):
    text = path.read_text(encoding="utf-8")
    stored = re.search(r'id="data">(.*?)</script>', text, re.S)[1]
    return text, json.loads(stored, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def unpacked(text, height, width):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(height, width)


def test_page_holds_what_the_browser_shows(checkpoint, other, small_city, tmp_path):
    browser = PredictionBrowser(checkpoint, small_city, compare=other)
    browser.order = "worst first"
    text, data = read_page(browser.to_html(tmp_path / "deep" / "page.html", frames=3))
    one = browser.predictions[0]
    assert [f["index"] for f in data["frames"]] == one.sequence("worst first")[:3]
    for stored in data["frames"]:
        frame, size = one.load(stored["index"]), (stored["height"], stored["width"])
        assert np.array_equal(unpacked(stored["truth"], *size), frame.truth)
        for p, packed in zip(browser.predictions, stored["predictions"]):
            for k in range(3):
                assert np.array_equal(
                    unpacked(packed["classes"][k], *size), p.load(stored["index"]).classes[k]
                )
                chances = unpacked(packed["chances"][k], *size) * data["step"]
                assert (
                    np.abs(chances.astype(int) - p.load(stored["index"]).chances[k]).max()
                    < data["step"]
                )
        image = np.asarray(Image.open(io.BytesIO(base64.b64decode(stored["image"]))))
        assert np.abs(image.astype(int) - frame.image).mean() < 6
        assert stored["predictions"][0]["miou"] == pytest.approx(
            one.frame_iou(stored["index"]), abs=1e-4
        )
        assert (
            stored["predictions"][0]["matrix"]
            == one.scores[stored["index"]].matrix.ravel().tolist()
        )
        assert stored["differs"] == pytest.approx(
            browser.predictions[1].differs[stored["index"]], abs=1e-4
        )
    assert not re.search(r"https?://|<link[^>]+href=\"(?!data:)|<script[^>]+src|@import", text)


def test_page_of_frames_without_truth(checkpoint, small_city, tmp_path, monkeypatch):
    photo = small_city / find_rows(small_city, "val")[0].image
    browser = PredictionBrowser(checkpoint, photos=[photo])
    data = read_page(browser.to_html(tmp_path / "page.html"))[1]
    assert data["frames"][0]["truth"] is None and data["miou"] == [None]
    whole = data["frames"][0]
    monkeypatch.setattr(page, "WIDTH", whole["width"] // 2)
    half = read_page(browser.to_html(tmp_path / "page.html"))[1]["frames"][0]
    assert (half["width"] * 2, half["height"] * 2) == (whole["width"], whole["height"])


def test_thirty_classes(folder, small_city):
    path = make_checkpoint(folder / "thirty.pt", label_set="all30")
    browser = PredictionBrowser(path, small_city, limit=2)
    assert browser.predictions[0].label_set == ALL_30 and len(browser.switches) == 30


def test_whose_pictures_may_be_passed_on(checkpoint, small_city, tmp_path, capsys):
    root = tmp_path / "data"
    shutil.copytree(small_city, root)
    browser = browse(checkpoint, root, limit=1)

    def said():
        page = browser.to_html(tmp_path / "page.html")
        data = read_page(page)[1]
        printed = capsys.readouterr().out.strip()
        assert data["license"] == printed
        return printed

    assert "license of Cityscapes forbids" in said()
    (root / "LICENCE.txt").write_text("CC BY-NC")
    assert "LICENCE.txt" in said()
    (root / "LICENCE.txt").unlink()
    (root / "sample_city.json").write_text("{}")
    assert said() == ""
    photo = root / find_rows(root, "val")[0].image
    browser = browse(checkpoint, photos=[photo])
    assert said() == ""


def test_a_jpeg_keeps_the_resolution_of_its_colors():
    """Classes are told apart by color: a pixel of red beside one of blue stays red."""
    stripes = np.zeros((16, 32, 3), np.uint8)
    stripes[:, ::2, 0] = 255
    stripes[:, 1::2, 2] = 255
    found = np.asarray(Image.open(io.BytesIO(views.encode(stripes)))).astype(int)
    assert np.abs(found - stripes).mean() < 12
    exact = np.asarray(Image.open(io.BytesIO(views.encode(stripes, "png"))))
    assert (exact == stripes).all()
