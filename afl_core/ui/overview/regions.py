"""The table of the Overview page with every region that was measured; a click on a row opens its region."""

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.overall import Overall, holding_text
from afl_core.analysis.statistics.paired import patients_text
from afl_core.base.numbers import interval, number
from afl_core.data.labels import region_title
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.metrics import METRICS
from afl_core.ui.overview.summary import Pair, break_down_cases
from afl_core.ui.shared.bar import region_key
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.workspace import open_results

KEY = "regions"


def show_regions(workspace: Comparison, pair: Pair | None) -> None:
    """Mean Dice of each source, and the difference of the pair, in every region; nothing where there is one region."""
    if len(workspace.regions) < 2:
        return
    rows = {region: _row(workspace, region, pair) for region in workspace.regions}
    rows[workspace.region]["Region"] += ", open"
    st.header("Regions")
    table = pd.DataFrame(rows.values()).fillna("")
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            str(name): st.column_config.TextColumn(
                alignment="left" if name in {"Region", "Over", "In the reference"} else "right"
            )
            for name in table
        },
        on_select=lambda: _open(workspace),
        selection_mode="single-row",
        key=f"{KEY} {workspace.name}",
    )
    difference = f" Difference: {pair[1]} minus {pair[0]}." if pair else ""
    nothing = "Where the reference is empty, an empty mask scores 1 and any other 0."
    st.caption(plain(f"Dice, mean over patients. {nothing}{difference} Tick a region to see it on every page."))


def _row(workspace: Comparison, region: str, pair: Pair | None) -> dict[str, str]:
    """The line of a region; of one that cannot be read, its name alone."""
    row = {"Region": region_title(region)}
    try:
        breakdown = break_down_cases(open_results(workspace.results.folder, region))
    except AflError:
        return row
    if breakdown is None:
        return row
    units, digits = breakdown.units, METRICS["dsc"].digits
    all_of = breakdown.records.iloc[0]
    row["In the reference"] = holding_text(units)
    row["Over"] = patients_text(int(all_of["n"]), len(units.table), units.reference["patient"].nunique())
    means = Overall(units, breakdown.records).means
    row |= {f"{source} mean": number(mean, digits) for source, mean in means.items()}
    if pair and set(pair) <= set(units.sources):
        record = breakdown.pair(*pair).iloc[0]
        row["Difference"] = number(record["mean_difference"], digits, sign=True)
        row["95 % interval"] = interval(record["ci_low"], record["ci_high"], digits, sign=True)
    return row


def _open(workspace: Comparison) -> None:
    if rows := st.session_state[f"{KEY} {workspace.name}"]["selection"]["rows"]:
        st.session_state[region_key(workspace)] = workspace.regions[rows[0]]
