"""The paired differences of several regions side by side: a panel a region, the same rows, one scale."""

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from afl_core.analysis.breakdown.regions import RegionBreakdown
from afl_core.analysis.breakdown.sentences import ALPHA, count, range_text
from afl_core.figures.bins import row_name
from afl_core.figures.chart_style import GREY, Pair, chart_layout, difference_title
from afl_core.figures.forest import ROW_PX, Mark, Panel, add_panel, add_sides, half_width

ACROSS = 3
"""Panels that stand beside one another; further ones stand below."""

TITLE_PX, AXIS_PX, TOP_PX, BOTTOM_PX, GAP = 24, 30, 60, 34, 0.02

ROOM = 1.2
"""Half the width of the axes over that of the values: room for the numbers of patients at the right."""


def plot_regions(regions: Sequence[RegionBreakdown], pair: Pair) -> go.Figure:
    """Paired difference over everything and in each bin, a panel a region; the bins are of its own reference.

    Args:
        regions: The regions that are compared; one without the pair has an empty panel.
        pair: First and second source; the difference is second minus first.
    """
    marks = [_marks(of, pair) for of in regions]
    rows = tuple(dict.fromkeys(mark.label for of in marks for mark in of))
    panels = [_panel(of, by_row, rows, pair) for of, by_row in zip(regions, marks, strict=True)]
    limit = ROOM * max(half_width(panel) for panel in panels)
    columns, lines = min(ACROSS, len(panels)), math.ceil(len(panels) / ACROSS)
    between = TITLE_PX + AXIS_PX
    inner = ROW_PX * len(rows) * lines + between * (lines - 1)
    figure = make_subplots(
        lines,
        columns,
        subplot_titles=[f"<b>{of.title}</b>" for of in regions],
        vertical_spacing=between / inner if lines > 1 else 0,
        horizontal_spacing=GAP,
    )
    for k, panel in enumerate(panels):
        place = (k // ACROSS + 1, k % ACROSS + 1)
        add_panel(figure, panel, ("",), place=place, limit=limit)
        _add_counts(figure, regions[k], panel, place, limit if panel.better == "higher" else -limit)
        figure.update_yaxes(showticklabels=place[1] == 1, row=place[0], col=place[1])
    figure.update_xaxes(title=None)
    figure.update_annotations(font_size=13)
    add_sides(figure, pair, above=TITLE_PX)
    layout = chart_layout(inner + TOP_PX + BOTTOM_PX)
    layout["margin"] |= {"t": TOP_PX, "b": BOTTOM_PX}
    return figure.update_layout(layout)


def _marks(region: RegionBreakdown, pair: Pair) -> list[Mark]:
    """The difference in every bin that is not empty; its range stands before the counts."""
    units, marks = region.breakdown.units, []
    for r in region.breakdown.pair(*pair).to_dict("records"):
        if r["n"]:
            range_ = f"{ends}; " if (ends := range_text(r, units)) else ""
            values = (r["mean_difference"], r["ci_low"], r["ci_high"])
            marks.append(Mark(row_name(r, units), *values, range_ + count(r, units), tested=r["p_holm"] < ALPHA))
    return marks


def _panel(region: RegionBreakdown, marks: Sequence[Mark], rows: Sequence[str], pair: Pair) -> Panel:
    """The panel with every row, also those that the region does not have."""
    units, measure = region.breakdown.units, region.breakdown.units.measure
    there = {mark.label: mark for mark in marks}
    filled = tuple(there.get(row, Mark(row, math.nan, math.nan, math.nan, "")) for row in rows)
    return Panel(difference_title(units, pair), measure.better, filled, measure.unit, measure.digits)


def _add_counts(figure: go.Figure, region: RegionBreakdown, panel: Panel, place: tuple[int, int], end: float) -> None:
    """The number of patients of every row, at its right."""
    n = {row_name(r, region.breakdown.units): r["n"] for r in region.breakdown.records.to_dict("records")}
    shown = [(k, mark) for k, mark in enumerate(panel.marks) if math.isfinite(mark.estimate)]
    figure.add_scatter(
        x=[0.98 * end] * len(shown),
        y=[k for k, _ in shown],
        text=[f"n = {n[mark.label]:,}" for _, mark in shown],
        mode="text",
        textposition="middle left",
        textfont={"size": 11, "color": GREY},
        hoverinfo="skip",
        showlegend=False,
        row=place[0],
        col=place[1],
    )
