"""Tumour volumes of one patient over time, with the response by volume at each time point."""

from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from afl_core.analysis.follow_up import CATEGORIES
from afl_core.analysis.time_points import labels
from afl_core.base.numbers import number
from afl_core.figures.chart_style import chart_layout
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_SYMBOLS, source_style

SHORT = dict(zip(CATEGORIES, ("CR", "PR", "SD", "PD"), strict=True)) | {"": ""}
"""Letters of a category: complete response, partial response, stable disease, progressive disease."""

SIGNS = dict(zip(SOURCE_SYMBOLS, "●■▲✚★▼⬢✖", strict=True))
"""Each source's marker as a letter."""


AXES = {
    "days": "Days since the first time point",
    "time_point": "Time point (equally spaced: days are not known)",
}
"""Titles of the axis of time."""

APART = 0.06
"""Least distance of two labels on one line, as a share of the axis."""


def plot_follow_up(table: pd.DataFrame, sources: Sequence[str]) -> go.Figure:
    """Volumes in ml over time: the reference as a thick line, each source in its colour.

    Time is days since the first time point, or equal steps where days are not known.

    The category of the reference stands below its time point; under it, with its mark in its colour, stands that of a
    source which has another one. Beside the marks they would lie on each other where volumes are close.

    Args:
        table: Rows of `follow_up_table` of one patient.
        sources: All sources in their order, which gives the colours.
    """
    figure = go.Figure()
    first = table[table["source"] == table["source"].iloc[0]]
    x = "days" if first["days"].iloc[-1] > 0 else "time_point"  # two scans of one day have no axis of days
    _add(figure, first, "reference", x, "Reference", (REFERENCE_COLOUR, "circle"))
    for k, source in enumerate(sources):
        _add(figure, table[table["source"] == source], "predicted", x, source, source_style(k))
    names = labels(first["case_id"].tolist(), str(first["patient"].iloc[0]))
    texts = [
        [
            f"{row['days']:.0f}" if x == "days" else names[row["case_id"]],
            SHORT[row["reference_category"]],
            *_others(table, row, sources),
        ]
        for row in first.to_dict("records")
    ]
    lines = max(map(len, texts))
    lanes = _lanes(first[x].tolist())
    ticks = ["<br>".join([*[""] * lines * lane, *text]) for lane, text in zip(lanes, texts, strict=True)]
    figure.update_xaxes(tickvals=first[x].tolist(), ticktext=ticks, tickangle=0, title=AXES[x], zeroline=False)
    figure.update_yaxes(title="Tumour volume (ml)", rangemode="tozero", zeroline=False)
    return figure.update_layout(chart_layout(344 + 16 * lines * (1 + max(lanes))))


def _lanes(places: Sequence[float]) -> list[int]:
    """The lane of each label, so that those in one lane lie apart by at least `APART` of the axis.

    >>> _lanes([0, 1, 2, 50, 100])
    [0, 1, 2, 0, 0]
    """
    least = APART * (places[-1] - places[0])
    ends: list[float] = []
    lanes = []
    for place in places:
        lane = next((k for k, end in enumerate(ends) if place - end >= least), len(ends))
        ends[lane : lane + 1] = [place]
        lanes.append(lane)
    return lanes


def _others(table: pd.DataFrame, row: dict[Hashable, Any], sources: Sequence[str]) -> list[str]:
    """The categories of the sources that have another one than the reference at a time point, each with its mark."""
    differ = table[(table["case_id"] == row["case_id"]) & table["agrees"].eq(False)].set_index("source")
    return [
        f'<span style="color:{source_style(k)[0]}">{SIGNS[source_style(k)[1]]} {SHORT[category]}</span>'
        for k, source in enumerate(sources)
        if (category := differ["predicted_category"].get(source))
    ]


def _add(figure: go.Figure, rows: pd.DataFrame, prefix: str, x: str, name: str, style: tuple[str, str]) -> None:
    """The line of one rater; a missing prediction is a gap."""
    categories, reference = rows[f"{prefix}_category"], prefix == "reference"
    percents = [number(value, 0, sign=True) for value in rows[f"{prefix}_change_percent"]]
    figure.add_scatter(
        x=rows[x],
        y=rows[f"{prefix}_volume_ml"],
        mode="lines+markers",
        line={"color": style[0], "width": 4 if reference else 2},
        marker={"symbol": style[1], "size": 11 if reference else 9},
        name=name,
        customdata=list(zip(rows["case_id"], percents, categories, strict=True)),
        hovertemplate=f"{name}<br>%{{customdata[0]}}<br>%{{y:.2f}} ml, %{{customdata[1]}} % from baseline"
        "<br>%{customdata[2]}<extra></extra>",
        cliponaxis=False,
    )
