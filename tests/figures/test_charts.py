"""Charts hold the numbers of their tables."""

import pandas as pd
import pytest

from afl_core.analysis.breakdown.units import select_units
from afl_core.figures.charts import plot_against_volume


def test_a_dot_is_the_value_at_the_volume_and_names_its_case():
    """Case c has no tumour, so no place on a logarithmic axis."""
    facts = {"roughness": 0.1, "released_smoothness": 0.1, "source": "FL", "empty": ""}
    values = {"a": (2.0, 0.5), "b": (0.5, 0.8), "c": (0.0, 1.0)}
    rows = pd.DataFrame([facts | {"case_id": k, "reference_volume_ml": ml, "dsc": v} for k, (ml, v) in values.items()])
    figure = plot_against_volume(select_units(rows, pd.DataFrame(), metric="dsc", sources=("FL",)))
    (dots,) = figure.data
    places = {fact[0]: (x, y) for fact, x, y in zip(dots.customdata, dots.x, dots.y, strict=True)}
    assert places == {"a": (2.0, pytest.approx(0.5)), "b": (0.5, pytest.approx(0.8))}
    assert figure.layout.xaxis.title.text == "Tumour volume (ml, logarithmic), n = 2"
    assert list(figure.layout.xaxis.ticktext) == ["0.5", "1", "2"]
