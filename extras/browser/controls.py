"""The controls of the prediction browser and where they stand: a simple face, and an accordion for
the rest.
"""

from html import escape

import ipywidgets as widgets
import numpy as np

from extras.browser.predictions import ORDERS
from extras.browser.views import NEED_TWO, VIEWS, State, index_of, sequence
from helpers.labels import IGNORE

ROW = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 14px"}

# Which orders and views ask for a class, and which for what it is called.
ASK_CLASS = ("most of a class", "most of a mistake", "one class", "one mistake")
ASK_CALLED = ("most of a mistake", "one mistake")

TOOLTIPS = {
    "position": "the frame in the chosen order; the arrow keys move it",
    "order": "which frames come first",
    "focus": "the class that order or view are about",
    "called": "what that class is mistaken for",
    "view": "what is painted",
    "opacity": "how strongly the colors cover the frame",
    "flick": "truth in place of the prediction, and back",
    "checkpoint": "whose predictions, scores and probabilities are shown",
    "outlines": "a black and white line around every region",
    "zoom": "enlarge the part around the chosen point",
    "row": "the chosen point, counted from the top",
    "column": "the chosen point, counted from the left",
    "mark": "a ring around the chosen point in every panel",
}


def outputs() -> tuple:
    """The picture, and three lines of text: caption, readout, notice."""
    image = widgets.Image(
        format="jpeg", layout=widgets.Layout(max_width="100%", object_fit="contain")
    )
    return image, widgets.HTML(), widgets.HTML(), widgets.HTML()


