"""One case of the reader's own: files dropped on the page, run through the open results' checkpoints."""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from afl_core.data.labels import SCHEMES, WHOLE, Scheme
from afl_core.data.layouts import load_cohort
from afl_core.data.upload import (
    ACCEPTED,
    CASE_ID,
    REFERENCE,
    check_upload,
    guess_role,
    new_session_folder,
    write_upload,
)
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.job import start_job, stop_job
from afl_core.evaluation.manifest_sections import SourceSection
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import Source, parse_sources, source_text
from afl_core.ui.compare import layout
from afl_core.ui.compare.uploaded import PICTURE, show_outcome
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.upload_limits import MAX_MIB, MAX_SUM_MIB

_OF_DATA, _UPLOADED = "Data set", "Your own case"
_RAN, _TURN = "upload that was run", "upload turn"
_GIVEN, _SHOWN = "upload that was given", "files in the field"
_NOT_USED = "not used"


@dataclass(frozen=True)
class _Session:
    """The folder of one session."""

    folder: Path

    @property
    def results(self) -> Results:
        return Results(self.folder / "results")

    def clear(self) -> None:
        """Stop what runs and remove what was given and made."""
        with suppress(AflError):  # one that does not end cannot write into a folder that is gone
            stop_job(self.results, CASE_ID)
        shutil.rmtree(self.folder, ignore_errors=True)


def chooses_upload() -> bool:
    """Whether the reader wants to look at files of their own rather than at a case of the data set."""
    with layout.whose():
        chosen = st.segmented_control(
            "Cases",
            (_OF_DATA, _UPLOADED),
            default=_OF_DATA,
            required=True,
            key="whose case",
            label_visibility="collapsed",
            persist_state="session",
            width="stretch",
        )
    return chosen == _UPLOADED


def show_upload(workspace: Comparison) -> None:
    """Drop files, say what they are, run the checkpoints, look at the masks; nothing of it stays."""
    checkpoints = {name: source for name, source in workspace.manifest.sources.items() if source.card}
    if not checkpoints:
        st.info(
            plain(f"{workspace.name} compares masks, not checkpoints, so there is nothing to run. Open other results.")
        )
        return
    needed = tuple(dict.fromkeys(name for one in checkpoints.values() for name in _sequences(one)))
    files = _choose_files(workspace, tuple(checkpoints), needed)
    with shown_errors():
        if files:
            _offer_run(workspace, checkpoints, files, needed)
        elif st.session_state.get(_RAN, ("",))[0] == workspace.name:
            _offer_removal(st.columns([1, 6])[0])
            able = {name: one for name, one in checkpoints.items() if name in st.session_state[_RAN][1]}
            show_outcome(_session().results, _sources(able))


def _offer_run(
    workspace: Comparison,
    checkpoints: Mapping[str, SourceSection],
    files: Sequence[UploadedFile],
    needed: Sequence[str],
) -> None:
    """What each file is, and Run for the checkpoints whose sequences are all there."""
    roles = _choose_roles(files, needed)
    able = {name: one for name, one in checkpoints.items() if set(_sequences(one)) <= set(roles)}
    sources = _sources(able)
    _say_what_lacks(files, roles, needed)
    if _press_run(files, roles, sources):
        _start(workspace, files, roles, sources, needed)
        st.session_state[_RAN] = workspace.name, tuple(able)
        _drop(files)
        st.rerun()


def _sources(checkpoints: Mapping[str, SourceSection]) -> tuple[Source, ...]:
    return parse_sources([source_text(name, source.path, source.option) for name, source in checkpoints.items()])


def _sequences(checkpoint: SourceSection) -> tuple[str, ...]:
    return checkpoint.card.sequences if checkpoint.card else ()


def _drop(files: Sequence[UploadedFile]) -> None:
    """Take files off the page and out of the server's memory, once they are on disk."""
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    for name in (_GIVEN, _SHOWN):
        st.session_state.pop(name, None)
    context = get_script_run_ctx()
    if context and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)


@st.cache_resource(scope="session", max_entries=1, show_spinner=False, on_release=_Session.clear)
def _session() -> _Session:
    """Made when first needed; Streamlit releases it when the session ends, which removes it."""
    return _Session(new_session_folder())


