"""Breakdown page: any two columns of the units against each other, coloured by a third."""

import plotly.graph_objects as go
import streamlit as st

from afl_core.analysis.breakdown.explore import DIFFERENCE, Column, columns, explored_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.figures.explore import plot_explored
from afl_core.glossary import explain
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.panels import show_clickable
from afl_core.ui.shared.errors import plain

NOTHING = "none"
"""Choice of no column."""


def show_explore(selection: Selection) -> None:
    """Two columns against each other, or the distribution of one; a click on a dot opens its case."""
    found = columns(selection.units, selection.pair)
    if not found:
        st.info("No column has a value here.")
        return
    keys = list(found)
    fallback = "size" if "size" in found else keys[0]
    across = st.columns(3)
    with across[0]:
        x = _choose("From left to right", keys, found, start=fallback)
    with across[1]:
        up = DIFFERENCE if DIFFERENCE in found else keys[-1]
        y = _choose("From bottom to top", [NOTHING, *keys], found, start=up)
    with across[2]:
        colour = _choose("Colour", [NOTHING, *keys], found, start=NOTHING)
    y = NOTHING if y == x else y
    figure, sentence = _explored(selection.key, selection.units, selection.pair, (x, y, colour))
    st.markdown(plain(sentence), help=explain("Exploratory", "Spearman's rho"))
    show_clickable(figure, selection, name="explore")
    sources = {found[key].source for key in (x, y) if key in found}
    mixed = DIFFERENCE in (x, y) and not sources.isdisjoint(selection.pair or ())
    coupled = " A difference goes with its own two sources by construction." if mixed else ""
    st.caption(
        f"One dot a {selection.units.noun[:-1]}; click one to see its voxels. The correlation averages the "
        f"{selection.units.noun} of a patient first, and is not corrected.{coupled}"
    )


def _choose(label: str, keys: list[str], found: dict[str, Column], *, start: str) -> str:
    chosen = st.selectbox(
        label,
        keys,
        index=keys.index(start),
        format_func=lambda key: found[key].label if key in found else "Nothing",
        key=f"explore_{label.rsplit(maxsplit=1)[-1].lower()}",
        bind="query-params",
    )
    return str(chosen)


@st.cache_resource(max_entries=32, show_spinner="Drawing")
def _explored(
    key: str, _units: Units, pair: tuple[str, str] | None, chosen: tuple[str, str, str]
) -> tuple[go.Figure, str]:
    found = columns(_units, pair)
    x, (y, colour) = found[chosen[0]], (found.get(name) for name in chosen[1:])
    return plot_explored(_units, pair, x, y, colour), explored_sentence(_units, x, y)
