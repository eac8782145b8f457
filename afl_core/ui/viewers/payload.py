"""What the slice viewer shows of a case, and the bytes in which it travels to the browser.

A payload is a JSON header and parts, each a gzip of uint8 voxels with X running fastest: `image`, `masks` (bit 0 the
reference, bit 1 and up the sources), `map 0`, `map 1`, ... and `labels`
(label_codes.py). Each part has an address of its own, so a change of the image sends the image alone.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from afl_core.analysis.label_maps import LabelMaps
from afl_core.errors import GeometryError, UsageError
from afl_core.figures.palette import AGREEMENT_COLOURS, ERROR_COLOURS, REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.regions import bounding_box
from afl_core.ui.viewers.component import zipped
from afl_core.ui.viewers.findings import viewer_findings
from afl_core.ui.viewers.label_codes import label_part
from afl_core.ui.viewers.levels import levelled, scaled, windows
from afl_core.volume import Mask, Spacing, Volume, check_same_grid

MAP_COLOURS = ("#000004", "#57106e", "#bc3754", "#f98e09", "#fcffa4")
"""Inferno at its quarters: lightness grows with the value, so it reads with any colour vision."""

MARGIN_MM = 10.0
"""Room around masks that have no image behind them."""


@dataclass(frozen=True)
class ScalarMap:
    """A number at every voxel, drawn in colour over the image in a pane of its own.

    Low values are translucent, and the outline of the reference lies on top. Several maps of one scale are comparable
    when they are given the same limits.

    Attributes:
        values: Number at every voxel, in the shape of the image, finite.
        label: Name of the quantity with its unit, in the legend and the read-out.
        limits: Values at the ends of the colour scale, increasing; a value beyond takes the end's colour.
        colours: Two or more "#rrggbb" from low to high, evenly spaced.
        cut: Whether the reader may draw the outline of the voxels above a value, which a slider sets.
        centred: Whether the values in the middle are translucent, not the lowest.
    """

    values: NDArray[np.floating[Any]]
    label: str
    limits: tuple[float, float]
    colours: tuple[str, ...] = MAP_COLOURS
    cut: bool = False
    centred: bool = False


@dataclass(frozen=True)
class ViewerCase:
    """What the viewer shows of one case.

    Attributes:
        image: The background image; axes pointing right, anterior, superior.
        reference: Mask on the same grid, or None.
        predictions: Source name to mask on the same grid; at most three, in the order of their colours.
        maps: Name of the pane to a map on the same grid; at most three, after the panes of the masks.
        labels: What each voxel is in the files, where these hold several labels.
        case_id: Key under which the position is remembered; without it, the content of the reference (or image).
        sequence: Name of the image, shown in the read-out.
        volumes: Whether the title of each mask says its volume.
        near: Whether the largest lesion is shown at first, else the largest false positive, and not the whole image.
    """

    image: Volume
    reference: Mask | None
    predictions: Mapping[str, Mask] = field(default_factory=dict)
    maps: Mapping[str, ScalarMap] = field(default_factory=dict)
    labels: LabelMaps | None = None
    case_id: str = ""
    sequence: str = ""
    near: bool = False
    volumes: bool = True


@dataclass(frozen=True)
class ViewerPayload:
    """What a viewer draws of a case, as bytes.

    Attributes:
        header: JSON text with names, colours and geometry, of slices window and findings too, and every part's digest.
        parts: Name of the part to its bytes, compressed with gzip.
    """

    header: bytes
    parts: Mapping[str, bytes]

    @property
    def by_digest(self) -> dict[str, bytes]:
        """The parts by their digests, which are their addresses."""
        digests = json.loads(self.header)["parts"]
        return {digests[name]: part for name, part in self.parts.items()}


def viewer_payload(case: ViewerCase, *, window: tuple[float, float] | None = None) -> ViewerPayload:
    """Header and compressed voxels of one case; equal input gives equal bytes, so it caches well.

    Args:
        case: Image, masks and maps.
        window: Intensities drawn black and white; by default the 0.5 and 99.5 percentile of the foreground.

    Returns:
        The payload; an empty mask takes part with no lesion.

    Raises:
        GeometryError: If a mask or map lies on another grid, or the axes do not point right, anterior, superior.
        UsageError: If there are more than three predictions or maps, too many labels, or the window or a map's limits
            do not increase.
    """
    _check(case, window)
    values = case.image.array.astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if not np.isfinite(values.sum()):  # to look for NaN in every voxel takes ten times as long
            values = np.nan_to_num(values)
    low, high, presets = windows(values, window)
    image, knots = levelled(values, low, high)
    bits = np.zeros(image.shape, dtype=np.uint8, order="F")
    for bit, mask in _masks(case).items():
        if box := bounding_box(mask.array):
            bits[box] |= mask.array[box].view(np.uint8) << bit
    parts = {"image": _gzip(image), "masks": _gzip(bits)}
    parts |= {f"map {i}": _gzip(scaled(m.values, *m.limits)) for i, m in enumerate(case.maps.values())}
    codes, labels = label_part(case.labels, tuple(case.predictions), bits) if case.labels else (None, None)
    parts |= {} if codes is None else {"labels": _gzip(codes)}
    header = {
        **_described(case),
        "labels": labels,
        "shape": image.shape,
        "window": [low, high],
        "presets": presets,
        "knots": knots,
        "box": _sight(values > low, bits, case.image.spacing_mm),
        "parts": {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()},
    }
    return ViewerPayload(json.dumps(header, separators=(",", ":")).encode(), parts)


def _check(case: ViewerCase, window: tuple[float, float] | None) -> None:
    for kind, given in (("sources", case.predictions), ("maps", case.maps)):
        if len(given) > len(SOURCE_COLOURS):
            raise UsageError(
                f"Too many {kind} for one viewer",
                received=", ".join(given),
                todo=f"Choose at most {len(SOURCE_COLOURS)}",
            )
    for limits in (window, *(m.limits for m in case.maps.values())):
        if limits is not None and not limits[0] < limits[1]:
            raise UsageError("A window or colour scale runs from a lower to a higher value", received=limits)
    # Wrong letters at the picture's edges are worse than no picture.
    codes = aff2axcodes(case.image.affine)
    if codes != ("R", "A", "S"):
        raise GeometryError(
            "The viewer needs axes pointing right, anterior, superior",
            received="".join(c or "?" for c in codes),
            todo="Load the file with afl_core.data.formats.files",
        )
    for bit, mask in _masks(case).items():
        name = list(case.predictions)[bit - 1] if bit else "The reference"
        check_same_grid(case.image, mask, names=("the image", name))
    for name, scalars in case.maps.items():
        check_same_grid(case.image, Volume(scalars.values, case.image.affine), names=("the image", name))


def _masks(case: ViewerCase) -> dict[int, Mask]:
    reference = {} if case.reference is None else {0: case.reference}
    return reference | dict(enumerate(case.predictions.values(), 1))


def _described(case: ViewerCase) -> dict[str, Any]:
    """Names, geometry, masks and findings of a case, as the browser shows them."""
    findings = viewer_findings(case.reference, case.predictions)
    spots = findings["lesions"] or findings["false_positives"]
    first = max(spots, key=lambda spot: spot["volume_ml"], default=None)
    names = ("Reference", *case.predictions)
    colours = (REFERENCE_COLOUR, *SOURCE_COLOURS)
    return {
        "case": case.case_id or hashlib.sha256((case.reference or case.image).array.tobytes()).hexdigest(),
        "sequence": case.sequence,
        "spacing_mm": case.image.spacing_mm,
        "affine": case.image.affine.tolist(),
        "oblique_deg": _oblique_deg(case.image.affine),
        "masks": [
            {"bit": bit, "name": names[bit], "colour": colours[bit]}
            | ({"volume_ml": mask.volume_ml} if case.volumes else {})
            for bit, mask in _masks(case).items()
        ],
        "maps": [
            {
                **{"name": name, "label": m.label, "limits": m.limits, "colours": m.colours},
                **{"cut": m.cut, "centred": m.centred},
            }
            for name, m in case.maps.items()
        ],
        "errors": dict(ERROR_COLOURS),
        "agreement": dict(AGREEMENT_COLOURS),
        **findings,
        "near": first if case.near else None,
        "start": [n // 2 for n in case.image.array.shape] if first is None else first["voxel"],
    }


def _sight(foreground: NDArray[np.bool_], bits: NDArray[np.uint8], spacing_mm: Spacing) -> list[list[int]]:
    """Box of what is shown at first: the foreground, or the masks with a margin where nothing lies behind them."""
    if foreground.any() or not bits.any():
        return _box(foreground)
    margins = [round(MARGIN_MM / mm) for mm in spacing_mm]
    return [
        [max(first - margin, 0), min(last + margin, n)]
        for (first, last), margin, n in zip(_box(bits), margins, bits.shape, strict=True)
    ]


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
    return zipped(voxels.tobytes(order="F"))  # an axial slice is then one contiguous run in the browser
