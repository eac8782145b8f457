"""Breakdown page: the controls, and the selection that the reader makes with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.measures import Level, measures_of
from afl_core.analysis.breakdown.options import (
    BINS,
    DEFAULT_AXES,
    TRAINING,
    Options,
    choose_binnings,
    choose_units,
    evaluated_sources,
    list_sources,
    opened_binnings,
    unbinned_axes,
)
from afl_core.analysis.breakdown.overall import basis_sentence, penalty_sentence
from afl_core.analysis.breakdown.records import Breakdown, bin_records, join_records
from afl_core.analysis.breakdown.regions import RegionBreakdown, compare_regions
from afl_core.analysis.breakdown.sentences import mean_sentence, pair_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.base import paths
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.references import left_out_sentence, training_references
from afl_core.glossary import TERMS, explain
from afl_core.ui.breakdown.covariates import choose_covariates
from afl_core.ui.breakdown.edges import choose_edges
from afl_core.ui.breakdown.opened import opened_before
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.workspace import headline_start, nothing_evaluated, open_results

LEVELS: Mapping[Level, str] = {"case": "Cases", "lesion": "Lesions"}
SMOOTHNESS = {"roughness": "Roughness", "released_smoothness": "Released smoothness"}
BIN_NAMES = {"tertiles": "Tertiles of these cases", TRAINING: "Tertiles of the training split"}


@dataclass(frozen=True, eq=False)
class Selection:
    """The reader's selection in the controls, and the breakdown that it gives.

    Attributes:
        workspace: The open results.
        options: Options of the breakdown, as an export records them.
        breakdown: Means and paired differences over the bins.
        pair: The two sources that panels of one pair show.
        key: Key of the caches, which changes with all of the selection but the bins.
        regions: Every region side by side, where the reader wants to see them; () for the one that is looked at.
        problems: Of the other regions, why they are not among these.
    """

    workspace: Comparison
    options: Options
    breakdown: Breakdown
    pair: tuple[str, str] | None
    key: str
    regions: tuple[RegionBreakdown, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def main(self) -> tuple[Binning, ...]:
        """The bins by size and by smoothness, without those of covariates."""
        return tuple(b for b in self.breakdown.binnings if not b.covariate)

    @property
    def units(self) -> Units:
        """The paired table."""
        return self.breakdown.units


def choose(workspace: Comparison) -> Selection | None:
    """The controls; None, with an explanation on the page, where there is nothing to compare."""
    if workspace.rows.empty:
        st.info(nothing_evaluated(workspace))
        return None
    _return_to_settings()
    headline = st.container()
    first = st.columns([2, 3, 4, 3, 3], vertical_alignment="bottom")
    levels = [level for level in LEVELS if measures_of(workspace.manifest, level)]
    level: Level = first[0].selectbox(
        "Compare", levels, format_func=LEVELS.__getitem__, help=TERMS["Unit"], **_bound("level")
    )
    measure = _choose_measure(workspace, level, first[1])
    pool, sources = _choose_sources(workspace, first[2])
    if not sources:
        st.info("Choose the sources to compare.")
        return None
    smoothness = _choose_smoothness(level, first[3])
    bins = first[4].selectbox(
        "Edges of the bins",
        list(BINS),
        format_func=BIN_NAMES.__getitem__,
        help=explain("Edge", "Tertile"),
        **_bound("bins"),
    )
    by = None if smoothness in DEFAULT_AXES else ("size", smoothness)
    options = Options(measure, level, tuple(sources), by, str(bins), {}, pool)
    try:
        return _select(workspace, options, headline)
    except AflError as error:
        st.error(plain(str(error)))
        return None


def settings_key(case_id: str) -> str:
    """Key under which the session keeps the address that was left for a case."""
    return f"settings left for {case_id}"


def _return_to_settings() -> None:
    """Take the settings up again where the browser's Back leads from a case to this page.

    `st.switch_page` leaves two entries in the browser's history: the case with the path of the page that is left, but
    without its settings, and then the case with the path of Compare. Back meets the first; what it is replaced by here
    adds no entry.
    """
    settings = st.session_state.get(settings_key(st.query_params.get("case", "")))
    if settings:
        st.switch_page("pages/breakdown.py", query_params=settings)


def _select(workspace: Comparison, options: Options, headline: Any) -> Selection:
    """Units, bins and records of the options, after the controls that depend on them."""
    units = _units(_key(workspace, options), workspace, options)
    pair = _choose_pair(units)
    if covariates := choose_covariates(units, workspace):
        options = replace(options, by=(*options.axes, *covariates))
    training, problems = _training(workspace, options)
    if problems:
        st.warning(plain(left_out_sentence(problems)))
    defaults = choose_binnings(units, options, training)
    opened = opened_before(workspace.name, options, units, training)
    options = replace(options, edges=choose_edges(defaults, units), opened=opened)
    regions, absent = _choose_regions(workspace, options)
    breakdown = _break_down(workspace, options)
    shown = next((of.breakdown for of in regions if of.comparison.region == workspace.region), breakdown)
    sentence = (
        pair_sentence(shown.pair(*pair).iloc[0].to_dict(), units)
        if pair
        else mean_sentence(shown.records.iloc[0].to_dict(), units)
    )
    headline.markdown(f"## {plain(headline_start(workspace) + sentence)}")
    if basis := " ".join(filter(None, [penalty_sentence(units, pair), basis_sentence(units, pair)])):
        headline.caption(plain(basis))
    return Selection(workspace, options, breakdown, pair, _key(workspace, options), regions, absent)


def _choose_regions(workspace: Comparison, options: Options) -> tuple[tuple[RegionBreakdown, ...], dict[str, str]]:
    """Every region, where there are several and the reader wants to see them side by side."""
    if len(workspace.regions) < 2 or not st.toggle(
        "Every region side by side",
        help="Each region has bins of its own reference. Holm's correction then counts the tests of all regions.",
        **_bound("every_region"),
    ):
        return (), {}
    folder = workspace.results.folder
    return compare_regions([open_results(folder, name) for name in workspace.regions], options, _break_down)


def _break_down(workspace: Comparison, options: Options) -> Breakdown:
    """The breakdown of the options in one region; what a moved edge leaves as it was is not computed again."""
    key = _key(workspace, options)
    units, (training, _) = _units(key, workspace, options), _training(workspace, options)
    binnings = choose_binnings(units, options, training)
    parts = [_records(key, binning, units) for binning in (None, *binnings)]
    opened = {b.axis: _records(key, b, units) for b in opened_binnings(units, options, training)}
    unbinned = tuple(unbinned_axes(units, options, training).values())
    return replace(join_records(units, binnings, parts, opened), unbinned=unbinned)


def _key(workspace: Comparison, options: Options) -> str:
    return repr((workspace.state, replace(options, by=(), bins="", edges={}, opened=())))


@st.cache_resource(max_entries=16, show_spinner="Reading the rows")
def _units(key: str, _workspace: Comparison, _options: Options) -> Units:
    return choose_units(_workspace.rows, _workspace.lesions, _workspace.manifest, _options)


@st.cache_resource(max_entries=128, show_spinner="Computing intervals")
def _records(key: str, binning: Binning | None, _units: Units) -> pd.DataFrame:
    return bin_records(_units, binning)


def _training(workspace: Comparison, options: Options) -> tuple[pd.DataFrame | None, Mapping[str, str]]:
    """References of the training split, where the bins are theirs, and the problems of those that are not in it."""
    if options.bins != TRAINING:
        return None, {}
    if workspace.whole is None:
        raise DataError(f"The training split is not known. {workspace.problem} Without it, choose other bins")
    with st.spinner("Measuring the references of the training split"):
        return training_references(workspace.whole, index=paths.INDEX, level=options.level)


def _bound(key: str) -> dict[str, Any]:
    return {"key": key, "bind": "query-params"}


def _choose_measure(workspace: Comparison, level: Level, column: Any) -> str:
    rows = workspace.rows if level == "case" else workspace.lesions
    measures = measures_of(workspace.manifest, level)
    keys = [key for key in measures if key in rows]
    label = {key: measures[key].title for key in keys}
    return str(
        column.selectbox(
            "Metric", keys, format_func=label.__getitem__, help=TERMS["Metrics"], **_bound(f"{level}_metric")
        )
    )


def _choose_sources(workspace: Comparison, column: Any) -> tuple[bool, list[str]]:
    """Whether seeds are pooled, and the sources."""
    _, seeds = list_sources(workspace.manifest, pool_seeds=True)
    pool = True
    if seeds:
        pool = not st.toggle(
            "Show each seed as a source of its own", help=explain("Seed", "Pooled"), **_bound("each_seed")
        )
    names = evaluated_sources(workspace.rows, workspace.manifest, pool_seeds=pool)
    return pool, column.multiselect(
        "Sources, in order", names, default=names, help=TERMS["Source"], **_bound("sources")
    )


def _choose_smoothness(level: Level, column: Any) -> str:
    if level == "lesion":
        why = "The released smoothness is a quantity of a whole volume: a lesion has none."
        column.selectbox("Smoothness by", [SMOOTHNESS["roughness"]], disabled=True, help=why)
        return "roughness"
    names = list(SMOOTHNESS)
    meaning = explain("Roughness", "Released smoothness")
    return str(
        column.selectbox(
            "Smoothness by", names, format_func=SMOOTHNESS.__getitem__, help=meaning, **_bound("smoothness")
        )
    )


def _choose_pair(units: Units) -> tuple[str, str] | None:
    if not units.pairs:
        return None
    if len(units.pairs) == 1:
        return units.pairs[0]
    names = {f"{second} minus {first}": (first, second) for first, second in units.pairs}
    chosen = st.selectbox(
        "Pair in the panels of one pair", list(names), width=360, help=TERMS["Pair"], **_bound("pair")
    )
    return names[str(chosen)]
