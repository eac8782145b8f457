"""Data page: the panels of a report."""

import json

import pandas as pd
import streamlit as st

from afl_core.base.numbers import NOTHING
from afl_core.base.words import number_of
from afl_core.data.check.check import Report
from afl_core.data.check.facts import Finding
from afl_core.figures.cohort import plot_roughness, plot_volumes
from afl_core.glossary import TERMS
from afl_core.ui.data.wording import on_page
from afl_core.ui.shared.errors import plain

COLOURS = {"error": "red", "question": "violet", "warning": "orange", "note": "gray"}

ITEMS = 200
"""Cases listed of a finding; the JSON has them all."""


def show_numbers(report: Report) -> None:
    """How many cases, patients, tumours, and which sequences."""
    rows = report.cases
    sequences = list(dict.fromkeys(name for row in rows for name in row.sequences))
    with_tumour = sum(row.volume_ml > 0 for row in rows)
    numbers = {
        "Cases": str(len(rows)),
        "Patients": str(len({row.patient for row in rows})),
        "With a reference": str(sum(row.reference for row in rows)),
        "With a tumour": str(with_tumour) if report.references_read else "?",
        "Empty references": str(len(report.empty)) if report.references_read else "?",
    }
    for column, (label, value) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(label, value)
    st.caption(plain(f"Sequences: {', '.join(sequences) or 'none, masks alone'}. Region: {report.region}."))


def show_findings(report: Report) -> None:
    """Every finding with what to do; errors and questions stand open."""
    st.header("Findings")
    if not report.findings:
        read = "" if report.references_read else " The references were not read yet, only their headers."
        st.success(f"Nothing is wrong: every file was found, is whole, and lies where it should.{read}")
    for finding in report.findings:
        _show_finding(finding)


def _show_finding(finding: Finding) -> None:
    title = f":{COLOURS[finding.level]}-badge[{finding.level}] {plain(on_page(finding.what))}"
    with st.expander(title, expanded=finding.level in ("error", "question")):
        if finding.todo:
            st.markdown(f"**{plain(on_page(finding.todo))}.**")
        more = len(finding.items) - ITEMS
        lines = [f"- {plain(on_page(item))}" for item in finding.items[:ITEMS]]
        st.markdown("\n".join([*lines, f"- and {more} more, in the JSON below"] if more > 0 else lines))


def show_distributions(report: Report) -> None:
    """How large and how rough the tumours are."""
    if not any(row.volume_ml > 0 for row in report.cases):
        return
    st.header("Tumours")
    sizes, rough = st.columns(2, gap="large")
    sizes.plotly_chart(plot_volumes([row.volume_ml for row in report.cases]), key="volumes")
    rough.plotly_chart(plot_roughness([row.roughness for row in report.cases]), key="roughness")
    small = sum(row.volume_ml > 0 and pd.isna(row.roughness) for row in report.cases)
    left_out = f" {number_of(small, 'case has', 'cases have')} only tumours too small to carry one." if small else ""
    st.caption(
        "Lines: median, and tertiles (dotted). Roughness is the share of a tumour that moves when it is made smooth, "
        f"whatever its size (docs/shape.md).{left_out}"
    )


def show_tables(report: Report) -> None:
    """Grids, labels and cases."""
    grids, labels = st.columns(2, gap="large")
    with grids:
        st.header("Grids")
        table = [
            (row.what, _by("{}", row.shape), _by("{:g}", row.spacing_mm), row.stored, row.cases) for row in report.grids
        ]
        st.dataframe(
            pd.DataFrame(table, columns=["Files", "Voxels", "Spacing (mm)", "Stored", "Cases"]), hide_index=True
        )
    with labels:
        st.header("Labels")
        if report.values:
            values = [(row.value, row.meaning or "not declared", row.cases) for row in report.values]
            st.dataframe(pd.DataFrame(values, columns=["Label", "Meaning", "References"]), hide_index=True)
        else:
            st.caption("No reference was read.")
    st.header("Cases")
    st.dataframe(_cases(report), hide_index=True, height=320, placeholder=NOTHING, column_config=_FORMATS)
    st.download_button(
        "Report as JSON",
        json.dumps(report.as_dict(), indent=1, ensure_ascii=False),
        file_name="data_check.json",
        mime="application/json",
        on_click="ignore",
    )


_FORMATS = {
    "Volume (ml)": st.column_config.NumberColumn(format="%.2f", help=TERMS["Tumour volume"]),
    "Roughness": st.column_config.NumberColumn(format="%.3f", help=TERMS["Roughness"]),
}


def _cases(report: Report) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "Case": row.case_id,
            "Group": row.group,
            "Sequences": ", ".join(row.sequences),
            "Voxels": _by("{}", row.shape),
            "Spacing (mm)": _by("{:.3g}", row.spacing_mm),
            "Labels": ", ".join(map(str, row.labels)),
            "Volume (ml)": row.volume_ml,
            "Lesions": row.lesions if row.volume_ml >= 0 else None,
            "Roughness": row.roughness,
        }
        for row in report.cases
    )
    filled = [column for column in table if table[column].notna().any() and (table[column].astype(str) != "").any()]
    return table[filled]


def _by(form: str, values: tuple[float, ...]) -> str:
    return " × ".join(form.format(value) for value in values)
