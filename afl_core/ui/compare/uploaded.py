"""What was made of the reader's own case: the progress of the run, slices, metrics or volumes, and the masks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import Cohort, behind, load_reference
from afl_core.data.upload import CASE_ID, sequences_elsewhere
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.job import job_status
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import Results
from afl_core.evaluation.sources import Source
from afl_core.figures.palette import SOURCE_COLOURS
from afl_core.glossary import TERMS
from afl_core.regions import label_lesions
from afl_core.ui.compare.panels import show_metrics
from afl_core.ui.shared.errors import plain
from afl_core.ui.shared.job_panel import show_progress
from afl_core.ui.viewers.payload import ViewerCase, ViewerPayload, viewer_payload
from afl_core.ui.viewers.slices import show_viewer

if TYPE_CHECKING:
    from afl_core.figures.surfaces import Surfaces

PICTURE = "upload picture"
"""Key in the session of what is shown of the case."""


@dataclass(frozen=True, eq=False)
class _Picture:
    """Slices on one sequence, why that is not behind them or "", and surfaces, also as the viewer takes them."""

    sequence: str
    slices: ViewerPayload
    note: str
    meshes: "Surfaces"
    surfaces: ViewerPayload


def show_outcome(results: Results, sources: Sequence[Source]) -> None:
    """How far the run is, or the masks that it made, with their metrics where there is a reference.

    Args:
        results: The results of the session.
        sources: The checkpoints that were run.
    """
    status = job_status(results, CASE_ID)
    if status is None:  # the connection was lost and the folder went with it
        st.info("The files are gone. Press Run again.")
        return
    if status.state == "running":
        show_progress(results, CASE_ID)
        return
    if status.state != "finished":
        st.error(plain(status.message))
    comparison = open_comparison(results.folder)
    masks = {s.name: path for s in sources if (path := mask_path(comparison.results.folder, s.name, CASE_ID)).is_file()}
    if not masks:
        return
    _show_slices(comparison.cohort, masks)
    if comparison.cohort and (moved := sequences_elsewhere(comparison.cohort.cases[0])):
        brought = f"{' and '.join(moved)} came on other grids: brought onto that of {comparison.cohort.cases[0].grid}"
        st.caption(plain(f"{brought}, by where they lie in the patient (linear interpolation)."))
    if comparison.rows.empty:
        _show_volumes(masks)
    else:
        show_metrics(comparison, CASE_ID)
    for column, (name, path) in zip(st.columns(4), masks.items(), strict=False):
        column.download_button(f"Mask of {name}", path.read_bytes(), f"{name}.nii.gz", width="stretch")


def _show_slices(cohort: Cohort | None, masks: dict[str, Path]) -> None:
    """Slices and surfaces; they stay in this session, not in the caches that all share."""
    case = cohort.cases[0] if cohort else None
    if case is None:
        return
    # PyVista takes a second to import.
    from afl_core.figures.stills import still_picture  # noqa: PLC0415
    from afl_core.figures.surfaces import compute_surfaces  # noqa: PLC0415
    from afl_core.ui.viewers.surfaces import show_surface_viewer, surfaces_payload  # noqa: PLC0415

    names = tuple(case.sequences)
    sequence = str(
        st.segmented_control(
            "Sequence",
            names,
            default=names[0],
            required=True,
            key="upload sequence",
            help=TERMS["Sequence"],
            persist_state="session",
        )
    )
    kept = st.session_state.get(PICTURE)
    if kept is None or kept.sequence != sequence:
        reference = load_reference(case) if case.reference else None
        predictions = {name: load_mask(path) for name, path in list(masks.items())[: len(SOURCE_COLOURS)]}
        image, note = behind(case, sequence, [*([reference] if reference else []), *predictions.values()])
        name = sequence if not note else "masks"
        payload = viewer_payload(ViewerCase(image, reference, predictions, sequence=name, near=True))
        meshes = compute_surfaces(image, reference, predictions)
        case_id = str(json.loads(payload.header)["case"])  # the name by which slices and surfaces know each other
        surfaces = surfaces_payload(meshes, case_id)
        st.session_state[PICTURE] = kept = _Picture(sequence, payload, note, meshes, surfaces)
    if kept.note:
        st.warning(plain(kept.note))
    show_viewer(kept.slices, key="upload viewer")
    show_surface_viewer(kept.surfaces, key="upload surfaces", still=lambda: still_picture(kept.meshes))


def _show_volumes(masks: dict[str, Path]) -> None:
    """The volumes and the number of lesions of masks without a reference."""
    rows = []
    for name, path in masks.items():
        mask = load_mask(path)
        lesions = len(label_lesions(mask.array)[1])
        rows.append({"source": name, "tumour volume (ml)": round(mask.volume_ml, 2), "lesions": lesions})
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content")
    st.caption("Without a reference there is nothing to measure against.")
