"""The surface viewer: meshes go to the browser once, as bytes; `static/` draws them there with WebGL.

All scenes share one canvas and one camera, so they turn together. Wire format of the component's `data`: uint32 n
(little-endian), n bytes JSON options; the rest the header as JSON. The browser fetches the meshes that the header lists
by their digest (part_route.py): of each `points_mm` (float32), `faces` (uint32), and `distance_mm` (float32) where it
has distances.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import streamlit as st

from afl_core.figures.stills import OUTLINE_COLOUR, scene_colours
from afl_core.figures.surfaces import DISTANCE_COLOURS, Surface, Surfaces
from afl_core.ui.viewers.component import component, framed, ignore, zipped
from afl_core.ui.viewers.part_route import offer
from afl_core.ui.viewers.payload import ViewerPayload


def surfaces_payload(surfaces: Surfaces, case_id: str) -> ViewerPayload:
    """The meshes of one case as bytes.

    Args:
        surfaces: The surfaces of `compute_surfaces`.
        case_id: Id of the case as in the slice viewer, whose crosshair the surfaces show and move.
    """
    colours = scene_colours(surfaces)
    drawn = [surfaces.outline, *surfaces.scenes.values()]
    header: dict[str, Any] = {
        "case": case_id,
        "outline": _described("outline", surfaces.outline, OUTLINE_COLOUR),
        "scenes": [_described(name, surface, colours[name]) for name, surface in surfaces.scenes.items()],
        "limit_mm": round(surfaces.limit_mm, 2),
        "colours": DISTANCE_COLOURS,
    }
    meshes = zipped(b"".join(_bytes(surface) for surface in drawn if surface is not None))
    header["parts"] = {"meshes": hashlib.sha256(meshes).hexdigest()}
    return ViewerPayload(json.dumps(header, separators=(",", ":")).encode(), {"meshes": meshes})


def show_surface_viewer(
    payload: ViewerPayload, *, key: str, still: Callable[[], bytes], height: int = 380, link: bool = False
) -> None:
    """Mount the surfaces; the camera lives in the browser and survives reruns, other cases and other pages.

    Args:
        payload: The payload of `surfaces_payload`.
        key: Streamlit key, under which the camera is remembered too.
        height: Height of a pane at most, in CSS pixels.
        link: Keep the camera in the page's address (`?camera=-35.00_20.00_1.00`: degrees around and above, and zoom),
            and start there. For one viewer of a page.
        still: Function that gives a PNG of the same surfaces, for a browser without WebGL.
    """
    offer(payload.by_digest)
    options = {"key": key, "height": height, "link": link}
    result = component("surfaces")(key=key, data=framed(options) + payload.header, on_webgl_change=ignore)
    if result.get("webgl") is False:
        st.image(still())
        st.caption("This browser has no WebGL, so the surfaces are a still picture.")


def _described(name: str, surface: Surface | None, colour: str) -> dict[str, Any]:
    points, faces = (0, 0) if surface is None else (len(surface.points_mm), len(surface.faces))
    measured = surface is not None and surface.distance_mm is not None
    return {"name": name, "colour": colour, "points": points, "faces": faces, "measured": measured}


def _bytes(surface: Surface) -> bytes:
    distance = b"" if surface.distance_mm is None else surface.distance_mm.astype("<f4").tobytes()
    return surface.points_mm.astype("<f4").tobytes() + surface.faces.astype("<u4").tobytes() + distance
