"""Breakdown page: the axes that the reader has opened in these results, whose tests the correction counts."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.options import Options, opened_binnings
from afl_core.analysis.breakdown.units import Units

_ADDRESS = "opened"
_LEDGER = "axes opened in results"


def opened_before(results: str, options: Options, units: Units, training: pd.DataFrame | None) -> tuple[str, ...]:
    """Axes that were opened in this visit, or stand in its address, are not shown now, and have bins in these units.

    Args:
        results: Name of the results; each has axes of its own.
        options: The choices, with the axes that are shown.
        units: The paired table.
        training: The training split's references, where the bins are theirs.
    """
    ledger: dict[str, tuple[str, ...]] = st.session_state.setdefault(
        _LEDGER, {results: tuple(st.query_params.get_all(_ADDRESS))}
    )
    ledger[results] = tuple(dict.fromkeys((*ledger.get(results, ()), *options.axes)))
    before = [axis for axis in ledger[results] if axis not in options.axes]
    if before != st.query_params.get_all(_ADDRESS):
        st.query_params[_ADDRESS] = before
    return tuple(axis for axis in before if opened_binnings(units, replace(options, opened=(axis,)), training))
