"""Breakdown page: the sources in order, how sure that order is, and which is shown better than which."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.ranking import (
    SourceRanking,
    about_ranking,
    bins_to_rank,
    metric_agreement,
    rank_bin,
    rank_text,
    ranking_sentence,
)
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.statistics.ranking import METHODS
from afl_core.figures.ranking import plot_rank_frequencies, plot_shown_better
from afl_core.glossary import TERMS
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain

TAU = 2
"""Decimals of Kendall's tau."""


def show_ranking(selection: Selection) -> None:
    """The ranking by one method, over everything or in a bin; every method is in the table."""
    bins = bins_to_rank(selection.breakdown)
    choices = st.columns([2, 2, 3], gap="medium")
    method = choices[0].selectbox(
        "Ranked by",
        list(METHODS),
        format_func=METHODS.__getitem__,
        key="rank_by",
        bind="query-params",
        help=TERMS["Ranking"],
    )
    where = choices[1].selectbox("Ranked in", list(bins), key="rank_in", bind="query-params", help=TERMS["Bin"])
    key = repr((selection.key, selection.options))
    found = _ranking(key, str(where), str(method), selection.breakdown, bins[str(where)])
    st.markdown(f"### {plain(ranking_sentence(found))}")
    if not np.isnan(found.ranking.frequencies).any():
        _show_charts(selection, found)
    _show_table(found)
    st.caption(plain(about_ranking(found)))
    panel = st.expander("Do other metrics agree?", on_change="rerun", key="rank agreement")
    if panel.open:
        with panel:
            _show_agreement(selection, str(method))


def _show_charts(selection: Selection, found: SourceRanking) -> None:
    """Rank frequencies beside the significance map."""
    name = f"{selection.workspace.name} {selection.options.metric}"
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**How often each source has each rank**", help=TERMS["Rank frequency"])
        show_chart(plot_rank_frequencies(found), f"{name} rank frequencies", key="rank frequencies")
    with right:
        st.markdown("**Which is shown better than which**", help=TERMS["Shown better"])
        show_chart(plot_shown_better(found), f"{name} shown better", key="shown better")


def _show_table(found: SourceRanking) -> None:
    table, digits = found.table, found.units.measure.digits
    shown = pd.DataFrame(
        {
            "source": table["source"],
            "mean": table["mean"],
            "median": table["median"],
            **{METHODS[key]: table[f"rank_{key}"] for key in METHODS},
            "range": [rank_text(row["low"], row["high"]) for row in table.to_dict("records")],
        }
    )
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    columns = {
        "source": text(help=TERMS["Source"]),
        "mean": number(format=f"%.{digits}f", help=TERMS["Mean"]),
        "median": number(format=f"%.{digits}f", help=TERMS["Median"]),
        **{name: number(format="%d", help=TERMS["Ranking"]) for name in METHODS.values()},
        "range": text("95 % range", alignment="right", help=TERMS["Rank frequency"]),
    }
    st.dataframe(shown, hide_index=True, height="content", placeholder="–", column_config=columns)


def _show_agreement(selection: Selection, method: str) -> None:
    table = _agreement(repr((selection.key, method)), selection, method)
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    columns = {
        "metric": text(help=TERMS["Metrics"]),
        "n": number(help=TERMS["n"]),
        "order": text("order, the best first", help=TERMS["Ranking"]),
        "tau": number("Kendall's tau", format=f"%+.{TAU}f", help=TERMS["Kendall's tau"]),
    }
    st.dataframe(table, hide_index=True, height="content", placeholder="–", column_config=columns)
    st.caption(
        plain(f"Over all {selection.units.noun}. Tau compares each order with that of {selection.units.measure.title}.")
    )


@st.cache_resource(max_entries=32, show_spinner="Resampling the patients")
def _ranking(key: str, where: str, method: str, _breakdown: Breakdown, _record: Mapping[Any, Any]) -> SourceRanking:
    return rank_bin(_breakdown, _record, method)


@st.cache_resource(max_entries=8, show_spinner="Ranking by every metric")
def _agreement(key: str, _selection: Selection, method: str) -> pd.DataFrame:
    workspace = _selection.workspace
    return metric_agreement((workspace.rows, workspace.lesions), workspace.manifest, _selection.options, method)
