"""Breakdown page: how sure the sources are against how often they are right, and what temperatures leave of it."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.sentences import tests_sentence
from afl_core.analysis.confidence import (
    DIGITS,
    NOTE,
    Confidence,
    compare_errors,
    compared_members,
    error_rows,
    error_sentences,
    errors_table,
    load_confidence,
)
from afl_core.analysis.temperature import Scaled, load_for_scaling, scale_pair, scaled_table
from afl_core.base.numbers import interval
from afl_core.base.words import number_of
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import PARTS
from afl_core.figures.confidence import plot_reliability
from afl_core.glossary import TERMS
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.validation import choose_validation
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain, shown_errors

Members = Mapping[str, tuple[str, ...]]
Errors = dict[str, dict[str, Breakdown]]

_OVER = {"near": "Near the tumour", "grid": "Whole grid"}
"""Parts of the grid, as they are chosen."""


def show_confidence(selection: Selection) -> None:
    """Reliability curves and errors of calibration, and the pair at temperatures that other cases chose."""
    workspace = selection.workspace
    try:
        found = _load(workspace.state, workspace)
    except DataError as error:  # masks have none, which is no fault
        st.info(plain(str(error)))
        return
    members = _members(selection, found)
    size = tuple(b for b in selection.main if b.axis == "size") if selection.options.level == "case" else ()
    errors = _compare(workspace.state, selection, found, members, size) if members else None
    if errors:
        st.markdown(f"**{plain(' '.join(error_sentences(errors, members)))}**")
    columns = st.columns([3, 3, 6], vertical_alignment="bottom")
    part = columns[0].segmented_control(
        "Voxels",
        list(PARTS),
        format_func=_OVER.__getitem__,
        default="near",
        required=True,
        key="confidence_of",
        bind="query-params",
        help=TERMS["Near the reference"],
    )
    if members:
        with columns[1]:
            names = [name for group in members.values() for name in group]
            validation = choose_validation(workspace, names, what="temperatures are fitted")
        if validation:
            with shown_errors():
                _show_scaled(workspace, validation, members, str(part))
    _show_curves(selection, found, str(part), (errors, members))
    if errors and size:
        with st.expander(f"By tumour volume, {PARTS[str(part)]}"):
            _show_table(errors_table({str(part): errors[str(part)]}, members, bins=True))
    _caption(selection, found, errors)


def _show_curves(
    selection: Selection, found: dict[str, Confidence], part: str, compared: tuple[Errors | None, Members]
) -> None:
    """The chart, and beside it every error over both parts."""
    errors, members = compared
    name = f"{selection.workspace.name} reliability"
    left, right = st.columns([5, 6], gap="large") if errors else (st.container(), None)
    with left:
        st.markdown(f"### Reliability {PARTS[part]}", help=TERMS["Reliability curve"])
        show_chart(_chart(selection.workspace.state, found, selection.workspace.sources, part), name, key="reliability")
    if errors and right:
        with right:
            st.markdown("### Errors of calibration")
            # In the words of the control: long ones push the intervals out of sight.
            short = {PARTS[key]: text.lower() for key, text in _OVER.items()}
            table = errors_table(errors, members)
            _show_table(table.assign(over=table["over"].map(short)))


def _show_scaled(workspace: Comparison, validation: Comparison, members: Members, part: str) -> None:
    """What temperatures leave of the pair's differences."""
    scaled = _scale(f"{workspace.state} {validation.state}", workspace, validation, members, part)
    st.markdown(f"**{plain(scaled.sentence())}**", help=TERMS["Temperature"])
    if said := scaled.map_sentence():
        st.markdown(plain(said))
    with st.expander("Every measure as it is, and scaled"):
        table = scaled_table(scaled)
        ends = [interval(low, high, DIGITS, sign=True) for low, high in zip(table["low"], table["high"], strict=True)]
        _show_table(table.assign(interval=ends).drop(columns=["low", "high"]))


def _members(selection: Selection, found: Mapping[str, Confidence]) -> Members:
    """The pair and the sources behind each, where all of them have counts; {} otherwise."""
    return compared_members(selection.workspace, selection.pair, found, pool_seeds=selection.options.pool_seeds)


def _show_table(table: pd.DataFrame) -> None:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    table = table.assign(difference=table["difference"].round(DIGITS) + 0.0)  # never -0.0000
    values = [str(name) for name in table if table[name].dtype == float and name != "difference"]
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        placeholder="–",
        column_config={
            "error": text(help=TERMS["Errors of calibration"]),
            "n": number(help=TERMS["n"]),
            **{name: number(format="%.4f") for name in values},
            "difference": number(format="%+.4f", help=TERMS["Difference"]),
            "interval": text(help=TERMS["Interval"]),
            "p (Holm)": text(help=TERMS["p (Holm)"]),
        },
    )


def _caption(selection: Selection, found: Mapping[str, Confidence], errors: Errors | None) -> None:
    cases = number_of(len(next(iter(found.values())).case_ids), "case")
    left = [name for name in selection.workspace.sources if name not in found]
    without = f" Without probabilities: {', '.join(left)}." if left else ""
    tests = ""
    if errors:
        whole, close = errors["grid"]["ece"].units.table, errors["near"]["ece"].units.table
        alone = number_of(len(whole) - len(close), "case without a tumour has", "cases without a tumour have")
        tests = f" {tests_sentence(errors['grid']['ece'])}"
        tests += f" {alone} no voxel near one." if len(close) < len(whole) else ""
    st.caption(plain(f"{cases}. Bands: 95 % over patients. {NOTE} Seeds are shown one by one.{tests}{without}"))


@st.cache_resource(max_entries=4, show_spinner="Reading the counts")
def _load(state: str, _workspace: Comparison) -> dict[str, Confidence]:
    return load_confidence(_workspace)


@st.cache_resource(max_entries=8, show_spinner="Drawing")
def _chart(state: str, _found: dict[str, Confidence], names: tuple[str, ...], part: str) -> go.Figure:
    return plot_reliability(_found, names, part)


@st.cache_resource(max_entries=8, show_spinner="Comparing")
def _compare(
    state: str, _selection: Selection, _found: dict[str, Confidence], members: Members, size: tuple[Binning, ...]
) -> Errors:
    return compare_errors(_selection.workspace.rows, error_rows(_found), members, size)


@st.cache_resource(max_entries=8, show_spinner="Fitting temperatures")
def _scale(state: str, _workspace: Comparison, _validation: Comparison, members: Members, part: str) -> Scaled:
    return scale_pair(*load_for_scaling(_workspace, _validation, members), members, _workspace.rows, part)
