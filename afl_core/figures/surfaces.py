"""Tumour surfaces side by side, coloured by how far they lie from the reference surface."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import pyvista as pv
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from afl_core.data.preprocess import foreground
from afl_core.figures.palette import REFERENCE_COLOUR
from afl_core.regions import bounding_box
from afl_core.volume import Mask, Volume

SMOOTHING_STEPS = 20
"""Taubin steps: they take the voxel stairs off and keep the volume."""

OUTLINE_STEP = 4
"""Every how many voxels the head's outline is sampled; it is only there for orientation."""

LIMITS_MM = (1.0, 10.0)
"""Ends of the colour range stay within these: one far-off false positive must not bleach the rest."""

DISTANCE_COLOURS = [[0, "#2166ac"], [0.5, "#f7f7f7"], [1, "#b35806"]]
"""Blue: the prediction lies inside the reference. White: on it. Orange: outside. Readable with any colour vision."""


def plot_surfaces(image: Volume, reference: Mask | None, predictions: Mapping[str, Mask]) -> go.Figure:
    """Surfaces of the reference and of each source, one scene each, in a translucent outline of the head.

    Args:
        image: Gives the outline; all masks lie on its grid.
        reference: Plain colour; None or empty leaves its scene empty and the predictions uncoloured.
        predictions: Source name to mask; an empty one leaves a scene that says so.

    Returns:
        A plotly figure in RAS+ millimetres. Colours show the signed distance to the reference surface in mm, positive
        outside it, with one range for all sources.
    """
    outline = _outline(image)
    surfaces = {name: _surface(mask) for name, mask in predictions.items()}
    truth = _surface(reference) if reference is not None else None
    distances = {name: _distance_mm(surface, truth) for name, surface in surfaces.items()}
    limit = _limit(distances)
    scenes = ({"reference": truth} if reference is not None else {}) | surfaces
    titles = [_title(name, surface) for name, surface in scenes.items()]
    figure = make_subplots(
        cols=len(scenes), specs=[[{"type": "scene"}] * len(scenes)], subplot_titles=titles, horizontal_spacing=0.01
    )
    for column, (name, surface) in enumerate(scenes.items(), start=1):
        if outline is not None:
            figure.add_trace(_mesh(outline, color="#9aa0a6", opacity=0.07, hoverinfo="skip"), row=1, col=column)
        if surface is None:
            continue
        distance_mm = distances.get(name)
        if distance_mm is None:
            figure.add_trace(_mesh(surface, color=REFERENCE_COLOUR, name=name, hoverinfo="name"), row=1, col=column)
        else:
            figure.add_trace(_coloured(surface, name, distance_mm, limit), row=1, col=column)
    axis = {"visible": False, "showbackground": False}
    figure.update_scenes(
        xaxis=axis, yaxis=axis, zaxis=axis, aspectmode="data", camera={"eye": {"x": -1.1, "y": 1.1, "z": 0.6}}
    )
    return figure.update_layout(
        height=400, margin={"l": 0, "r": 0, "t": 30, "b": 0}, uirevision="keep", paper_bgcolor="rgba(0,0,0,0)"
    )


def _surface(mask: Mask) -> pv.PolyData | None:
    """Smoothed triangle mesh in world mm, from the mask's bounding box alone; None when the mask is empty."""
    box = bounding_box(mask.array)
    if box is None:
        return None
    mesh = _contour(np.pad(mask.array[box], 2).astype(np.float32), 0.5)
    mesh = mesh.smooth_taubin(n_iter=SMOOTHING_STEPS, pass_band=0.1)
    return _to_world(mesh, mask.affine, offset=np.array([side.start for side in box]) - 2, step=1)


def _outline(image: Volume) -> pv.PolyData | None:
    """Coarse surface of the image's foreground; None without one."""
    coarse = foreground(image.array)[::OUTLINE_STEP, ::OUTLINE_STEP, ::OUTLINE_STEP]
    if not coarse.any():
        return None
    mesh = _contour(np.pad(coarse, 1).astype(np.float32), 0.5).smooth_taubin(n_iter=SMOOTHING_STEPS, pass_band=0.05)
    return _to_world(mesh, image.affine, offset=np.full(3, -OUTLINE_STEP), step=OUTLINE_STEP)


def _contour(field: NDArray[np.float32], level: float) -> pv.PolyData:
    grid = pv.ImageData(dimensions=field.shape)
    grid.point_data["field"] = field.flatten(order="F")
    return grid.contour([level], scalars="field")


def _to_world(mesh: pv.PolyData, affine: NDArray[np.float64], *, offset: NDArray[np.int64], step: int) -> pv.PolyData:
    voxels = np.asarray(mesh.points, dtype=np.float64) * step + offset
    mesh.points = voxels @ affine[:3, :3].T + affine[:3, 3]
    return mesh


def _distance_mm(surface: pv.PolyData | None, reference: pv.PolyData | None) -> NDArray[np.float64] | None:
    """Signed distance of every vertex to the reference surface, positive outside; None without either."""
    if surface is None or reference is None:
        return None
    return np.asarray(surface.compute_implicit_distance(reference)["implicit_distance"], dtype=np.float64)


def _limit(distances: Mapping[str, NDArray[np.float64] | None]) -> float:
    """Common end of the colour range in mm: the 95th percentile over all sources, within `LIMITS_MM`."""
    values = [np.abs(d) for d in distances.values() if d is not None]
    return float(np.clip(np.percentile(np.concatenate(values), 95), *LIMITS_MM)) if values else LIMITS_MM[0]


def _title(name: str, surface: pv.PolyData | None) -> str:
    return name if surface is not None else f"{name}: no tumour" + ("" if name == "reference" else " predicted")


def _mesh(surface: pv.PolyData, **style: object) -> go.Mesh3d:
    x, y, z = np.asarray(surface.points, dtype=np.float32).T
    i, j, k = surface.faces.reshape(-1, 4)[:, 1:].T
    return go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, flatshading=False, **style)


def _coloured(surface: pv.PolyData, name: str, distance_mm: NDArray[np.float64], limit: float) -> go.Mesh3d:
    return _mesh(
        surface,
        name=name,
        intensity=distance_mm.astype(np.float32),
        colorscale=DISTANCE_COLOURS,
        cmin=-limit,
        cmax=limit,
        colorbar={"title": {"text": "mm from<br>reference"}, "thickness": 12, "len": 0.8},
        hovertemplate="%{intensity:.1f} mm<extra>" + name + "</extra>",
    )
