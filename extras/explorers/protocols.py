"""An explorer of scoring protocols: one set of predictions, many "mIoU" (chapter 08)."""

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from extras.benchmark_server.protocols import (
    ABSENT,
    AVERAGE,
    OFFICIAL,
    REGION,
    VOID,
    all_scores,
    class_scores,
    groups,
)
from extras.explorers.layers import Explorer


class ProtocolExplorer(Explorer):
    """Four switches and a picture: where the chosen protocol's mIoU lies among all, and the IoU of
    every class.
    """

    def __init__(self, tables: dict, names, reported: float | None = None, batch: int = 4):
        self.tables = tables
        self.names = [*names, "void"]
        self.reported = reported
        self.batch = batch
        self.scores = all_scores(tables, batch)
        self.average = widgets.ToggleButtons(options=AVERAGE, description="average")
        self.absent = widgets.ToggleButtons(options=ABSENT, description="absent class")
        self.void = widgets.ToggleButtons(options=VOID, description="void pixels")
        self.region = widgets.ToggleButtons(options=REGION, description="region")
        switches = [self.average, self.absent, self.void, self.region]
        for switch, value in zip(switches, OFFICIAL):
            switch.value = value
        super().__init__(switches)

    @property
    def chosen(self) -> tuple[str, str, str, str]:
        return self.average.value, self.absent.value, self.void.value, self.region.value

    def summary(self) -> str:
        average, absent, void, region = self.chosen
        score = self.scores[self.chosen]
        return f"{average}, absent {absent}, void {void}, {region}: mIoU {score:.3f}"

    def draw(self) -> Figure:
        average, absent, void, region = self.chosen
        tables = groups(self.tables[region], average, self.batch)
        parts = np.array([class_scores(table, absent, void) for table in tables])

        # Each class's mean over the groups where it is defined; 0 where it is nowhere
        defined = (~np.isnan(parts)).sum(0)
        iou = np.nansum(parts, axis=0) / np.maximum(defined, 1)

        figure = Figure(figsize=(10, 4.6), dpi=80, facecolor="white", layout="constrained")
        ruler, bars = figure.subplots(2, 1, height_ratios=[1, 2.2])
        values = np.array(list(self.scores.values()))
        ruler.plot(values, np.zeros(len(values)), "|", color="#3b6fb6", markersize=22)
        ruler.plot(self.scores[OFFICIAL], 0, "o", color="#222222", markersize=9, zorder=5)
        place = (self.scores[OFFICIAL], 0)
        ruler.annotate("official", place, (0, -22), textcoords="offset points", ha="center")
        ruler.plot(self.scores[self.chosen], 0, "v", color="#d9822b", markersize=16, zorder=4)
        if self.reported is not None:
            ruler.axvline(self.reported, color="#c62828", linestyle="--")
            text = f"reported {self.reported}"
            place = (self.reported, 0.6)
            ruler.annotate(text, place, (5, 0), textcoords="offset points", color="#c62828")
        ruler.set(xlim=(0, 1), ylim=(-1, 1), yticks=[])
        ruler.set(title=self.summary(), xlabel="mIoU of every protocol")
        ruler.spines[["left", "top", "right"]].set_visible(False)
        bars.bar(range(len(iou)), iou, color="#d9822b")
        names = self.names[: len(iou)]
        bars.set_xticks(range(len(iou)), names, rotation=60, ha="right", fontsize=9)
        bars.set(ylim=(0, 1), ylabel="IoU, mean of the groups" if average != "pooled" else "IoU")
        bars.spines[["top", "right"]].set_visible(False)
        return figure
