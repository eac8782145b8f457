"""Curves of a training run: its loss, its validation DSC, and the factors of A-FL.

Rows are the lines of a run's `metrics.jsonl`, oldest first, with the fields of `Progress`.
"""

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from afl_core.figures.chart_style import chart_layout
from afl_core.figures.palette import SOURCE_COLOURS, source_style
from afl_core.training.progress import Rows, best_row

HEIGHT = 270
FACTOR_COLOUR, BAND = SOURCE_COLOURS[2], "rgba(0, 114, 178, 0.18)"
"""Colours of alpha and gamma: blue for the line, and the same blue, nearly transparent, for the band."""


def plot_loss(curves: Mapping[str, Rows], *, steps: int) -> go.Figure:
    """Training loss of runs against steps, each value the mean since the one before; a first thing to look at.

    Values of different losses say nothing about each other. The axis is logarithmic as long as every value is above 0:
    losses fall by orders of magnitude.

    Args:
        curves: Name on screen to rows; the first in the first colour.
        steps: Number of steps of the whole run; 0 where that is not known.
    """
    figure, losses = go.Figure(), list[float]()
    for k, (name, rows) in enumerate(curves.items()):
        if not rows:
            continue
        losses += (values := [row["loss"] for row in rows])
        figure.add_scatter(
            x=[row["step"] for row in rows],
            y=values,
            mode="lines" if len(rows) > 1 else "markers",
            line={"width": 1.5, "color": source_style(k)[0]},
            name=name,
            hovertemplate=f"{name}<br>step %{{x:,}}<br>loss %{{y:.4g}}<extra></extra>",
            showlegend=len(curves) > 1,
        )
    figure.update_yaxes(title="Training loss", tickformat="~g", zeroline=False)
    if losses and min(losses) > 0:
        figure.update_yaxes(type="log", dtick="D2" if max(losses) < 100 * min(losses) else 1)
    return _finish(figure, steps)


def plot_validation(curves: Mapping[str, Rows], *, steps: int) -> go.Figure:
    """Validation DSC of runs against steps; a ring marks each run's best step, whose weights are kept.

    Args:
        curves: Name on screen to rows; the first in the first colour.
        steps: Number of steps of the whole run; 0 where that is not known.
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
            cliponaxis=False,
            hoverinfo="skip",
            showlegend=False,
        )
    figure.update_yaxes(title="Validation Dice", range=[0, 1])
    return _finish(figure, steps)


def plot_factor(rows: Rows, name: str, *, steps: int) -> go.Figure:
    """Mean and median of one of A-FL's factors over the samples of each epoch, in a band from lowest to highest.

    Args:
        rows: The rows of the run.
        name: `gamma` or `alpha`.
        steps: Number of steps of the whole run; 0 where that is not known.
    """
    noted = [(row["step"], row["factors"][name]) for row in rows if name in row["factors"]]
    figure = go.Figure()

    def add(value: str, **style: Any) -> None:
        y = [spread[value] for _, spread in noted]
        figure.add_scatter(x=[step for step, _ in noted], y=y, name=value, showlegend=False, **style)

    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": FACTOR_COLOUR}, "hoverinfo": "skip"}
    add("low", **edge)
    add("high", **edge, fill="tonexty", fillcolor=BAND)
    dotted = {"width": 1.5, "color": FACTOR_COLOUR, "dash": "dot"}
    add("middle", mode="lines", line=dotted, hoverinfo="skip")
    add(
        "mean",
        customdata=[[spread["low"], spread["middle"], spread["high"]] for _, spread in noted],
        mode="lines+markers",
        line={"width": 2, "color": FACTOR_COLOUR},
        marker={"size": 6},
        hovertemplate="up to step %{x:,}<br>mean %{y:.3g}, median %{customdata[1]:.3g}<br>%{customdata[0]:.3g} to "
        "%{customdata[2]:.3g}<extra></extra>",
    )
    figure.update_yaxes(title=name, tickformat=".3~g", zeroline=False)
    return _finish(figure, steps)


def _finish(figure: go.Figure, steps: int) -> go.Figure:
    """The steps from 0 to the last that is due; a zoom stays when the next point comes."""
    figure.update_xaxes(title="Step", tickformat=",~d", zeroline=False, rangemode="tozero")
    if steps:
        figure.update_xaxes(range=[0, steps * 1.02])
    return figure.update_layout(chart_layout(HEIGHT) | {"uirevision": "kept"})
