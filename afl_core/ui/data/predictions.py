"""Take folders of predictions into a comparison, from the page."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from afl_core.base.words import named, number_of
from afl_core.data.covariates import Covariates, load_covariates
from afl_core.data.layouts import Cohort, DataOptions
from afl_core.data.layouts.nnunet_results import find_models
from afl_core.data.scan import typed_folder
from afl_core.errors import UsageError
from afl_core.evaluation.changes import Candidate, add_predictions, find_candidates, held_sources, told_before
from afl_core.evaluation.manifest_sections import SourceSection
from afl_core.evaluation.prediction_files import free_name, named_folders
from afl_core.glossary import TERMS
from afl_core.ui.data.wording import on_page
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.workspace import OVERVIEW, leave_for


def show_predictions(cohort: Cohort) -> None:
    """Folders of masks or probability maps of these cases, those that are there already and one that is typed."""
    if not any(case.reference for case in cohort.cases):
        return
    st.header("Compare predictions")
    st.markdown("Masks or probability maps that any tool wrote, one file a case, measured against these references.")
    with shown_errors(on_page):
        results, sources = held_sources(cohort)
        if sources:
            st.caption(plain(f"In the results {results} already: {named(list(sources), shown=8)}."))
        chosen = _choose_found(cohort, sources)
        chosen |= _choose_typed(cohort, {name: Path(source.path) for name, source in sources.items()}, chosen)
        if told := told_before(sources, chosen):
            st.warning(plain(told))
        covariates = _choose_covariates(cohort)
        if st.button("Measure and compare", type="primary", disabled=not chosen):
            leave_for(OVERVIEW, add_predictions(cohort, chosen, covariates))


def _choose_found(cohort: Cohort, sources: dict[str, SourceSection]) -> dict[str, Path]:
    """Folders that hold masks of the cases; ticked where they are not among the sources yet."""
    known = {source.path for source in sources.values()}
    chosen = dict[str, Path]()
    many = number_of(len(cohort.cases), "case")
    fewer = False
    for candidate in _candidates(str(cohort.root), cohort.options, cohort):
        if str(candidate.path) in known:
            continue
        name = free_name(candidate.name, [*sources, *chosen])
        below = _shown(candidate.path, cohort.root)
        label = f"{plain(name)}: {candidate.cases} of {many}, in {plain(below)}"
        if st.checkbox(label, value=candidate.likely, key=f"predictions {candidate.path}"):
            chosen[name] = candidate.path
        fewer |= candidate.cases < len(cohort.cases)
    if fewer:
        st.caption(
            "A case without a file counts in no mean of that source; a comparison is over the cases that all of its "
            "sources have."
        )
    return chosen


def _choose_typed(cohort: Cohort, held: Mapping[str, Path], found: Mapping[str, Path]) -> dict[str, Path]:
    """The folder that is typed, by a name that no other source has unless a reader chooses it."""
    folder, name = st.columns([5, 2], vertical_alignment="bottom")
    text = folder.text_input(
        "Another folder of predictions", placeholder="/path/to/predictions", key=f"typed predictions {cohort.root}"
    )
    if not text.strip():
        return {}
    path = typed_folder(text)
    if not path.is_dir():
        raise UsageError("There is no such folder", received=path, todo="Check the path")
    if models := find_models(path):
        name.caption(f"{number_of(len(models), 'model')} of nnU-Net, named by trainer and configuration")
        return named_folders(models, {**held, **found})
    (offered,) = named_folders([path], {**held, **found})
    given = name.text_input("Its name", offered, key=f"name of {path}").strip()
    if given.lower() in {other.lower() for other in found} and found.get(given, path).resolve() != path.resolve():
        raise UsageError("Another folder above has that name", received=given, todo="Choose another name")
    return {given: path}


def _choose_covariates(cohort: Cohort) -> Covariates | None:
    """What a table that is typed says of the cases, and a line on what is taken of it; None where none is typed."""
    label = "With covariates, such as site, scanner or age"
    with st.expander(label, key=f"with covariates {cohort.root}", on_change="rerun"):
        text = st.text_input(
            "Table of covariates",
            key=f"covariates {cohort.root}",
            placeholder="/path/to/sites.csv",
            help=f"{TERMS['Covariate']} It has a column case_id or patient, and is kept with the results.",
        )
        if not text.strip():
            return None
        found = load_covariates(typed_folder(text), cohort.patients.of)
        taken = f"Taken: {named(list(found.columns), shown=8)}." if found.columns else "None of its columns is taken."
        st.caption(plain(on_page(" ".join((taken, *found.warnings, *found.left_out.values())))))
        return found


@st.cache_data(max_entries=4, ttl=60, show_spinner="Looking for predictions")
def _candidates(root: str, options: DataOptions, _cohort: Cohort) -> tuple[Candidate, ...]:
    return find_candidates(_cohort)


def _shown(path: Path, root: Path) -> str:
    root = root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
