"""Breakdown page: the charts by bin and the table of statistics."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from afl_core.analysis.breakdown.bins import EXPLORATORY, Binning
from afl_core.analysis.breakdown.confounding import confounding, confounding_sentence
from afl_core.analysis.breakdown.records import ALL, Breakdown
from afl_core.analysis.breakdown.sentences import (
    evidence_sentence,
    false_positives_sentences,
    left_out_sentence,
    pair_sentence,
    range_text,
    shared_sentence,
    tests_sentence,
)
from afl_core.analysis.breakdown.units import Units
from afl_core.base.numbers import interval, p_number
from afl_core.evaluation.caveats import unmeasured, warnings
from afl_core.figures.bins import plot_differences, plot_means
from afl_core.figures.forest import FILLED
from afl_core.glossary import TERMS, explain
from afl_core.ui.breakdown.controls import Selection, settings_key
from afl_core.ui.breakdown.method import figures_method, statistics_method
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.details import show_details
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.save_figure import offer_figure
from afl_core.ui.shared.workspace import open_case

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show_bins(selection: Selection) -> None:
    """A chart for each axis with every unit behind the means, and each bin in words; why an axis has no bins."""
    units, pair = selection.units, selection.pair
    if any(b.axis == "released_smoothness" for b in selection.breakdown.binnings):
        _warn_of_released(selection)
    for why in selection.breakdown.unbinned:
        st.info(plain(why))
    binnings, main = selection.breakdown.binnings, selection.main
    panels = st.columns([4] * bool(pair) + [3] * len(main)) if pair or main else []
    if pair:
        with panels[0]:
            st.markdown("### Difference in each bin")
            counted = (selection.key, tuple(selection.breakdown.opened))  # the marks show the test, corrected for these
            figure = _differences(counted, binnings, selection.breakdown, pair)
            show_chart(figure, f"{selection.workspace.name} {selection.options.metric} differences", key="differences")
    for column, binning in zip(panels[len(panels) - len(main) :], main, strict=True):
        with column:
            _show_means(selection, binning)
    for two in _twos([b for b in binnings if b.covariate]):
        for column, binning in zip(st.columns(2), two, strict=False):
            with column:
                _show_means(selection, binning)
    if pair:
        _show_sentences(selection, pair)
    if false := false_positives_sentences(units):
        st.markdown("\n".join(f"- {plain(text)}" for text in false))
    if selection.breakdown.binnings:
        name = f"{selection.workspace.name} {selection.options.metric} by size and smoothness"
        offer_figure(name, lambda width: _paper_figure(selection, width), key="bins figure")
    st.caption(plain(_caption(selection)))
    show_details("How these figures are made", figures_method(selection))


def _twos(binnings: Sequence[Binning]) -> list[Sequence[Binning]]:
    """The axes two by two, as they stand side by side."""
    return [binnings[k : k + 2] for k in range(0, len(binnings), 2)]


def _show_means(selection: Selection, binning: Binning) -> None:
    st.markdown(f"### Means by {plain(_axis_words(binning.axis, selection.units))}{binning.described.mark}")
    figure = _means(selection.key, binning, selection.breakdown, selection.pair)
    show_clickable(figure, selection, name=f"means {binning.axis}")


def _show_sentences(selection: Selection, pair: tuple[str, str]) -> None:
    """Each bin in a sentence; the test and its level behind the question mark."""
    records = selection.breakdown.pair(*pair)
    for two in _twos(selection.breakdown.binnings):
        for column, binning in zip(st.columns(2, gap="large"), two, strict=False):
            if binning.covariate:
                column.caption(plain(f"{binning.described.label}, {EXPLORATORY}"))
            for record in records[records["axis"] == binning.axis].to_dict("records"):
                evidence = evidence_sentence(record, selection.units, tests=selection.breakdown.n_tests)
                column.markdown(plain(pair_sentence(record, selection.units)), help=plain(evidence))


def _paper_figure(selection: Selection, width: str) -> "Figure":
    from afl_core.figures.paper import plot_paper_figure  # noqa: PLC0415 - Matplotlib takes a moment to import

    return plot_paper_figure(selection.breakdown, selection.pair, width=width)


def show_statistics(selection: Selection) -> None:
    """The paired statistics of every bin, for every pair of sources."""
    if selection.pair is None:
        return
    breakdown = selection.breakdown
    st.markdown("### Paired statistics")
    workspace = selection.workspace
    for warning in (*warnings(workspace.manifest, workspace.rows), *workspace.left_out_sentences):
        st.warning(plain(warning))
    records = breakdown.records[breakdown.records["minus"] != ""]
    if len(selection.units.pairs) > 1 and not st.toggle("All pairs of sources", key="all_pairs", bind="query-params"):
        records = breakdown.pair(*selection.pair)
    st.dataframe(
        statistics_table(records, selection.units, one_pair=len(selection.units.pairs) == 1),
        hide_index=True,
        height="content" if len(records) < 15 else 500,
        placeholder="–",
        column_config=statistic_columns(selection.units.measure.digits),
    )
    st.caption(plain(f"{counted_sentence(records, selection.units)}{tests_sentence(breakdown)}"))
    show_details("How these numbers are made", statistics_method(selection))


@st.cache_resource(max_entries=32, show_spinner="Drawing")
def _differences(
    key: tuple[str, tuple[str, ...]], binnings: tuple[Binning, ...], _breakdown: Breakdown, pair: tuple[str, str]
) -> go.Figure:
    return plot_differences(_breakdown, pair)


@st.cache_resource(max_entries=32, show_spinner="Drawing")
def _means(key: str, binning: Binning, _breakdown: Breakdown, pair: tuple[str, str] | None) -> go.Figure:
    return plot_means(_breakdown, binning.axis, pair)


def counted_sentence(records: pd.DataFrame, units: Units) -> str:
    """What the columns n and units count, to begin a caption; "" where they are the same, and only n is shown."""
    if (records["units"] == records["n"]).all():
        return ""
    shared = shared_sentence(records, units)
    return f"n counts patients, units counts their {units.noun}. {shared}{' ' if shared else ''}"


def statistics_table(records: pd.DataFrame, units: Units, *, one_pair: bool) -> pd.DataFrame:
    """The records of pairs as they are shown."""
    differences, digits = records["mean_difference"], units.measure.digits
    table = pd.DataFrame(
        {
            "by": ["" if axis == ALL else units.axis(axis).marked for axis in records["axis"]],
            "bin": records["bin"].tolist(),
            "range": [range_text(record, units) for record in records.to_dict("records")],
            "pair": [f"{r['source']} minus {r['minus']}" for r in records.to_dict("records")],
            "n": records["n"].tolist(),
            "units": records["units"].tolist(),
            "difference": differences.mask((differences < 0) & (differences.round(digits) == 0), 0.0).tolist(),
            "interval": [_interval(record, digits) for record in records.to_dict("records")],
            "p": [p_number(p) for p in records["p"]],
            "p (Holm)": [p_number(p) for p in records["p_holm"]],
            "effect": records["effect"].tolist(),
            "higher": records["n_higher"].tolist(),
            "lower": records["n_lower"].tolist(),
            "equal": records["n_equal"].tolist(),
            "new runs": [_interval(record, digits, of="runs") for record in records.to_dict("records")],
            "by runs": (100 * records["runs_share"]).tolist(),
        }
    )
    if records["runs_share"].isna().all():
        table = table.drop(columns=["new runs", "by runs"])
    table = table.drop(columns="pair") if one_pair else table
    return table.drop(columns="units") if (table["units"] == table["n"]).all() else table


def show_clickable(figure: go.Figure, selection: Selection, *, name: str) -> None:
    """A chart in which a click on a dot opens its case, on its lesion, in Compare."""
    event = show_chart(
        figure,
        f"{selection.workspace.name} {selection.options.metric} {name}",
        on_select="rerun",
        selection_mode="points",
        key=f"{name} {selection.workspace.name}",
    )
    points = [point for point in event["selection"]["points"] if point.get("customdata")]
    if points:
        case_id, lesion_id = points[0]["customdata"][:2]
        st.session_state[settings_key(str(case_id))] = {key: st.query_params.get_all(key) for key in st.query_params}
        lesion = {"lesion": str(lesion_id)} if int(lesion_id) else {}
        open_case(selection.workspace, str(case_id), sources=selection.pair or (), **lesion)


def _warn_of_released(selection: Selection) -> None:
    sentence = ""
    if selection.pair:
        sentence = confounding_sentence(
            confounding(selection.units, selection.pair, "released_smoothness"), "released_smoothness", selection.units
        )
    st.warning(
        plain(
            "The released smoothness is the gamma_mSa of the paper's code: the surface area over the number of voxels "
            f"of the volume. It grows with the tumour, so these bins sort by size again. {sentence}"
        )
    )


def _axis_words(axis: str, units: Units) -> str:
    smoothness = axis != "size" and axis not in units.covariates
    return "smoothness of the boundary" if smoothness else units.axis(axis).label.lower()


def _caption(selection: Selection) -> str:
    units = selection.units
    left = left_out_sentence(units)
    return (
        (f"{FILLED}, corrected. " if selection.pair else "")
        + f"Large marks: means, each with its own 95 % interval. Dots: {units.noun}; click one to see its voxels. "
        + (f"{left} " if left else "")
        + " ".join(unmeasured(selection.workspace.manifest))
    )


def _interval(record: Mapping[Any, Any], digits: int, *, of: str = "ci") -> str:
    return interval(record[f"{of}_low"], record[f"{of}_high"], digits, sign=True)


def statistic_columns(digits: int) -> dict[str, Any]:
    """Format of each column, and the help that the glossary has for it."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "by": text(help=explain("Tumour volume", "Roughness")),
        "bin": text(help=TERMS["Bin"]),
        "range": text(help=TERMS["Edge"]),
        "pair": text(help=TERMS["Pair"]),
        "n": number(help=TERMS["n"]),
        "units": number(help=TERMS["Unit"]),
        "difference": number(format=f"%+.{digits}f", help=TERMS["Difference"]),
        "interval": text(help=TERMS["BCa interval"]),
        "p": text(help=TERMS["p"]),
        "p (Holm)": text(help=TERMS["p (Holm)"]),
        "effect": number("effect (-1 to +1)", format="%+.2f", help=TERMS["Effect"]),
        "higher": number(help=TERMS["Higher"]),
        "lower": number(help=TERMS["Lower"]),
        "equal": number(help=TERMS["Equal"]),
        "new runs": text(help=TERMS["Interval for new runs"]),
        "by runs": number(format="%.0f %%", help=TERMS["Share of the runs"]),
    }
