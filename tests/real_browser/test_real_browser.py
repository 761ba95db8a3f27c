"""The course in a real browser: JupyterLab and Chromium, chapter 09, the explorers of 02 and 08,
the page of to_html.

What is seen is compared with what helpers compute: the picture, decoded, and every word.
COURSE_SHOTS=folder keeps screenshots at 1280 and 800 pixels in both themes, and browser.png, the
picture in images/.
"""

import base64
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

CHECKPOINT = "data/checkpoints/demo.pt"
SHOTS = os.environ.get("COURSE_SHOTS")
SETUP = f"""import sys
from pathlib import Path
root = Path.cwd().parent
sys.path.insert(0, str(root))
import {plots.__name__}  # sets the style of pictures, here as in the tests"""
COMPARED = """from extras.browser.widget import PredictionBrowser
from helpers.checkpoints import load, save
state = load(root / "data/checkpoints/demo.pt")
state["model"]["head.weight"] = -state["model"]["head.weight"]
other = save(root / "other.pt", state)
browser = PredictionBrowser(root / "data/checkpoints/demo.pt", compare=other, limit=4)
browser"""
EXPLORERS = """from extras.explorers.layers import SizeExplorer
SizeExplorer()"""
PROTOCOLS = """import numpy as np
from extras.benchmark_server.protocols import REGION, count
from extras.explorers.protocols import ProtocolExplorer
random = np.random.RandomState(8)
pairs = [random.randint(0, 4, (2, 30, 40)) for _ in range(6)]
tables = {region: [count(np.where(p == 3, 2, p), np.where(t == 3, 255, t), 5) for p, t in pairs[i:]]
          for i, region in enumerate(REGION)}
ProtocolExplorer(tables, ("road", "car", "sky", "bus", "train"))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    notebooks = {
        "compared.ipynb": [SETUP, COMPARED],
        "explorers.ipynb": [SETUP, EXPLORERS, PROTOCOLS],
    }
    with lab.serve(folder, notebooks) as (address, token):
        yield address, token, folder / "course"


@pytest.fixture(scope="module")
def predictions(city, server):
    """The same frames and the same disk cache as in chapter 09."""
    return Predictions(server[2] / CHECKPOINT, city, limit=12)


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
            if (name, width, theme) == ("widget", 1280, "light"):
                alone = lab.decode(target.screenshot())
                lab.Image.fromarray(alone).quantize(256).save(
                    Path(SHOTS) / "browser.png", optimize=True
                )
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
        self.root = page.locator(".jp-OutputArea-output", has=page.locator(".widget-accordion"))
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
            focus=self.classes.index(c["most of"]),
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
        numbers = [ious for _, _, ious in views.legend(self.predictions, state)]
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
        lab.Controls(page, simple).press("frame", "ArrowLeft")  # the chapter ends on the last frame
        lab.eventually(
            lambda: not np.array_equal(lab.read(simple)["image"], first),
            "the viewer by hand follows a key",
        )

        shown = Shown(page, [predictions])
        c, changes = shown.controls, shown.changes
        last = len(predictions.scores) - 1
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
        for view in ("frame", "truth", "prediction", "difference", "confidence"):
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
        changes(
            lambda: c.choose("most of", "bicycle"),
            "most bicycle first",
            False,
            focus=shown.classes.index("bicycle"),
            position=0,
        )
        shown.section("Classes")
        changes(lambda: c.checkbox("road").uncheck(), "road off", False, hidden=frozenset({0}))
        changes(
            lambda: c.button("show none"),
            "all classes off",
            hidden=frozenset(range(len(shown.classes))),
        )
        changes(lambda: c.button("show all classes"), "all classes on", hidden=frozenset())
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


def test_second_checkpoint(city, chromium, server):
    address, token, course = server
    with lab_page(chromium, address) as page:
        lab.run_all(page, address, token, "compared.ipynb")
        shown = Shown(
            page, [Predictions(course / p, city, limit=4) for p in (CHECKPOINT, "other.pt")]
        )
        c, changes = shown.controls, shown.changes
        shown.section("Checkpoint, saving")
        changes(lambda: c.choose("checkpoint", "other"), "the other checkpoint", checkpoint=1)
        changes(lambda: c.choose("view", "compare"), "view compare", view="compare")
        changes(lambda: c.choose("checkpoint", "demo"), "the first checkpoint", checkpoint=0)
        shoot(page, "compare", shown.root)
        state, _, _ = shown.read()
        c.button("save this view as PNG")
        shown.root.get_by_text("saved as").wait_for()
        (saved,) = (Path(os.environ["COURSE_RUNS"]) / "views").glob("*compare.png")
        assert np.array_equal(
            lab.decode(saved.read_bytes()), views.picture(shown.predictions, state)
        )


def test_explorers_of_02_and_08(chromium, server):
    address, token, _ = server
    with lab_page(chromium, address) as page:
        lab.run_all(page, address, token, "explorers.ipynb")
        roots = page.locator(".jp-OutputArea-output", has=page.locator(".widget-toggle-buttons"))
        twins: dict = {}
        for root, source in ((roots.nth(0), EXPLORERS), (roots.nth(1), PROTOCOLS)):
            root.scroll_into_view_if_needed()
            exec(re.sub(r"^(\w+Explorer\()", r"twin = \1", source, flags=re.M), twins)
            twin, c = twins["twin"], lab.Controls(page, root)

            def follows(what, root=root, twin=twin):
                expected = lab.decode(twin.picture.value)
                lab.eventually(lambda: np.array_equal(lab.read(root)["image"], expected), what)

            follows("the first picture")
            if source == EXPLORERS:
                c.press("input size", "ArrowRight")
                twin.size.value += 1
                follows("the size explorer follows the keyboard")
                c.drag("depth", 0.0)
                twin.depth.value = 1
                follows("the size explorer follows a drag")
                root.get_by_role("button", name="same").click()
                twin.padding.value = "same"
                follows("the size explorer follows its padding")
                continue
            for control, option in (
                ("average", "per image"),
                ("absent", "as 0"),
                ("void", "as false alarms"),
                ("region", "center crop"),
            ):
                before = twin.picture.value
                root.get_by_role("button", name=option, exact=True).click()
                getattr(twin, control).value = option
                assert twin.picture.value != before
                follows(f"the protocol explorer follows {option}")
            shoot(page, "explorers", roots.nth(0))


CANVAS = "e => e.toDataURL('image/png').split(',')[1]"


def test_page_of_to_html(chromium, predictions, tmp_path):
    from extras.browser.page import write_page

    path = write_page(tmp_path / "page.html", [predictions], State(order="worst first"), 6)
    assert path.stat().st_size < 4_000_000
    order = predictions.sequence("worst first")[:6]
    with lab.watched_page(chromium, ("file:",), viewport={"width": 1280, "height": 1000}) as page:
        page.goto(path.as_uri())

        def do(action):
            drawn = page.evaluate("document.body.dataset.drawn")
            action()
            page.wait_for_function("d => document.body.dataset.drawn !== d", arg=drawn)

        def canvas(i=0):
            return lab.decode(base64.b64decode(page.locator("canvas").nth(i).evaluate(CANVAS)))

        def view(name):
            do(lambda: page.select_option("#view", label=name))

        page.wait_for_function("document.body.dataset.drawn")
        assert page.locator("canvas").count() == 4
        shoot(page, "page")
        assert page.locator("#order").evaluate("e => e.selectedOptions[0].label") == "worst first"
        do(lambda: page.select_option("#order", label="as listed"))
        assert f"1 of 6, as listed: {predictions.title(min(order))}" in page.inner_text("#caption")
        do(lambda: page.select_option("#order", label="worst first"))
        index = order[0]
        frame, names = predictions.load(index), predictions.label_set.names
        state = State(order="worst first", view="side by side")
        assert (
            f"1 of 6, worst first: {predictions.title(index)}, mIoU "
            f"{predictions.scores[index].mean_iou():.3f}" in page.inner_text("#caption")
        )
        view("frame")
        assert np.abs(canvas().astype(int) - frame.image).mean() < 6
        do(lambda: page.locator("#opacity").press("End"))
        view("prediction")
        assert np.array_equal(canvas(), predictions.label_set.colorize(frame.classes[0]))
        view("truth")
        known = frame.truth != 255
        assert np.array_equal(canvas()[known], predictions.label_set.colorize(frame.truth)[known])
        view("difference")
        wrong = known & (frame.truth != frame.classes[0])
        assert np.array_equal((canvas() == views.WRONG).all(-1), wrong)
        view("confidence")
        assert np.abs(canvas().astype(int) - views.CONFIDENCE[frame.chances[0]]).max() <= 12
        view("prediction")
        do(lambda: page.click("#none"))
        assert np.abs(canvas().astype(int) - frame.image).mean() < 6
        do(lambda: page.check("#class0"))
        road = frame.classes[0] == 0
        assert (canvas()[road] == predictions.label_set.colors[0]).all() and road.any()
        do(lambda: page.click("#all"))
        do(lambda: page.locator("#row").press("ArrowLeft"))
        row, column = int(page.input_value("#row")), int(page.input_value("#column"))
        expected = views.readout(
            [predictions], State(position=0, order="worst first", row=row, column=column)
        )
        words, numbers = (
            (re.sub(r"0\.\d\d|1\.00", "#", t) for t in (page.inner_text("#readout"), expected)),
            (
                [float(n) for n in re.findall(r"0\.\d\d|1\.00", t)]
                for t in (page.inner_text("#readout"), expected)
            ),
        )
        assert len(set(words)) == 1 and np.abs(np.subtract(*numbers)).max() <= 0.021
        do(lambda: page.select_option("#zoom", label="2"))
        top, left, height, width = views.window(
            frame.truth.shape, State(zoom=2, row=row, column=column)
        )
        part = predictions.label_set.colorize(
            frame.classes[0][top : top + height, left : left + width]
        )
        unmarked = canvas()[::2, ::2]
        assert (unmarked != part).any(-1).mean() < 0.01, (
            "zoom 2, apart from the ring around the point"
        )
        do(lambda: page.check("#outlines"))
        assert (canvas() != unmarked.repeat(2, 0).repeat(2, 1)).any()
        do(lambda: page.uncheck("#outlines"))
        do(lambda: page.select_option("#zoom", label="1"))
        do(lambda: page.locator("#position").press("ArrowRight"))
        assert f"2 of 6, worst first: {predictions.title(order[1])}" in page.inner_text("#caption")
        page.locator("#position").blur()
        do(lambda: page.keyboard.press("ArrowRight"))
        assert predictions.title(order[2]) in page.inner_text("#caption")
        do(lambda: page.keyboard.press("v"))
        assert page.locator("#view").evaluate("e => e.selectedOptions[0].label") == "difference"
        do(lambda: page.click("#back"))
        do(lambda: page.locator("canvas").first.click(position={"x": 100, "y": 50}))
        box = page.locator("canvas").first.bounding_box()
        assert abs(int(page.input_value("#column")) - 100 / box["width"] * frame.truth.shape[1]) < 2
        unlabeled = page.evaluate("""() => [...document.querySelectorAll('input, select')]
            .filter(e => !e.labels.length || !e.labels[0].textContent.trim())
            .map(e => e.id)""")
        assert unlabeled == [] and len(names) == page.locator("#legend label").count()
        assert state.view in page.locator("#view").inner_text()
