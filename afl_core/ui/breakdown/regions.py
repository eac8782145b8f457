"""Breakdown page: every region side by side, with one correction for all their tests."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from afl_core.analysis.breakdown.records import ALL
from afl_core.analysis.breakdown.regions import RegionBreakdown, together_sentence
from afl_core.analysis.breakdown.sentences import (
    capital,
    evidence_sentence,
    mean_sentence,
    pair_sentence,
)
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.figures.bin_parts import n_note
from afl_core.figures.chart_style import Pair, difference_title
from afl_core.figures.region_forest import plot_regions
from afl_core.glossary import TERMS
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.panels import counted_sentence, statistic_columns, statistics_table
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain


def show_regions(selection: Selection) -> None:
    """A panel a region for the pair, each region in a sentence, and the statistics of all of them."""
    pair, regions = selection.pair, selection.regions
    for title, why in selection.problems.items():
        st.warning(plain(f"{capital(title)}: {why}"))
    for sentence in dict.fromkeys(text for of in regions for text in of.comparison.left_out_sentences):
        st.warning(plain(sentence))
    if pair is None:
        for of in regions:
            _write(of, mean_sentence(of.breakdown.records.iloc[0].to_dict(), of.breakdown.units))
        return
    there = [of for of in regions if pair in of.breakdown.units.pairs]
    units = regions[0].breakdown.units
    st.markdown(f"### {plain(difference_title(units, pair))}, in each region{n_note(units)}")
    key = repr((selection.key, selection.options, selection.workspace.regions))
    show_chart(
        _figure(key, there, pair), f"{selection.workspace.name} {selection.options.metric} regions", key="regions"
    )
    for of in there:
        record = of.breakdown.pair(*pair).iloc[0].to_dict()
        evidence = evidence_sentence(record, of.breakdown.units, tests=of.breakdown.n_tests)
        _write(of, pair_sentence(record, of.breakdown.units), evidence)
    with st.expander("Each bin in words"):
        for of in there:
            records = of.breakdown.pair(*pair)
            for record in records[records["axis"] != ALL].to_dict("records"):
                _write(of, pair_sentence(record, of.breakdown.units))
    typed = ", but for edges that were typed in" if selection.options.edges else ""
    basis = f"{together_sentence(regions)} The bins of a region are of its own reference{typed}."
    _show_statistics(there, pair, basis)


def _write(region: RegionBreakdown, sentence: str, evidence: str | None = None) -> None:
    st.markdown(f"**{plain(capital(region.title))}.** {plain(sentence)}", help=plain(evidence) if evidence else None)


def _show_statistics(regions: list[RegionBreakdown], pair: Pair, basis: str) -> None:
    """The paired statistics of every bin of every region."""
    st.markdown("### Paired statistics")
    tables = []
    for of in regions:
        table = statistics_table(of.breakdown.pair(*pair), of.breakdown.units, one_pair=True)
        table.insert(0, "region", of.title)
        tables.append(table)
    counted = counted_sentence(regions[0].breakdown.records, regions[0].breakdown.units)
    columns = statistic_columns(regions[0].breakdown.units.measure.digits)
    columns["region"] = st.column_config.TextColumn(help=TERMS["Region"])
    st.dataframe(
        pd.concat(tables, ignore_index=True), hide_index=True, height=500, placeholder="–", column_config=columns
    )
    st.caption(
        plain(
            f"{basis} {counted}Intervals in bins are wider than 95 %, so that those of an axis hold together. "
            f"Below {MIN_PATIENTS} patients there is neither interval nor p. Switch the regions off to see the means, "
            "the cases and what stands behind each column."
        )
    )


@st.cache_resource(max_entries=8, show_spinner="Drawing")
def _figure(key: str, _regions: list[RegionBreakdown], pair: Pair) -> go.Figure:
    return plot_regions(_regions, pair)
