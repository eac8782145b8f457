"""Run the sources on a case, or on all, from the page: start, progress, stop."""

from pathlib import Path
from typing import Literal

import streamlit as st

from afl_core.base.words import number_of
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.job import EVERY, job_status, start_job, stop_job
from afl_core.evaluation.manifest_sections import SourceSection
from afl_core.evaluation.prediction_files import MissingPredictionError, find_prediction
from afl_core.evaluation.results import Results
from afl_core.ui.shared.errors import plain, shown_errors


def show_job(workspace: Comparison, case_id: str) -> None:
    """A button where a result is missing; progress and Stop while it is being made. The page stays usable."""
    status = job_status(workspace.results, case_id)
    if status is not None and status.state == "running":
        show_progress(workspace.results, case_id)
        return
    rows = workspace.rows
    have = set(rows.loc[rows["case_id"] == case_id, "source"]) if not rows.empty else set()
    missing = [name for name in workspace.sources if name not in have]
    if not missing:
        return
    every = job_status(workspace.results, EVERY)
    if every is not None and every.state == "running":
        show_progress(workspace.results, EVERY, stamp=workspace.results.stamp())
        return
    if status is not None and status.state == "failed":
        st.error(plain(status.message))
    fileless = [name for name in missing if _has_no_file(workspace.manifest.sources[name], case_id)]
    for name, text in workspace.manifest.problems.get(case_id, {}).items():
        if name not in fileless and (status is None or text not in status.message):
            st.warning(plain(f"{name}: {text}" if name else text))
    if fileless:
        st.info(plain(f"There is no file of {' and '.join(fileless)} for this case. Add it and measure again."))
    due = " and ".join(name for name in missing if name not in fileless)
    if not due:
        return
    st.info(plain(f"No result yet for {due} on this case."))
    if workspace.cohort is not None and st.button(f"Run {due} on this case", type="primary"):
        with shown_errors():
            start_job(workspace.results, data=workspace.cohort.root, case_id=case_id, sources=workspace.source_list())
            st.rerun()


def _has_no_file(source: SourceSection, case_id: str) -> bool:
    """Whether a source is a folder in which no file is of the case: it cannot be run on it."""
    try:
        if source.kind == "masks":
            find_prediction(Path(source.path), case_id)
    except MissingPredictionError:
        return True
    except (AflError, OSError):  # a run says what is wrong with the file or the folder
        return False
    return False


def show_every(workspace: Comparison) -> None:
    """A button while cases are not measured by every source; progress and Stop once it was pressed."""
    status = job_status(workspace.results, EVERY)
    if status is not None and status.state == "running":
        show_progress(workspace.results, EVERY)
        return
    if workspace.cohort is None or not workspace.sources:
        return
    due = _due(workspace)
    if not due:
        return
    if status is not None and status.state == "failed":
        st.warning(plain(f"{status.message}. The reasons are at the end of this page."))
    have = "has" if len(due) == 1 else "have"
    cases = number_of(len(workspace.cohort.cases), "case")
    what = f"{len(due)} of {cases} {have} no result yet for every source."
    failed = all(due.values())
    if failed:
        what = (
            f"{len(due)} of {cases} {have} no result for every source: predictions are missing or cannot be used. The "
            "reasons are at the end of this page; once the files are mended, measure again."
        )
    text, button = st.columns([5, 2], vertical_alignment="center")
    text.info(what)
    kind: Literal["primary", "secondary"] = "secondary" if failed else "primary"
    if button.button("Measure again" if failed else "Measure every case", type=kind, width="stretch"):
        with shown_errors():
            start_job(workspace.results, data=workspace.cohort.root, case_id=EVERY, sources=workspace.source_list())
            st.rerun()


def _due(workspace: Comparison) -> dict[str, bool]:
    """The cases without a result of every source that predicts this region, and whether all that lack have failed."""
    rows, manifest, due = workspace.rows, workspace.manifest, dict[str, bool]()
    measured = set(zip(rows["case_id"], rows["source"], strict=True)) if not rows.empty else set()
    sources = [source for source in workspace.sources if source not in workspace.of_other_regions]
    for case in workspace.cohort.cases if workspace.cohort else ():
        lacking = [source for source in sources if (case.case_id, source) not in measured]
        if case.reference and lacking:
            problems = manifest.problems.get(case.case_id, {})
            due[case.case_id] = not all(problems) or set(lacking) <= set(problems)  # one without a name is of all
    return due


@st.fragment(run_every=1.0)
def show_progress(results: Results, case_id: str, *, stamp: int | None = None) -> None:
    """Bar and Stop of a running job; the page is drawn anew when it ends, or the results have another stamp."""
    status = job_status(results, case_id)
    if status is None or status.state != "running" or stamp not in (None, results.stamp()):
        st.rerun()
        return
    bar, stop = st.columns([6, 1], vertical_alignment="center")
    bar.progress(status.done / max(status.total, 1), text=plain(status.message))
    if stop.button("Stop", key="stop job"):
        with shown_errors():
            stop_job(results, case_id)
            st.rerun()
