"""Charts of what sources count at every threshold: the FROC curve, and Dice and lesion F1 against the threshold."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from afl_core.analysis.curves import HALF, Curves, Reals
from afl_core.figures.chart_style import GREY, chart_layout, log_axis, source_dash
from afl_core.figures.palette import rgb, source_style
from afl_core.metrics.thresholds import THRESHOLDS

AT = THRESHOLDS.astype(np.float64).round(2)


def plot_froc(curves: Mapping[str, Curves], names: tuple[str, ...]) -> go.Figure:
    """Share of lesions found against false lesions a case, a line a source with its 95 % band; a mark at 0.5.

    Args:
        curves: Source to its curves.
        names: Every source that is compared, by whose place a source has its colour.
    """
    figure = go.Figure()
    every = np.concatenate([of.false_so_far_a_case for of in curves.values()])
    floor = every[every > 0].min(initial=1.0) / 2  # what has no false lesion stands at the left end
    hover = (
        "threshold %{customdata[0]:.2f}<br>%{customdata[1]:.3g} false lesions a case<br>%{y:.1%} of the lesions found"
    )
    for name, of in curves.items():
        x, (low, high) = np.maximum(of.false_so_far_a_case, floor), of.sensitivity_interval
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=f"rgba({','.join(map(str, rgb(source_style(names.index(name))[0])))},0.15)",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
        told = np.stack([AT, of.false_so_far_a_case], axis=1)
        _add_line(figure, name, names.index(name), (x, of.sensitivity, told), mark=HALF, hover=hover)
    figure.update_xaxes(
        title="False lesions a case (logarithmic; 0 at the left end)", **log_axis(np.maximum(every, floor))
    )
    figure.update_yaxes(title="Lesions found", tickformat=".0%", range=[0, 1.02], zeroline=False)
    return figure.update_layout(chart_layout(420))


def plot_dice(curves: Mapping[str, Curves], names: tuple[str, ...]) -> go.Figure:
    """Mean Dice against the threshold, a line a source; a mark at its best one. Arguments as `plot_froc`."""
    lines = {name: (of.mean_dice, of.best()) for name, of in curves.items()}
    return _plot_by_threshold(lines, names, hover="mean Dice", title="Mean Dice over patients")


def plot_lesion_f1(curves: Mapping[str, Curves], names: tuple[str, ...]) -> go.Figure:
    """F1 of all lesions together against the threshold, a line a source; a mark at 0.5. Arguments as `plot_froc`."""
    lines = {name: (of.lesion_f1, HALF) for name, of in curves.items()}
    return _plot_by_threshold(lines, names, hover="F1 of the lesions", title="F1 of all lesions together")


def _plot_by_threshold(
    lines: Mapping[str, tuple[Reals, int]], names: tuple[str, ...], *, hover: str, title: str
) -> go.Figure:
    """The line of each source over the thresholds, and the place of its mark."""
    figure = go.Figure()
    figure.add_vline(x=0.5, line={"width": 1, "color": GREY, "dash": "dot"})
    text = f"threshold %{{x:.2f}}<br>{hover} %{{y:.3f}}"
    for name, (values, mark) in lines.items():
        _add_line(figure, name, names.index(name), (AT, values, AT), mark=mark, hover=text)
    figure.update_xaxes(title="Threshold of the probability", range=[0, 1], zeroline=False)
    figure.update_yaxes(title=title, zeroline=False)
    return figure.update_layout(chart_layout(420))


def _add_line(
    figure: go.Figure, name: str, index: int, line: tuple[Reals, Reals, Reals], *, mark: int, hover: str
) -> None:
    """The line of a source (across, up, and what its hover tells), and its mark at one of the thresholds."""
    x, y, told = line
    colour, symbol = source_style(index)
    figure.add_scatter(
        x=x,
        y=y,
        customdata=told,
        mode="lines",
        line={"color": colour, "width": 2, "dash": source_dash(index)},
        name=name,
        hovertemplate=f"<b>{name}</b><br>{hover}<extra></extra>",
    )
    marker = {"color": colour, "symbol": symbol, "size": 12, "line": {"width": 1.5, "color": "white"}}
    place = [mark]
    figure.add_scatter(x=x[place], y=y[place], mode="markers", marker=marker, showlegend=False, hoverinfo="skip")
