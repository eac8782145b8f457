"""Charts of a ranking: how often each source has each rank, and which is shown better than which."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from afl_core.analysis.breakdown.ranking import SourceRanking
from afl_core.analysis.statistics.power import ALPHA
from afl_core.base.numbers import p_number
from afl_core.figures.chart_style import GREY, chart_layout
from afl_core.figures.palette import BETTER_COLOUR, WORSE_TO_BETTER, ink

ROW_PX, AROUND_PX = 40, 110

LEAST_SHARE = 4
"""Percent from which on a number fits into its part of a bar."""


def plot_rank_frequencies(found: SourceRanking) -> go.Figure:
    """Share of the resamples in which a source has each rank, as a bar a source, the best source on top.

    Returns:
        A figure with one trace a rank, from teal (the first) to brown (the last).
    """
    names = _names(found)
    shares = 100 * found.ranking.frequencies[found.order]
    count = len(names)
    colours = sample_colorscale(list(WORSE_TO_BETTER), [1 - k / max(count - 1, 1) for k in range(count)])
    figure = go.Figure()
    for k, colour in enumerate(colours):
        figure.add_bar(
            x=shares[:, k],
            y=names,
            orientation="h",
            name=f"rank {k + 1}",
            marker={"color": colour, "line": {"width": 1, "color": GREY}},
            text=[f"{share:.0f}" if share >= LEAST_SHARE else "" for share in shares[:, k]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": ink(colour)},
            hovertemplate=f"<b>%{{y}}</b><br>rank {k + 1} in %{{x:.1f}} %<extra></extra>",
        )
    title = "Share of the resamples (%)"
    figure.update_xaxes(range=[0, 100], tickvals=[*range(0, 101, 20)], title=title, showgrid=False, zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    layout = chart_layout(_height(names))
    layout["margin"] |= {"r": 24}
    return figure.update_layout(layout, barmode="stack", legend_traceorder="normal")


def plot_shown_better(found: SourceRanking) -> go.Figure:
    """Which source (row) is shown better than which (column): teal where p after Holm is below 0.05, with that p."""
    names, p = _names(found), found.p[np.ix_(found.order, found.order)]
    shown = np.where(np.isnan(p), np.nan, (p < ALPHA).astype(float))
    scale = [[0, "rgba(140,140,140,0.15)"], [1, BETTER_COLOUR]]
    figure = go.Figure()
    figure.add_heatmap(
        z=shown,
        x=names,
        y=names,
        zmin=0,
        zmax=1,
        colorscale=scale,
        showscale=False,
        xgap=3,
        ygap=3,
        customdata=[["" if np.isnan(value) else p_number(value) for value in row] for row in p.tolist()],
        hovertemplate="<b>%{y}</b> better than %{x}: p %{customdata}<extra></extra>",
    )
    for i, j in np.ndindex(p.shape):
        if i != j and not np.isnan(p[i, j]):
            font = {"color": ink(BETTER_COLOUR)} if shown[i, j] else {}
            figure.add_annotation(x=names[j], y=names[i], text=p_number(float(p[i, j])), showarrow=False, font=font)
    figure.update_xaxes(title="than this one", side="top", showgrid=False, zeroline=False)
    figure.update_yaxes(title="This one is better", autorange="reversed", showgrid=False, zeroline=False)
    return figure.update_layout(chart_layout(_height(names)))


def _names(found: SourceRanking) -> list[str]:
    return [found.units.sources[k] for k in found.order]


def _height(names: Sequence[str]) -> int:
    return ROW_PX * len(names) + AROUND_PX
