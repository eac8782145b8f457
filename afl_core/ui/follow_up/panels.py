"""Panels of the Follow-up page: one patient over time, and the cohort's responses and changes."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import compared_sources
from afl_core.analysis.follow_up import (
    CATEGORIES,
    NEEDED,
    NOT_CLINICAL,
    RATERS,
    RULES,
    agreement_of_change,
    category_matrix,
    disagreement_sentence,
    needed_todo,
    opened_table,
    order_sentence,
    seeds_sentence,
    unmeasured_visits,
    unsure_sentence,
)
from afl_core.base.numbers import DIGITS, interval, number
from afl_core.base.words import named, number_of
from afl_core.evaluation.caveats import volume_notes, warnings
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.follow_up import plot_follow_up
from afl_core.glossary import TERMS
from afl_core.ui.follow_up.slices import show_pair
from afl_core.ui.shared.charts import show_chart
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.kept import kept
from afl_core.ui.shared.workspace import headline_start, nothing_evaluated, open_case

ML = DIGITS["ml"]


@dataclass(frozen=True, eq=False)
class Selection:
    """The open results, their table of time points, and the chosen patient.

    Attributes:
        workspace: The open results.
        table: `follow_up_table` of them, not empty.
        patient: The patient that is shown.
    """

    workspace: Comparison
    table: pd.DataFrame
    patient: str


def choose(workspace: Comparison) -> Selection | None:
    """The headline and the choice of a patient; None, with a sentence on the page, where there is nothing to follow."""
    if workspace.rows.empty:
        st.info(plain(nothing_evaluated(workspace)))
        return None
    table = opened_table(workspace)
    if table.empty:
        st.info(plain(f"{NEEDED}. {needed_todo(workspace)}."))
        return None
    patients = table["patient"].unique().tolist()
    several = number_of(len(patients), "patient has", "patients have")
    st.markdown(f"## {plain(f'{headline_start(workspace)}{several} two time points or more.')}")
    st.markdown(plain(f"{NOT_CLINICAL} {' '.join(volume_notes(workspace.manifest, workspace.rows))}"))
    st.markdown("\n".join(f"- {plain(disagreement_sentence(table, source))}" for source in table["source"].unique()))
    unsure = filter(None, [unsure_sentence(workspace, table)])
    for warning in (*warnings(workspace.manifest, workspace.rows), *workspace.left_out_sentences, *unsure):
        st.warning(plain(warning))
    if missing := unmeasured_visits(workspace):
        are = number_of(len(missing), "time point of these patients is", "time points of these patients are")
        st.warning(plain(f"{are} not measured, so baseline or nadir may be another one: {named(missing)}."))
    key = kept(f"follow-up patient {workspace.name}", patients[0], patients, name="patient")
    patient = str(st.selectbox("Patient", patients, key=key, help=TERMS["Patient"], width=400))
    return Selection(workspace, table, patient)


def show_patient(selection: Selection) -> None:
    """The chosen patient's volumes as a chart and as a table; a click on a row opens the case."""
    workspace, table = selection.workspace, selection.table
    own = table[table["patient"] == selection.patient]
    st.markdown(f"### Tumour volume of {plain(selection.patient)}")
    show_chart(
        plot_follow_up(own, list(compared_sources(workspace))),
        f"{workspace.name} {selection.patient} follow-up",
        key="follow-up",
    )
    st.caption(
        "CR complete response, PR partial response, SD stable, PD progression: the reference's below each time point, "
        f"and under it, with its mark, that of a source which has another one. {plain(order_sentence(workspace, own))} "
        f"{plain(seeds_sentence(workspace))}"
    )
    show_pair(workspace, own)
    shown = patient_table(own)
    event = st.dataframe(
        shown,
        hide_index=True,
        height="content",
        column_config=_columns(shown),
        on_select="rerun",
        selection_mode="single-row",
        key=f"time points {workspace.name} {selection.patient}",
    )
    st.caption(plain(f"Select a row to open its case in Compare. {RULES}"))
    if event.selection.rows:
        open_case(workspace, str(shown["Case"].iloc[event.selection.rows[0]]))


def patient_table(own: pd.DataFrame) -> pd.DataFrame:
    """A patient's time points, one line for the reference and one for each source."""
    lines = []
    for (number_, case_id), of_case in own.groupby(["time_point", "case_id"], sort=True):
        day = {"Day": number(of_case["days"].iloc[0], 0)} if own["days"].notna().all() else {}
        for k, row in enumerate(of_case.to_dict("records")):
            for prefix in RATERS if k == 0 else RATERS[1:]:
                who = "Reference" if prefix == "reference" else row["source"]
                lines.append({"Time point": str(number_)} | day | {"Case": case_id, "By": who} | _cells(row, prefix))
    return pd.DataFrame(lines)


