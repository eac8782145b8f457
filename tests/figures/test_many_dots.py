"""Charts of many units: the browser gets no more dots and steps than it can show, and the chart says so."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from afl_core.figures import chart_style
from afl_core.figures.chart_style import add_dots


def drawn(figure):
    return [(len(trace.x), len(trace.y), len(trace.customdata), len(trace.marker.color)) for trace in figure.data]


@pytest.mark.parametrize("kind", [np.array, pd.Series])
def test_of_many_dots_some_are_drawn_evenly_and_it_is_said_once(kind):
    n = 3 * chart_style.MOST_DOTS
    x = np.random.default_rng(0).permutation(n).astype(float)
    figure, facts = go.Figure(), np.column_stack([x, x]).astype(str)
    for half in (slice(0, n // 3), slice(n // 3, n)):
        of = {"x": kind(x[half]), "y": kind(-x[half]), "customdata": facts[half], "marker": {"color": x[half]}}
        add_dots(figure, n, **of, name="dots")
    assert drawn(figure) == [(k, k, k, k) for k in (667, 1334)]
    for trace in figure.data:
        assert np.array_equal(np.asarray(trace.y), -np.asarray(trace.x))
        assert np.array_equal(trace.customdata[:, 0].astype(float), np.asarray(trace.x))
        assert np.array_equal(np.asarray(trace.marker.color), np.asarray(trace.x))
        assert np.diff(np.sort(trace.x)).max() < 40  # where there are dots, there are some of them
        assert trace.marker.color is not None
    assert [note.text for note in figure.layout.annotations] == [f"{chart_style.MOST_DOTS:,} of {n:,} dots drawn"]


def test_of_few_dots_all_are_drawn():
    figure = go.Figure()
    x = np.arange(chart_style.MOST_DOTS, dtype=float)
    add_dots(figure, len(x), x=x, y=x)
    assert len(figure.data[0].x) == len(x)
    assert not figure.layout.annotations
