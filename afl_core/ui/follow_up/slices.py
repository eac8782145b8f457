"""Slices of two time points of a patient side by side, under one crosshair where their grids agree."""

import json
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from afl_core.analysis.case_tables import compared_sources, drawn_sources
from afl_core.analysis.time_points import labels
from afl_core.base.numbers import volume
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import behind, load_reference
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.kept import kept
from afl_core.ui.shared.turns import in_turn
from afl_core.ui.viewers.payload import ViewerCase, ViewerPayload, viewer_payload
from afl_core.ui.viewers.slices import OfPage, show_viewer
from afl_core.volume import Case, Mask, check_same_grid

_SEQUENCE = "sequence"

SHARED = "One grid, so one crosshair moves both. Whether the anatomy lies alike is for the images to show."


@dataclass(frozen=True, eq=False)
class Pair:
    """What two viewers beside each other are given.

    Attributes:
        payloads: Of the earlier and the later time point.
        apart: Why each has a crosshair of its own, in a sentence; "" where they share one.
        notes: What could not be shown.
    """

    payloads: tuple[ViewerPayload, ViewerPayload]
    apart: str
    notes: tuple[str, ...]


def show_pair(workspace: Comparison, own: pd.DataFrame) -> None:
    """Two time points of a patient, first and last unless others are chosen, when slices are asked for.

    Args:
        workspace: The open results.
        own: Rows of `follow_up_table` of the patient.
    """
    patient = str(own["patient"].iloc[0])
    if not st.toggle("Slices of two time points", key=kept("follow-up slices", default=False, name="slices")):
        return
    if workspace.cohort is None:
        st.warning(plain(f"The images cannot be shown. {workspace.problem}"))
        return
    there = {case.case_id: case for case in workspace.cohort.cases}
    names = {label: case_id for case_id, label in labels(own["case_id"].unique(), patient).items() if case_id in there}
    if len(names) < 2:
        st.info(f"The images of {plain(patient)} cannot be shown: its cases are no longer in the data set.")
        return
    shown, source = _choose(workspace, patient, list(names))
    if shown[0] == shown[1]:
        st.info("Choose two time points that differ.")
        return
    cases = there[names[shown[0]]], there[names[shown[1]]]
    with shown_errors():
        _show(workspace, cases, (shown[0], shown[1]), source)


def _choose(workspace: Comparison, patient: str, names: list[str]) -> tuple[tuple[str, str], str]:
    """The two time points, and the source that is drawn with the reference."""
    key, sources = f"{workspace.name} {patient}", drawn_sources(workspace)
    columns = st.columns(3 if len(sources) > 1 else 2)
    first = columns[0].selectbox("Left", names, key=kept(f"follow-up left {key}", names[0], names, name="left"))
    last = columns[1].selectbox("Right", names, key=kept(f"follow-up right {key}", names[-1], names, name="right"))
    if len(sources) < 2:
        return (str(first), str(last)), sources[0]
    key = kept(f"follow-up source {workspace.name}", sources[0], sources, name="drawn")
    return (str(first), str(last)), str(columns[2].selectbox("Outlines of", sources, key=key))


def _show(workspace: Comparison, cases: tuple[Case, Case], titles: tuple[str, str], source: str) -> None:
    common = tuple(name for name in cases[0].sequences if name in cases[1].sequences)
    linked = st.query_params.get(_SEQUENCE, "")
    sequence = linked if linked in common else next(iter(common), "")
    pair = _pair(workspace, cases, sequence, source, _stamps(workspace, cases, sequence, source))
    for note in pair.notes:
        st.warning(plain(note))
    seeded = next(
        (name for name, seeds in compared_sources(workspace).items() if source in seeds[:1] and seeds[1:]), ""
    )
    said = [f"{seeded} is drawn by its first seed."] if seeded else []
    said += [] if common else ["They have no sequence in common, so there is no image behind them."]
    st.caption(plain(" ".join([pair.apart or SHARED, *said])))
    for k, column in enumerate(st.columns(2, gap="small")):
        page = OfPage(
            common if k == 0 else (),
            sequence,
            _choose_sequence,
            outlines=_titled(titles[k], pair.payloads[k]),
            group="" if pair.apart else "follow-up",
            second=k == 1,
        )
        with column:
            show_viewer(pair.payloads[k], key=f"follow-up {k + 1}", page=page)


def _titled(title: str, payload: ViewerPayload) -> str:
    masks = json.loads(payload.header)["masks"]
    return " · ".join([title, *(f"{mask['name']} {volume(mask['volume_ml'])}" for mask in masks)])


def _choose_sequence(name: str) -> None:
    st.query_params[_SEQUENCE] = name


def _stamps(workspace: Comparison, cases: tuple[Case, Case], sequence: str, source: str) -> str:
    """Changes whenever a file does that is shown."""
    files = [
        file
        for case in cases
        for file in (case.sequences.get(sequence), case.reference, workspace.mask_file(case.case_id, source))
        if file is not None and file.is_file()
    ]
    return repr([(str(file), file.stat().st_mtime_ns) for file in files] + [case.region for case in cases])


@st.cache_resource(max_entries=4, show_spinner="Reading two time points")
@in_turn("slices")
def _pair(_workspace: Comparison, _cases: tuple[Case, Case], sequence: str, source: str, stamps: str) -> Pair:
    return read_pair(_workspace, _cases, sequence, source)


def read_pair(workspace: Comparison, cases: tuple[Case, Case], sequence: str, source: str) -> Pair:
    """Image, reference and the mask of a source of two time points, as the viewers take them.

    Raises:
        AflError: If a reference cannot be read.
    """
    notes = list[str]()
    first, second = (_read(workspace, case, sequence, source, notes) for case in cases)
    apart = ""
    try:
        check_same_grid(first.image, second.image, names=(cases[0].case_id, cases[1].case_id))
    except AflError as error:
        apart = f"Each time point has a crosshair of its own: {error.what} ({error.received})."
    payloads = viewer_payload(first), viewer_payload(second)
    if not apart:
        payloads = payloads[0], _alike(payloads)
    return Pair(payloads, apart, tuple(notes))


def _read(workspace: Comparison, case: Case, sequence: str, source: str, notes: list[str]) -> ViewerCase:
    masks: dict[str, Mask] = {"": load_reference(case)}
    try:
        mask = load_mask(workspace.mask(case.case_id, source))
        check_same_grid(masks[""], mask, names=("the reference", source))
        masks[source] = mask
    except AflError as error:
        notes.append(str(error))
    image, note = behind(case, sequence, masks.values())
    notes += [f"{case.case_id}: {note}"] if note else []
    reference = masks.pop("")
    name = "masks" if note or not sequence else sequence
    return ViewerCase(image, reference, masks, case_id=case.patient, sequence=name, near=True)


def _alike(payloads: tuple[ViewerPayload, ViewerPayload]) -> ViewerPayload:
    """The second payload, which starts where the first does and has its scale."""
    first, second = (json.loads(payload.header) for payload in payloads)
    header = second | {key: first[key] for key in ("start", "near", "box")}
    return replace(payloads[1], header=json.dumps(header, separators=(",", ":")).encode())
