"""The linked slice viewer: volumes and masks go to the browser once, as bytes; `static/` draws them there.

    case = ViewerCase(image, reference, {"FL": mask}, maps={"FL gradient": ScalarMap(array, "|gradient|", (0, 1))})
    show_viewer(viewer_payload(case), key="viewer")

Each part of the payload is mounted as a hidden element of its own, so that Streamlit sends again only what changed:
another image leaves the masks where they are. Wire format of an element's `data` (integers little-endian):

    uint32 n, n bytes JSON options    of a part: key, part, digest; of the viewer: key, report, focus, of, link
    the rest                          of a part: its gzip; of the viewer: the header as JSON
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import streamlit as st

from afl_core.ui.viewers.component import component, framed, ignore
from afl_core.ui.viewers.payload import ViewerPayload

Axis = Literal["axial", "coronal", "sagittal"]
Voxel = tuple[int, int, int]


@dataclass(frozen=True)
class ViewerState:
    """The plane and the voxel at which the reader is.

    Attributes:
        axis: The plane shown.
        voxel: The crosshair's voxel index; None until the browser has reported one.
    """

    axis: Axis = "axial"
    voxel: Voxel | None = None


def show_viewer(
    payload: ViewerPayload,
    *,
    key: str,
    report: bool = False,
    focus: Sequence[int] | None = None,
    focus_source: str = "",
    link: bool = False,
) -> ViewerState:
    """Mount the viewer; position, zoom and switches live in the browser and survive reruns.

    Args:
        payload: The payload of `viewer_payload`.
        key: Streamlit key, under which the reader's switches are remembered too.
        report: True to send plane and crosshair back 0.4 s after the last motion; each report reruns page or fragment.
        focus: Voxel to jump to; acts when it differs from the last one given for this case.
        focus_source: Source whose false positive it is, where two may have the same centre.
        link: Keep plane and crosshair in the page's address (`?at=axial-120-98-70`), and start there; another view
            than at first too (`&zoom=2.50_120.5_98.5_70.5`). It costs no rerun. For one viewer of a page.

    Returns:
        The state that the browser last reported; a bare `ViewerState()` without `report`.
    """
    place = None if focus is None else [int(i) for i in focus]
    options = {"key": key, "report": report, "focus": place, "of": focus_source, "link": link}
    callbacks: dict[str, Any] = {"on_view_change": ignore} if report else {}
    digests = json.loads(payload.header)["parts"]
    viewer = component("viewer")
    with st.container(gap=None):
        for name, part in payload.parts.items():
            options_of_part = {"key": key, "part": name, "digest": digests[name]}
            viewer(key=f"{key} {name}", data=framed(options_of_part) + part, height=1)
        result = viewer(key=key, data=framed(options) + payload.header, **callbacks)
    view = cast("dict[str, Any] | None", result.get("view")) if report else None
    if not view:
        return ViewerState()
    x, y, z = (int(i) for i in view["voxel"])
    return ViewerState(axis=cast("Axis", view["axis"]), voxel=(x, y, z))
