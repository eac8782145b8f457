"""Charts hold the numbers of their tables."""

import numpy as np
import pandas as pd
import pytest

from afl_core.figures.charts import plot_differences


def rows():
    """Three cases: gained 0.2, lost 0.1, and one without a tumour."""
    return pd.DataFrame(
        {
            "case_id": ["a", "a", "b", "b", "c", "c"],
            "source": ["FL", "A-FL"] * 3,
            "reference_volume_ml": [2.0, 2.0, 0.5, 0.5, 0.0, 0.0],
            "roughness": [0.1, 0.1, np.nan, np.nan, np.nan, np.nan],
            "dsc": [0.5, 0.7, 0.8, 0.7, 1.0, 1.0],
        }
    )


def test_a_dot_is_second_minus_first_at_the_volume_and_names_its_case():
    figure = plot_differences(rows(), "dsc", ("FL", "A-FL"))
    dots = {
        dot[0]: (x, y) for trace in figure.data for dot, x, y in zip(trace.customdata, trace.x, trace.y, strict=True)
    }
    assert dots == {"a": (2.0, pytest.approx(0.2)), "b": (0.5, pytest.approx(-0.1))}


def test_a_case_too_small_for_roughness_is_hollow():
    figure = plot_differences(rows(), "dsc", ("FL", "A-FL"))
    assert [trace.marker.symbol for trace in figure.data] == [None, "circle-open"]
    assert figure.data[1].customdata[0][0] == "b"


def test_the_title_says_which_way_is_better():
    assert "above 0: A-FL better" in plot_differences(rows(), "dsc", ("FL", "A-FL")).layout.title.text
    table = rows().assign(hd95_mm=[1, 2, 3, 4, 5, 6])
    assert "below 0: A-FL better" in plot_differences(table, "hd95_mm", ("FL", "A-FL")).layout.title.text


def test_the_ticks_of_volumes_are_whole_numbers():
    """Plotly's own write 2 for 20."""
    assert plot_differences(rows(), "dsc", ("FL", "A-FL")).layout.xaxis.ticktext == ("0.5", "1", "2")
