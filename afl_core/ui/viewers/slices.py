"""The linked slice viewer: volumes and masks go to the browser once, as bytes; `static/` draws them there.

    case = ViewerCase(image, reference, {"FL": mask}, maps={"FL gradient": ScalarMap(array, "|gradient|", (0, 1))})
    show_viewer(viewer_payload(case), key="viewer")

The browser fetches each part of the payload by its digest (part_route.py), and only what changed: another image leaves
the masks where they are. Wire format of the component's `data` (integers little-endian):

    uint32 n, n bytes JSON options    key, report, focus, of, link, and what `OfPage` holds
    the rest                          the header as JSON
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import streamlit as st

from afl_core.ui.viewers.component import component, framed, ignore
from afl_core.ui.viewers.part_route import offer
from afl_core.ui.viewers.payload import ViewerPayload

Axis = Literal["axial", "coronal", "sagittal"]
Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class ViewerState:
    """The plane and the voxel at which the reader is.

    Attributes:
        axis: The plane shown; where all three are, the one clicked last.
        voxel: The crosshair's voxel index; None until the browser has reported one.
    """

    axis: Axis = "axial"
    voxel: Voxel | None = None


@dataclass(frozen=True)
class OfPage:
    """What the viewer of a page has beyond others; there can be one such viewer in a page, and a second beside it.

    Its plane and crosshair are kept in the page's address (`?at=axial-120-98-70`, with `three` for all planes), and so
    is another view than at first (`&zoom=2.50_120.5_98.5_70.5`); it starts there. It costs no rerun.

    Attributes:
        sequences: Names of the sequences that can stand behind the masks, for a menu in the toolbar.
        sequence: The one that does.
        on_sequence: Takes the name of another one, before the page is drawn anew.
        below: CSS pixels that are to stay free below the viewer within the window; 0 for a height of its own.
        outlines: Title of the one thing that is shown, the outlines of all masks; "" for a pane of each mask.
        group: Viewers with the same one have one crosshair, view and set of switches: their grids must be the same. ""
            for a viewer with a crosshair of its own.
        spared_keys: Keys that the viewer leaves to the page.
        second: Whether it stands beside the viewer of the page: it leaves the address alone, and in a group it has no
            toolbar.
    """

    sequences: tuple[str, ...] = ()
    sequence: str = ""
    on_sequence: Callable[[str], None] | None = None
    below: int = 0
    outlines: str = ""
    group: str = ""
    spared_keys: str = ""
    second: bool = False


def show_viewer(
    payload: ViewerPayload,
    *,
    key: str,
    report: bool = False,
    focus: Sequence[int] | None = None,
    focus_source: str = "",
    page: OfPage | None = None,
) -> ViewerState:
    """Mount the viewer; position, zoom and switches live in the browser and survive reruns.

    Args:
        payload: The payload of `viewer_payload`.
        key: Streamlit key, under which the reader's switches are remembered too.
        report: True to send plane and crosshair back 0.4 s after the last motion; each report reruns page or fragment.
        focus: Voxel to jump to; acts when it differs from the last one given for this case.
        focus_source: Source whose false positive it is, where two may have the same centre.
        page: What the viewer of a page has beyond others; None for one that is not alone in its page.

    Returns:
        The state that the browser last reported; a bare `ViewerState()` without `report`.
    """
    place = None if focus is None else [int(i) for i in focus]
    options: dict[str, Any] = {
        "key": key,
        "report": report,
        "focus": place,
        "of": focus_source,
        "link": bool(page and not page.second),
    }
    callbacks: dict[str, Any] = {"on_view_change": ignore} if report else {}
    if page:
        options |= {"sequences": page.sequences, "sequence": page.sequence, "below": page.below}
        options |= {
            "outlines": page.outlines,
            "group": page.group,
            "spare": page.spared_keys,
            "bare": bool(page.group) and page.second,
        }
        callbacks["on_sequence_change"] = lambda: _choose(page, st.session_state[key].get("sequence"))
    offer(payload.by_digest)
    result = component("viewer")(key=key, data=framed(options) + payload.header, **callbacks)
    view = cast("dict[str, Any] | None", result.get("view")) if report else None
    if not view:
        return ViewerState()
    x, y, z = (int(i) for i in view["voxel"])
    return ViewerState(axis=cast("Axis", view["axis"]), voxel=(x, y, z))


def _choose(page: OfPage, name: object) -> None:
    if page.on_sequence and name in page.sequences:
        page.on_sequence(str(name))
