"""The main figure of the loss X-ray for papers: every case is a dot with its gamma, in the width of a journal."""

import numpy as np
import pandas as pd
import pytest

from afl_core.figures.paper_xray import plot_paper_gammas
from afl_core.figures.xray import FLOOR

TABLE = pd.DataFrame({"case_id": ["a", "b", "c"], "size": [0.5, 2.0, 9.0], "roughness": [np.nan, 0.1, 0.3]})
GAMMA = np.array([0.0, 0.002, 0.01])


@pytest.mark.parametrize(("width", "mm"), [("double", 170), ("single", 85)])
def test_every_case_is_a_dot_with_its_gamma(width, mm):
    figure = plot_paper_gammas(TABLE, GAMMA, title="gamma", roughest=0.5, width=width)
    assert figure.get_figwidth() * 25.4 == pytest.approx(mm)
    axes = figure.axes[0]
    measured, hollow = axes.collections
    np.testing.assert_allclose(measured.get_offsets(), [[2.0, 0.002], [9.0, 0.01]])
    np.testing.assert_allclose(measured.get_array(), [0.1, 0.3])
    assert measured.get_clim() == (0, 0.5)
    np.testing.assert_allclose(hollow.get_offsets(), [[0.5, FLOOR]])
    assert list(axes.lines[0].get_ydata()) == [2, 2]


def test_masks_too_small_for_a_roughness_need_no_bar_of_colours():
    figure = plot_paper_gammas(TABLE.iloc[:1], GAMMA[:1], title="gamma", roughest=float("nan"))
    assert len(figure.axes) == 1
