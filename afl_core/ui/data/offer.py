"""Data page: opening the data set for a comparison, looking at what A-FL takes from it, and training on it."""

import shlex
from dataclasses import replace

import streamlit as st

from afl_core.base.remote import address
from afl_core.data.labels import WHOLE
from afl_core.data.layouts import MASKS_ALONE, Cohort, DataOptions
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.store import declare_patients, find_results, register
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.train_on import train_on
from afl_core.ui.shared.workspace import OVERVIEW, leave_for


def offer(workspace: Comparison | None, cohort: Cohort, options: DataOptions) -> None:
    """Open the data set for a comparison, or train on it, read as it was chosen."""
    st.header("Use it")
    _offer_comparing(workspace, cohort, options)
    referenced = any(case.reference for case in cohort.cases)
    left, right = st.columns([2, 7], vertical_alignment="center")
    if left.button("Loss X-ray", disabled=not referenced):
        with shown_errors():
            name = find_results(cohort)
            name = declare_patients(name, cohort) if name else register(cohort, references_alone=True)
            leave_for("pages/loss_xray.py", name)
    right.caption(
        "What A-FL would take from these cases: alpha, gamma, and where the gradient goes. Masks alone will do."
    )
    left, right = st.columns([2, 7], vertical_alignment="center")
    trainable = bool(cohort.sequences) and referenced
    if left.button("Train on it", disabled=not trainable):
        train_on(cohort)
        st.switch_page("pages/training.py")
    right.caption(
        "To the Training page, with this layout, these labels and this region."
        if trainable
        else "Training needs images with references."
    )


def _offer_comparing(workspace: Comparison | None, cohort: Cohort, options: DataOptions) -> None:
    name = find_results(cohort, compared=True)
    if workspace is not None and workspace.name == name and _says_patients(workspace, cohort):
        patients = workspace.manifest.patients([case.case_id for case in cohort.cases]).sentence()
        counted = workspace.rows["case_id"].nunique() if not workspace.rows.empty else len(cohort.cases)
        fewer = f"; the open results are of {counted} of them" if counted < len(cohort.cases) else ""
        st.caption(plain(f"These data and this region are what the other pages show: {patients}{fewer}."))
        return
    left, right = st.columns([2, 7], vertical_alignment="center")
    if name is not None:
        if left.button("Open its results", type="primary"):
            with shown_errors():
                leave_for(OVERVIEW, declare_patients(name, cohort))
        right.caption(f"There are results of this data set and region already: {plain(name)}")
        return
    if left.button("Open for comparing", type="primary", disabled=not cohort.sequences):
        with shown_errors():
            leave_for(OVERVIEW, register(cohort))
    masks = "There are masks alone, so no checkpoint can run. To measure another tool's masks:"
    right.caption(
        plain(
            "Makes a results folder with the checkpoints for these sequences; Compare then runs them case by case. "
            "For all cases at once, or masks of another tool:"
            if cohort.sequences
            else masks
        )
    )
    st.code(_command(cohort, options), language="sh", wrap_lines=True)


def _says_patients(workspace: Comparison, cohort: Cohort) -> bool:
    """Whether open results have the patients of the table that was given; where none was, they keep their own."""
    held = workspace.manifest.patients([case.case_id for case in cohort.cases])
    return not cohort.patients.table or dict(held.of) == dict(cohort.patients.of)


def _command(cohort: Cohort, options: DataOptions) -> str:
    masks = cohort.layout.name == MASKS_ALONE.name
    words = ["afl", "evaluate", "--references" if masks else "--data", address(cohort.root)]
    words += replace(cohort.options, layout=None if masks else options.layout).arguments()
    region = "" if cohort.region.name == WHOLE else f"-{cohort.region.name}"
    name = f"{cohort.root.resolve().name}{region}"  # each region has results of its own
    words += ["--source", "NAME=CHECKPOINT_OR_MASKS", "--out", f"data/results/{name}"]
    return shlex.join(words)
