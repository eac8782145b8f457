"""The slice of a case that shows its tumour and where predictions err, as a picture with outlines."""

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.volume import Mask, Volume, check_same_grid

SOURCE_STYLES = ((4, 1.2), (1.6, 0.8), (4, 0.8, 1, 0.8))
"""Dashes and gaps by place, in widths of the line, so that outlines differ without colour too; the reference is solid
and wider. The gaps are short: an outline must be seen whole."""

WINDOW_PERCENTILES = (0.5, 99.5)
MARGIN_MM = 12.0
"""Margin in mm that is shown around the tumour on every side."""

MIN_SIDE_MM = 40.0
MAX_SIDE_MM = 130.0
SCALE_MM = 10.0
"""Length of the scale bar in mm."""

STEPS = 8
"""A voxel is divided into so many steps each way, so that an outline keeps to the voxels' edges."""

DPI = 100


def slice_picture(
    image: Volume | None,
    reference: Mask,
    predictions: Mapping[str, Mask],
    *,
    at: tuple[int, int, int] | None = None,
    size_px: int = 560,
) -> bytes:
    """One axial slice with the outlines of the reference and of every prediction.

    The patient's left is on the right of the picture (radiological convention), and a millimetre is as long up as
    across, whatever the voxels. Masks are drawn along the edges of their voxels.

    Args:
        image: Gray background, its 0.5 and 99.5 percentiles black and white; None leaves it out.
        reference: The reference segmentation.
        predictions: Source name to mask on the same grid; at most three, coloured by place.
        at: Voxel on which the picture is centred; without one the slice is `shown_slice` and the crop holds its masks.
        size_px: Width and height.

    Returns:
        A PNG.

    Raises:
        GeometryError: If a mask or the image lies on another grid than the reference.
    """
    others: dict[str, Volume] = dict(predictions) if image is None else {**predictions, "the image": image}
    for name, other in others.items():
        check_same_grid(reference, other, names=("the reference", name))
    z = shown_slice(reference, predictions) if at is None else at[2]
    masks = [mask.array[:, :, z] for mask in (reference, *predictions.values())]
    spacing = reference.spacing_mm[:2]
    (x, y), side = tumour_view(masks, spacing) if at is None else ((at[0] + 0.5, at[1] + 0.5), MIN_SIDE_MM)
    figure = Figure(figsize=(size_px / DPI, size_px / DPI), dpi=DPI, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    if image is not None:
        show_image(axes, image, z)
    _outline_all(axes, masks, spacing)
    aim(axes, (x * spacing[0], y * spacing[1]), side)
    return _png(figure)


def shown_slice(reference: Mask, predictions: Mapping[str, Mask]) -> int:
    """Number of the axial slice by which a case is shown, in every figure, report and picture.

    Of the slices that hold at least half as much of the reference as the fullest, the one with the most voxels on which
    a prediction differs from it; where none differs, the fullest. So one bad prediction cannot choose a slice without
    the tumour. Without a reference: the slice with most of the predictions, else the middle.
    """
    held, wrong = _per_slice(reference.array), np.zeros(reference.array.shape[2], dtype=np.int64)
    for mask in predictions.values():
        wrong += _per_slice(mask.array ^ reference.array)
    wrong[2 * held < held.max()] = 0
    for counts in (wrong, held):
        if counts.any():
            return int(np.argmax(counts))
    return int(reference.array.shape[2] // 2)


def aim(axes: Axes, centre_mm: tuple[float, float], side_mm: float, *, scale: float = 1) -> None:
    """Show a square around a point, x growing to the left, with its letters and bar; `scale` is the size of these."""
    (x, y), half = centre_mm, side_mm / 2
    axes.set_xlim(x + half, x - half)
    axes.set_ylim(y - half, y + half)
    _label(axes, side_mm, scale)


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _per_slice(array: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.asarray(array.sum(axis=(0, 1)), dtype=np.int64)


def tumour_view(masks: Sequence[NDArray[np.bool_]], spacing: tuple[float, float]) -> tuple[tuple[float, float], float]:
    """Centre in voxels and side in mm of a square around the first mask that holds the others with a margin.

    A prediction that reaches far off is cut, so that the tumour stays large enough to be seen. Where the first mask,
    the reference, is empty, it is the square around the others; the whole slice where all are.
    """
    together = _box(np.any(list(masks), axis=0))
    box = _box(masks[0]) or together or ((0, masks[0].shape[0]), (0, masks[0].shape[1]))
    centre = ((box[0][0] + box[0][1]) / 2, (box[1][0] + box[1][1]) / 2)
    side_mm = max((stop - start) * mm for (start, stop), mm in zip(box, spacing, strict=True))
    if together is None:
        return centre, side_mm
    reach = max(
        2 * max(stop - middle, middle - start) * mm
        for (start, stop), middle, mm in zip(together, centre, spacing, strict=True)
    )
    return centre, float(np.clip(reach + 2 * MARGIN_MM, MIN_SIDE_MM, max(MAX_SIDE_MM, side_mm + MARGIN_MM)))


def show_image(axes: Axes, image: Volume, z: int) -> None:
    """Draw an axial slice in mm, between the 0.5 and 99.5 percentiles of the volume.

    White is that of the slice, if it is higher: so a bright tumour keeps its structure.
    """
    values = np.asarray(image.array, dtype=np.float32)
    low, high = np.percentile(values, WINDOW_PERCENTILES)
    high = max(float(high), float(np.percentile(values[:, :, z], WINDOW_PERCENTILES[1])))
    nx, ny = image.array.shape[:2]
    sx, sy = image.spacing_mm[:2]
    axes.imshow(
        image.array[:, :, z].T,
        cmap="gray",
        vmin=float(low),
        vmax=max(float(high), float(low) + 1e-6),
        origin="lower",
        extent=(0, nx * sx, 0, ny * sy),
        interpolation="bilinear",
    )


def _outline_all(axes: Axes, masks: Iterable[NDArray[np.bool_]], spacing: tuple[float, float]) -> None:
    """The reference first, solid and wider; then the sources, each by its place."""
    sources = [(colour, dashes, 3.0) for colour, dashes in zip(SOURCE_COLOURS, SOURCE_STYLES, strict=True)]
    for mask, style in zip(masks, [(REFERENCE_COLOUR, None, 4.4), *sources], strict=False):
        draw_outline(axes, mask, spacing, style)


def draw_outline(
    axes: Axes,
    mask: NDArray[np.bool_],
    spacing: tuple[float, float],
    style: tuple[str, tuple[float, ...] | None, float],
) -> None:
    """Outline along voxel edges; nothing for an empty mask."""
    box = _box(mask)
    if box is None:
        return
    inside = mask[slice(*box[0]), slice(*box[1])]
    fine = np.pad(inside, 1).repeat(STEPS, axis=0).repeat(STEPS, axis=1)
    x, y = (
        (start - 1 + (np.arange(n) + 0.5) / STEPS) * mm
        for (start, _), n, mm in zip(box, fine.shape, spacing, strict=True)
    )
    colour, dashes, width = style
    look: dict[str, Any] = {"colors": [colour], "linestyles": [(0, dashes)], "linewidths": [width]}
    drawn = axes.contour(x, y, fine.T.astype(np.uint8), levels=[0.5], **look)
    drawn.set_path_effects([withStroke(linewidth=width + 1.4, foreground="black", alpha=0.6)])


def _box(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Start and stop of a slice's True voxels on both axes; None where there are none."""
    if not mask.any():
        return None
    (left, *_, right), (low, *_, high) = (np.flatnonzero(mask.any(axis=axis)).take([0, -1]) for axis in (1, 0))
    return (int(left), int(right) + 1), (int(low), int(high) + 1)


def _label(axes: Axes, side_mm: float, scale: float) -> None:
    """R and L at their sides, and a bar of 10 mm."""
    axes.set_axis_off()
    look: dict[str, Any] = {
        "color": "white",
        "fontsize": 17 * scale,
        "fontweight": "bold",
        "transform": axes.transAxes,
        "va": "center",
    }
    axes.text(0.02, 0.5, "R", ha="left", **look)
    axes.text(0.98, 0.5, "L", ha="right", **look)
    start, length = 0.04, SCALE_MM / side_mm
    axes.plot([start, start + length], [0.04, 0.04], color="white", linewidth=3 * scale, transform=axes.transAxes)
    axes.text(start + length + 0.015, 0.04, f"{SCALE_MM:g} mm", ha="left", **(look | {"fontsize": 14 * scale}))
