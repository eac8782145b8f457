"""Curves of a training run: its loss, its validation DSC, and the factors of A-FL.

Rows are the lines of a run's `metrics.jsonl`, oldest first, with the fields of `Progress`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from afl_core.figures.chart_style import GREY, chart_layout
from afl_core.figures.palette import SOURCE_COLOURS, source_style

Rows = Sequence[Mapping[str, Any]]

HEIGHT = 270
BAND = "rgba(0, 114, 178, 0.18)"
"""Blue of the factors, thinned."""


def plot_loss(rows: Rows) -> go.Figure:
    """Training loss against steps, each value the mean since the one before; a first thing to look at, not a result."""
    figure = go.Figure()
    figure.add_scatter(
        x=[row["step"] for row in rows],
        y=[row["loss"] for row in rows],
        mode="lines" if len(rows) > 1 else "markers",
        line={"width": 1.5, "color": GREY},
        hovertemplate="step %{x:,}<br>loss %{y:.4g}<extra></extra>",
        showlegend=False,
    )
    figure.update_yaxes(title="Training loss", tickformat=".3~g", exponentformat="power")
    return _finish(figure)


def plot_validation(curves: Mapping[str, Rows]) -> go.Figure:
    """Validation DSC of runs against steps; a ring marks each run's best step, whose weights are kept.

    Args:
        curves: Name on screen to rows; the first in the first colour.
    """
    figure = go.Figure()
    for k, (name, rows) in enumerate(curves.items()):
        scored = [row for row in rows if row["validation_dsc"] is not None]
        colour, symbol = source_style(k)
        if not scored:
            continue
        figure.add_scatter(
            x=[row["step"] for row in scored],
            y=[row["validation_dsc"] for row in scored],
            mode="lines+markers",
            line={"width": 2, "color": colour},
            marker={"symbol": symbol, "size": 7},
            name=name,
            hovertemplate=f"{name}<br>step %{{x:,}}<br>validation Dice %{{y:.3f}}<extra></extra>",
            showlegend=len(curves) > 1,
        )
        best = best_row(scored)
        ring = {"symbol": f"{symbol}-open", "size": 15, "line": {"width": 2}, "color": colour}
        figure.add_scatter(
            x=[best["step"]],
            y=[best["validation_dsc"]],
            mode="markers",
            marker=ring,
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_yaxes(title="Validation Dice", range=[0, 1])
    return _finish(figure)


def plot_factor(rows: Rows, name: str) -> go.Figure:
    """Mean of one of A-FL's factors over the samples of each epoch, in a band from the lowest to the highest.

    Args:
        rows: Those of the run.
        name: `gamma` or `alpha`.
    """
    noted = [(row["step"], row["factors"][name]) for row in rows if name in row["factors"]]
    steps = [step for step, _ in noted]
    figure = go.Figure()
    for end, fill in (("low", None), ("high", "tonexty")):
        figure.add_scatter(
            x=steps,
            y=[spread[end] for _, spread in noted],
            mode="lines",
            line={"width": 0, "color": SOURCE_COLOURS[2]},
            fill=fill,
            fillcolor=BAND,
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_scatter(
        x=steps,
        y=[spread["mean"] for _, spread in noted],
        customdata=[[spread["low"], spread["middle"], spread["high"]] for _, spread in noted],
        mode="lines+markers",
        line={"width": 2, "color": SOURCE_COLOURS[2]},
        marker={"size": 6},
        hovertemplate="up to step %{x:,}<br>mean %{y:.3g}<br>%{customdata[0]:.3g} to %{customdata[2]:.3g}, "
        "median %{customdata[1]:.3g}<extra></extra>",
        showlegend=False,
    )
    figure.update_yaxes(title=f"{name}: mean, lowest to highest", tickformat=".3~g")
    return _finish(figure)


def best_row(rows: Rows) -> Mapping[str, Any]:
    """The first of the rows with the highest validation DSC, as the run itself chooses."""
    return max(rows, key=lambda row: row["validation_dsc"])


def _finish(figure: go.Figure) -> go.Figure:
    """A zoom stays when the next point comes."""
    figure.update_xaxes(title="Step", tickformat=",~d", rangemode="tozero", zeroline=False)
    return figure.update_layout(chart_layout(HEIGHT) | {"uirevision": "kept"})