def _choose_files(workspace: Comparison, names: Sequence[str], needed: Sequence[str]) -> list[UploadedFile]:
    scheme, region = _measured(workspace)
    need = "They need" if len(names) > 1 else "It needs"
    st.markdown(
        plain(
            f"Run {' and '.join(names)} on one case. {need} {', '.join(needed)}. Where their grids differ, they are "
            f"brought onto that of {needed[0]}. A reference on that grid is optional and adds the metrics; "
            f"{scheme.title_of(region)} counts as tumour."
        )
    )
    files = st.file_uploader(
        f"NIfTI, MHA or NRRD files, one for each sequence, up to {MAX_MIB} MB each and {MAX_SUM_MIB} MB together",
        type=[suffix.removeprefix(".") for suffix in ACCEPTED],
        accept_multiple_files=True,
        max_upload_size=MAX_MIB,
        key=_field(),
        on_change=_keep,
    )
    if not files and st.session_state.get(_GIVEN):
        st.session_state[_SHOWN] = []  # the field is a new one, as after another page
    st.caption(
        "The files go to the workbench's own server, on this machine unless somebody set it up elsewhere, and into a "
        "temporary folder of this session. They are removed when you close the page or press Remove; nothing is added "
        "to the results."
    )
    return list(st.session_state.get(_GIVEN, files))


def _field() -> str:
    """Key of the field of files, another one after each Run and Remove."""
    return f"upload {st.session_state.setdefault(_TURN, 0)}"


def _keep() -> None:
    """Keep what was given where another page would lose it: the field's files, and those that it has lost already."""
    now, shown = list(st.session_state[_field()]), st.session_state.get(_SHOWN, [])
    lost = [file for file in st.session_state.get(_GIVEN, []) if file.file_id not in shown]
    names = {file.name for file in now}
    st.session_state[_GIVEN] = [file for file in lost if file.name not in names] + now
    st.session_state[_SHOWN] = [file.file_id for file in now]


def _choose_roles(files: Sequence[UploadedFile], needed: Sequence[str]) -> list[str]:
    """What each file is, as its name tells it; asked where it does not. "" is not yet known."""
    options = [*needed, REFERENCE, _NOT_USED]
    columns = st.columns(min(len(files), 4))
    roles = []
    for i, file in enumerate(files):
        guess = guess_role(file.name, needed)
        with columns[i % len(columns)]:
            role = st.selectbox(
                plain(file.name),
                options,
                index=options.index(guess) if guess else None,
                placeholder="Which sequence is it?",
                key=f"role {file.file_id}",
                persist_state="session",
            )
        roles.append(role or "")
    return roles


def _say_what_lacks(files: Sequence[UploadedFile], roles: Sequence[str], needed: Sequence[str]) -> None:
    if unclear := [file.name for file, role in zip(files, roles, strict=True) if not role]:
        st.info(plain(f"Say above what {' and '.join(unclear)} {'is' if len(unclear) == 1 else 'are'}."))
    elif missing := [name for name in needed if name not in roles]:
        st.warning(plain(f"There is no {' and no '.join(missing)} among the files."))


def _press_run(files: Sequence[UploadedFile], roles: Sequence[str], sources: Sequence[Source]) -> bool:
    """Whether Run was pressed, for the checkpoints whose sequences are all there; beside it is Remove."""
    columns = st.columns([2, 1, 4])
    label = plain(f"Run {' and '.join(s.name for s in sources)}".strip())
    run = columns[0].button(label, type="primary", disabled=not (all(roles) and sources), width="stretch")
    _offer_removal(columns[1], files)
    return run


def _offer_removal(place: DeltaGenerator, files: Sequence[UploadedFile] = ()) -> None:
    if place.button("Remove", help="Remove the files and what was made of them.", width="stretch"):
        _session.clear()
        _drop(files)
        for name in (_RAN, PICTURE):
            st.session_state.pop(name, None)
        st.rerun()


def _start(
    workspace: Comparison,
    files: Sequence[UploadedFile],
    roles: Sequence[str],
    sources: Sequence[Source],
    needed: Sequence[str],
) -> None:
    session = _session()
    stop_job(session.results, CASE_ID)
    shutil.rmtree(session.results.folder, ignore_errors=True)
    session.results.folder.mkdir(mode=0o700)
    st.session_state.pop(PICTURE, None)
    used = [(f.name, role, f.getvalue()) for f, role in zip(files, roles, strict=True) if role != _NOT_USED]
    scheme, region = _measured(workspace)
    grid = next(name for name in needed if name in roles)
    root = write_upload(session.folder, used, grid=grid, scheme=scheme)
    cohort = load_cohort(root, region=region)
    with st.spinner("Reading the files"):
        for case in cohort.cases:
            check_upload(case, {role: name for name, role, _ in used})
    session.results.describe_cohort(cohort, sources)
    measured = REFERENCE in roles
    start_job(session.results, data=root, case_id=CASE_ID, sources=sources, measured=measured, private=True)


def _measured(workspace: Comparison) -> tuple[Scheme, str]:
    """Labels and region of the open data set, as `afl evaluate --region` takes them; else every label above 0."""
    cohort = workspace.cohort
    return (SCHEMES["any"], WHOLE) if cohort is None or not cohort.region.key else (cohort.scheme, cohort.region.name)
