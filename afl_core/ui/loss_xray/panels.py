"""Loss X-ray page: the controls, the gammas of the cohort, and the findings on the released loss."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from afl_core.analysis.breakdown.bins import AXES, Binning, tertiles
from afl_core.analysis.xray.findings import figure, findings, headline, measured_tumours
from afl_core.analysis.xray.focusing import gammas
from afl_core.analysis.xray.store import kept_table
from afl_core.analysis.xray.table import PREPARATIONS, QUANTITIES, summary, tumours
from afl_core.base.numbers import NOTHING, number
from afl_core.base.words import number_of
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.xray import Floats, plot_distributions, plot_gammas
from afl_core.glossary import TERMS, explain
from afl_core.ui.loss_xray.why import FORMULA, FORMULA_HELP, READINGS, show_why
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.save_figure import offer_figure
from afl_core.ui.shared.workspace import headline_start, open_case
from afl_core.volume import Case

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EVERY = "all"
CASE_KEY = "xray_case"


@dataclass(frozen=True, eq=False)
class Selection:
    """The reader's selection in the controls, and the cases that it gives.

    Attributes:
        workspace: The open results.
        preparation: Key of the preparation in PREPARATIONS.
        table: The X-ray table of every case.
        shown: Rows of the cases with a tumour in the selected bins.
        size: Bins by volume; None below three tumours.
        case: The chosen case.
        row: The row of that case in the table.
        problems: Case id to the reason why the case is not in the table.
    """

    workspace: Comparison
    preparation: str
    table: pd.DataFrame
    shown: pd.DataFrame
    size: Binning | None
    case: Case
    row: "pd.Series[Any]"
    problems: Mapping[str, str]

    @property
    def case_id(self) -> str:
        """Id of the chosen case."""
        return self.case.case_id


def choose(workspace: Comparison) -> Selection | None:
    """The controls; None, with an explanation on the page, where there is nothing to look at."""
    if workspace.cohort is None:
        st.warning(plain(f"The X-ray needs the reference masks. {workspace.problem}"))
        return None
    top = st.container()
    columns = st.columns([5, 2, 2, 3], gap="medium")
    preparation = columns[0].selectbox(
        "What the loss sees",
        list(PREPARATIONS),
        format_func=lambda key: PREPARATIONS[key].title.capitalize() if key == "own" else PREPARATIONS[key].title,
        help=TERMS["What the loss sees"],
        key="prepare",
        bind="query-params",
    )
    table, problems = _table(workspace, preparation)
    there = tumours(table)
    sentence = plain(headline(table)).replace(" %", "\N{NO-BREAK SPACE}%")
    top.markdown(f"## {plain(headline_start(workspace))}{sentence}")
    if there.empty:
        st.info("No reference of this data set has a tumour that reaches the loss, so there is nothing to show.")
        return None
    top.markdown(FORMULA, help=FORMULA_HELP)
    bins = {axis: _tertiles(axis, there) for axis in ("size", "roughness")}
    shown = there
    for (axis, binning), column, label in zip(bins.items(), columns[1:3], ("Tumour size", "Roughness"), strict=True):
        names = [EVERY, *(binning.names[:3] if binning else ())]
        meaning = explain(AXES[axis].label, "Tertile")
        wanted = str(column.selectbox(label, names, key=f"{axis}_bin", bind="query-params", help=meaning))
        if binning and wanted != EVERY:
            shown = shown[binning.assign(shown[axis]) == names.index(wanted) - 1]
    if shown.empty:
        st.info("No tumour is in both bins: choose others.")
        return None
    shown = shown.sort_values("size").reset_index(drop=True)
    case_id = _choose_case(shown, columns[3])
    cases = {case.case_id: case for case in workspace.cohort.cases}
    row = shown[shown["case_id"] == case_id].iloc[0]
    return Selection(workspace, preparation, table, shown, bins["size"], cases[case_id], row, problems)


def _choose_reading() -> str:
    return str(
        st.segmented_control(
            "gamma_mSa, the smoothness in gamma",
            list(READINGS),
            default="released",
            required=True,
            format_func=lambda key: READINGS[key].name,
            key="reading",
            bind="query-params",
            help=explain(*(reading.name for reading in READINGS.values())),
        )
    )


def show_cohort(selection: Selection) -> None:
    """Every case's gamma against its size beside FL's, and why it is what it is on the chosen case."""
    chart, why = st.columns([3, 2], gap="large")
    with chart:
        key = _choose_reading()
        shown, reading = selection.shown, READINGS[key]
        gamma, title = gammas(reading.setting, shown), f"gamma, {reading.name.lower()} (logarithmic)"
        roughest = float(selection.table["roughness"].max())
        figure_ = plot_gammas(shown, gamma, title=title, chosen=selection.case_id, roughest=roughest)
        name = f"{selection.workspace.name} gamma {key}"
        event = show_chart(
            figure_,
            name,
            on_select="rerun",
            selection_mode="points",
            key=f"gammas {selection.workspace.name} {selection.preparation} {key}",
        )
        st.caption(
            "One dot a case; a click opens it in Compare. The ring is the case in detail. Roughness is the share of "
            "the tumour that moves when it is made smooth; hollow dots are too small to carry one."
        )
        offer_figure(
            name,
            lambda width: _paper_figure(shown, gamma, title, roughest, width),
            key="gamma figure",
        )
        if points := [point for point in event["selection"]["points"] if point.get("customdata")]:
            open_case(selection.workspace, str(points[0]["customdata"][0]))
    with why:
        show_why(selection.row, key, tumours(selection.table))


def _paper_figure(shown: pd.DataFrame, gamma: Floats, title: str, roughest: float, width: str) -> "Figure":
    from afl_core.figures.paper_xray import plot_paper_gammas  # noqa: PLC0415 - Matplotlib takes a moment to import

    return plot_paper_gammas(shown, gamma, title=title, roughest=roughest, width=width)


def show_findings(selection: Selection) -> None:
    """The quantities' distributions, and what is known of the released code with the numbers of this cohort."""
    st.markdown(f"### What the released loss does, measured on {measured_tumours(selection.table)}")
    st.markdown("\n".join(f"- {plain(f.claim)} **{plain(f.measured)}**" for f in findings(selection.table)))
    st.markdown("### All quantities")
    values = {name: selection.shown[key].to_numpy(float) for key, name in QUANTITIES.items() if key != "alpha_va"}
    show_chart(plot_distributions(values), f"{selection.workspace.name} quantities", key="distributions")
    table = summary_table(selection.shown)
    columns = {str(name): st.column_config.TextColumn(help=summary_help(str(name))) for name in table}
    st.dataframe(table, hide_index=True, height="content", placeholder=NOTHING, column_config=columns)
    st.caption(
        f"Over the {number_of(len(selection.shown), 'tumour')} chosen above. "
        "Boxes: quartiles, and 5th to 95th percentile. "
        "rho: Spearman's rank correlation with volume, and with roughness where a tumour is large enough to carry one."
    )
    if selection.problems:
        with st.expander(f"{number_of(len(selection.problems), 'case')} could not be measured"):
            st.markdown("\n".join(f"- {plain(problem)}" for problem in selection.problems.values()))


