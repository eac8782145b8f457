"""Histograms of a data set: every case is in a bar."""

import numpy as np
import pytest

from afl_core.figures.cohort import plot_roughness, plot_volumes


def counted(figure) -> int:
    return int(sum(figure.data[1].y))


def test_the_smallest_and_the_largest_case_are_drawn():
    assert counted(plot_volumes([0.032, 4.86, 5.93, 16.89, 28.08])) == 5


@pytest.mark.parametrize("plot", [plot_volumes, plot_roughness])
@pytest.mark.parametrize("n", [1, 2, 30])
def test_every_case_is_in_a_bar(plot, n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        assert counted(plot(rng.lognormal(0, 2, n).tolist())) == n


def test_cases_without_a_tumour_or_a_value_are_left_out():
    assert counted(plot_volumes([0.0, 1.0, np.nan, 2.0])) == 2
    assert counted(plot_roughness([np.nan, 0.1])) == 1


@pytest.mark.parametrize(("n", "step"), [(1, 1), (2, 1), (30, 10)])
def test_the_axis_of_cases_has_ticks_at_whole_numbers(n, step):
    """All cases in one bar: an axis up to 1 would otherwise get ticks at 0.2 cases."""
    assert plot_volumes([2.0] * n).layout.yaxis.dtick == step
