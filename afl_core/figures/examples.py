"""The figure of examples: a large, a small, a smooth and a rough tumour, each as surface and slice, a row a source.

Laid out as Figure 5 of the paper (arXiv 2407.09828); cases, colours and views are ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from afl_core.errors import DataError
from afl_core.figures.files import DPI
from afl_core.figures.slices import (
    MAX_SIDE_MM,
    MIN_SIDE_MM,
    SOURCE_STYLES,
    aim,
    draw_outline,
    show_image,
    shown_slice,
    tumour_view,
)
from afl_core.figures.stills import colour_scale, draw_scene, scene_colours
from afl_core.figures.surfaces import Surfaces, compute_surfaces
from afl_core.volume import Mask, Volume

SIDE_INCH = 1.5


@dataclass(frozen=True, eq=False)
class Example:
    """A case of the figure.

    Attributes:
        title: Title above the two columns of the case.
        image: Background of the slice; None where it cannot be shown.
        reference: Reference mask of the case; where it is empty, its panels say so.
        predictions: Source name to mask, the rows of the figure.
        scores: Source name to Dice, written into the surfaces.
        note: Reason why the case has no image, or "".
    """

    title: str
    image: Volume | None
    reference: Mask
    predictions: Mapping[str, Mask]
    scores: Mapping[str, float]
    note: str = ""


def plot_examples(examples: Sequence[Example]) -> Figure:
    """Rows: the reference, then the sources in their order. Columns: surface and axial slice of each case.

    Surfaces of sources show the signed distance to the reference in mm, with one colour range and one size for the
    whole figure; one that reaches far beyond the references is cut.
    The slice is `shown_slice`, the patient's left on its right; all slices are squares of one size in mm.

    Raises:
        DataError: If there is no example.
    """
    if not examples:
        raise DataError("A figure needs a case with a tumour", todo="Evaluate a case whose reference is not empty")
    scenes = [compute_surfaces(e.image, e.reference, e.predictions) for e in examples]
    limit = max(surfaces.limit_mm for surfaces in scenes)
    side = max(_view(example)[2] for example in examples)
    half_mm = max(_reach_mm(surfaces) for surfaces in scenes)
    rows = ["Reference", *examples[0].predictions]
    figure = Figure(figsize=(SIDE_INCH * 2 * len(examples) + 1.3, SIDE_INCH * len(rows) + 0.5), dpi=DPI)
    grid = figure.add_gridspec(
        len(rows),
        2 * len(examples),
        left=0.45 / figure.get_figwidth(),
        right=1 - 0.9 / figure.get_figwidth(),
        top=1 - 0.4 / figure.get_figheight(),
        bottom=0.02,
    )
    grid.update(wspace=0.03, hspace=0.03)
    for c, (example, surfaces) in enumerate(zip(examples, scenes, strict=True)):
        for r, name in enumerate(rows):
            left, right = figure.add_subplot(grid[r, 2 * c]), figure.add_subplot(grid[r, 2 * c + 1])
            _draw_surface(left, example, replace(surfaces, outline=None, limit_mm=limit), name, half_mm)
            _draw_slice(right, example, name, side)
            if c == 0:
                left.set_ylabel(name, fontsize=9)
        top = figure.axes[2 * len(rows) * c].get_position()
        across = (top.x0 + figure.axes[2 * len(rows) * c + 1].get_position().x1) / 2
        figure.text(across, top.y1 + 0.015, example.title, ha="center", va="bottom", fontsize=9)
    width = figure.get_figwidth()
    bar = figure.colorbar(colour_scale(limit), cax=figure.add_axes((1 - 0.78 / width, 0.2, 0.13 / width, 0.6)))
    bar.set_label("mm from the reference", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _reach_mm(surfaces: Surfaces) -> float:
    """Half the side that shows a reference; of all surfaces where it is empty, and `MAX_SIDE_MM` at most for those."""
    reference = surfaces.scenes["Reference"]
    others = [surface for surface in surfaces.scenes.values() if surface is not None]
    points = [surface.points_mm for surface in ([reference] if reference is not None else others)]
    if not points:
        return MIN_SIDE_MM / 2
    reach = 1.3 * float(np.ptp(np.concatenate(points), axis=0).max()) / 2
    return max(MIN_SIDE_MM / 2, reach if reference is not None else min(reach, MAX_SIDE_MM / 2))


def _draw_surface(axes: Axes, example: Example, surfaces: Surfaces, name: str, half_mm: float) -> None:
    draw_scene(axes, surfaces, name, colour=scene_colours(surfaces)[name], half_mm=half_mm)
    axes.patch.set_visible(True)
    axes.set_frame_on(True)
    axes.spines[:].set_visible(False)
    if name in example.scores:
        look: dict[str, Any] = {"color": "white", "fontsize": 7, "transform": axes.transAxes}
        axes.text(0.04, 0.05, f"Dice {example.scores[name]:.3f}", **look)


def _view(example: Example) -> tuple[int, tuple[float, float], float]:
    """Slice, centre in mm and side in mm that show an example best."""
    z = shown_slice(example.reference, example.predictions)
    sx, sy, _ = example.reference.spacing_mm
    masks = (example.reference, *example.predictions.values())
    (x, y), side = tumour_view([mask.array[:, :, z] for mask in masks], (sx, sy))
    return z, (x * sx, y * sy), side


def _draw_slice(axes: Axes, example: Example, name: str, side: float) -> None:
    """The row's outline over the reference's, in a square of the figure's one size."""
    masks = {"Reference": example.reference} | dict(example.predictions)
    z, centre, _ = _view(example)
    spacing = (example.reference.spacing_mm[0], example.reference.spacing_mm[1])
    axes.add_artist(axes.patch)  # stays when the axes are switched off: black where the image ends
    axes.patch.set(facecolor="black", zorder=-1)
    if example.image is not None:
        show_image(axes, example.image, z)
    colours = scene_colours(Surfaces(None, dict.fromkeys(masks), 0))
    lines = (None, *SOURCE_STYLES)
    for at, other in enumerate(masks):
        if other in ("Reference", name):
            style = (colours[other], lines[at], 1.6 if other == name else 0.8)
            draw_outline(axes, masks[other].array[:, :, z], spacing, style)
    aim(axes, centre, side, scale=0.35)
    note = "" if example.reference.array.any() else "The reference is empty"
    note = note or ("" if example.image is not None else "No image")
    axes.text(0.5, 0.93, note, color="white", fontsize=5, ha="center", transform=axes.transAxes)
