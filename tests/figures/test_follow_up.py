"""The chart of one patient holds the volumes of the table, in the colours of the sources."""

import math

import pandas as pd

from afl_core.analysis.follow_up import follow_up_table
from afl_core.figures.follow_up import plot_follow_up
from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS


def test_reference_and_sources_are_lines_with_their_categories():
    volumes = {"A": [9, 3, None], "B": [8, 7, 6]}
    rows = pd.DataFrame(
        [
            {"case_id": f"P_week_{k}", "patient": "P", "source": source}
            | {"reference_volume_ml": [10.0, 3.0, 5.0][k], "predicted_volume_ml": value}
            for source, values in volumes.items()
            for k, value in enumerate(values)
            if value is not None
        ]
    )
    figure = plot_follow_up(follow_up_table(rows), ["A", "B"])
    reference, first, _ = figure.data
    assert [line.name for line in figure.data] == ["Reference", "A", "B"]
    assert [line.line.color for line in figure.data] == [REFERENCE_COLOUR, *SOURCE_COLOURS[:2]]
    assert list(reference.y) == [10, 3, 5]
    assert math.isnan(first.y[2])
    stable = f'<span style="color:{SOURCE_COLOURS[1]}">■ SD</span>'  # A's 3 of 9 is a partial response, as it should
    assert list(figure.layout.xaxis.ticktext) == [
        "week_0<br>",
        f"week_1<br>PR<br>{stable}",
        f"week_2<br>PD<br>{stable}",
    ]
    assert {line.mode for line in figure.data} == {"lines+markers"}  # letters at marks lie on each other
    assert figure.layout.yaxis.type is None  # linear