def summary_help(column: str) -> str:
    """What the glossary says of a column of the table of quantities."""
    if column == "quantity":
        return explain("Alpha (alpha_va)", "gamma_va", "gamma_mSa", "gamma_adaptive")
    terms = {"q1": "Quartile", "median": "Median", "q3": "Quartile"}
    return TERMS["Spearman's rho" if column.startswith("rho") else terms.get(column, "Percentile")]


def summary_table(shown: pd.DataFrame) -> pd.DataFrame:
    """The distribution of every quantity as text, and its rank correlations."""
    quantities = summary(shown)
    text = {name: [figure(v) if v < 0.9 else f"{v:.4f}" for v in quantities[name]] for name in quantities.columns[:6]}
    rho = {
        f"rho, {axis}": [number(v, 2, sign=True) for v in quantities[f"rho_{axis}"]] for axis in ("size", "roughness")
    }
    return pd.DataFrame({"quantity": [QUANTITIES[str(key)] for key in quantities.index]} | text | rho)


def _choose_case(shown: pd.DataFrame, column: Any) -> str:
    """The case in detail; by default the middle one of the smaller half, since small tumours are the question."""
    ids = shown["case_id"].tolist()
    label = "Case in detail, small to large"
    wanted = st.query_params.get(CASE_KEY)
    if wanted and wanted not in ids:
        st.caption(plain(f"{wanted} has no tumour among those that are shown, so another case stands in for it."))
    return str(column.selectbox(label, ids, len(ids) // 4, key=CASE_KEY, bind="query-params", help=TERMS["Case"]))


def _tertiles(axis: str, there: pd.DataFrame) -> Binning | None:
    try:
        return tertiles(axis, there[axis])
    except UsageError:
        return None


def _table(workspace: Comparison, preparation: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Every case measured, from the results folder where that was done before."""
    assert workspace.cohort is not None
    cases = workspace.cohort.cases
    return _measured(str(workspace.results.folder), preparation, workspace.state, cases)


@st.cache_resource(max_entries=8, ttl=600, show_spinner="Measuring every mask; a few seconds, the first time")
def _measured(
    folder: str, preparation: str, state: str, _cases: tuple[Case, ...]
) -> tuple[pd.DataFrame, dict[str, str]]:
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        return kept_table(Path(folder), _cases, preparation, executor=executor)
