"""Charts over bins of tumour size or smoothness: means, cells of both axes, and edges that move."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from afl_core.analysis.breakdown.bins import OWN_EDGES, REST, Binning
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.sentences import ALPHA, bin_words, capital, count, range_text
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.numbers import significant
from afl_core.base.words import number_of
from afl_core.figures.bin_parts import (
    LANES,
    add_means,
    add_seeds,
    add_units,
    axis_title,
    drawn_units,
    n_note,
    n_text,
    short_lines,
    shown_bins,
)
from afl_core.figures.chart_style import (
    GREY,
    MOST_DOTS,
    Pair,
    better_title,
    case_facts,
    chart_layout,
    difference_title,
    signed_interval,
)
from afl_core.figures.forest import Mark, Panel, outcome, plot_forest
from afl_core.figures.palette import EQUAL_COLOUR, OUTCOME_COLOURS, TOO_FEW, WORSE_TO_BETTER, ink

PANEL_HEIGHT = 400
"""Height of the panels that stand side by side, in px."""

LEGEND_ROW, LEGEND_ROWS = 29, 2
"""Height of a row of the legend in px, of about two sources in a narrow panel; and the rows that the panels have room
for."""

ROW_HEIGHT = 34
"""Height of a row of the differences where many axes make more than the panels hold, in px."""


def plot_means(breakdown: Breakdown, axis: str, pair: Pair | None = None) -> go.Figure:
    """Mean of every source over everything and in each bin of an axis, in front of its units.

    Args:
        breakdown: The breakdown, whose records give the means and their 95 % intervals; there is none under 6 patients.
        axis: Key of one of its binnings.
        pair: The sources whose units are drawn where those of all would be too many dots to tell apart or to move.

    Returns:
        A figure whose dots carry case id, lesion id and volume as customdata. Where there are more than 2,000, each
        is drawn in its bin alone, and not over everything too, for the sources of the pair; of more than 2,000 so
        many are drawn, evenly by the rank of their value, and the title of the axis says so. The traces of a source
        are one legend group: its dots, its means and, where it is a mean over seeds, a hollow diamond a seed.
    """
    units, bins = breakdown.units, shown_bins(breakdown, axis)
    count = len(units.sources)
    lane = LANES / count
    many = 2 * count * len(units.table) > MOST_DOTS
    dotted, first = (pair, 1) if many and pair else (units.sources, int(many))
    drawn = drawn_units(units, dotted, bins[first:])
    facts = case_facts(units, units.pairs[0] if len(units.pairs) == 1 else None)
    figure = go.Figure()
    for k, source in enumerate(units.sources):
        places = np.arange(len(bins), dtype=np.float64) + (k - (count - 1) / 2) * lane
        if source in dotted:
            add_units(figure, units, k, drawn, places[first:], facts)
        add_means(figure, units, k, bins, places)
        if source in units.seeds:
            add_seeds(figure, units, k, bins, places + 0.34 * lane)
    if units.seeds:
        marker = {"symbol": "diamond-open", "color": GREY, "size": 8}
        figure.add_scatter(x=[None], y=[None], mode="markers", name="mean of one seed", marker=marker)
    figure.add_vline(x=0.5, line={"width": 1, "color": GREY, "dash": "dot"})
    binning = next(b for b in breakdown.binnings if b.axis == axis)
    title = axis_title(units, binning) + n_note(units)
    if sum(len(b.inside) for b in drawn) < len(units.table):
        title += f"<br>{sum(len(b.inside) for b in drawn):,} of {number_of(len(units.table), units.noun[:-1])} drawn"
    lines = max(short_lines(b.label).count("<br>") for of in breakdown.binnings for b in shown_bins(breakdown, of.axis))
    labels = [short_lines(b.label) for b in bins]
    labels[0] += "<br> " * (lines - labels[0].count("<br>"))  # panels side by side are equally high
    ticks = {"tickvals": [*range(len(bins))], "ticktext": labels, "tickangle": 0}
    figure.update_xaxes(title=title, range=[-0.5, len(bins) - 0.5], showgrid=False, zeroline=False, **ticks)
    drawn_values = np.r_[
        units.values.to_numpy(dtype=float).ravel(), breakdown.records[["mean_low", "mean_high"]].stack()
    ]
    low, high = np.nanmin(drawn_values, initial=np.inf), np.nanmax(drawn_values, initial=-np.inf)
    room = 0.05 * (high - low) or 0.05
    figure.update_yaxes(title=better_title(units), zeroline=False, range=[low - room, high + room])
    legend = LEGEND_ROW * max(0, math.ceil(count / 2) - LEGEND_ROWS)
    return figure.update_layout(chart_layout(PANEL_HEIGHT + legend))


def plot_differences(breakdown: Breakdown, pair: Pair) -> go.Figure:
    """Paired difference over everything and in each bin of every axis, one row each.

    Args:
        breakdown: The breakdown, whose records give the differences and their intervals.
        pair: First and second source; the difference is second minus first.
    """
    units, records = breakdown.units, breakdown.pair(*pair)
    how = {binning.axis: binning.how for binning in breakdown.binnings}
    marks = []
    for r in records[records["n"] > 0].to_dict("records"):
        label = [row_name(r, units)]
        if range_ := range_text(r, units):
            label += [range_]
            label += [OWN_EDGES] if how[r["axis"]] == OWN_EDGES else []
        label += [n_text(r["n"], units)]
        ends = (r["mean_difference"], r["ci_low"], r["ci_high"])
        marks.append(Mark(", ".join(label), *ends, count(r, units), tested=r["p_holm"] < ALPHA))
    measure = units.measure
    panel = Panel(difference_title(units, pair), measure.better, tuple(marks), measure.unit, measure.digits)
    return plot_forest([panel], pair).update_layout(height=max(PANEL_HEIGHT, ROW_HEIGHT * len(marks)))


def row_name(record: Mapping[Any, Any], units: Units) -> str:
    """Name of a row, short; both axes have a medium bin."""
    if record["axis"] == ALL:
        return f"All {units.noun}"
    if record["axis"] in units.covariates:
        return capital(bin_words(record, units))
    if record["bin"] == "medium":
        return f"Medium {'size' if record['axis'] == 'size' else 'smoothness'}"
    return capital(record["bin"])


def plot_grid(
    grid: pd.DataFrame, rows: Binning, columns: Binning, units: Units, pair: Pair, *, least: int = MIN_PATIENTS
) -> go.Figure:
    """Mean paired difference in the cells of two axes, as colour and as text.

    Args:
        grid: The cells, as `compute_grid` gives them.
        rows: The binning that runs down.
        columns: The binning that runs to the right.
        units: The cases or lesions that were compared.
        pair: First and second source; the difference is second minus first.
        least: Patients below which a cell is grey: it has no interval, so its units are dots instead of a mean.

    Returns:
        A figure whose dots carry what those of `plot_means` carry. A dot stands above the middle of its cell by its
        difference, with one scale for all cells; the middle is 0.
    """
    down, right = (
        [k for k in range(REST + 1) if k < REST or grid.loc[grid[key] == b.names[REST], "n"].sum()]
        for key, b in (("row", rows), ("column", columns))
    )
    cell_at = {(cell["row"], cell["column"]): cell for cell in grid.to_dict("records")}
    cells = [[cell_at[rows.names[i], columns.names[j]] for j in right] for i in down]
    n = np.array([[cell["n"] for cell in row] for row in cells])
    z = np.where(n >= least, [[cell["mean_difference"] for cell in row] for row in cells], np.nan)
    limit = float(np.nanmax(np.abs(z), initial=0)) or 1.0
    scale = list(WORSE_TO_BETTER if units.measure.better == "higher" else WORSE_TO_BETTER[::-1])
    bar = {"thickness": 12, "outlinewidth": 0, "tickformat": "+.3~g"}
    bar |= {"title": {"text": f"{difference_title(units, pair)}<br>teal: {pair[1]} better", "side": "right"}}
    places = {"x": right, "y": down, "xgap": 3, "ygap": 3, "hoverinfo": "skip"}
    figure = go.Figure()
    figure.add_heatmap(z=z, zmin=-limit, zmax=limit, colorscale=scale, colorbar=bar, **places)
    few = np.where((n > 0) & (n < least), 0.0, np.nan)
    figure.add_heatmap(z=few, colorscale=[[0, TOO_FEW], [1, TOO_FEW]], showscale=False, **places)
    for i, j in np.ndindex(n.shape):
        colour = sample_colorscale(scale, (z[i, j] / limit + 1) / 2)[0] if n[i, j] >= least else TOO_FEW
        font = {"size": 12, **({"color": ink(colour)} if n[i, j] else {})}
        figure.add_annotation(
            x=right[j],
            y=down[i] - (0.4 if 0 < n[i, j] < least else 0),
            text=_cell_text(cells[i][j], least, units),
            showarrow=False,
            font=font,
        )
    _add_cell_dots(figure, rows, columns, units, pair, least)
    for update, b, shown in ((figure.update_xaxes, columns, right), (figure.update_yaxes, rows, down)):
        labels = [f"{b.names[k]}<br>{b.ends_text(k)}" for k in shown]
        update(title=axis_title(units, b), tickvals=shown, ticktext=labels, tickangle=0, showgrid=False, zeroline=False)
    return figure.update_yaxes(autorange="reversed").update_layout(chart_layout(420))


def plot_sweep(sweep: pd.DataFrame, binning: Binning, units: Units, pair: Pair) -> go.Figure:
    """Mean paired difference in each bin while its edge moves: what the choice of the edges decides.

    Args:
        sweep: Columns bin, edge, quantile, n, mean_difference, ci_low, ci_high.
        binning: The edges in use, each a dashed line where it moves: the upper one of the middle bin, whose lower one
            moves with it.
        units: The cases or lesions that were compared.
        pair: First and second source; the difference is second minus first.

    Returns:
        A figure of three panels; a mark is teal or brown where its interval leaves out 0, and hollow where it does not.
    """
    axis = units.axis(binning.axis)
    titles = [f"<b>{name}</b>" for name in binning.names[:REST]]
    figure = make_subplots(1, REST, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    for column, (name, edge) in enumerate(zip(axis.names, (0, 1, 1), strict=True), 1):
        _add_sweep(figure, column, sweep[sweep["bin"] == name].sort_values("edge"), units, pair)
        line = {"width": 1.5, "color": GREY, "dash": "dash"}
        figure.add_vline(x=binning.edges[edge], line=line, row=1, col=column)
        side = "Lower" if column == REST else "Upper"
        figure.update_xaxes(title=f"{side} edge: {axis.title[0].lower()}{axis.title[1:]}{axis.mark}", col=column)
    figure.add_hline(y=0, line={"width": 1, "color": GREY})
    figure.update_xaxes(showgrid=False, zeroline=False, nticks=6)
    figure.update_yaxes(zeroline=False, nticks=5)
    figure.update_yaxes(title=f"{units.measure.title},<br>{pair[1]} minus {pair[0]}", col=1)
    figure.update_annotations(font_size=12)
    return figure.update_layout(chart_layout(220), showlegend=False)


def _add_cell_dots(figure: go.Figure, rows: Binning, columns: Binning, units: Units, pair: Pair, least: int) -> None:
    """The difference of each unit in the cells of too few patients for an interval."""
    row, column = (b.assign(units.table[b.axis]) for b in (rows, columns))
    cell = row * (REST + 1) + column
    patients = units.table["patient"].groupby(cell).transform("nunique").to_numpy()
    few = np.flatnonzero(patients < least)
    difference = (units.values[pair[1]] - units.values[pair[0]]).to_numpy(dtype=float)
    limit = float(np.nanmax(np.abs(difference[few]), initial=0)) or 1.0
    sign = np.sign(difference[few]) * (1 if units.measure.better == "higher" else -1)
    across = np.zeros(len(few))
    for inside in (np.flatnonzero(cell[few] == c) for c in np.unique(cell[few])):
        across[inside] = np.linspace(-0.3, 0.3, len(inside) + 2)[1:-1]
    carried, hover = case_facts(units, pair)
    figure.add_scatter(
        x=column[few] + across,
        y=row[few] - 0.3 * difference[few] / limit,
        mode="markers",
        marker={
            "size": 7,
            "color": [OUTCOME_COLOURS.get(k, EQUAL_COLOUR) for k in sign],
            "line": {"width": 1, "color": "white"},
        },
        customdata=carried[few],
        hovertemplate=hover,
        showlegend=False,
    )


def _cell_text(cell: Mapping[Any, Any], least: int, units: Units) -> str:
    n = n_text(cell["n"], units)
    if cell["n"] < least:
        return n
    mean, interval = signed_interval(cell, units.measure.digits)
    return "<br>".join(line for line in (f"<b>{mean}</b>", interval, n) if line)


def _add_sweep(figure: go.Figure, column: int, rows: pd.DataFrame, units: Units, pair: Pair) -> None:
    banded = rows[rows["ci_low"].notna()]
    at = {"row": 1, "col": column}
    for bound, fill in (("ci_low", None), ("ci_high", "tonexty")):
        line = {"width": 0, "color": GREY}
        shade = {"fill": fill, "fillcolor": "rgba(140,140,140,0.25)", "hoverinfo": "skip"}
        figure.add_scatter(x=banded["edge"], y=banded[bound], mode="lines", line=line, **shade, **at)
    shows = [outcome(low, high, units.measure.better) for low, high in rows[["ci_low", "ci_high"]].to_numpy()]
    symbols = ["circle" if k else "circle-open" for k in shows]
    text = []
    for r in rows.to_dict("records"):
        mean, interval = signed_interval(r, units.measure.digits)
        text.append(
            f"edge {significant(r['edge'])} (quantile {r['quantile']:.2f}), {n_text(r['n'], units)}<br>"
            f"{pair[1]} minus {pair[0]} {mean} ({interval or 'too few'})"
        )
    figure.add_scatter(
        x=rows["edge"],
        y=rows["mean_difference"],
        mode="lines+markers",
        line={"width": 1.5, "color": GREY},
        marker={"size": 7, "color": [OUTCOME_COLOURS[k] for k in shows], "symbol": symbols},
        hovertext=text,
        hoverinfo="text",
        **at,
    )
