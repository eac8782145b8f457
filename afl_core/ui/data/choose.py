"""Data page: which folder, what it was recognised as, and its report."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import streamlit as st

from afl_core.base import paths
from afl_core.base.words import number_of
from afl_core.data.check.check import Report, check_cohort
from afl_core.data.check.doubts import doubt_organs, known_tumour
from afl_core.data.check.index import Index, unfetched
from afl_core.data.check.references import count_unread
from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import SCHEMES, WHOLE
from afl_core.data.layouts import LAYOUT_FILE, LAYOUTS, MASKS_ALONE, NOTHING, Cohort, DataOptions
from afl_core.data.layouts.hints import IF_MASKS
from afl_core.data.organs import lesion_regions
from afl_core.data.scan import typed_folder
from afl_core.errors import AflError
from afl_core.evaluation.comparison import Comparison
from afl_core.glossary import TERMS
from afl_core.ui.data.address import folder_key, options_at_first, write_address
from afl_core.ui.data.wording import on_page, read_sentence
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.folder_address import warn_unless_known

RECOGNISE, DECLARED = "", ""
"""Choices that leave the layout to the folder, and the labels to the layout."""

CODES = "codes"
"""Choice of labels whose codes the reader writes."""

REPORT_KEY = "data report"

AT_ONCE, AT_ONCE_MB = 100, 500
"""References that are read, and MB that are fetched, without asking; a hundred take some seconds to a minute."""


def show_title() -> None:
    """What the page is for."""
    st.markdown(
        "What a folder holds, what is wrong with it, and what can be done. Its files are never changed: what is "
        "renamed, removed or deleted at the end of this page are results, never data or predictions."
    )


def choose(workspace: Comparison | None) -> tuple[Cohort, DataOptions] | None:
    """Folder, layout, labels, region and patients: the data set and how it is read.

    None where there is no data set; a message on the page says why.
    """
    folder, layouts = st.columns([5, 4], vertical_alignment="bottom")
    text = folder.text_input(
        "Folder of the data set",
        key=folder_key(workspace),
        placeholder="/path/to/BraTS2021, BraTS2021.zip, or s3://bucket/BraTS2021",
    )
    at_first = options_at_first(text, workspace)
    names = (RECOGNISE, *LAYOUTS, MASKS_ALONE.name)
    warn_unless_known("layout", names)
    layout = layouts.selectbox(
        "Layout",
        names,
        index=names.index(at_first.layout) if at_first.layout in names else 0,
        format_func=_layout_name,
        key=f"layout {text}",
        help=TERMS["Layout"],
    )
    if not text.strip():
        st.info("Give the folder of a data set, or run `afl demo` in a terminal for the demo cohort.")
        return None
    try:
        root = typed_folder(text)
        write_address(text, replace(at_first, layout=layout or None), workspace)
        cohort = _cohort(str(root), DataOptions(layout or None))
    except AflError as error:
        _show_wrong(error)
        if IF_MASKS in str(error):
            st.button("Read as masks alone", on_click=_read_masks, args=(f"layout {text}",), type="primary")
        return None
    how = "Read as" if layout else "Recognised as"
    st.markdown(f"{how} **{plain(cohort.layout.label)}**: {plain(cohort.layout.example)}")
    st.caption(plain(read_sentence(cohort)))
    with shown_errors(on_page):
        options = _choose_options(root, layout, cohort, at_first)
        if options:
            write_address(text, options, workspace)
            return _cohort(str(root), options), options
    return None


def _read_masks(key: str) -> None:
    st.session_state[key] = MASKS_ALONE.name


def _show_wrong(error: AflError) -> None:
    """Why the folder is no data set; where no layout fits, those that there are."""
    st.error(plain(on_page(str(error))))
    if not error.what.startswith(NOTHING):
        return
    st.markdown(f"These layouts are known; any other is described by an `{LAYOUT_FILE}` in the folder (docs/data.md).")
    layouts = (*LAYOUTS.values(), MASKS_ALONE)  # the last is chosen above, never recognised
    known = [{"Layout": layout.label, "Files": layout.example} for layout in layouts]
    st.table(pd.DataFrame({key: plain(text) for key, text in row.items()} for row in known).set_index("Layout"))


def _choose_options(root: Path, layout: str, cohort: Cohort, at_first: DataOptions) -> DataOptions | None:
    """Labels, region, patients and trust as the reader chooses them; None while own codes are still to be written."""
    left, right = st.columns([4, 5], vertical_alignment="top")
    with left:
        labels = _choose_labels(f"{root} {layout}", cohort, at_first.labels or DECLARED)
    table = right.text_input(
        "Table of patients",
        at_first.patients or "",
        key=f"patients {root} {layout}",
        placeholder="/path/to/patients.csv, where the names do not say who is one patient",
        help=f"{TERMS['Table of patients']} {TERMS['Patient']}",
    )
    if labels is None:
        return None
    scheme = find_scheme(labels) if labels else cohort.scheme
    region = _choose_region(replace(cohort, scheme=scheme), at_first.region, key=f"region {root} {layout} {labels}")
    trust = left.checkbox(
        "Trust the order of voxels",
        value=at_first.trust_voxel_order,
        key=f"trust {root} {layout}",
        help=TERMS["Trust the order of voxels"],
    )
    if region is None:
        return None
    patients = str(typed_folder(table)) if table.strip() else None
    return DataOptions(layout or None, labels or None, region, trust, patients)


def _choose_region(cohort: Cohort, at_first: str, *, key: str) -> str | None:
    """The region; None, and a sentence why, until the reader says which label is the tumour beside an organ.

    Args:
        cohort: The cases, with the labels that were chosen, read as the whole.
        at_first: The region that address or open results name; the whole where they name none.
        key: Key of the control.
    """
    scheme = cohort.scheme
    warn_unless_known("region", scheme.regions)
    doubt = doubt_organs(cohort) if at_first == WHOLE else ""
    known = known_tumour(cohort) if doubt else at_first if at_first in scheme.regions else WHOLE
    lesions = lesion_regions(scheme) if doubt else ()
    region = st.segmented_control(
        "Region that counts as tumour",
        tuple(dict.fromkeys((*lesions, *scheme.regions))),
        default=known or None,
        required=bool(known),
        format_func=scheme.title_of,
        help=TERMS["Region"],
        key=key,
    )
    if region is None:
        st.info(plain(f"Choose which label is the tumour. {on_page(doubt)}"))
    return region


def _choose_labels(key: str, cohort: Cohort, before: str) -> str | None:
    """A scheme, `DECLARED`, or codes that the reader writes; None, with a message on the page, while there are none."""
    schemes = (DECLARED, *(name for name in SCHEMES if name != cohort.scheme.name), CODES)
    labels = st.selectbox(
        "Labels",
        schemes,
        index=schemes.index(before) if before in schemes else schemes.index(CODES),
        format_func=lambda name: _labels_name(name, cohort),
        key=f"labels {key}",
    )
    if labels != CODES:
        return str(labels)
    codes = st.text_input(
        "Own codes",
        "" if before in schemes else before,
        key=f"codes {key}",
        placeholder="et=1,ncr=2,ed=3",
        help="Each label by its name and number. Edema is ed, enhancing tumour et, necrosis ncr; others as you like.",
    )
    if not codes.strip():
        st.info("Write what each label is, such as et=1,ncr=2,ed=3.")
        return None
    return codes.strip()


def _labels_name(name: str, cohort: Cohort) -> str:
    if name == CODES:
        return "Own codes, such as et=1,ncr=2,ed=3"
    return SCHEMES[name].title if name else f"The data set's own: {cohort.scheme.title}"


def read(cohort: Cohort) -> Report:
    """The report; headers at once, references after a click where there are many that were never read."""
    key = (str(cohort.root), cohort.options)
    kept = st.session_state.get(REPORT_KEY)
    if kept and kept[0] == key and kept[2] == id(cohort):
        return kept[1]  # type: ignore[no-any-return]
    place = st.empty()
    unread = count_unread(cohort.root, paths.INDEX, cohort.cases)
    asked = _asked()
    away = unfetched(Index(cohort.root, paths.INDEX), cohort.cases)
    size_mb = sum(path.stat().st_size for path in away) / 1e6
    wanted = (unread <= AT_ONCE and size_mb <= AT_ONCE_MB) or key in asked  # also by the page before a reload
    if not wanted:
        hint, button = st.columns([5, 2], vertical_alignment="center")
        unknown = "labels, volumes and roughness are not known."
        if away:
            files = number_of(len(away), "file")
            hint.info(f"{files}, {size_mb / 1e3:.1f} GB, not fetched yet: grids, {unknown}")
            wanted = button.button(f"Fetch and read {files}", type="primary")
        else:
            hint.info(f"{number_of(unread, 'reference was', 'references were')} not read yet: {unknown}")
            wanted = button.button(f"Read {number_of(unread, 'reference')}", type="primary")
    if wanted:
        asked.add(key)

    def progress(done: int, total: int, note: str) -> None:
        if note:
            place.progress(done / max(total, 1), text=plain(f"Reading {done} of {total}: {note}"))

    report = check_cohort(cohort, index=paths.INDEX, read=wanted, progress=progress)
    place.empty()
    if wanted:
        asked.discard(key)
        st.session_state[REPORT_KEY] = (key, report, id(cohort))
    return report


@st.cache_resource
def _asked() -> set[tuple[str, DataOptions]]:
    """Data sets whose references a reader asked for and that are not all read yet."""
    return set()


def _layout_name(name: str) -> str:
    if name == MASKS_ALONE.name:
        return f"{MASKS_ALONE.label}: {MASKS_ALONE.example}"
    return LAYOUTS[name].label if name else "Recognise it"


@st.cache_resource(max_entries=8, ttl=60, show_spinner="Listing the data set")
def _cohort(root: str, options: DataOptions) -> Cohort:
    masks = options.layout == MASKS_ALONE.name
    return options.references(Path(root)) if masks else options.load(Path(root))
