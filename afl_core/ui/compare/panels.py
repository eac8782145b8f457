"""Panels of the Compare page: the numbers of one case, and the table of all."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import (
    FALSE_POSITIVE,
    FROM_ZERO,
    compared_sources,
    digits_of,
    lesion_table,
    metric_table,
    rows_of,
)
from afl_core.base.numbers import DIGITS, NOTHING, RATIO, number, volume
from afl_core.base.words import number_of
from afl_core.evaluation.caveats import ignored_sentence
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.metrics import METRICS
from afl_core.ui.shared.errors import plain

_BEST_AT_ZERO = "Best at 0: the difference is that of the distances from 0."
_DIFFERENCE = "Second source minus first; of a metric that is best at 0, of its distance from 0."


def show_header(workspace: Comparison, case_id: str) -> None:
    """Name of the case, its size and what each source scored."""
    rows = rows_of(workspace, case_id)
    st.header(plain(case_id), anchor=False, width="content")
    if rows.empty:
        return
    first = rows.iloc[0]
    lesions = int(first["reference_lesions"])
    rough = f"roughness {number(first['roughness'])}"
    dsc = rows["dsc"].to_dict()
    size = [volume(first["reference_volume_ml"]), number_of(lesions, "lesion"), rough]
    scores = [f"{source} {number(dsc[source], METRICS['dsc'].digits)}" for source in workspace.sources if source in dsc]
    facts = [*(size if lesions else ["no tumour in the reference"]), f"{METRICS['dsc'].label} {', '.join(scores)}"]
    synthetic = "synthetic · " if workspace.is_demo else ""
    st.markdown(f"{synthetic}{' · '.join(plain(fact) for fact in facts)}", width="content")


def show_metrics(workspace: Comparison, case_id: str) -> None:
    """All metrics of the case, and its lesions; a click on a lesion moves the slices to it."""
    rows = rows_of(workspace, case_id)
    if rows.empty:
        return
    metrics, lesions = st.columns(2, gap="large")
    with metrics:
        st.markdown("### Metrics of this case")
        table = metric_table(rows, compared_sources(workspace))
        st.dataframe(table, hide_index=True, height="content", column_config=_metric_columns(workspace, table))
        marked = table["metric"].str.endswith(FROM_ZERO).any()
        lines = [f"{FROM_ZERO} {_BEST_AT_ZERO}"] if marked else []
        lines += [f"{name}: {summary}" for name, summary in workspace.summaries.items()]
        notes = rows["note"].fillna("").to_dict() if "note" in rows else {}
        lines += [f"{name}'s mask on this case: {note}" for name, note in notes.items() if note]
        st.caption("  \n".join(map(plain, lines)))
    with lesions:
        st.markdown("### Lesions")
        table = lesion_table(workspace, case_id)
        linked = _linked_lesion(table)
        st.dataframe(
            table.drop(columns=["x", "y", "z"]),
            hide_index=True,
            placeholder=NOTHING,
            column_config=_number_columns(table, METRICS["dsc"].digits, TERMS["Lesion Dice"]),
            on_select="rerun",
            selection_mode="single-row",
            selection_default={"selection": {"rows": linked}},
            key=_lesion_key(case_id),
        )
        ignored = ignored_sentence(workspace.manifest, rows_of(workspace, case_id))
        st.caption(
            "Click a lesion to see it in the slices. Dice of a lesion: against the predicted components that touch it. "
            f"{ignored}"
        )


def selected_lesion(workspace: Comparison, case_id: str) -> tuple[tuple[int, int, int] | None, str]:
    """Voxel of the lesion that is selected in the lesion table, or that the address (`?lesion=`) names, or None.

    And the source whose false positive it is, or "".
    """
    state = st.session_state.get(_lesion_key(case_id))
    table = lesion_table(workspace, case_id)
    chosen = state["selection"]["rows"] if state else _linked_lesion(table)
    if not chosen or chosen[0] >= len(table):
        return None, ""
    x, y, z = table[["x", "y", "z"]].to_numpy(dtype=int)[chosen[0]]
    return (int(x), int(y), int(z)), str(table["lesion"].iloc[chosen[0]]).partition(FALSE_POSITIVE)[2]


def _linked_lesion(table: pd.DataFrame) -> list[int]:
    """Row of the lesion that the address names, or none."""
    return [int(row) for row in np.flatnonzero(table["lesion"] == st.query_params.get("lesion", ""))]


def _lesion_key(case_id: str) -> str:
    return f"lesions {case_id}"


def show_table(workspace: Comparison, table: pd.DataFrame, metric: str) -> None:
    """All cases that are shown, in their order, as a table that can be sorted, searched and saved.

    Args:
        workspace: The results.
        table: The cases.
        metric: Key of the metric that it holds of each source.
    """
    columns = _number_columns(table, digits_of(workspace.rows, metric), TERMS[METRICS[metric].label])
    with st.expander(f"These {number_of(len(table), 'case')} as a table"):
        st.dataframe(table.reset_index(), hide_index=True, placeholder=NOTHING, column_config=columns)
        if METRICS[metric].better == "zero" and "difference" in table:
            st.caption(_BEST_AT_ZERO)


def _metric_columns(workspace: Comparison, table: pd.DataFrame) -> dict[str, Any]:
    """Columns of text, flush right, with what a source is."""
    right = {
        name: st.column_config.TextColumn(alignment="right", help=plain(workspace.summaries.get(name, TERMS["Source"])))
        for name in table.columns[1:]
    }
    metric = st.column_config.TextColumn(help="Each is explained on the page Help. An arrow points to what is better.")
    difference = st.column_config.TextColumn(alignment="right", help=_DIFFERENCE)
    return right | {"metric": metric, "difference": difference}


def _number_columns(table: pd.DataFrame, digits: int, about: str) -> dict[str, Any]:
    """Columns of cases or lesions: the digits and the words of each; what is not a fact is a metric of a source."""
    column = st.column_config.NumberColumn
    numbers = {name: column(format=f"%.{digits}f", help=about) for name in table.columns}
    special = {
        "case": st.column_config.TextColumn(width="medium", help=TERMS["Case"]),
        "lesion": st.column_config.TextColumn(help=TERMS["Lesion"]),
        "volume (ml)": column(format=f"%.{DIGITS['ml']}f", help=TERMS["Tumour volume"]),
        "lesions": column(format="%d", help=TERMS["Lesion"]),
        "roughness": column(format=f"%.{RATIO}f", help=TERMS["Roughness"]),
        "difference": column(format=f"%+.{digits}f", help=_DIFFERENCE),
    }
    return numbers | special
