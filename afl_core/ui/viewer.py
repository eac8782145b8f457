"""The linked slice viewer: volumes and masks go to the browser once, as bytes; `static/` draws them there.

Wire format of the component's `data` (all integers little-endian):

    uint32 n, n bytes JSON options    what may change on any rerun: key, report, focus
    uint32 n, n bytes JSON header     geometry, names, colours, window, lesions (see `viewer_payload`)
    the header's parts, in order      each a gzip of uint8 voxels, X running fastest
"""

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

import numpy as np
import streamlit as st
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray
from streamlit.components.v2.types import ComponentRenderer

from afl_core.data.preprocess import foreground
from afl_core.errors import GeometryError, UsageError
from afl_core.figures.palette import ERROR_COLOURS, REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.metrics.lesions import LesionMetrics, match_lesions
from afl_core.regions import bounding_box
from afl_core.volume import Mask, Volume, check_same_grid

Axis = Literal["axial", "coronal", "sagittal"]
Voxel = tuple[int, int, int]

MAX_COMPONENTS = 50
"""Components listed per mask, the largest first: a noisy mask has thousands, and nobody steps through them."""

_WINDOWS = ((0.5, 99.5), (2.0, 98.0), (10.0, 90.0))
_GZIP_LEVEL = 3
"""Level 6 saves 3 % of the bytes of a BraTS-size case and takes twice as long."""


@dataclass(frozen=True)
class ViewerCase:
    """What the viewer shows of one case.

    Attributes:
        image: The background image; axes pointing right, anterior, superior.
        reference: Mask on the same grid, or None.
        predictions: Source name to mask on the same grid; at most three, in the order of their colours.
        case_id: What the position is remembered under; without it, the content of the reference (or image).
        sequence: Name of the image, shown in the read-out.
    """

    image: Volume
    reference: Mask | None
    predictions: Mapping[str, Mask] = field(default_factory=dict)
    case_id: str = ""
    sequence: str = ""


@dataclass(frozen=True)
class ViewerState:
    """Where the reader is.

    Attributes:
        axis: The plane shown.
        voxel: The crosshair's voxel index; None until the browser has reported one.
    """

    axis: Axis = "axial"
    voxel: Voxel | None = None


def viewer_payload(case: ViewerCase, *, window: tuple[float, float] | None = None) -> bytes:
    """Header and compressed voxels of one case; equal input gives equal bytes, so it caches well.

    Args:
        case: Image and masks.
        window: Intensities drawn black and white; by default the 0.5 and 99.5 percentile of the foreground.

    Returns:
        The header's length, the header as JSON, a gzip of the windowed image and a gzip of the masks as bits
        (bit 0 the reference, bit 1 and up the sources). An empty mask takes part with no lesion.

    Raises:
        GeometryError: If a mask lies on another grid, or the axes do not point right, anterior, superior.
        UsageError: If there are more than three predictions, or the window is not increasing.
    """
    _check(case, window)
    image, low, high, presets = _windowed(case.image.array, window)
    bits = np.zeros(image.shape, dtype=np.uint8)
    for bit, mask in _masks(case).items():
        np.bitwise_or(bits, np.uint8(1 << bit), out=bits, where=mask.array)
    parts = [_gzip(image), _gzip(bits)]
    header = {
        **_described(case),
        "shape": image.shape,
        "window": [low, high],
        "presets": presets,
        "box": _box(image),
        "parts": [{"bytes": len(part), "digest": hashlib.sha256(part).hexdigest()} for part in parts],
    }
    return b"".join([_framed(header), *parts])


def show_viewer(payload: bytes, *, key: str, report: bool = False, focus: Sequence[int] | None = None) -> ViewerState:
    """Mount the viewer; position, zoom and switches live in the browser and survive reruns.

    Args:
        payload: From `viewer_payload`.
        key: Streamlit key; also what the reader's switches are remembered under.
        report: Send plane and crosshair back, 0.4 s after the last motion. Each report reruns the page or fragment.
        focus: Voxel to jump to; acts when it differs from the last one given for this case.

    Returns:
        What the browser last reported; a bare `ViewerState()` without `report`.
    """
    options = {"key": key, "report": report, "focus": None if focus is None else [int(i) for i in focus]}
    callbacks: dict[str, Any] = {"on_view_change": _ignore} if report else {}
    result = _component()(key=key, data=_framed(options) + payload, **callbacks)
    view = cast("dict[str, Any] | None", result.get("view")) if report else None
    if not view:
        return ViewerState()
    x, y, z = (int(i) for i in view["voxel"])
    return ViewerState(axis=cast("Axis", view["axis"]), voxel=(x, y, z))


@cache
def _component() -> ComponentRenderer:
    static = files("afl_core.ui") / "static"
    names = ("viewer.html", "viewer.css", "slices.js", "input.js", "viewer.js")
    html, css, *js = ((static / name).read_text(encoding="utf-8") for name in names)
    return st.components.v2.component("afl_viewer", html=html, css=css, js="\n".join(js))


def _ignore() -> None:
    """Streamlit returns a state only where a callback names it."""


