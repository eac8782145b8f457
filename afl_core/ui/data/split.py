"""Data page: which cases train, validate and test."""

import pandas as pd
import streamlit as st

from afl_core.base.words import number_in_parts
from afl_core.data.check.check import Report
from afl_core.data.layouts import Cohort
from afl_core.data.splits import SPLITS_FILE, random_splits, save_splits
from afl_core.errors import DataError
from afl_core.glossary import TERMS
from afl_core.ui.data.wording import on_page
from afl_core.ui.shared.errors import plain, shown_errors


def show_split(cohort: Cohort, report: Report) -> None:
    """The data set's split, or a seeded one by patient to look at and save."""
    st.header("Split")
    for sentence in cohort.patients.warnings:
        st.warning(plain(on_page(sentence)))
    if report.splits:
        st.markdown(plain(f"Its {SPLITS_FILE} has {number_in_parts(report.splits, 'case')}."))
        return
    with shown_errors():
        seed_box, table_box, save_box = st.columns([2, 5, 3], vertical_alignment="bottom")
        seed = int(seed_box.number_input("Seed", 0, 2**31 - 1, 0, help=TERMS["Seed"]))
        splits = random_splits(report.sound, patients=report.patient_of, seed=seed)
        volumes = {row.case_id: row.volume_ml for row in report.cases}
        table_box.dataframe(_table(splits, volumes, report.patient_of), hide_index=True)
        if save_box.button(f"Save as {SPLITS_FILE}", help="Into the data set's folder; training uses it from then on."):
            _save(cohort, splits)
            st.session_state.pop("data report", None)
            st.rerun()
        st.caption(
            "60 % of the patients train, 20 % validate, 20 % test, at random; all studies of a patient together."
            + (plain(f" Left out for the findings above: {', '.join(report.unusable)}.") if report.unusable else "")
        )


def _table(splits: dict[str, tuple[str, ...]], volumes: dict[str, float], patients: dict[str, str]) -> pd.DataFrame:
    """Counts of every split; of tumours only where the references were read."""
    table = pd.DataFrame(
        {
            "Split": name,
            "Cases": len(ids),
            "Patients": len({patients[case_id] for case_id in ids}),
            "With a tumour": sum(volumes[case_id] > 0 for case_id in ids),
            "Median volume (ml)": round(float(pd.Series([v for i in ids if (v := volumes[i]) > 0]).median()), 2),
        }
        for name, ids in splits.items()
    )
    return table if any(volume >= 0 for volume in volumes.values()) else table[["Split", "Cases", "Patients"]]


def _save(cohort: Cohort, splits: dict[str, tuple[str, ...]]) -> None:
    path = cohort.root / SPLITS_FILE
    if path.exists():
        raise DataError("There is a split file already", received=path, todo="Remove it first")
    try:
        save_splits(path, splits)
    except OSError as error:
        todo = "In a terminal: afl data split PATH --out FILE"
        raise DataError("The split cannot be written into the data set's folder", received=error, todo=todo) from error
