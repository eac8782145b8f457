"""Panels of the Compare page: the case table and the numbers of one case."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from afl_core.analysis.case_tables import FALSE_POSITIVE, case_table, lesion_table, metric_table, most_telling, rows_of
from afl_core.base.words import number_of
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.metrics import METRICS
from afl_core.ui.shared.errors import plain


def select_case(workspace: Comparison) -> str | None:
    """The filterable, sortable case table; returns the chosen case, which the address (`?case=`) names too."""
    controls = st.columns([3, 3, 3, 4], gap="medium", vertical_alignment="bottom")
    with controls[0]:
        metric = _choose_metric(workspace)
    table = case_table(workspace, metric, sort=str(st.query_params.get("sort", "")))
    if len(table) == 0:
        st.info("This data set has no cases.")
        return None
    chosen = str(st.query_params.get("case", ""))
    if chosen not in table.index:
        if chosen:
            st.warning(plain(f"There is no case {chosen} in {workspace.name}; this is another one."))
        chosen = str(table.index[0]) if "sort" in st.query_params else most_telling(table)
    shown = _filtered(table, workspace.sources, controls)
    linked, chosen = chosen, _pick_row(shown, chosen, workspace.name)
    if chosen != linked:
        for name in ("lesion", "at"):  # they belong to the case before
            st.query_params.pop(name, None)
    st.query_params["case"] = chosen
    _offer_steps(shown, chosen)
    return chosen


def _offer_steps(shown: pd.DataFrame, chosen: str) -> None:
    """Buttons to the case before and after in the table, which may be out of sight."""
    if chosen not in shown.index or len(shown) < 2:
        return
    at = int(np.flatnonzero(shown.index == chosen)[0])
    with st.container(horizontal=True, vertical_alignment="center"):
        for title, to, key in (("‹ Case", at - 1, "k"), ("Case ›", at + 1, "j")):
            there = 0 <= to < len(shown)
            st.button(
                title,
                key=f"step {title}",
                disabled=not there,
                on_click=_go_to_case,
                args=(str(shown.index[to]) if there else "",),
                help="In the order of the table as it came.",
                shortcut=key,
            )
        st.caption(f"Case {at + 1} of {len(shown)}")


def _go_to_case(case_id: str) -> None:
    for name in ("lesion", "at"):  # they belong to the case before
        st.query_params.pop(name, None)
    st.query_params["case"] = case_id


def _pick_row(shown: pd.DataFrame, chosen: str, name: str) -> str:
    """Draw the table with the chosen case ticked; returns the case of a new click, or else the chosen one.

    The table is drawn anew, with its tick in the right place, when the case came by the address or the rows changed.
    """
    if st.session_state.get("shown case") != chosen:
        st.session_state["table version"] = st.session_state.get("table version", 0) + 1
    rows = [int(row) for row in np.flatnonzero(shown.index == chosen)]
    event = st.dataframe(
        shown.reset_index(),
        hide_index=True,
        height=min(36 * (len(shown) + 1), 252),
        placeholder="–",
        column_config=_columns(shown),
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows}},
        key=f"cases {name} {st.session_state['table version']} {hash(tuple(shown.index))}",
    )
    picked = [str(shown.index[row]) for row in event.selection.rows if row < len(shown)]
    st.session_state["shown case"] = picked[0] if picked else chosen
    return str(st.session_state["shown case"])


def show_header(workspace: Comparison, case_id: str) -> None:
    """Name of the case, its size and what each source scored."""
    rows = rows_of(workspace, case_id)
    st.subheader(plain(case_id), anchor=False)
    if rows.empty:
        return
    first = rows.iloc[0]
    lesions = int(first["reference_lesions"])
    rough = (
        f"roughness {first['roughness']:.2f}" if np.isfinite(first["roughness"]) else "too small to carry a roughness"
    )
    dsc = rows["dsc"].to_dict()
    size = [f"{first['reference_volume_ml']:.2f} ml", number_of(lesions, "lesion"), rough]
    facts = [
        *(size if lesions else ["no tumour in the reference"]),
        *(f"{METRICS['dsc'].label} {source} {float(dsc[source]):.3f}" for source in workspace.sources if source in dsc),
    ]
    synthetic = "synthetic · " if workspace.is_demo else ""
    st.markdown(f"{synthetic}{' · '.join(plain(fact) for fact in facts)}")


def show_metrics(workspace: Comparison, case_id: str) -> None:
    """All metrics of the case, and its lesions; a click on a lesion moves the slices to it."""
    rows = rows_of(workspace, case_id)
    if rows.empty:
        return
    metrics, lesions = st.columns(2, gap="large")
    with metrics:
        st.markdown("##### Metrics of this case")
        table = metric_table(rows, workspace.sources)
        right = {name: st.column_config.TextColumn(alignment="right") for name in table.columns[1:]}
        st.dataframe(table, hide_index=True, height="content", column_config=right)
        lines = [f"{name}: {summary}" for name, summary in workspace.summaries.items()]
        notes = rows["note"].fillna("").to_dict() if "note" in rows else {}
        lines += [f"{name}'s mask on this case: {note}" for name, note in notes.items() if note]
        st.caption("  \n".join(map(plain, lines)))
    with lesions:
        st.markdown("##### Lesions")
        table = lesion_table(workspace, case_id)
        linked = _linked_lesion(table)
        st.dataframe(
            table.drop(columns=["x", "y", "z"]),
            hide_index=True,
            placeholder="–",
            on_select="rerun",
            selection_mode="single-row",
            selection_default={"selection": {"rows": linked}},
            key=_lesion_key(case_id),
        )
        st.caption(
            "Click a lesion to see it in the slices. Dice of a lesion: against the predicted components that touch it."
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


def _choose_metric(workspace: Comparison) -> str:
    keys = [key for key in METRICS if workspace.rows.empty or key in workspace.rows]
    return str(
        st.selectbox("Metric", keys, format_func=lambda key: METRICS[key].label, key="metric", bind="query-params")
    )


def _filtered(table: pd.DataFrame, sources: tuple[str, ...], controls: list[DeltaGenerator]) -> pd.DataFrame:
    """What the filter controls leave of the case table."""
    _, text, which, size = controls
    wanted = text.text_input("Find a case", placeholder="part of its name")
    keep = table.index.str.contains(wanted.strip(), case=False, regex=False)
    options = ["All", "Not evaluated"]
    if "difference" in table:
        options += [f"{sources[1]} higher", f"{sources[0]} higher"]
    kind = which.selectbox("Show", options)
    if kind == "Not evaluated":
        keep &= table[sources[0]].isna() if sources and sources[0] in table else True
    elif kind != "All":
        keep &= table["difference"] > 0 if kind == options[2] else table["difference"] < 0
    volumes = table["volume (ml)"].dropna() if "volume (ml)" in table else pd.Series(dtype=float)
    if volumes.max() > volumes.min():
        low, high = size.slider(
            "Tumour volume (ml)", 0.0, float(np.ceil(volumes.max())), (0.0, float(np.ceil(volumes.max()))), step=0.1
        )
        keep &= table["volume (ml)"].between(low, high) | table["volume (ml)"].isna()
    return table[keep]


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in table.columns}
    special = {
        "case": st.column_config.TextColumn(width="medium"),
        "volume (ml)": st.column_config.NumberColumn(format="%.2f", help=TERMS["Tumour volume"]),
        "lesions": st.column_config.NumberColumn(format="%d", help=TERMS["Lesion"]),
        "roughness": st.column_config.NumberColumn(format="%.2f", help=TERMS["Roughness"]),
        "difference": st.column_config.NumberColumn(format="%+.3f", help="Second source minus first."),
    }
    return numbers | special
