"""The controls of the prediction browser and where they stand: a simple face, and an accordion for
the rest.
"""

from html import escape

import ipywidgets as widgets

from extras.browser.predictions import ORDERS
from extras.browser.views import VIEWS, State, index_of, sequence

ROW = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 14px"}


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
    shape = predictions[0].load(index_of(predictions, State())).truth.shape
    names = predictions[0].label_set.names
    views = [v for v in VIEWS if v != "row" and (v != "compare" or len(predictions) > 1)]
    controls = {
        "position": _slider("frame", 0, len(sequence(predictions, State())) - 1, readout=False),
        "order": _menu("order", ORDERS),
        "focus": _menu("most of", [(name, i) for i, name in enumerate(names)]),
        "view": _menu("view", views),
        "opacity": widgets.FloatSlider(
            0.6, min=0, max=1, step=0.05, description="opacity", **_wide("190px")
        ),
        "checkpoint": _menu("checkpoint", [(p.name, i) for i, p in enumerate(predictions)]),
        "outlines": widgets.Checkbox(False, description="outline the classes", indent=False),
        "zoom": _menu("zoom", [(f"{n} times", n) for n in (1, 2, 4, 8)]),
        "row": _slider("row", shape[0] // 2, shape[0] - 1),
        "column": _slider("column", shape[1] // 2, shape[1] - 1),
        "mark": widgets.Checkbox(False, description="mark the point", indent=False),
    }
    switches = [
        widgets.Checkbox(True, description=name, indent=False, layout=widgets.Layout(width="118px"))
        for name in names
    ]
    numbers = [widgets.HTML(layout=widgets.Layout(width="104px")) for _ in names]
    return controls, switches, numbers


def arrange(browser) -> list:
    """The children of the browser, from top to bottom."""
    c, names = browser.controls, [switch.description for switch in browser.switches]
    width = widgets.Layout(width="236px")
    legend = [widgets.HBox(pair, layout=width) for pair in zip(browser.numbers, browser.switches)]
    folded = {
        "Classes": [
            _row(
                _button("show all classes", lambda: browser.switch(names)),
                _button("show none", lambda: browser.switch(())),
                widgets.HTML("color, IoU in this frame / in all frames, class"),
            ),
            _row(*legend),
        ],
        "Point, zoom, outlines": [
            _row(c["row"], c["column"]),
            browser.readout,
            _row(c["zoom"], c["mark"], c["outlines"]),
        ],
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
        widgets.HBox(
            [
                _button("◀ previous", lambda: step(-1)),
                c["position"],
                _button("next ▶", lambda: step(1)),
            ]
        ),
        _row(c["order"], c["focus"], c["view"], c["opacity"]),
        browser.notice,
        browser.caption,
        browser.image,
        accordion,
    ]


def skip_unreadable(browser) -> None:
    """If the chosen frame's file has gone or is broken, name it in the browser and go on to the
    next one.
    """
    problems, readable = browser.predictions[0].problems, False
    while not readable:
        index = index_of(browser.predictions, browser.state)
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


def _wide(least: str) -> dict:
    return {
        "layout": widgets.Layout(width="auto", flex=f"1 1 {least}"),
        "style": {"description_width": "initial"},
    }


def _slider(text: str, value: int, most: int, **options) -> widgets.IntSlider:
    return widgets.IntSlider(value, 0, most, description=text, **_wide("240px"), **options)


def _menu(text: str, choices) -> widgets.Dropdown:
    return widgets.Dropdown(options=choices, description=text, **_wide("170px"))


def _row(*children) -> widgets.Box:
    return widgets.Box(children, layout=widgets.Layout(**ROW))


def _button(text: str, action) -> widgets.Button:
    made = widgets.Button(description=text, layout=widgets.Layout(width="auto"))
    made.on_click(lambda _: action())
    return made
