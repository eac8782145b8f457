"""Compare page: a blinded reading. No source is named before the reader shows them, and then no choice is taken."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from afl_core.analysis.reading import cases_to_read, choices_table, preference_sentence, shown_table
from afl_core.base.words import number_of
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import behind, load_reference
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.reading import (
    CHOICES,
    LONGEST,
    SIDES,
    Reading,
    begin_reading,
    choose,
    close,
    load_reading,
)
from afl_core.evaluation.tables import distinct
from afl_core.ui.compare import layout
from afl_core.ui.shared.errors import plain, shown_errors
from afl_core.ui.shared.turns import in_turn
from afl_core.ui.viewers.payload import ViewerCase, ViewerPayload, viewer_payload
from afl_core.ui.viewers.slices import OfPage, show_viewer
from afl_core.volume import Case, check_same_grid

_READING, _START = "reading", "start"
"""Name in the address, and its value before a reading has begun."""

_BACK = "case of a reading that is looked at again"
_KEYS = {"A": "1", "=": "0", "B": "2"}


def offer_reading() -> None:
    """The button that leads to a blinded reading."""
    st.button(
        "",
        icon=":material/visibility_off:",
        help="Blinded reading: prefer one of two masks, without knowing whose they are",
        key="begin reading",
        on_click=_go,
        args=(_START,),
    )


def is_reading() -> bool:
    """Whether the page is that of a reading."""
    return bool(st.query_params.get(_READING))


def show_reading(workspace: Comparison) -> None:
    """What a reading asks before it begins, its next case, or what it found."""
    layout.set_style(folded=False)
    name = st.query_params[_READING]
    with shown_errors():
        reading = None if name == _START else load_reading(workspace.results.folder, name)
        if reading is None or reading.region != workspace.region:
            _offer_start(workspace)
        elif reading.closed:
            _show_found(workspace, reading)
        else:
            _show_next(workspace, reading)
            return
    st.button("Leave the reading", on_click=_go, args=("",))


def _go(name: str) -> None:
    st.session_state.pop(_BACK, None)
    if name:
        st.query_params[_READING] = name
    else:
        st.query_params.pop(_READING, None)


def _offer_start(workspace: Comparison) -> None:
    st.markdown("## Blinded reading")
    st.markdown(
        "Two masks of a case stand side by side as A and B, in an order that is drawn anew for every case. Say which "
        "is better; the cases on which their Dice differs most come first. Nothing tells the sources until you show "
        "them, and then the reading is closed."
    )
    measured = distinct(workspace.rows, "source")
    names = [name for name in workspace.sources if name in measured]
    if len(names) < 2:
        st.info("A reading takes two sources with masks. Evaluate another one.")
        return
    with st.form("start of a reading", width=520):
        pair = st.multiselect("Sources", names, default=names[:2], max_selections=2)
        reader = st.text_input(
            "Reader", max_chars=LONGEST, help="Each reader has a reading of their own, which goes on."
        )
        with_reference = st.toggle("Show the reference too", value=True)
        if st.form_submit_button("Begin, or go on", type="primary"):
            given = (pair[0], pair[1]) if len(pair) == 2 else ("", "")
            folder = workspace.results.folder
            reading = begin_reading(folder, reader, given, workspace.region, with_reference=with_reference)
            _go(reading.name)
            st.rerun()


def _show_next(workspace: Comparison, reading: Reading) -> None:
    """The case that is asked for, and what can be said of it."""
    cases = cases_to_read(workspace, reading.pair)
    left = [case_id for case_id in cases if case_id not in reading.choices]
    back = st.session_state.get(_BACK, "")
    case_id = back if back in reading.choices else next(iter(left), "")
    done = len(cases) - len(left)
    line = st.container(horizontal=True, vertical_alignment="center")
    with line:
        st.markdown(
            f"**{done:,} of {number_of(len(cases), 'case')} read**" + (f", now {plain(case_id)}" if case_id else "")
        )
        if case_id:
            for choice in ("A", "=", "B"):
                chosen = case_id in reading.choices and reading.choices[case_id] == choice
                st.button(
                    CHOICES[choice],
                    key=f"choice {choice}",
                    shortcut=_KEYS[choice],
                    type="primary" if chosen else "secondary",
                    on_click=_choose,
                    args=(workspace, reading, case_id, choice),
                )
        _offer_back(reading, case_id)
        st.button("Leave, go on later", on_click=_go, args=("",))
        with st.popover("Show the sources"):
            st.markdown("This closes the reading: it takes no further choice.")
            st.button(
                "Close and show",
                type="primary",
                disabled=not reading.choices,
                on_click=_close,
                args=(workspace, reading),
            )
    if case_id:
        _show_case(workspace, reading, case_id)
    else:
        st.success("Every case is read. Show the sources to see what was preferred.")


def _offer_back(reading: Reading, case_id: str) -> None:
    """The way to the choice before this one."""
    made = list(reading.choices)
    place = made.index(case_id) if case_id in made else len(made)
    st.button(
        "Back",
        icon=":material/undo:",
        disabled=not place,
        on_click=partial(st.session_state.__setitem__, _BACK, made[place - 1] if place else ""),
        help="Look at the choice before, and change it",
    )


def _choose(workspace: Comparison, reading: Reading, case_id: str, choice: str) -> None:
    choose(workspace.results.folder, load_reading(workspace.results.folder, reading.name), case_id, choice)
    st.session_state.pop(_BACK, None)


def _close(workspace: Comparison, reading: Reading) -> None:
    close(workspace.results.folder, load_reading(workspace.results.folder, reading.name))


def _show_case(workspace: Comparison, reading: Reading, case_id: str) -> None:
    """The two masks by their sides; what is sent to the browser knows no source."""
    case = next((of for of in (workspace.cohort.cases if workspace.cohort else ()) if of.case_id == case_id), None)
    if case is None:
        st.warning(plain(f"The images of {case_id} cannot be shown. {workspace.problem}".strip()))
        return
    try:
        masks = [workspace.mask(case_id, source) for source in reading.sides(case_id)]
    except DataError:  # it names the source
        st.warning("A mask of this case is gone, or another one than was measured. Say that there is no preference.")
        return
    paths = tuple(zip(SIDES, map(str, masks), strict=True))
    names = tuple(case.sequences)
    linked = st.query_params.get("sequence", "")
    sequence = linked if linked in names else next(iter(names), "")
    payload, note = _payload(case, sequence, paths, reading.with_reference)
    if note:
        st.warning(plain(note))
    show_viewer(
        payload,
        key="reading viewer",
        page=OfPage(names, sequence, _choose_sequence, spared_keys="".join(_KEYS.values())),
    )


def _choose_sequence(name: str) -> None:
    st.query_params["sequence"] = name


@st.cache_resource(max_entries=8, show_spinner="Reading the case")
@in_turn("slices")
def _payload(
    _case: Case, sequence: str, paths: Sequence[tuple[str, str]], with_reference: bool
) -> tuple[ViewerPayload, str]:
    masks = {side: load_mask(Path(path)) for side, path in paths}
    reference = load_reference(_case) if with_reference and _case.reference else None
    volume, note = behind(_case, sequence, masks.values())
    for side, mask in masks.items():
        check_same_grid(volume, mask, names=("the image", side))
    shown = ViewerCase(
        volume,
        reference,
        masks,
        case_id=_case.case_id,
        sequence=sequence if not note else "masks",
        near=True,
        volumes=False,
    )
    return viewer_payload(shown), note


def _show_found(workspace: Comparison, reading: Reading) -> None:
    table = choices_table(workspace, reading)
    st.markdown(f"## Blinded reading of {plain(reading.reader)}")
    if table.empty:
        st.info("No case of these results was read.")
        return
    unread = len(set(cases_to_read(workspace, reading.pair)) - set(reading.choices))
    st.markdown(f"**{plain(preference_sentence(table, reading.pair, unread=unread))}**")
    st.dataframe(shown_table(table, reading.pair), hide_index=True)
    st.caption(
        "A patient with several cases prefers what most of them do. Volumes in thirds of the cases that were read. "
        f"{'With' if reading.with_reference else 'Without'} the reference. The preference of one reader is no measure "
        "of a loss."
    )
    st.download_button(
        "Every choice as CSV",
        table.to_csv(index=False).encode(),
        file_name=f"reading_{reading.name}.csv",
        mime="text/csv",
        on_click="ignore",
    )
