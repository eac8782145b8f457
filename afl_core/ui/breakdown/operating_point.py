"""Breakdown page: is a difference one of the losses, or of where 0.5 lies?"""

import plotly.graph_objects as go
import streamlit as st

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.curves import (
    NOTE,
    Curves,
    by_size,
    choice_sentence,
    grid_end_sentence,
    load_curves,
    thresholds_sentence,
)
from afl_core.analysis.operating_point import RULES, load_validation, match_thresholds
from afl_core.base.numbers import number
from afl_core.base.words import number_of
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.curves import plot_dice, plot_froc, plot_lesion_f1
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.validation import choose_validation
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain, shown_errors

EVERY = "all"


def show_operating_point(selection: Selection) -> None:
    """Counts at every threshold, and the pair at thresholds that other cases chose."""
    workspace, pool = selection.workspace, selection.options.pool_seeds
    try:
        every = _curves(workspace.state, pool, workspace)
    except DataError as error:  # masks have none, which is no fault
        st.info(plain(str(error)))
        return
    curves = {name: every[name] for name in selection.units.sources if name in every}
    if not curves:
        st.info("None of the sources that are compared has probabilities.")
        return
    if selection.pair and set(selection.pair) <= set(curves):
        st.markdown(f"**{plain(choice_sentence(curves, selection.pair))}**")
        with shown_errors():  # validation results that will not do hide no chart
            _show_matched(selection, curves, selection.pair)
    st.markdown(plain(thresholds_sentence(curves)))
    size = next((binning for binning in selection.main if binning.axis == "size"), None)
    curves = _choose_size(curves, size) if size and selection.units.level == "case" else curves
    names = selection.units.sources
    cases = hash(next(iter(curves.values())).case_ids)
    charts = _charts((workspace.state, pool, names, tuple(curves), cases), names, curves)
    for (title, figure), column in zip(charts.items(), st.columns(3, gap="large"), strict=True):
        with column:
            st.markdown(f"### {title}")
            show_chart(figure, f"{workspace.name} {title}", key=title)
    left = [name for name in names if name not in every]
    without = f" Without probabilities: {', '.join(left)}." if left else ""
    counted = number_of(next(iter(curves.values())).n_cases, "case")
    precision = ", ".join(f"{name} {number(of.average_precision, 3)}" for name, of in curves.items())
    st.caption(
        plain(
            f"{counted}. Marks: 0.5 on the left and on the right, the best threshold of these cases in the middle. "
            f"Bands: 95 % over patients. Average precision: {precision}. {grid_end_sentence(curves)} {NOTE}{without}"
        )
    )


def _choose_size(curves: dict[str, Curves], size: Binning) -> dict[str, Curves]:
    """The curves on the cases of the size that the reader chooses."""
    bins = by_size(curves, size)
    chosen = st.segmented_control(
        "Cases by tumour volume",
        [EVERY, *bins],
        default=EVERY,
        required=True,
        key="curves_of",
        bind="query-params",
        help=f"Bins of tumour volume (ml) {size.where()}; thresholds above are chosen on all cases.",
    )
    return bins.get(str(chosen), curves)


def _show_matched(selection: Selection, curves: dict[str, Curves], pair: tuple[str, str]) -> None:
    """The sentence at matched thresholds, once validation results are chosen."""
    workspace, pool = selection.workspace, selection.options.pool_seeds
    seeds = list_sources(workspace.manifest, pool_seeds=pool)[1]
    members = [member for name in pair for member in seeds.get(name, (name,))]
    columns = st.columns([3, 4, 5])
    with columns[0]:
        validation = choose_validation(workspace, members, what="thresholds are chosen")
    rule = columns[1].selectbox(
        "Thresholds", list(RULES), format_func=RULES.__getitem__, key="matched_by", bind="query-params"
    )
    if validation is None:
        st.info(
            "Two sources may differ only because 0.5 is a better threshold for one of them. To find out, measure the "
            "same sources on validation cases, and choose these results above: thresholds that are chosen on the "
            "compared cases prove nothing."
        )
        return
    of_pair = load_validation(workspace, validation, pair, pool_seeds=pool)
    st.markdown(f"**{plain(match_thresholds(curves, of_pair, pair, rule=str(rule)).sentence())}**")


@st.cache_resource(max_entries=8, show_spinner="Drawing")
def _charts(key: tuple[object, ...], names: tuple[str, ...], _of: dict[str, Curves]) -> dict[str, go.Figure]:
    """The charts by their titles; `key` says of which results, sources and cases."""
    return {
        "Lesions found against false lesions": plot_froc(_of, names),
        "Dice against the threshold": plot_dice(_of, names),
        "Lesion F1 against the threshold": plot_lesion_f1(_of, names),
    }


@st.cache_resource(max_entries=4, show_spinner="Reading the counts")
def _curves(state: str, pool: bool, _workspace: Comparison) -> dict[str, Curves]:
    return load_curves(_workspace, pool_seeds=pool)
