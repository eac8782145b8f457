"""The charts of a ranking hold its numbers, in its order."""

import numpy as np
import pytest
from made_units import breakdown, make_units

from afl_core.analysis.breakdown.ranking import bins_to_rank, rank_bin
from afl_core.analysis.statistics.power import ALPHA
from afl_core.base.numbers import p_number
from afl_core.figures.palette import BETTER_COLOUR
from afl_core.figures.ranking import plot_rank_frequencies, plot_shown_better


@pytest.fixture(scope="module")
def found():
    units = make_units(30, ("FL", "A-FL", "DiceCE"))
    units.values["A-FL"] = units.values["DiceCE"] + 0.05 + 0.001 * np.arange(30)
    whole = breakdown(units)
    return rank_bin(whole, bins_to_rank(whole)["All cases"])


def test_a_bar_a_source_whose_parts_are_its_frequencies(found):
    figure = plot_rank_frequencies(found)
    assert [trace.name for trace in figure.data] == ["rank 1", "rank 2", "rank 3"]
    for name in ("FL", "A-FL", "DiceCE"):
        parts = [trace.x[list(trace.y).index(name)] for trace in figure.data]
        of = found.units.sources.index(name)
        assert parts == pytest.approx(100 * found.ranking.frequencies[of])
        assert sum(parts) == pytest.approx(100)
    assert list(figure.data[0].y) == found.table["source"].tolist()
    assert figure.layout.barmode == "stack"


def test_a_cell_is_teal_where_the_row_is_shown_better(found):
    (cells,) = plot_shown_better(found).data
    names = list(cells.y)
    assert names == list(cells.x) == found.table["source"].tolist()
    one, other = names.index("A-FL"), names.index("DiceCE")
    assert cells.z[one][other] == 1
    assert cells.z[other][one] == 0
    assert cells.colorscale[1][1] == BETTER_COLOUR
    p = found.p[found.units.sources.index("A-FL"), found.units.sources.index("DiceCE")]
    assert p < ALPHA
    assert cells.customdata[one][other] == p_number(float(p))
    assert np.isnan(np.diag(np.array(cells.z))).all()
