"""Breakdown page: is a difference one of the losses, or of where 0.5 lies?"""

import streamlit as st

from afl_core.analysis.curves import NOTE, Curves, load_curves
from afl_core.analysis.operating_point import RULES, load_validation, match_thresholds
from afl_core.base.words import number_of
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.curves import plot_dice, plot_froc
from afl_core.ui.breakdown.controls import Selection
from afl_core.ui.breakdown.validation import choose_validation
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain


def show_operating_point(selection: Selection) -> None:
    """Counts at every threshold, and the pair at thresholds that other cases chose."""
    workspace = selection.workspace
    try:
        curves = _curves(workspace.state, workspace)
    except DataError as error:  # masks have none, which is no fault
        st.info(plain(str(error)))
        return
    first = next(iter(curves.values()))
    if selection.pair and set(selection.pair) <= set(curves):
        _show_matched(workspace, curves, selection.pair)
    cases = number_of(len(first.case_ids), "case")
    for title, figure, column in zip(
        ("Lesions found against false lesions", "Dice against the threshold"),
        (plot_froc(curves, workspace.sources), plot_dice(curves, workspace.sources)),
        st.columns(2, gap="large"),
        strict=True,
    ):
        with column:
            st.markdown(f"### {title}")
            show_chart(figure, f"{workspace.name} {title}", key=title)
    left = [name for name in workspace.sources if name not in curves]
    without = f" Without probabilities: {', '.join(left)}." if left else ""
    st.caption(
        plain(
            f"{cases}. Marks: 0.5 on the left, the best threshold of these cases on the right. Bands: 95 % over "
            f"patients. "
            f"{NOTE} Seeds are shown one by one.{without}"
        )
    )


def _show_matched(workspace: Comparison, curves: dict[str, Curves], pair: tuple[str, str]) -> None:
    """The sentence at matched thresholds, once validation results are chosen."""
    columns = st.columns([3, 4, 5])
    with columns[0]:
        validation = choose_validation(workspace, pair, what="thresholds are chosen")
    rule = columns[1].selectbox(
        "Thresholds", list(RULES), format_func=RULES.__getitem__, key="matched_by", bind="query-params"
    )
    if validation is None:
        st.info(
            "Two sources can differ in where 0.5 lies alone. To tell that apart, measure the same sources on "
            "validation cases, and choose these results above: thresholds that are chosen on the compared cases "
            "prove nothing."
        )
        return
    matched = match_thresholds(curves, load_validation(workspace, validation, pair), pair, rule=str(rule))
    st.markdown(f"**{plain(matched.sentence())}**")


@st.cache_resource(max_entries=4, show_spinner="Reading the counts")
def _curves(state: str, _workspace: Comparison) -> dict[str, Curves]:
    return load_curves(_workspace)
