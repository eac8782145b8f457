"""One case in pictures: linked slices and surfaces."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from afl_core.analysis.case_tables import compared_sources, drawn_sources
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import behind, load_reference
from afl_core.elsewhere.bundle import safe, write_bundle
from afl_core.errors import DataError, UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.ui.compare.labels import label_stamps, read_labels
from afl_core.ui.compare.panels import selected_lesion
from afl_core.ui.compare.probabilities import probability_maps, shows_probabilities
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.turns import in_turn
from afl_core.ui.viewers.payload import ViewerCase, ViewerPayload, viewer_payload
from afl_core.ui.viewers.slices import OfPage, show_viewer
from afl_core.volume import Case, Mask, Volume, check_same_grid

if TYPE_CHECKING:
    from afl_core.figures.surfaces import Surfaces

SURFACES_HEIGHT = 240
"""CSS pixels, so that slices and surfaces stand on one screen."""

Stamped = tuple[str, str, int]
"""What a file is, its path and its time of change, so that a cache sees a new file."""

_SEQUENCE = "sequence"

_IMAGE, _REFERENCE = "/image", "/reference"
"""No source is called so: their names hold no slash."""


@dataclass(frozen=True)
class StoredMasks:
    """The masks that were measured on a case, by source, and what is wrong with those that are not there any more."""

    paths: Mapping[str, Path]
    lost: Mapping[str, str]


def find_masks(workspace: Comparison, case_id: str) -> StoredMasks:
    """The masks of every source that measured one; each is read whole, to see that it is the one that was measured."""
    rows = workspace.rows
    measured = set(rows.loc[rows["case_id"] == case_id, "source"]) if not rows.empty else set()
    paths, lost = {}, {}
    for name in workspace.sources:
        if name in measured:
            try:
                paths[name] = workspace.mask(case_id, name)
            except DataError as error:
                lost[name] = str(error)
    return StoredMasks(paths, lost)


def show_files(workspace: Comparison, case_id: str, masks: StoredMasks) -> None:
    """A menu of the files of a case, to copy (image, reference, the mask of each source) or to open elsewhere."""
    case = _find(workspace, case_id)
    if case is None:
        return
    sequence = _sequence(case)
    files = {sequence: case.sequences[sequence]} if sequence else {}
    files |= {"Reference": case.reference} if case.reference else {}
    files |= masks.paths
    with st.popover("Files"):
        st.download_button(
            "Open elsewhere: ZIP for 3D Slicer and ITK-SNAP",
            partial(_bundle, workspace, case_id),
            file_name=f"{safe(case_id)}.zip",
            mime="application/zip",
            on_click="ignore",
            key="open elsewhere",
        )
        st.caption(
            "Images, reference and masks in the colours of this page; its README.txt says how to start. The files:"
        )
        for name, path in files.items():
            st.caption(plain(name))
            st.code(str(path), language=None, wrap_lines=True)


def _bundle(workspace: Comparison, case_id: str) -> bytes:
    file = BytesIO()
    write_bundle(workspace, case_id, file)
    return file.getvalue()


def show_slices(workspace: Comparison, case_id: str, masks: StoredMasks) -> None:
    """Linked slices of the reference and of every source, on the sequence that the address names (`?sequence=`)."""
    case = _case(workspace, case_id)
    if case is None:
        return
    names, sequence = tuple(case.sequences), _sequence(case)
    with shown_errors():
        if not case.sequences:
            st.caption("This data set has masks alone, so the slices have no image behind them.")
        files = (_image_file(case, sequence), *_files(workspace, case, masks))
        if shows_probabilities(workspace):
            payload, note = _probabilities(workspace, case, sequence, files)
        else:
            stamps = label_stamps(workspace, case_id, drawn_sources(workspace)[: len(SOURCE_COLOURS)])
            payload, note = _payload(workspace, case, sequence, files, stamps)
        if note:
            st.warning(plain(note))
        focus, source = selected_lesion(workspace, case_id)
        show_viewer(
            payload,
            key="viewer",
            focus=focus,
            focus_source=source,
            page=OfPage(names, sequence, _choose_sequence, below=SURFACES_HEIGHT + 2),
        )
        if shows_probabilities(workspace):
            st.caption(
                "The threshold moves the outlines alone: numbers, thumbnails and surfaces are those of the masks."
            )
        if seeded := [members[0] for members in compared_sources(workspace).values() if len(members) > 1]:
            st.caption(plain(f"Seeds are drawn by their first: {', '.join(seeded)}. Numbers are the means of all."))


def _sequence(case: Case) -> str:
    """The sequence that the address names, else the first; "" where the case has masks alone."""
    linked = st.query_params.get(_SEQUENCE, "")
    return linked if linked in case.sequences else next(iter(case.sequences), "")


def _choose_sequence(name: str) -> None:
    st.query_params[_SEQUENCE] = name


def place_surfaces() -> DeltaGenerator:
    """The place of the surfaces. They are filled in last, as they take longest, and stand above what came meanwhile."""
    return st.container()


def show_surfaces(workspace: Comparison, case_id: str, masks: StoredMasks, place: DeltaGenerator) -> None:
    """Surfaces side by side, coloured by their distance from the reference."""
    case = _case(workspace, case_id)
    if case is None:
        return
    from afl_core.ui.viewers.surfaces import show_surface_viewer  # noqa: PLC0415 - PyVista takes a second to import

    with place, shown_errors():
        sequence = next(iter(case.sequences), "")
        files = (_image_file(case, sequence), *_files(workspace, case, masks))
        show_surface_viewer(
            _surfaces(case, sequence, files),
            key="surfaces",
            still=lambda: _still(case, sequence, files),
            height=SURFACES_HEIGHT,
            link=True,
        )
        st.caption(
            "Colours show how far a surface lies from the reference. A click on a surface moves the slices there."
        )


def _case(workspace: Comparison, case_id: str) -> Case | None:
    """The case; None, with a message on the page, where its images cannot be shown."""
    case = _find(workspace, case_id)
    if workspace.cohort is None:
        st.warning(plain(f"The images cannot be shown. {workspace.problem}"))
    elif case is None:
        st.warning(plain(f"{case_id} is no longer in {workspace.cohort.root}, so its images cannot be shown."))
    return case


def _find(workspace: Comparison, case_id: str) -> Case | None:
    cases = workspace.cohort.cases if workspace.cohort else ()
    return next((case for case in cases if case.case_id == case_id), None)


def _files(workspace: Comparison, case: Case, masks: StoredMasks) -> tuple[Stamped, ...]:
    """The reference, by its region, and the masks that are drawn, by their source; says which are lost."""
    read_as = f"{_REFERENCE}{case.region}{case.trust_voxel_order}"
    files = [] if case.reference is None else [_stamped(read_as, case.reference)]
    drawn = drawn_sources(workspace)[: len(SOURCE_COLOURS)]
    files += [_stamped(name, masks.paths[name]) for name in drawn if name in masks.paths]
    if lost := [plain(masks.lost[name]) for name in drawn if name in masks.lost]:
        st.warning("\n\n".join(lost))
    return tuple(files)


def _image_file(case: Case, sequence: str) -> Stamped:
    """The image, or the case alone where it has masks alone."""
    return _stamped(_IMAGE, case.sequences[sequence]) if sequence in case.sequences else (_IMAGE, case.case_id, 0)


def _stamped(what: str, path: Path) -> Stamped:
    return what, str(path), path.stat().st_mtime_ns


@st.cache_resource(max_entries=12, show_spinner="Reading the case")
@in_turn("slices")
def _payload(
    _workspace: Comparison, _case: Case, sequence: str, files: tuple[Stamped, ...], label_files: str
) -> tuple[ViewerPayload, str]:
    """The payload, and why it has no image or no labels, or ""."""
    volume, reference, predictions, note = _read(_case, sequence, files)
    name = sequence if sequence and not note else "masks"
    shown = ViewerCase(volume, reference, predictions, case_id=_case.case_id, sequence=name, near=True)
    labels, unread = read_labels(_workspace, _case.case_id, tuple(predictions)) if label_files else (None, "")
    note = " ".join(filter(None, (note, unread)))
    try:
        return viewer_payload(replace(shown, labels=labels)), note
    except UsageError as error:
        if labels is None:
            raise
        return viewer_payload(shown), " ".join(filter(None, (note, str(error))))


@st.cache_resource(max_entries=6, show_spinner="Computing the probabilities")
def _probabilities(
    _workspace: Comparison, _case: Case, sequence: str, files: tuple[Stamped, ...]
) -> tuple[ViewerPayload, str]:
    """The payload with maps in place of the masks, and what is missing, or ""."""
    volume, reference, _, note = _read(_case, sequence, files)
    maps, lacking = probability_maps(_workspace, _case)
    name = sequence if sequence and not note else "masks"
    shown = ViewerCase(volume, reference, maps=maps, case_id=_case.case_id, sequence=name, near=True)
    return viewer_payload(shown), " ".join(filter(None, (note, lacking)))


@st.cache_resource(max_entries=6, show_spinner="Building the surfaces")
@in_turn("surfaces")
def _surfaces(_case: Case, sequence: str, files: tuple[Stamped, ...]) -> ViewerPayload:
    from afl_core.ui.viewers.surfaces import surfaces_payload  # noqa: PLC0415 - as above

    return surfaces_payload(_meshes(_case, sequence, files), _case.case_id)


def _still(case: Case, sequence: str, files: tuple[Stamped, ...]) -> bytes:
    from afl_core.figures.stills import still_picture  # noqa: PLC0415 - as above

    return still_picture(_meshes(case, sequence, files))


def _meshes(case: Case, sequence: str, files: tuple[Stamped, ...]) -> "Surfaces":
    from afl_core.figures.surfaces import compute_surfaces  # noqa: PLC0415 - as above

    return compute_surfaces(*_read(case, sequence, files)[:3])


@st.cache_resource(max_entries=2, show_spinner=False)
def _read(_case: Case, sequence: str, files: tuple[Stamped, ...]) -> tuple[Volume, Mask | None, dict[str, Mask], str]:
    """The image (empty space where there is none), the masks, all on one grid, and why the image is missing.

    Slices and surfaces are made of the same; a case is some 60 MB, so only those in use are kept.
    """
    loaded = {} if _case.reference is None else {"": load_reference(_case)}
    loaded |= {name: load_mask(Path(path)) for name, path, _ in files if not name.startswith((_IMAGE, _REFERENCE))}
    volume, note = behind(_case, sequence, loaded.values())
    for name, mask in loaded.items():
        check_same_grid(volume, mask, names=("the first of them", name or "the reference"))
    reference = loaded.pop("", None)
    return volume, reference, loaded, note
