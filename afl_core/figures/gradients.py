"""Charts of the losses' gradients: their curves over p_t, and where in the volume a gradient goes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from afl_core.analysis.xray.focusing import P_RANGE, focal_loss, focal_slope
from afl_core.analysis.xray.gradients import PLACES, Shares
from afl_core.figures.chart_style import GREY, chart_layout
from afl_core.figures.palette import FURTHER_COLOURS, REFERENCE_COLOUR, SOURCE_COLOURS, ink
from afl_core.figures.xray import BY_CLASS, DASHES, colour_of

CHANNEL_COLOURS = (GREY, SOURCE_COLOURS[2])
PLACE_COLOURS = ("#147A5C", REFERENCE_COLOUR, FURTHER_COLOURS[0], "#A89000", GREY)
"""Colours from the tumour outwards: greens, brown, yellow, grey; the lightness of neighbours differs too."""


def plot_curves(gammas: Mapping[str, float], weights: Mapping[str, float]) -> go.Figure:
    """Loss and size of its gradient against p_t, side by side, a line a loss.

    Args:
        gammas: Name of the loss to its exponent on the case.
        weights: Name of the loss to its weight.
    """
    p = np.linspace(*P_RANGE, 99)
    logit = np.log(p) - np.log1p(-p)
    traces = []
    for name, gamma in gammas.items():
        look = {
            "line": {
                "color": colour_of(name),
                "width": 6 if name == BY_CLASS else 3,
                "dash": DASHES.get(name, "solid"),
            },
            "opacity": 0.6 if name == BY_CLASS else 1,
            "name": f"{name}, gamma {gamma:.3g}",
            "legendgroup": name,
            "hovertemplate": f"{name}<br>p_t %{{x:.2f}}: %{{y:.4f}}<extra></extra>",
        }
        for axis, y in (("", focal_loss(p, gamma)), ("2", focal_slope(logit, gamma))):
            place = {"xaxis": f"x{axis}", "yaxis": f"y{axis}", "showlegend": not axis}
            traces.append({"type": "scatter", "mode": "lines", "x": p, "y": weights[name] * y} | look | place)
    layout = chart_layout(400) | _side_by_side(("Loss of a voxel", "Its gradient"), 0.46, 0.54)
    for axis in ("xaxis", "xaxis2"):
        layout[axis] |= {"title": {"text": "p_t"}, "range": [0, 1]}
    for axis in ("yaxis", "yaxis2"):
        layout[axis] |= {"rangemode": "tozero"}
    layout["legend"] |= {"y": -0.26, "yanchor": "top"}
    return go.Figure(traces, layout)


def _side_by_side(titles: tuple[str, str], left: float, right: float) -> dict[str, Any]:
    """Layout of two charts, up to `left` and from `right` on; `make_subplots` takes a tenth of a second for it."""
    domains = ([0, left], [right, 1])
    look = {"xref": "paper", "yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False, "font": {"size": 15}}
    look |= {"xanchor": "left"}
    named = [{"text": text, "x": ends[0]} | look for text, ends in zip(titles, domains, strict=True)]
    return {
        "xaxis": {"domain": domains[0], "anchor": "y", "zeroline": False},
        "xaxis2": {"domain": domains[1], "anchor": "y2", "zeroline": False},
        "yaxis": {"anchor": "x", "zeroline": False},
        "yaxis2": {"anchor": "x2", "zeroline": False},
        "annotations": named,
    }


def plot_shares(shares_by_loss: Mapping[str, Shares]) -> go.Figure:
    """Stacked bars a loss: which channel gets the gradient, and which place of the volume.

    Args:
        shares_by_loss: Name of the loss to its shares; first at the top.
    """
    by_channel = [
        (f"{name} channel", CHANNEL_COLOURS[c], [float(s.parts[c].sum()) for s in shares_by_loss.values()], "")
        for c, name in ((1, "tumour"), (0, "background"))
    ]
    by_place = [
        (place, PLACE_COLOURS[k], [float(s.parts[:, k].sum()) for s in shares_by_loss.values()], "2")
        for k, place in enumerate(PLACES)
    ]
    traces = [_bars(list(shares_by_loss), *bar) for bar in by_channel + by_place]
    layout = chart_layout(150 + 40 * len(shares_by_loss)) | _side_by_side(
        ("Which channel learns", "Where in the volume"), 0.4, 0.46
    )
    layout["annotations"] += _left_out(shares_by_loss)
    for axis in ("xaxis", "xaxis2"):
        layout[axis] |= {"tickformat": ".0%", "range": [0, 1], "dtick": 0.5}
    layout["yaxis"] |= {"autorange": "reversed", "automargin": True}
    layout["yaxis2"] |= {"matches": "y", "showticklabels": False}
    flat = {"orientation": "h", "x": 0, "yanchor": "top", "traceorder": "normal"}
    layout |= {"barmode": "stack", "legend": flat | {"y": -0.1}, "legend2": flat | {"y": -0.2}}
    return go.Figure(traces, layout)


def _bars(names: list[str], what: str, colour: str, share: list[float], axis: str) -> dict[str, Any]:
    """One part of every bar of a panel, with its share in it where there is room; `_left_out` writes the least ones."""
    top = 1.01 if axis else 0.94
    return {
        "type": "bar",
        "y": names,
        "x": share,
        "orientation": "h",
        "marker": {"color": colour, "line": {"width": 1, "color": "white"}},
        "text": [f"{100 * s:.0f} %" if 0.06 <= s < top else "" for s in share],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"color": ink(colour)},
        "name": what,
        "legend": f"legend{axis}",
        "xaxis": f"x{axis}",
        "yaxis": f"y{axis}",
        "hovertemplate": f"%{{y}}<br>{what}: %{{x:.2%}}<extra></extra>",
    }


def _left_out(shares_by_loss: Mapping[str, Shares]) -> list[dict[str, Any]]:
    """The share of the tumour channel in words, where its bar is too short to see."""
    look = {"x": 0.02, "xref": "x", "yref": "y", "xanchor": "left", "showarrow": False, "font": {"color": ink(GREY)}}
    return [
        look | {"y": name, "text": f"<b>tumour channel: {100 * shares.tumour_channel:.2g} %</b>"}
        for name, shares in shares_by_loss.items()
        if shares.tumour_channel < 0.06
    ]
