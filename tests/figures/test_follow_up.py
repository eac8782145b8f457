"""The chart of one patient holds the volumes of the table, in the colours of the sources."""

import math

import pandas as pd

from afl_core.analysis.follow_up import follow_up_table
from afl_core.figures.follow_up import AXES, plot_follow_up
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
    assert list(figure.layout.xaxis.ticktext) == ["0<br>", f"7<br>PR<br>{stable}", f"14<br>PD<br>{stable}"]
    assert list(reference.x) == list(figure.layout.xaxis.tickvals) == [0, 7, 14]
    assert figure.layout.xaxis.title.text == AXES["days"]
    assert {line.mode for line in figure.data} == {"lines+markers"}  # letters at marks lie on each other
    assert figure.layout.yaxis.type is None  # linear


def of_one_source(*case_ids):
    volumes = {"patient": "P", "source": "A", "reference_volume_ml": 1.0, "predicted_volume_ml": 2.0}
    return follow_up_table(pd.DataFrame([{"case_id": case_id} | volumes for case_id in case_ids]))


def test_time_points_without_days_are_equally_spaced_which_the_axis_says():
    figure = plot_follow_up(of_one_source("P", "P_ses-2", "P_ses-10"), ["A"])
    assert list(figure.data[0].x) == [1, 2, 3]
    assert [text.split("<br>")[0] for text in figure.layout.xaxis.ticktext] == ["P", "ses-2", "ses-10"]
    assert "equally spaced" in figure.layout.xaxis.title.text


def test_labels_of_days_that_lie_close_stand_in_lanes():
    figure = plot_follow_up(of_one_source("P_day_0", "P_day_1", "P_day_100"), ["A"])
    assert list(figure.layout.xaxis.ticktext) == ["0<br>", "<br><br>1<br>SD", "100<br>SD"]
