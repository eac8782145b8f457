"""Pictures of surfaces without WebGL, a GPU or an X server: faces sorted by depth and filled by Matplotlib.

VTK's own off-screen rendering needs EGL or OSMesa; where both are missing it ends the whole process.
"""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from afl_core.figures.palette import REFERENCE_COLOUR, SOURCE_COLOURS
from afl_core.figures.surfaces import DISTANCE_COLOURS, Surface, Surfaces

VIEW_DEG = (-35.0, 20.0)
"""Yaw and pitch of the eye, as the surface viewer starts: from the front, a little aside and from above."""

DISTANCE_MAP = LinearSegmentedColormap.from_list("distance", DISTANCE_COLOURS)
OUTLINE_COLOUR = "#b9c4d0"
BACKGROUND = "#0f1214"
AMBIENT = 0.25
"""Light on a face that is seen edge-on; one seen face-on has 1."""


def still_picture(surfaces: Surfaces) -> bytes:
    """Every scene side by side with the colour bar, as a PNG."""
    count = len(surfaces.scenes)
    figure = Figure(figsize=(4 * count + 0.8, 4), dpi=100, facecolor=BACKGROUND)
    columns = figure.add_gridspec(1, count + 1, width_ratios=[*[20] * count, 1], left=0.01, right=0.94, wspace=0.03)
    colours = scene_colours(surfaces)
    for i, (name, surface) in enumerate(surfaces.scenes.items()):
        axes = figure.add_subplot(columns[0, i])
        axes.set_title(name if surface else f"{name}: no tumour", color="white", fontsize=11)
        draw_scene(axes, surfaces, name, colour=colours[name])
    bar = figure.colorbar(colour_scale(surfaces.limit_mm), cax=figure.add_subplot(columns[0, count]))
    bar.set_label("mm from the reference", color="white")
    bar.ax.tick_params(colors="white")
    buffer = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def scene_colours(surfaces: Surfaces) -> dict[str, str]:
    """The colour of every scene's mask: the reference's, then one a source."""
    names = [name for name in surfaces.scenes if name != "Reference"]
    return {"Reference": REFERENCE_COLOUR} | dict(zip(names, SOURCE_COLOURS, strict=False))


def colour_scale(limit_mm: float) -> ScalarMappable:
    """The mapping from distance to colour that a colour bar shows."""
    return ScalarMappable(Normalize(-limit_mm, limit_mm), DISTANCE_MAP)


def draw_scene(axes: Axes, surfaces: Surfaces, name: str, *, colour: str, half_mm: float | None = None) -> None:
    """Draw one scene in parallel projection; a millimetre is as long across as up.

    Args:
        axes: Axes to draw into; their ticks and frame are removed.
        surfaces: All scenes: the view is centred on all of them, so that they are comparable.
        name: Name of the scene.
        colour: Colour of a surface without distances.
        half_mm: Half the side of what is shown around the reference; by default all scenes with a margin.
    """
    axes.set(xticks=[], yticks=[], facecolor=BACKGROUND, aspect="equal")
    axes.set_frame_on(False)
    right, up, back = _directions()
    points = [s.points_mm for s in surfaces.scenes.values() if s is not None]
    if half_mm and (reference := surfaces.scenes.get("Reference")) is not None:
        points = [reference.points_mm]
    if not points and surfaces.outline is not None:
        points = [surfaces.outline.points_mm]
    together = np.concatenate(points) if points else np.zeros((1, 3))
    middle = (together.min(axis=0) + together.max(axis=0)) / 2
    half = half_mm or 1.15 * max(float(np.abs((together - middle) @ np.stack([right, up]).T).max()), 10)
    centre = np.array([right, up]) @ middle
    axes.set_xlim(centre[0] - half, centre[0] + half)
    axes.set_ylim(centre[1] - half, centre[1] + half)
    surface = surfaces.scenes[name]
    if surface is not None:
        measured = surface.distance_mm is not None
        tints = _tints(surface, surfaces.limit_mm) if measured else np.tile(to_rgb(colour), (len(surface.faces), 1))
        _fill(axes, surface, tints, (right, up, back), ghost=False)
    if surfaces.outline is not None:
        tints = np.tile(to_rgb(OUTLINE_COLOUR), (len(surfaces.outline.faces), 1))
        _fill(axes, surfaces.outline, tints, (right, up, back), ghost=True)


def _directions() -> tuple[NDArray[np.float64], ...]:
    """Right, up and towards the eye in RAS+; from the front the patient's right is on the left."""
    yaw, pitch = np.radians(VIEW_DEG)
    back = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([-np.cos(yaw), np.sin(yaw), 0.0])
    return right, np.cross(back, right), back


def _tints(surface: Surface, limit_mm: float) -> NDArray[np.float64]:
    distance_mm = np.asarray(surface.distance_mm)[surface.faces].mean(axis=1)
    return np.asarray(DISTANCE_MAP(Normalize(-limit_mm, limit_mm)(distance_mm)))[:, :3]


def _fill(axes: Axes, surface: Surface, tints: NDArray[Any], directions: tuple[Any, ...], *, ghost: bool) -> None:
    """Fill the faces from the farthest to the nearest, each as bright as it faces the eye; a ghost shows its rim."""
    right, up, back = directions
    corners = surface.points_mm[surface.faces].astype(np.float64)  # (f, 3 corners, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.abs(normals @ back) / np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    order = np.argsort((corners @ back).mean(axis=1))
    if ghost:
        fill = np.column_stack([tints, 0.02 + 0.2 * (1 - facing) ** 3])[order]
    else:
        fill = np.column_stack([tints * (AMBIENT + (1 - AMBIENT) * facing)[:, None], np.ones(len(tints))])[order]
    flat = corners[order] @ np.stack([right, up], axis=1)
    edges: dict[str, Any] = {"linewidths": 0} if ghost else {"edgecolors": fill, "linewidths": 0.3}
    axes.add_collection(PolyCollection(flat, facecolors=fill, rasterized=True, **edges), autolim=False)
