"""Breakdown page: the further views below the charts by bin, each computed only when it is looked at."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.errors import StreamlitAPIException

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.confounding import (
    Correlation,
    confounding,
    confounding_sentence,
    size_answers_sentence,
    size_correlation,
    sweep_edges,
    sweep_sentence,
)
from afl_core.analysis.breakdown.explore import colours
from afl_core.analysis.breakdown.interaction import Interaction, interaction_sentence, robust_trend, size_interaction
from afl_core.analysis.breakdown.options import choose_units, lesion_size_bins
from afl_core.analysis.breakdown.ranking import LEAST_SOURCES
from afl_core.analysis.breakdown.records import Breakdown, compute_grid
from afl_core.analysis.breakdown.sentences import capital, false_positives_sentences, grid_sentence, levels_sentence
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.breakdown.view_sentences import distribution_sentence, pairs_sentence, recall_sentence
from afl_core.base.numbers import interval, number, told_apart
from afl_core.data.labels import region_title
from afl_core.errors import DataError
from afl_core.figures.bins import plot_grid, plot_sweep
from afl_core.figures.slopes import plot_slopes
from afl_core.figures.spread import plot_cumulative, plot_recall, plot_trend
from afl_core.glossary import TERMS
from afl_core.ui.breakdown.confidence import show_confidence
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.covariates import show_covariates
from afl_core.ui.breakdown.explore import show_explore
from afl_core.ui.breakdown.export import show_export, show_published
from afl_core.ui.breakdown.false_alarms import show_false_alarms
from afl_core.ui.breakdown.operating_point import show_operating_point
from afl_core.ui.breakdown.panels import show_clickable
from afl_core.ui.breakdown.planning import show_planning
from afl_core.ui.breakdown.ranking import show_ranking
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain, shown_errors

Pair = tuple[str, str]

View = Callable[[Selection], None]

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "By size": ("Against size", "Size x smoothness", "Confounding"),
        "Cases": ("Pairs", "Distribution", "Explore"),
        "Lesions": ("Lesion recall", "False lesions"),
        "Probabilities": ("Operating point", "Confidence"),
        "Ranking": ("Ranking",),
        "Planning": ("Planning",),
        "Export": ("Export", "Published"),
    }
)
"""Tabs, and the views that each holds."""

RHO = 2
"""Decimals of a rank correlation."""


def follow_link() -> None:
    """Open the tab of a view that an address names by itself, as those of earlier versions do; before any control."""
    named = st.query_params.get("view", "")
    for group, names in GROUPS.items():
        if named in names and named not in GROUPS:
            address = {name: st.query_params.get_all(name) for name in st.query_params}
            with suppress(StreamlitAPIException):  # its controls are there: this is the way back past the link
                st.switch_page("pages/breakdown.py", query_params=address | {"view": [group], _key_of(group): [named]})


@st.fragment
def show_views(selection: Selection) -> None:
    """Tabs of the region that is looked at; what is not open costs nothing, and a choice here draws nothing above."""
    if selection.regions:
        st.markdown(f"### {plain(capital(region_title(selection.workspace.region)))} alone")
    by_bins = selection.pair is not None and len(selection.main) == 2
    views: Mapping[str, View] = {
        **({"Against size": _show_trend, "Pairs": _show_slopes, "Size x smoothness": _show_grid} if by_bins else {}),
        "Distribution": _show_distribution,
        "Lesion recall": _show_recall,
        **({"False lesions": _show_false} if selection.pair else {}),
        **({"Confounding": _show_confounding} if by_bins else {}),
        "Explore": show_explore,
        "Operating point": show_operating_point,
        "Confidence": show_confidence,
        **({"Ranking": show_ranking} if len(selection.units.sources) >= LEAST_SOURCES else {}),
        **({"Planning": show_planning} if selection.pair else {}),
        "Published": show_published,
        "Export": show_export,
    }
    groups = {group: there for group, names in GROUPS.items() if (there := [name for name in names if name in views])}
    for (group, names), tab in zip(groups.items(), st.tabs(list(groups), key="view", bind="query-params"), strict=True):
        if tab.open:
            with tab, shown_errors():
                views[_choose_view(group, names)](selection)


def _choose_view(group: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    chosen = st.segmented_control(
        group,
        names,
        default=names[0],
        required=True,
        label_visibility="collapsed",
        key=_key_of(group),
        bind="query-params",
    )
    return str(chosen)


def _key_of(group: str) -> str:
    """Key of the choice within a group."""
    return f"{group.lower().replace(' ', '_')}_view"


def _show_slopes(selection: Selection) -> None:
    assert selection.pair
    st.markdown(f"**{plain(pairs_sentence(selection.units, selection.pair))}**")
    for binning in selection.breakdown.binnings:
        figure = _slopes(selection.key, binning, selection.breakdown, selection.pair)
        show_clickable(figure, selection, name=f"slopes {binning.axis}")
    first, second = selection.pair
    lines = f"One line a {selection.units.noun[:-1]}, from {first} to {second}; above them the mean difference."
    st.caption(plain(f"{lines} {levels_sentence(selection.breakdown.records, selection.units)}"))


def _show_grid(selection: Selection) -> None:
    assert selection.pair
    size, smoothness = selection.main
    grid = _grid(selection.key, size, smoothness, selection.units, selection.pair)
    if sentence := grid_sentence(grid):
        st.info(sentence)
    show_clickable(plot_grid(grid, size, smoothness, selection.units, selection.pair), selection, name="grid")
    st.caption("Mean paired difference in each cell. Intervals are wider than 95 %, to hold together over the cells.")


def _show_trend(selection: Selection) -> None:
    assert selection.pair
    units, by = selection.units, colours(selection.units)
    smoothness = selection.main[1].axis
    colour = st.selectbox(
        "Colour by",
        by,
        index=by.index(smoothness) if smoothness in by else 0,
        format_func=lambda key: units.axis(key).label,
        width=300,
        key="trend_colour",
        bind="query-params",
    )
    figure, interaction, answers = _trend(selection.key, units, selection.pair, str(colour or smoothness))
    st.markdown(plain(interaction_sentence(interaction, selection.units, selection.pair)))
    if answers:
        st.markdown(plain(answers))
    show_clickable(figure, selection, name="trend")
    st.caption(
        "The sentence tests the slope of the mean difference. The line is Theil-Sen's, the median slope, "
        "which single cases cannot tilt."
    )


def _show_distribution(selection: Selection) -> None:
    st.markdown(f"**{plain(distribution_sentence(selection.units))}**")
    show_clickable(plot_cumulative(selection.units), selection, name="cumulative")
    st.caption(
        plain(f"Share of the {selection.units.noun} that score up to a value. {selection.units.measure.definition}")
    )


def _show_recall(selection: Selection) -> None:
    if selection.workspace.lesions.empty:
        raise DataError("These results hold no lesions", todo="Evaluate again")
    lesions = _lesion_units(selection.key, selection)
    size = lesion_size_bins(lesions, selection.breakdown, selection.options)
    st.markdown(f"**{plain(recall_sentence(lesions, size))}**")
    show_clickable(plot_recall(lesions, size), selection, name="recall")
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in false_positives_sentences(lesions)))
    st.caption(
        "Share of the reference's lesions that the matcher finds, with Wilson's 95 % interval over lesions. Lesions "
        f"are binned by their own volume at {' and '.join(told_apart(*size.edges))} ml ({size.how})."
    )


def _show_false(selection: Selection) -> None:
    if selection.workspace.lesions.empty:
        raise DataError("These results hold no lesions", todo="Evaluate again")
    lesions = _lesion_units(selection.key, selection)
    show_false_alarms(selection, lesions, lesion_size_bins(lesions, selection.breakdown, selection.options))


def _show_confounding(selection: Selection) -> None:
    assert selection.pair
    smoothness = selection.main[1].axis
    correlations = _confounding(selection.key, smoothness, selection.units, selection.pair)
    st.markdown(plain(confounding_sentence(correlations, smoothness, selection.units)))
    table = pd.DataFrame(
        {
            "rank correlation of": [c.what for c in correlations],
            "rho": [number(c.rho, RHO, sign=True) for c in correlations],
            "95 % interval": [interval(c.low, c.high, RHO, sign=True) for c in correlations],
            "n": [c.n for c in correlations],
        }
    )
    text = st.column_config.TextColumn
    columns = {
        "rank correlation of": text(help=TERMS["Confounding"]),
        "rho": text(alignment="right", help=TERMS["Spearman's rho"]),
        "95 % interval": text(help=TERMS["Interval"]),
        "n": st.column_config.NumberColumn(help=TERMS["n"]),
    }
    st.dataframe(table, hide_index=True, column_config=columns)
    show_covariates(selection.units, selection.pair, selection.breakdown.binnings, key=selection.key)
    st.markdown("### Do the edges decide?")
    for binning in (b for b in selection.breakdown.binnings if not b.by_values):
        sweep = _sweep(selection.key, binning, selection.units, selection.pair)
        sentence = plain(sweep_sentence(sweep, binning, selection.units, selection.pair))
        st.markdown(f"**{plain(selection.units.axis(binning.axis).marked)}.** {sentence}")
        show_chart(
            plot_sweep(sweep, binning, selection.units, selection.pair),
            f"{selection.workspace.name} {selection.options.metric} sweep {binning.axis}",
            key=f"sweep {binning.axis}",
        )


@st.cache_resource(max_entries=32, show_spinner="Drawing the pairs")
def _slopes(key: str, binning: Binning, _breakdown: Breakdown, pair: Pair) -> go.Figure:
    return plot_slopes(_breakdown, binning.axis, pair)


@st.cache_resource(max_entries=32, show_spinner="Computing the cells")
def _grid(key: str, size: Binning, smoothness: Binning, _units: Units, pair: Pair) -> pd.DataFrame:
    return compute_grid(_units, size, smoothness, pair)


@st.cache_resource(max_entries=32, show_spinner="Fitting the trend")
def _trend(key: str, _units: Units, pair: Pair, colour_by: str) -> tuple[go.Figure, Interaction, str]:
    interaction, trend = size_interaction(_units, pair), robust_trend(_units, pair)
    answers = size_answers_sentence(interaction, trend, size_correlation(_units, pair))
    return plot_trend(_units, pair, trend, colour_by=colour_by), interaction, answers


@st.cache_resource(max_entries=32, show_spinner="Correlating")
def _confounding(key: str, smoothness: str, _units: Units, pair: Pair) -> tuple[Correlation, ...]:
    return confounding(_units, pair, smoothness)


@st.cache_resource(max_entries=32, show_spinner="Moving the edges")
def _sweep(key: str, binning: Binning, _units: Units, pair: Pair) -> pd.DataFrame:
    return sweep_edges(_units, binning, pair)


@st.cache_resource(max_entries=8, show_spinner="Reading the lesions")
def _lesion_units(key: str, _selection: Selection) -> Units:
    workspace, options = _selection.workspace, _selection.options
    return choose_units(
        workspace.rows, workspace.lesions, workspace.manifest, replace(options, level="lesion", metric="detected")
    )