def _check(case: ViewerCase, window: tuple[float, float] | None) -> None:
    if len(case.predictions) > len(SOURCE_COLOURS):
        raise UsageError(
            "Too many sources for one viewer",
            received=", ".join(case.predictions),
            todo=f"Choose at most {len(SOURCE_COLOURS)}",
        )
    if window is not None and not window[0] < window[1]:
        raise UsageError("A window runs from a lower to a higher intensity", received=window)
    # Wrong letters at the picture's edges are worse than no picture.
    codes = aff2axcodes(case.image.affine)
    if codes != ("R", "A", "S"):
        raise GeometryError(
            "The viewer needs axes pointing right, anterior, superior",
            received="".join(c or "?" for c in codes),
            todo="Load the file with afl_core.data.files",
        )
    for bit, mask in _masks(case).items():
        name = list(case.predictions)[bit - 1] if bit else "The reference"
        check_same_grid(case.image, mask, names=("the image", name))


def _masks(case: ViewerCase) -> dict[int, Mask]:
    reference = {} if case.reference is None else {0: case.reference}
    return reference | dict(enumerate(case.predictions.values(), 1))


def _described(case: ViewerCase) -> dict[str, Any]:
    """Names, geometry, masks and lesions of a case, as the browser shows them."""
    lesions, false_positives = _components(case)
    names = ("Reference", *case.predictions)
    colours = (REFERENCE_COLOUR, *SOURCE_COLOURS)
    return {
        "case": case.case_id or hashlib.sha256((case.reference or case.image).array.tobytes()).hexdigest(),
        "sequence": case.sequence,
        "spacing_mm": case.image.spacing_mm,
        "affine": case.image.affine.tolist(),
        "oblique_deg": _oblique_deg(case.image.affine),
        "masks": [
            {"bit": bit, "name": names[bit], "colour": colours[bit], "volume_ml": mask.volume_ml}
            for bit, mask in _masks(case).items()
        ],
        "errors": dict(ERROR_COLOURS),
        "lesions": lesions,
        "false_positives": false_positives,
        "start": lesions[0]["voxel"] if lesions else [n // 2 for n in case.image.array.shape],
    }


def _windowed(
    array: NDArray[np.generic], window: tuple[float, float] | None
) -> tuple[NDArray[np.uint8], float, float, list[dict[str, Any]]]:
    """Image as 0..255 over the window, the window, and narrower presets inside it."""
    values = np.nan_to_num(array.astype(np.float32, copy=False))
    inside = values[foreground(values)]
    cuts = np.percentile(inside if inside.size else values, [p for pair in _WINDOWS for p in pair])
    ranges = {f"{low:g}–{high:g} %": cuts[2 * i : 2 * i + 2] for i, (low, high) in enumerate(_WINDOWS)}
    if window is not None:
        ranges = {"as given": np.array(window)} | ranges
    low, high = (float(cut) for cut in next(iter(ranges.values())))
    high = high if high > low else low + 1
    scaled = (values - np.float32(low)) * np.float32(255 / (high - low))
    image = np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8)
    presets = []
    for name, cut in ranges.items():
        first, last = (float(c) for c in np.clip(cut, low, high))
        if last > first:
            presets.append({"name": name, "low": first, "high": last})
    return image, low, high, presets


def _components(case: ViewerCase) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lesions (of the reference, else of all predictions together) and false positives, the largest first.

    A lesion is missed by a source, and a component is a false positive, when not one voxel is shared.
    """
    bits = {bit: mask.array for bit, mask in _masks(case).items()}
    everything = np.logical_or.reduce([*bits.values()]) if bits else np.zeros(case.image.array.shape, bool)
    box = bounding_box(everything)
    if box is None:
        return [], []
    nothing = np.zeros_like(everything[box])
    reference = bits.pop(0)[box] if case.reference is not None else nothing
    origin = (box[0].start, box[1].start, box[2].start)
    spacing_mm = case.image.spacing_mm
    rows = {b: match_lesions(m[box], reference, spacing_mm=spacing_mm, origin=origin) for b, m in bits.items()}
    if case.reference is None:
        spots = match_lesions(everything[box], nothing, spacing_mm=spacing_mm, origin=origin)
        return [_spot(row) | {"missed_by": []} for row in spots[:MAX_COMPONENTS]], []
    lesions = [
        _spot(row) | {"missed_by": [n for n, b in zip(case.predictions, bits, strict=True) if not rows[b][i].detected]}
        for i, row in enumerate(match_lesions(nothing, reference, spacing_mm=spacing_mm, origin=origin))
    ]
    false = {b: [row for row in found if row.kind == "false_positive"] for b, found in rows.items()}
    spots_of = [{"bit": b} | _spot(row) for b, found in false.items() for row in found[:MAX_COMPONENTS]]
    return lesions[:MAX_COMPONENTS], spots_of


def _spot(row: LesionMetrics) -> dict[str, Any]:
    return {"voxel": list(row.centroid_voxel), "volume_ml": row.volume_ml}


def _box(array: NDArray[np.generic]) -> list[list[int]]:
    """First and one-past-last index of the foreground along each axis; everything if there are none."""
    box = []
    for axis in range(3):
        used = np.flatnonzero(array.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append([int(used[0]), int(used[-1]) + 1] if used.size else [0, array.shape[axis]])
    return box


def _oblique_deg(affine: NDArray[np.float64]) -> float:
    """Largest angle between a voxel axis and the patient axis its letters name."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return round(float(np.degrees(np.arccos(np.clip(np.diag(columns), -1, 1))).max()), 1)


def _gzip(voxels: NDArray[np.uint8]) -> bytes:
    # Fortran order: an axial slice is then one contiguous run in the browser. mtime=0: equal voxels, equal bytes.
    return gzip.compress(voxels.tobytes(order="F"), compresslevel=_GZIP_LEVEL, mtime=0)


def _framed(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "little") + text
