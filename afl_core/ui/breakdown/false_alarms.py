"""Breakdown page: false lesions by their own size, beside the recall of lesions of that size."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.false_alarms import QUANTITIES, false_alarms, list_false_lesions, trade_sentence
from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.breakdown.records import Breakdown, compute_breakdown
from afl_core.analysis.breakdown.regions import correct_together
from afl_core.analysis.breakdown.sentences import pair_sentence, tests_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.evaluation.caveats import ignored_sentence
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.panels import statistic_columns, statistics_table
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.workspace import open_case

Pair = tuple[str, str]
LISTED = 200
"""False lesions that are listed, the largest first: a browser shows no more at once."""


def show_false_alarms(selection: Selection, lesions: Units, binning: Binning) -> None:
    """The trade between recall and false lesions, the statistics of both by size, and the false lesions themselves.

    Args:
        selection: What the page compares.
        lesions: The reference's lesions, with the measure `detected`.
        binning: Bins of their size.
    """
    assert selection.pair
    workspace, pair = selection.workspace, selection.pair
    key = st.segmented_control(
        "Count",
        list(QUANTITIES),
        format_func=_NAMES.__getitem__,
        default="number",
        required=True,
        key="false_by",
        bind="query-params",
    )
    recall = _recall(selection.key, lesions, binning)
    counted = {name: _alarms(selection.key, selection, binning, name) for name in dict.fromkeys((str(key), "number"))}
    *corrected, recall = correct_together([*counted.values(), recall])
    alarms, of_number = corrected[0], corrected[-1]
    st.markdown(f"**{plain(trade_sentence(of_number, recall, pair))}**")
    tables = {"False lesions, by their own size": alarms, "Recall of lesions, by their size": recall}
    for (title, breakdown), column in zip(tables.items(), st.columns(2, gap="large"), strict=True):
        column.markdown(f"### {title}")
        records, digits = breakdown.pair(*pair), breakdown.units.measure.digits
        column.markdown(plain(pair_sentence(records.iloc[0].to_dict(), breakdown.units)))
        column.dataframe(
            _short(records, breakdown),
            hide_index=True,
            height="content",
            placeholder="–",
            column_config=statistic_columns(digits),
        )
    st.caption(
        plain(
            "Means over patients: a case without a false lesion counts as 0. Bins are those of the reference's lesions "
            f"({binning.how}), for false lesions by their own volume. "
            f"{tests_sentence(alarms)} "
            f"{ignored_sentence(workspace.manifest, workspace.rows)}"
        )
    )
    _list(workspace, selection)


_NAMES = {"number": "Number", "ml": "Volume (ml)"}


def _short(records: pd.DataFrame, breakdown: Breakdown) -> pd.DataFrame:
    table = statistics_table(records, breakdown.units, one_pair=True)
    return table[[name for name in ("bin", "range", "n", "difference", "interval", "p (Holm)") if name in table]]


def _list(workspace: Comparison, selection: Selection) -> None:
    """The false lesions, the largest first; a click opens one."""
    names = [member for name in selection.pair or () for member in _members(workspace, selection)[name]]
    false = list_false_lesions(workspace.lesions, names)
    if false.empty:
        return
    shown = false.head(LISTED)
    event = st.dataframe(
        shown[["source", "case_id", "volume_ml"]].rename(columns={"case_id": "case", "volume_ml": "volume (ml)"}),
        hide_index=True,
        height=260,
        column_config={
            "source": st.column_config.TextColumn(help=TERMS["Source"]),
            "volume (ml)": st.column_config.NumberColumn(format="%.3f", help=TERMS["False lesions"]),
        },
        on_select="rerun",
        selection_mode="single-row",
        key=f"false lesions {workspace.name}",
    )
    rest = f" The other {len(false) - LISTED} are smaller." if len(false) > LISTED else ""
    st.caption(f"Click a false lesion to see it in the slices.{rest}")
    if event.selection.rows:
        row = shown.iloc[event.selection.rows[0]]
        at = "-".join(["axial", *(f"{int(row[axis])}" for axis in "xyz")])
        open_case(workspace, str(row["case_id"]), at=at)


def _members(workspace: Comparison, selection: Selection) -> Mapping[str, tuple[str, ...]]:
    names, seeds = list_sources(workspace.manifest, pool_seeds=selection.options.pool_seeds)
    return {name: seeds.get(name, (name,)) for name in names}


@st.cache_resource(max_entries=16, show_spinner="Counting false lesions")
def _alarms(key: str, _selection: Selection, binning: Binning, quantity: str) -> Breakdown:
    workspace = _selection.workspace
    members = {name: _members(workspace, _selection)[name] for name in _selection.units.sources}
    return false_alarms(workspace.rows, workspace.lesions, quantity=quantity, members=members, binning=binning)


@st.cache_resource(max_entries=8, show_spinner="Comparing the lesions found")
def _recall(key: str, _lesions: Units, binning: Binning) -> Breakdown:
    return compute_breakdown(_lesions, (binning,))