def inputs(predictions) -> tuple[dict, list, list]:
    """The controls by the name of the State field they set, a switch for each class, and a place
    for its numbers.
    """
    first = predictions[0].load(index_of(predictions, State()))
    shape = first.truth.shape
    names = predictions[0].label_set.names
    two = len(predictions) > 1
    views = [view for view in VIEWS if two or view not in NEED_TWO]
    orders = ORDERS if two else ORDERS[:-1]
    if not np.any(first.truth != IGNORE):
        # Photographs have no truth: what compares with one has nothing to show.
        orders = [o for o in orders if o not in ("worst first", *ORDERS[2:3], "most of a mistake")]
    controls = {
        "position": _slider("frame", 0, len(sequence(predictions, State())) - 1, readout=False),
        "order": _menu("order", orders),
        "focus": _menu("class", names),
        "called": _menu("called", names),
        "view": _menu("view", views),
        "opacity": widgets.FloatSlider(
            0.6, min=0, max=1, step=0.05, description="opacity", readout_format=".0%", **_wide(190)
        ),
        "flick": widgets.ToggleButton(
            description="flick to the truth", layout=widgets.Layout(width="auto")
        ),
        "checkpoint": _menu("checkpoint", [(p.name, i) for i, p in enumerate(predictions)]),
        "outlines": widgets.Checkbox(False, description="outline the classes", indent=False),
        "zoom": _menu("zoom", [(f"{n} times", n) for n in (1, 2, 4, 8)]),
        "row": _slider("row", shape[0] // 2, shape[0] - 1),
        "column": _slider("column", shape[1] // 2, shape[1] - 1),
        "mark": widgets.Checkbox(False, description="mark the point", indent=False),
    }
    controls["called"].value = names[State().called]
    for name, control in controls.items():
        control.tooltip = TOOLTIPS[name]  # ipywidgets 7 takes it and shows nothing
    switches = [
        widgets.Checkbox(True, description=name, indent=False, layout=widgets.Layout(width="118px"))
        for name in names
    ]
    for switch in switches:
        switch.tooltip = f"show or hide {switch.description}"
    numbers = [widgets.HTML(layout=widgets.Layout(width="132px")) for _ in names]
    return controls, switches, numbers


def arrange(browser) -> list:
    """The children of the browser, from top to bottom."""
    c, names = browser.controls, [switch.description for switch in browser.switches]
    width = widgets.Layout(width="262px")
    legend = [widgets.HBox(pair, layout=width) for pair in zip(browser.numbers, browser.switches)]
    folded = {
        "Classes": [
            _row(
                _button("show all classes", lambda: browser.switch(names)),
                _button("show none", lambda: browser.switch(())),
                only_menu(browser, names),
                widgets.HTML("color, IoU in this frame / in all frames, class"),
            ),
            _row(*legend),
        ],
        "Point, zoom, outlines": [
            _row(c["row"], c["column"]),
            browser.readout,
            _row(c["zoom"], c["mark"], c["outlines"]),
        ],
        "Your own picture": [_row(path_field(browser), upload_button(browser))],
        "Checkpoint, saving": [
            _row(c["checkpoint"], _button("save this view as PNG", browser.save))
        ],
    }

    def step(by):
        browser.position = min(max(browser.position + by, 0), c["position"].max)

    accordion = widgets.Accordion([widgets.VBox(part) for part in folded.values()])
    accordion.selected_index = None
    for i, title in enumerate(folded):
        accordion.set_title(i, title)
    return [
        _row(
            _button("◀ previous", lambda: step(-1)),
            c["position"],
            _button("next ▶", lambda: step(1)),
            play(c["position"]),
        ),
        _row(c["order"], c["focus"], c["called"], c["view"], c["opacity"], c["flick"]),
        browser.notice,
        browser.caption,
        browser.image,
        accordion,
    ]


def play(slider) -> widgets.Play:
    """Goes through the frames, one a second. Linked in Python, which works on Colab as well."""
    made = widgets.Play(interval=1000, max=slider.max, description="play")
    made.tooltip = "go through the frames"
    widgets.link((slider, "max"), (made, "max"))
    widgets.link((made, "value"), (slider, "value"))
    return made


def only_menu(browser, names) -> widgets.Dropdown:
    """Show one class and hide all others."""
    menu = _menu("only", ["…", *names])
    menu.tooltip = "show one class and hide all others"

    def choose(change):
        if change["new"] in names:
            browser.switch([change["new"]])
            menu.value = "…"  # an action, not a state: the switches say what is shown

    menu.observe(choose, "value")
    return menu


def path_field(browser) -> widgets.Text:
    """The path of a picture; Enter adds it."""
    field = widgets.Text(
        description="path", placeholder="street.jpg", continuous_update=False, **_wide(240)
    )
    field.tooltip = "a picture of your own; Enter adds it"

    def add(change):
        if change["new"].strip():
            browser.add(change["new"].strip().strip("'\""))

    field.observe(add, "value")
    return field


def upload_button(browser) -> widgets.FileUpload:
    """A picture from the reader's own computer, wherever the kernel runs."""
    button = widgets.FileUpload(accept="image/*", description="upload a picture")
    button.layout.width = "auto"
    button.tooltip = "choose a picture on your computer"
    button.observe(lambda change: browser.add_uploads(uploads(change["new"])), "value")
    return button


def uploads(value) -> list[tuple[str, bytes]]:
    """(name, content) of each uploaded file: ipywidgets 7 gives a dictionary, 8 a tuple."""
    if isinstance(value, dict):
        return [(name, bytes(file["content"])) for name, file in value.items()]
    return [(file["name"], bytes(file["content"])) for file in value]


def show_what_is_needed(controls) -> None:
    """Hide the two menus of classes where neither order nor view asks for them."""
    chosen = {controls["order"].value, controls["view"].value}
    for name, asking in (("focus", ASK_CLASS), ("called", ASK_CALLED)):
        controls[name].layout.display = "none" if chosen.isdisjoint(asking) else None


def skip_unreadable(browser) -> None:
    """If the chosen frame's file has gone or is broken, name it in the browser and go on to the
    next one.
    """
    problems, readable = browser.predictions[0].problems, False
    while not readable:
        index = index_of(browser.predictions, browser.state)
        if index is None:
            break
        try:
            readable = [p.load(index) for p in browser.predictions]
        except (OSError, ValueError) as error:
            problems[index] = str(error)
            left = len(sequence(browser.predictions, browser.state))
            if not left:
                raise
            browser.slider.max = left - 1
    browser.notice.value = "".join(
        f"<div>left out: {escape(text)}</div>" for text in problems.values()
    )


def _wide(least: int) -> dict:
    return {
        "layout": widgets.Layout(width="auto", flex=f"1 1 {least}px"),
        "style": {"description_width": "initial"},
    }


def _slider(text: str, value: int, most: int, **options) -> widgets.IntSlider:
    return widgets.IntSlider(value, 0, most, description=text, **_wide(240), **options)


def _menu(text: str, choices) -> widgets.Dropdown:
    return widgets.Dropdown(options=choices, description=text, **_wide(150))


def _row(*children) -> widgets.Box:
    return widgets.Box(children, layout=widgets.Layout(**ROW))


def _button(text: str, action) -> widgets.Button:
    made = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: action())
    return made
