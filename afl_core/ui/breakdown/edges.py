"""Breakdown page: the edges of the bins, as a reader types them."""

import streamlit as st

from afl_core.analysis.breakdown.bins import AXES, Binning, Edges
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import significant, told_apart
from afl_core.glossary import explain
from afl_core.ui.shared.errors import plain


def choose_edges(defaults: tuple[Binning, ...], units: Units) -> dict[str, Edges]:
    """Edges that were typed in, by axis; an empty field keeps the edge that is shown in it."""
    edges = {}
    main = [binning for binning in defaults if not binning.covariate]
    for binning, half in zip(main, st.columns(2, gap="medium"), strict=False):
        axis = units.axis(binning.axis)
        unit = f" ({axis.unit})" if axis.unit else ""
        labels = (f"{axis.names[0].capitalize()} up to{unit}", f"{axis.names[2].capitalize()} above{unit}")
        typed = [
            column.number_input(
                label,
                min_value=0.0,
                value=None,
                placeholder=significant(edge),
                help=explain(AXES[axis.key].label, "Edge"),
                key=f"{axis.key}_{name}",
                bind="query-params",
            )
            for column, label, edge, name in zip(
                half.columns(2, gap="medium"), labels, binning.edges, ("low", "high"), strict=True
            )
        ]
        if any(value is not None for value in typed):
            low, high = (
                typed_edge if typed_edge is not None else edge
                for typed_edge, edge in zip(typed, binning.edges, strict=True)
            )
            if low >= high:
                received = " and ".join(told_apart(low, high))
                todo = "Change one of them. Until then the edges are those shown in grey"
                st.error(
                    plain(f"{axis.label}: the first edge must lie below the second (received: {received}). {todo}.")
                )
            else:
                edges[axis.key] = (float(low), float(high))
    return edges