def _cells(row: dict[Any, Any], prefix: str) -> dict[str, str]:
    differs = " (differs)" if prefix != "reference" and row["agrees"] is False else ""
    return {
        "Volume (ml)": number(row[f"{prefix}_volume_ml"], ML),
        "Response by volume": f"{row[f'{prefix}_category']}{differs}" or "–",
        "From baseline (ml)": number(row[f"{prefix}_change_ml"], ML, sign=True),
        "From baseline (%)": number(row[f"{prefix}_change_percent"], 0, sign=True),
        "From nadir (ml)": number(row[f"{prefix}_from_nadir_ml"], ML, sign=True),
        "From nadir (%)": number(row[f"{prefix}_from_nadir_percent"], 0, sign=True),
    }


def show_cohort(selection: Selection) -> None:
    """Responses of reference and sources against each other, and agreement of the change."""
    table = selection.table
    st.markdown("### Response by volume: reference and source")
    more = table["time_point"].max() > 2  # the baseline, and one more
    several = "; several are of one patient" if more else ", one a patient"
    why = ", since several of one patient are not independent" if more else ""
    sources = table["source"].unique().tolist()
    columns = st.columns(min(2, len(sources)), gap="large")
    for k, source in enumerate(sources):
        with columns[k % len(columns)]:
            _show_matrix(selection, source)
    st.caption(
        f"Number of time points after baseline{several}. Rows: the reference, columns: the source. "
        "Click a number to open its case in Compare, the one with the largest error of volume."
    )
    st.markdown("### Agreement of the change in volume")
    shown = agreement_table(agreement_of_change(table))
    st.dataframe(shown, hide_index=True, height="content", column_config=_columns(shown))
    st.caption(
        f"One change a patient, the last time point minus the first{why}. "
        "Bias: mean of the source's change minus the reference's. Limits of agreement: bias ± 1.96 standard "
        "deviations (Bland and Altman 1986), within which 95 % of patients' errors are expected. ±: half of the 95 % "
        "interval of each; wide where patients are few. Left out: patients without a prediction at the first or last "
        "time point."
    )


def _show_matrix(selection: Selection, source: str) -> None:
    matrix = category_matrix(selection.table, source)
    shown = matrix.reset_index(names="Reference").rename_axis(columns=None)
    st.markdown(f"**{plain(source)}**")
    event = st.dataframe(
        shown,
        hide_index=True,
        height="content",
        column_config=_columns(shown),
        on_select="rerun",
        selection_mode="single-cell",
        key=f"responses {selection.workspace.name} {source}",
    )
    if event.selection.cells:
        row, column = event.selection.cells[0]
        if case_id := worst_case(selection.table, source, CATEGORIES[row], column):
            open_case(selection.workspace, case_id)


def worst_case(table: pd.DataFrame, source: str, reference: str, predicted: str) -> str:
    """The case of a cell whose volume the source misses by most; "" where the cell is empty or no category."""
    cell = table[(table["source"] == source) & (table["reference_category"] == reference)]
    cell = cell[cell["predicted_category"] == predicted]
    if cell.empty:
        return ""
    errors = (cell["predicted_volume_ml"] - cell["reference_volume_ml"]).abs()
    return str(cell["case_id"].iloc[int(errors.to_numpy().argmax())])


def agreement_table(agreement: pd.DataFrame) -> pd.DataFrame:
    """The agreement of each source as text."""
    return pd.DataFrame(
        {
            "Source": row["source"],
            "Patients": str(row["patients"]),
            "Bias (ml)": number(row["bias_ml"], ML, sign=True),
            "± of bias": number(row["bias_margin_ml"], ML),
            "Limits of agreement (ml)": interval(row["low_ml"], row["high_ml"], ML, sign=True),
            "± of limits": number(row["limit_margin_ml"], ML),
            "Left out": str(row["left_out"]),
        }
        for row in agreement.to_dict("records")
    )


def _columns(shown: pd.DataFrame) -> dict[str, Any]:
    """Text at the left, numbers at the right, and the glossary's words."""
    left = {"Time point", "Case", "By", "Response by volume", "Reference", "Source"}
    return {
        str(name): st.column_config.TextColumn(
            alignment="left" if name in left else "right", help=column_help(str(name))
        )
        if str(name) not in CATEGORIES
        else st.column_config.NumberColumn(help=TERMS["Response by volume"])
        for name in shown
    }


def column_help(name: str) -> str:
    """What the glossary says of a column."""
    terms = {
        **{
            "Time point": "Time point",
            "Day": "Time point",
            "Case": "Case",
            "By": "Source",
            "Source": "Source",
            "Reference": "Reference",
        },
        **{"Volume (ml)": "Tumour volume", "Patients": "n", "Left out": "Limits of agreement"},
    }
    starts = {"From baseline": "Baseline", "From nadir": "Nadir", "Response": "Response by volume"}
    return TERMS[terms.get(name) or next((t for s, t in starts.items() if name.startswith(s)), "Limits of agreement")]
