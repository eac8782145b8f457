"""Breakdown page: how many patients the next study would need."""

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.planning import ABOUT, needed_text, plan_table, planning_sentence
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.glossary import TERMS
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.shared.errors import plain


def show_planning(selection: Selection) -> None:
    """Patients for 80 % power, for the differences that were seen or for one that is assumed."""
    assert selection.pair
    measure = selection.units.measure
    assumed = st.number_input(
        f"Difference to show{f' ({measure.unit})' if measure.unit else ''}",
        value=None,
        format=f"%.{measure.digits}f",
        placeholder="as it was seen",
        key="planned",
        bind="query-params",
        width=220,
        help="Mean difference of the two sources that the new study is to show, in every bin. Empty: what was seen.",
    )
    table = _plan(selection.key, selection.breakdown, selection.pair, assumed)
    st.markdown(plain(planning_sentence(table, assumed=assumed is not None)))
    units = selection.units
    shown = pd.DataFrame(
        {
            "by": ["" if axis == ALL else units.axis(axis).marked for axis in table["axis"]],
            "bin": table["bin"],
            "n": table["n"],
            "difference": table["difference"],
            "patients": [needed_text(row) for row in table.to_dict("records")],
            "power": 100 * table["power"],
        }
    )
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    columns = {
        "by": text(),
        "bin": text(help=TERMS["Bin"]),
        "n": number(help=TERMS["n"]),
        "difference": number(format=f"%+.{measure.digits}f", help=TERMS["Difference"]),
        "patients": text("patients needed", alignment="right", help=TERMS["Patients needed"]),
        "power": number("power with n", format="%.0f %%", help=TERMS["Power"]),
    }
    st.dataframe(shown, hide_index=True, height="content", placeholder="–", column_config=columns)
    st.caption(ABOUT)


@st.cache_resource(max_entries=32, show_spinner="Simulating studies")
def _plan(key: str, _breakdown: Breakdown, pair: tuple[str, str], assumed: float | None) -> pd.DataFrame:
    return plan_table(_breakdown, pair, assumed)
