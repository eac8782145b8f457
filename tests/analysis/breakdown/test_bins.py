"""Bins: tertiles, edges that belong to the bin below, and the bin of what has no value."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afl_core.analysis.breakdown.bins import AXES, REST, Axis, Binning, has_value, tertiles
from afl_core.errors import UsageError

NAN = math.nan
ANY = st.one_of(st.floats(0, 1e6), st.sampled_from([NAN, 0.0, math.inf, 0.2, 0.5]))


def test_tertiles_of_nine_hold_three_each():
    """Quantiles 1/3 and 2/3 of 1 ... 9 lie at 1 + 8/3 and 1 + 16/3."""
    binning = tertiles("size", [9, 1, 8, 2, 7, 3, 6, 4, 5])
    assert binning.edges == pytest.approx((11 / 3, 19 / 3))
    assert binning.assign(range(1, 10)).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert binning.how == "tertiles of the reference set (9 values)"
    assert tertiles("size", [1, 2, 3], of="the training split").how == "tertiles of the training split (3 values)"


@pytest.mark.parametrize("n", [3, 4, 5, 30, 89, 90, 91])
def test_tertiles_of_different_values_are_as_even_as_can_be(n):
    values = np.random.default_rng(n).permutation(np.arange(1, n + 1)) ** 2.0
    counts = np.bincount(tertiles("size", values).assign(values), minlength=3)
    assert counts.sum() == n
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize(("axis", "nothing"), [("size", 0.0), ("released_smoothness", 0.0), ("roughness", NAN)])
def test_tertiles_are_of_the_values_that_there_are(axis, nothing):
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert tertiles(axis, [*values, *[nothing] * 50]).edges == tertiles(axis, values).edges
    assert tertiles(axis, [*values, *[NAN] * 50]).how.endswith("(6 values)")


def test_a_roughness_of_zero_is_a_value():
    assert tertiles("roughness", [0.0, 0.0, 0.3]).edges[0] == 0
    assert Binning("roughness", (0.0, 0.2), "").assign([0.0, 0.1, 0.2, 0.3, NAN]).tolist() == [0, 1, 1, 2, REST]


def test_an_edge_belongs_to_the_bin_below():
    assert Binning("size", (1.0, 5.0), "").assign([0.999, 1, 1.001, 5, 5.001]).tolist() == [0, 0, 1, 1, 2]


DOSE = Axis("dose", "Dose", "Dose", "", ("low", "medium", "high"), "no value", is_covariate=True)


@pytest.mark.parametrize(
    ("binning", "expected"),
    [
        (Binning("size", (1.643, 8.888), ""), ["up to 1.64 ml", "1.64 to 8.89 ml", "above 8.89 ml", ""]),
        (Binning("size", (1 / 3, 1234.5), ""), ["up to 0.333 ml", "0.333 to 1234 ml", "above 1234 ml", ""]),
        (Binning("roughness", (0.0, 0.2), ""), ["up to 0", "0 to 0.2", "above 0.2", ""]),
        (Binning("dose", (2006.33, 2012.67), "", DOSE), ["up to 2006", "2006 to 2013", "above 2013", ""]),
        (Binning("dose", (100069.7, 100139.3), "", DOSE), ["up to 100070", "100070 to 100139", "above 100139", ""]),
        (Binning("dose", (0.0, 1.0), "", DOSE), ["up to 0", "0 to 1", "above 1", ""]),
        (Binning("dose", (-1.0, 0.0), "", DOSE), ["up to -1", "-1 to 0", "above 0", ""]),
        (Binning("dose", (7.398, 7.402), "", DOSE), ["up to 7.4", "7.398 to 7.402", "above 7.4", ""]),
    ],
)
def test_the_range_of_a_bin_tells_its_edges_apart(binning, expected):
    assert [binning.ends_text(k) for k in range(4)] == expected
    low, high = expected[1].removesuffix(" ml").split(" to ")
    assert binning.where().startswith(f"at {low} and {high}, ")


def test_equal_values_share_the_first_bin():
    assert tertiles("size", [2.0] * 9).assign([2.0] * 9).tolist() == [0] * 9
    assert Binning("size", (2.0, 2.0), "").assign([1, 2, 3]).tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    ("axis", "values", "expected"),
    [
        ("size", [NAN, 0.0, 0.1, math.inf], [REST, REST, 0, REST]),
        ("released_smoothness", [NAN, 0.0, 0.1], [REST, REST, 0]),
        ("roughness", [NAN, 0.0, 0.1], [REST, 0, 0]),
    ],
)
def test_what_has_no_value_is_in_a_bin_of_its_own(axis, values, expected):
    assert Binning(axis, (1.0, 2.0), "").assign(values).tolist() == expected
    assert has_value(axis, values).tolist() == [number != REST for number in expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=40), st.tuples(ANY, ANY), st.sampled_from(list(AXES)))
def test_every_value_is_in_one_bin_within_its_bounds(values, ends, axis):
    low, high = sorted(ends)
    if not 0 <= low <= high < math.inf:
        return
    binning = Binning(axis, (low, high), "")
    for value, number in zip(values, binning.assign(values).tolist(), strict=True):
        above, up_to = binning.bounds(number)
        if number == REST:
            assert not has_value(axis, value)
            assert math.isnan(above)
        else:
            assert above < value <= up_to or value == above == 0


def test_bounds_and_names():
    binning = Binning("size", (1.0, 5.0), "")
    assert [binning.bounds(k) for k in range(3)] == [(0, 1), (1, 5), (5, math.inf)]
    assert all(math.isnan(end) for end in binning.bounds(REST))
    assert binning.names == ("small", "medium", "large", "no tumour")


def test_smooth_is_good_by_either_measure():
    """A rough tumour has a high roughness; the released code's smoothness is meant to be high where it is smooth."""
    assert Binning("roughness", (0.1, 0.2), "").names[:3] == ("smooth", "medium", "rough")
    assert Binning("released_smoothness", (0.1, 0.2), "").names[:3] == ("rough", "medium", "smooth")
    assert [axis.title for axis in AXES.values()] == ["Tumour volume (ml)", "Roughness", "Released smoothness"]


@pytest.mark.parametrize("edges", [(2.0, 1.0), (-1.0, 1.0), (NAN, 1.0), (1.0, NAN), (1.0, math.inf), (-2.0, -1.0)])
def test_edges_that_cannot_be(edges):
    with pytest.raises(UsageError, match=r"Edges of Tumour volume must be two ascending numbers.*received"):
        Binning("size", edges, "")


def test_an_axis_that_does_not_exist():
    with pytest.raises(UsageError, match=r"no axis of that name.*Did you mean size"):
        Binning("sizes", (1.0, 2.0), "")
    with pytest.raises(UsageError, match="no axis of that name"):
        tertiles("volume", [1, 2, 3])


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [NAN] * 9, [0.0, 0.0, 1.0, 2.0]])
def test_too_few_values_for_tertiles(values):
    n = sum(value > 0 for value in values)
    said = f"too few values in the reference set for three bins (received: {n}, 3 are needed). Choose another axis"
    with pytest.raises(UsageError, match=f"Tumour volume has {re.escape(said)}"):
        tertiles("size", values)
