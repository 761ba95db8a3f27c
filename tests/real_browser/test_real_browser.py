"""The course in a real browser: JupyterLab and Chromium, chapter 09, the explorers of 02 and 08,
the page of to_html.

What is seen is compared with what helpers compute: the picture, decoded, and every word.
COURSE_SHOTS=folder keeps screenshots at 1280 and 800 pixels in both themes.
"""

import base64
import hashlib
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from extras.browser import views
from extras.browser.predictions import ORDERS, Predictions
from extras.browser.views import State
from helpers import plots
from tests.real_browser import lab_server as lab

reason = lab.why_not()
if reason:
    pytest.skip(reason, allow_module_level=True)

CHECKPOINTS = ("data/checkpoints/unet.pt", "data/checkpoints/fcn8s.pt")
SHOTS = os.environ.get("COURSE_SHOTS")
SETUP = f"""import sys
from pathlib import Path
root = Path.cwd().parent
sys.path.insert(0, str(root))
import {plots.__name__}  # sets the style of pictures, here as in the tests"""
COMPARED = f"""from extras.browser import browse
browser = browse([root / name for name in {CHECKPOINTS}], limit=4)
browser"""
EXPLORERS = """from extras.explorers.layers import SizeExplorer
SizeExplorer(576)"""
SKIPS = """import numpy as np
from extras.explorers.layers import SkipExplorer
truth = np.full((20, 30), 10, np.uint8)
SkipExplorer(lambda silent: np.full((20, 30), 10 + sum(silent)), truth, silent=(2, 3))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    notebooks = {
        "compared.ipynb": [SETUP, COMPARED],
        "explorers.ipynb": [SETUP, EXPLORERS, SKIPS],
    }
    with lab.serve(folder, notebooks) as (address, token):
        yield address, token, folder / "course"


@pytest.fixture(scope="module")
def predictions(city, server):
    """The same frames and the same disk cache as in chapter 09."""
    return both(server[2], city)


def both(course, city, **options) -> list[Predictions]:
    unet, fcn = (course / name for name in CHECKPOINTS)
    first = Predictions(unet, city, **options)
    return [first, Predictions(fcn, city, beside=first, **options)]


def shoot(page, name: str, target=None) -> None:
    """Screenshots at two widths in both themes, and of the browser alone, where COURSE_SHOTS asks
    for them.
    """
    if not SHOTS:
        return
    if target is not None:
        page.keyboard.press("Control+b")  # hides the side bar, and shows it again below
    for width in (1280, 800):
        for theme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 1000})
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(2000)
            if target is not None:
                target.evaluate("e => e.scrollIntoView()")
            page.screenshot(path=Path(SHOTS) / f"{name}-{width}-{theme}.png")
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.emulate_media(color_scheme="light")
    if target is not None:
        page.keyboard.press("Control+b")


class Shown:
    """A prediction browser on a page, compared with what helpers compute for the state that its
    controls show.
    """

    def __init__(self, page, predictions):
        self.page, self.predictions = page, predictions
        outputs = page.locator(".jp-OutputArea-output", has=page.locator(".widget-accordion"))
        self.root = outputs.first
        self.root.scroll_into_view_if_needed()
        self.controls = lab.Controls(page, self.root)
        self.classes = predictions[0].label_set.names
        boxes = self.root.locator(".widget-checkbox")
        lab.eventually(lambda: boxes.count() == len(self.classes) + 2, "all switches are there")
        lab.eventually(lambda: self.read()[1], "what is shown at first is right")

    def section(self, title: str) -> None:
        """Open a section of the accordion."""
        self.root.get_by_text(title, exact=True).click()

    def read(self) -> tuple[State, bool, np.ndarray]:
        """The state that the controls show; whether picture and words are those of helpers; the
        picture.
        """
        shown = lab.read(self.root)
        c = shown["state"]
        state = State(
            position=int(c["frame"]),
            order=c["order"],
            focus=self.classes.index(c["class"]),
            called=self.classes.index(c["called"]),
            flick=c["flick to the truth"],
            view=c["view"],
            checkpoint=[p.name for p in self.predictions].index(c["checkpoint"]),
            opacity=c["opacity"],
            hidden=frozenset(i for i, name in enumerate(self.classes) if not c[name]),
            outlines=c["outline the classes"],
            zoom=int(c["zoom"].split()[0]),
            row=int(c["row"]),
            column=int(c["column"]),
            mark=c["mark the point"],
        )
        expected = lab.decode(views.encode(views.picture(self.predictions, state)))
        numbers = [views.in_words(row) for row in views.legend(self.predictions, state)]
        right = (
            np.array_equal(shown["image"], expected)
            and shown["caption"] == views.caption(self.predictions, state)
            and views.readout(self.predictions, state) in shown["lines"]
            and [line for line in shown["lines"] if line in numbers] == numbers
        )
        return state, right, shown["image"]

    def changes(self, action, what: str, must: bool = True, **expected) -> State:
        """Do something; picture, caption, readout and legend must be those that helpers compute for
        the controls.

        `must`: the picture has to become another one. Names of State with the values that the
        controls must show.
        """
        before = self.read()[2]
        action()

        def done() -> bool:
            state, right, image = self.read()
            return (
                right
                and not (must and np.array_equal(image, before))
                and all(getattr(state, name) == value for name, value in expected.items())
            )

        lab.eventually(
            done, f"{what}: controls show {expected}, picture and words are those of helpers"
        )
        return self.read()[0]


def lab_page(chromium, address):
    return lab.watched_page(
        chromium, (address, address.replace("http", "ws")), viewport={"width": 1280, "height": 1000}
    )


def test_chapter_09(chromium, server, predictions):
    address, token, _ = server
    with lab_page(chromium, address) as page:
        lab.run_all(page, address, token, "09_browse_predictions.ipynb")
        simple = page.locator(".jp-OutputArea-output", has=page.locator(".widget-slider")).first
        simple.scroll_into_view_if_needed()
        first = lab.read(simple)["image"]
        lab.Controls(page, simple).press("frame", "ArrowRight")
        lab.eventually(
            lambda: not np.array_equal(lab.read(simple)["image"], first),
            "the viewer by hand follows a key",
        )

        shown = Shown(page, predictions)
        c, changes = shown.controls, shown.changes
        last = len(predictions[0].scores) - 1
        shoot(page, "widget", shown.root)
        changes(
            lambda: c.choose("order", "as listed"),
            "order as listed",
            False,
            order="as listed",
            position=0,
        )
        changes(lambda: c.press("frame", "ArrowRight"), "the key →", position=1)
        changes(lambda: c.press("frame", "End"), "the key End", position=last)
        start = time.time()
        changes(lambda: c.drag("frame", 0.0), "dragging to the left end", position=0)
        print(f"a drag over {last} frames settled after {time.time() - start:.1f} s")
        settled = shown.read()[2]
        page.wait_for_timeout(700)
        assert np.array_equal(shown.read()[2], settled), "frames were still queued after the drag"
        changes(lambda: c.button("next"), "next", position=1)
        changes(lambda: c.button("previous"), "previous", position=0)
        changes(lambda: c.button("flick to the truth"), "flick by button", flick=True)
        page.keyboard.press("Space")  # the button has the focus
        changes(lambda: None, "flick by key", False, flick=False)
        for view in ("frame", "prediction", "difference", "confidence", "who is right", "truth"):
            changes(lambda view=view: c.choose("view", view), f"view {view}", view=view)
        opacity = shown.read()[0].opacity
        changes(
            lambda: c.press("opacity", "ArrowLeft", 3),
            "opacity by keyboard",
            opacity=round(opacity - 0.15, 2),
        )
        changes(lambda: c.drag("opacity", 1.0), "opacity by drag", opacity=1.0)
        changes(lambda: c.choose("view", "prediction"), "view prediction", view="prediction")
        for order in ORDERS[1:]:
            changes(
                lambda order=order: c.choose("order", order), order, False, order=order, position=0
            )
        changes(lambda: c.choose("order", "most of a class"), "most of a class", False, position=0)
        changes(
            lambda: c.choose("class", "bicycle"),
            "most bicycle first",
            False,
            focus=shown.classes.index("bicycle"),
            position=0,
        )
        changes(lambda: c.choose("view", "one class"), "bicycle in three colors", view="one class")
        shoot(page, "widget-class", shown.root)
        changes(lambda: c.choose("order", "most of a mistake"), "a mistake", False, position=0)
        changes(lambda: c.choose("view", "one mistake"), "painted", view="one mistake")
        changes(lambda: c.choose("class", "rider"), "riders", False)
        changes(lambda: c.choose("called", "person"), "rider called person", False)
        shoot(page, "widget-mistake", shown.root)
        changes(lambda: c.choose("called", "sky"), "a mistake that nobody makes")
        assert "none: in no frame is rider called sky" in lab.read(shown.root)["caption"]
        changes(lambda: c.choose("order", "as listed"), "as listed again", position=0)
        changes(lambda: c.choose("view", "prediction"), "the prediction", view="prediction")
        play, stop = (shown.root.locator(".widget-play button").nth(i) for i in (0, 1))
        play.click()
        lab.eventually(lambda: shown.read()[0].position >= 2, "play goes through the frames")
        stop.click()
        changes(lambda: c.press("frame", "Home"), "back to the first frame", False, position=0)
        shown.section("Classes")
        changes(lambda: c.checkbox("road").uncheck(), "road off", False, hidden=frozenset({0}))
        changes(
            lambda: c.button("show none"),
            "all classes off",
            hidden=frozenset(range(len(shown.classes))),
        )
        changes(lambda: c.button("show all classes"), "all classes on", hidden=frozenset())
        only = frozenset(range(len(shown.classes))) - {shown.classes.index("car")}
        changes(lambda: c.choose("only", "car"), "only cars", hidden=only)
        changes(lambda: c.button("show all classes"), "all classes again", hidden=frozenset())
        shoot(page, "widget-classes", shown.root)
        shown.section("Point, zoom, outlines")
        changes(lambda: c.checkbox("outline the classes").click(), "outlines")
        row = shown.read()[0].row
        key, by = ("ArrowLeft", -5) if row >= 5 else ("ArrowRight", 5)
        changes(lambda: c.press("row", key, 5), "row by keyboard", row=row + by, mark=True)
        changes(lambda: c.drag("column", 0.25), "column by drag", mark=True)
        changes(lambda: c.choose("zoom", "4 times"), "zoom", zoom=4)
        changes(lambda: c.checkbox("mark the point").uncheck(), "mark off", mark=False)
        shoot(page, "widget-point", shown.root)


def test_second_checkpoint_and_a_picture_of_ones_own(city, chromium, server, tmp_path):
    address, token, course = server
    photo = tmp_path / "my street.png"
    frame = lab.Image.open(course / "data" / "frame" / "frame.webp")
    frame.resize((640, 320)).save(photo)
    with lab_page(chromium, address) as page:
        lab.run_all(page, address, token, "compared.ipynb")
        shown = Shown(page, both(course, city, limit=4))
        c, changes = shown.controls, shown.changes
        shown.section("Checkpoint, saving")
        changes(lambda: c.choose("view", "prediction"), "view prediction", view="prediction")
        changes(lambda: c.choose("checkpoint", "fcn8s"), "the other checkpoint", checkpoint=1)
        changes(lambda: c.choose("view", "compare"), "view compare", view="compare")
        changes(lambda: c.choose("checkpoint", "unet"), "the first checkpoint", checkpoint=0)
        shoot(page, "compare", shown.root)
        state, _, _ = shown.read()
        c.button("save this view as PNG")
        shown.root.get_by_text("saved as").wait_for()
        (saved,) = (Path(os.environ["COURSE_RUNS"]) / "views").glob("*compare.png")
        assert np.array_equal(
            lab.decode(saved.read_bytes()), views.picture(shown.predictions, state)
        )

        shown.section("Your own picture")
        with page.expect_file_chooser() as chooser:
            c.button("upload a picture")
        chooser.value.set_files(photo)
        folder = hashlib.sha256(photo.read_bytes()).hexdigest()[:8]
        uploaded = Path(os.environ["COURSE_RUNS"]) / "pictures" / folder / photo.name
        lab.eventually(lambda: "my street" in lab.read(shown.root)["caption"], "an upload is shown")
        for one in shown.predictions:
            one.add_photograph(uploaded)
        changes(lambda: None, "an uploaded picture", False, position=4, view="side by side")
        field = shown.root.locator(".widget-text input")
        field.fill(str(photo))
        field.press("Enter")
        for one in shown.predictions:
            one.add_photograph(photo)
        changes(lambda: None, "a picture by its path", False, position=5)
        shoot(page, "own", shown.root)


def test_explorers_of_chapter_02(chromium, server):
    address, token, _ = server
    with lab_page(chromium, address) as page:
        lab.run_all(page, address, token, "explorers.ipynb")
        root = page.locator(".jp-OutputArea-output", has=page.locator(".widget-toggle-buttons"))
        twins: dict = {}
        root.scroll_into_view_if_needed()
        exec(EXPLORERS.replace("SizeExplorer(576)", "twin = SizeExplorer(576)"), twins)
        twin = twins["twin"]
        c = lab.Controls(page, root)

        def follows(what):
            expected = lab.decode(twin.picture.value)
            lab.eventually(lambda: np.array_equal(lab.read(root)["image"], expected), what)

        follows("the first picture")
        c.press("input size", "ArrowRight")
        twin.size.value += 1
        follows("the size explorer follows the keyboard")
        c.drag("depth", 0.0)
        twin.depth.value = 1
        follows("the size explorer follows a drag")
        root.get_by_role("button", name="same").click()
        twin.padding.value = "same"
        follows("the size explorer follows its padding")
        shoot(page, "explorers", root)

        # Checkboxes, and a line of text that says what they give
        root = page.locator(".jp-OutputArea-output", has=page.locator(".widget-checkbox"))
        exec(SKIPS.replace("SkipExplorer(lambda", "twin = SkipExplorer(lambda"), twins)
        twin = twins["twin"]
        root.scroll_into_view_if_needed()
        for level in (1, 2):
            root.get_by_role("checkbox").nth(level - 1).click()
            switch = twin.switches[level - 1]
            switch.value = not switch.value
            expected = lab.decode(twin.picture.value)
            lab.eventually(
                lambda expected=expected: np.array_equal(lab.read(root)["image"], expected),
                "the skip explorer follows its switches",
            )
            root.get_by_text(twin.said.value).wait_for()


CANVAS = "e => e.toDataURL('image/png').split(',')[1]"


class Page:
    """The page of to_html, and what a reader does with it."""

    def __init__(self, page, path):
        self.page = page
        page.goto(path.as_uri())
        page.wait_for_function("document.body.dataset.drawn")

    def do(self, action) -> None:
        """Do something that makes the page draw, and wait until it has."""
        drawn = self.page.evaluate("document.body.dataset.drawn")
        action()
        self.page.wait_for_function("d => document.body.dataset.drawn !== d", arg=drawn)

    def choose(self, menu: str, label: str) -> None:
        self.do(lambda: self.page.select_option(f"#{menu}", label=label))

    def key(self, key: str) -> None:
        self.do(lambda: self.page.keyboard.press(key))

    def canvas(self, i: int = 0) -> np.ndarray:
        return lab.decode(base64.b64decode(self.page.locator("canvas").nth(i).evaluate(CANVAS)))

    def text(self, place: str) -> str:
        return self.page.inner_text(f"#{place}")


@pytest.fixture(scope="module")
def written(predictions, tmp_path_factory):
    """The page of all frames and both networks, worst first."""
    from extras.browser.page import write_page

    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(path, predictions, State(order="worst first"), 20)
    assert path.stat().st_size < 6_000_000
    return path


def html_page(chromium, height=1000):
    return lab.watched_page(chromium, ("file:",), viewport={"width": 1280, "height": height})


def colored(image, color) -> np.ndarray:
    return (image == color).all(-1)


def test_page_paints_what_helpers_paint(chromium, predictions, written):
    one, two = predictions
    index = one.sequence("worst first")[0]
    frame, other = one.load(index), two.load(index)
    truth, called = frame.truth, frame.classes[0]
    known = truth != 255
    with html_page(chromium) as page:
        p = Page(page, written)
        assert page.locator("canvas").count() == 4
        shoot(page, "page")
        assert f"1 of 20, worst first: {one.title(index)}" in p.text("caption")
        assert f"mIoU {one.frame_iou(index):.3f} over its" in p.text("caption")
        p.choose("view", "frame")
        assert np.abs(p.canvas().astype(int) - frame.image).mean() < 6
        p.do(lambda: page.locator("#opacity").press("End"))
        assert p.text("percent") == "100 %"
        p.choose("view", "prediction")
        colors = one.label_set.colorize(called)
        assert np.array_equal(p.canvas()[known], colors[known])
        assert np.abs(p.canvas()[~known].astype(int) - frame.image[~known]).mean() < 8
        p.do(lambda: page.click("#flick"))
        assert np.array_equal(p.canvas()[known], one.label_set.colorize(truth)[known])
        p.do(lambda: page.click("#flick"))
        p.choose("view", "truth")
        assert np.array_equal(p.canvas()[known], one.label_set.colorize(truth)[known])
        p.choose("view", "difference")
        assert np.array_equal(colored(p.canvas(), views.WRONG), known & (truth != called))
        assert "wrong" in p.text("panels") and "void" in p.text("panels")
        p.choose("view", "confidence")
        expected = views.CONFIDENCE[frame.chances[0]]
        assert np.abs(p.canvas().astype(int) - expected)[known].max() <= 12
        assert page.locator(".scale").count() == 1
        p.choose("view", "who is right")
        right, right_too = (called == truth) & known, (other.classes[0] == truth) & known
        assert np.array_equal(colored(p.canvas(), views.FOUND), right & ~right_too)
        assert np.array_equal(colored(p.canvas(), views.MISSED), right_too & ~right)
        shoot(page, "page-who")
        p.choose("view", "one class")
        p.choose("focus", "rider")
        rider = one.label_set.names.index("rider")
        assert np.array_equal(
            colored(p.canvas(), views.MISSED), (truth == rider) & (called != rider)
        )
        false_alarm = known & (truth != rider) & (called == rider)
        assert np.array_equal(colored(p.canvas(), views.FALSE_ALARM), false_alarm)
        p.choose("view", "compare")
        assert page.locator("canvas").count() == 4 and "fcn8s" in p.text("panels")
        p.choose("view", "prediction")
        p.do(lambda: page.click("#none"))
        assert np.abs(p.canvas().astype(int) - frame.image).mean() < 6
        p.do(lambda: page.check("#class0"))
        road = (called == 0) & known
        assert (p.canvas()[road] == one.label_set.colors[0]).all() and road.any()
        p.do(lambda: page.click("#all"))
        p.do(lambda: page.get_by_title("show car and hide all others").click())
        assert "1 of 19 classes" in p.text("caption")
        p.do(lambda: page.click("#all"))


def test_page_orders_and_says_none(chromium, predictions, written):
    one, two = predictions
    names = one.label_set.names
    rider, person = names.index("rider"), names.index("person")
    with html_page(chromium) as page:
        p = Page(page, written)
        assert not page.locator("#focus").is_visible()
        for order, expected in (
            ("as listed", one.sequence("as listed")),
            ("worst first", one.sequence("worst first")),
            ("most wrong pixels first", one.sequence("most wrong pixels first")),
            ("most uncertain first", one.sequence("most uncertain first")),
            ("most disagreement", two.sequence("most disagreement")),
        ):
            p.choose("order", order)
            for place in (0, 1):
                words = f"{place + 1} of 20, {order}: {one.title(expected[place])}"
                assert words in p.text("caption")
                p.key("ArrowRight") if place == 0 else None
        p.choose("order", "most of a class")
        p.choose("focus", "train")
        trains = one.sequence("most of a class", names.index("train"))
        assert f"1 of {len(trains)}, most train first: {one.title(trains[0])}" in p.text("caption")
        p.choose("order", "most of a mistake")
        p.choose("focus", "rider")
        p.choose("called", "person")
        guilty = one.sequence("most of a mistake", rider, person)
        assert f"1 of {len(guilty)}, most rider called person first" in p.text("caption")
        assert one.title(guilty[0]) in p.text("caption")
        p.choose("view", "one mistake")
        frame = one.load(guilty[0])
        orange = (frame.truth == rider) & (frame.classes[0] == person)
        assert np.array_equal(colored(p.canvas(), views.FALSE_ALARM), orange)
        shoot(page, "page-mistake")
        p.choose("called", "sky")
        assert p.text("caption") == "none: in no frame is rider called sky"
        assert page.locator("canvas").count() == 0 and page.locator("#position").is_disabled()
        shoot(page, "page-none")
        p.choose("order", "as listed")
        assert page.locator("canvas").count() == 1
        absent = [i for i, n in enumerate(one.pixels[0]) if n == 0]
        legend = page.locator("#legend div span").all_inner_texts()
        assert [i for i, words in enumerate(legend) if words.startswith("not here")] == absent


def test_page_points_zooms_and_keys(chromium, predictions, written):
    one = predictions[0]
    order = one.sequence("worst first")
    index = order[0]
    frame = one.load(index)
    with html_page(chromium) as page:
        p = Page(page, written)
        p.choose("view", "prediction")
        p.do(lambda: page.locator("#opacity").press("End"))
        p.do(lambda: page.locator("#row").press("ArrowLeft"))
        row, column = int(page.input_value("#row")), int(page.input_value("#column"))
        expected = views.readout(predictions, State(order="worst first", row=row, column=column))
        words, numbers = (
            (re.sub(r"0\.\d\d|1\.00", "#", t) for t in (p.text("readout"), expected)),
            (
                [float(n) for n in re.findall(r"0\.\d\d|1\.00", t)]
                for t in (p.text("readout"), expected)
            ),
        )
        assert len(set(words)) == 1 and np.abs(np.subtract(*numbers)).max() <= 0.021
        p.choose("zoom", "2")
        top, left, height, width = views.window(
            frame.truth.shape, State(zoom=2, row=row, column=column)
        )
        inside = (slice(top, top + height), slice(left, left + width))
        part = one.label_set.colorize(frame.classes[0][inside])
        known = frame.truth[inside] != 255
        unmarked = p.canvas()[::2, ::2]
        assert (unmarked != part).any(-1)[known].mean() < 0.01, (
            "zoom 2, apart from the ring around the point"
        )
        p.do(lambda: page.check("#outlines"))
        assert (p.canvas() != unmarked.repeat(2, 0).repeat(2, 1)).any()
        p.do(lambda: page.uncheck("#outlines"))
        p.choose("zoom", "1")
        p.do(lambda: page.locator("#position").press("ArrowRight"))
        assert f"2 of 20, worst first: {one.title(order[1])}" in p.text("caption")
        page.locator("#position").blur()
        p.key("ArrowRight")
        assert one.title(order[2]) in p.text("caption")
        p.key("ArrowLeft")
        p.key("t")
        assert page.get_attribute("#flick", "aria-pressed") == "true"
        assert "truth in place of the prediction" in p.text("caption")
        p.key("t")
        p.key("-")
        assert p.text("percent") == "95 %"
        p.key("+")
        p.key("v")
        assert page.locator("#view").evaluate("e => e.selectedOptions[0].label") == "difference"
        p.do(lambda: page.click("#back"))
        canvas = page.locator("canvas").first
        box = canvas.bounding_box()
        canvas.hover(position={"x": 200, "y": 60})
        column = int(200 / box["width"] * frame.truth.shape[1])
        row = int(60 / box["height"] * frame.truth.shape[0])
        assert f"row {row}, column {column}: truth" in p.text("hover")
        p.do(lambda: canvas.click(position={"x": 100, "y": 50}))
        assert abs(int(page.input_value("#column")) - 100 / box["width"] * frame.truth.shape[1]) < 2

        # The address leads back to what is shown.
        p.choose("order", "most wrong pixels first")
        p.do(lambda: page.click("#on"))
        before = [p.text(place) for place in ("caption", "readout")]
        page.reload()
        page.wait_for_function("document.body.dataset.drawn > 1")
        assert [p.text(place) for place in ("caption", "readout")] == before

        page.click("#play")
        words = one.title(one.sequence("most wrong pixels first")[3])
        page.wait_for_function("w => document.body.innerText.includes(w)", arg=words)
        page.click("#play")
        unlabeled = page.evaluate("""() => [...document.querySelectorAll('input, select')]
            .filter(e => !e.labels.length || !e.labels[0].textContent.trim())
            .map(e => e.id)""")
        assert unlabeled == [] and page.locator("#legend label").count() == 19


@pytest.mark.parametrize("width", [1280, 800])
def test_four_panels_fit_the_window(chromium, written, width):
    with lab.watched_page(chromium, ("file:",), viewport={"width": width, "height": 800}) as page:
        Page(page, written)
        last = page.locator("canvas").last.bounding_box()
        assert last["y"] + last["height"] <= 800
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_frame_that_was_seen_is_not_unpacked_again(chromium, written):
    """Unpacking takes most of the time (python -m benchmarks.browsing); eight frames are kept."""
    with html_page(chromium) as page:
        p = Page(page, written)
        page.evaluate("""() => {
            window.unpacked = 0;
            const Whole = window.DecompressionStream;
            window.DecompressionStream = class extends Whole {
                constructor(kind) { super(kind); window.unpacked += 1; }
            }; }""")
        p.key("ArrowRight")
        first = page.evaluate("window.unpacked")
        assert first > 0
        shown = p.canvas()
        p.key("ArrowLeft")
        p.key("ArrowRight")
        assert page.evaluate("window.unpacked") == first
        assert np.array_equal(p.canvas(), shown)
        for _ in range(8):
            p.key("ArrowRight")
        last = page.evaluate("window.unpacked")
        for _ in range(8):
            p.key("ArrowLeft")
        assert page.evaluate("window.unpacked") > last and np.array_equal(p.canvas(), shown)
