"""Case rows side by side, and the scores of one source."""

import math

import pandas as pd

from afl_core.analysis.statistics.paired import mean_scores, wide

NAN = math.nan


def rows(**values):
    """Case rows from `source=[dsc of a, b, c ...]`."""
    return pd.DataFrame(
        [
            {"case_id": chr(97 + i), "source": source.replace("_", "-"), "dsc": dsc, "hd95_mm": 10 * dsc}
            for source, scores in values.items()
            for i, dsc in enumerate(scores)
        ]
    )


def test_wide_has_a_row_a_case_and_a_column_a_source_in_the_order_asked():
    table = wide(rows(A_FL=[0.1, 0.2], FL=[0.3]), "dsc", ["FL", "A-FL", "none"])
    assert list(table.columns) == ["FL", "A-FL", "none"]
    assert list(table.index) == ["a", "b"]
    assert table["A-FL"].tolist() == [0.1, 0.2]
    assert table["FL"]["a"] == 0.3
    assert math.isnan(table["FL"]["b"])
    assert table["none"].isna().all()


def test_mean_scores_skip_what_is_undefined():
    assert mean_scores(rows(FL=[0.5, NAN, 1.0])) == {"cases": 3, "dsc": 0.75, "hd95_mm": 7.5}
