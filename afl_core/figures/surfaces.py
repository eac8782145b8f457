"""Tumour surfaces in world millimetres, with how far each of their points lies from the reference surface."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyvista as pv
from numpy.typing import NDArray

from afl_core.figures.mesh_distances import MeshTree
from afl_core.regions import BoolArray, bounding_box, foreground
from afl_core.volume import Mask, Volume

SMOOTHING_STEPS = 20
"""Taubin steps: they take the voxel stairs off and keep the volume."""

OUTLINE_STEP = 4
"""Step in voxels at which the outline of the head is sampled; it is only there for orientation."""

CUT_FACES = 4
"""A foreground cut off at so many faces of its box is a field of view, as of a prostate, and has no outline of a body.
A head in a slab of slices is cut at two of them, one with the neck at one."""

CUT_SHARE = 0.5
"""A face is cut where so much of it is foreground; a head that just touches its box leaves most of the face free."""

FILLED_SHARE = 0.85
"""A foreground that fills so much of its box is one too, whatever its faces: the corners of a scanner's field are often
black. A ball fills 0.52 of its box, a head in a slab of slices at most 0.79."""

FLAT_SHARE = 0.45
"""A foreground whose box is so much flatter than it is wide, in mm, is a field too, such as the diffusion images of a
prostate: a few slices across a body. A head, whole or in a slab, is at least half as high as it is wide."""

LIMITS_MM = (1.0, 10.0)
"""Ends of the colour range stay within these, and what lies further off has no say: one far-off false positive must not
bleach the rest."""

DISTANCE_COLOURS = ("#2166ac", "#f7f7f7", "#b35806")
"""Inside the reference, on it, outside: blue, white, orange. Readable with any colour vision."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle mesh.

    Attributes:
        points_mm: Points in mm, float32, shape (n, 3), RAS+.
        faces: Point numbers, int32, shape (f, 3).
        distance_mm: Float32, shape (n,): distance of every point to the reference surface, positive outside; None
            where there is no reference to compare with.
    """

    points_mm: NDArray[np.float32]
    faces: NDArray[np.int32]
    distance_mm: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The surfaces of one case.

    Attributes:
        outline: Coarse surface of the head, or of whatever the image shows whole; None without an image, and where the
            image is filled to its edges (`has_outline`).
        scenes: "Reference", if there is one, and every source; None for an empty mask.
        limit_mm: End of the colour range that all sources share.
    """

    outline: Surface | None
    scenes: Mapping[str, Surface | None]
    limit_mm: float


def compute_surfaces(image: Volume | None, reference: Mask | None, predictions: Mapping[str, Mask]) -> Surfaces:
    """Surfaces of the reference and of each source, and the outline around them.

    Args:
        image: Image that gives the outline; all masks lie on its grid. None where there is none to show.
        reference: The reference mask; without one, or with an empty one, no source has distances.
        predictions: Source name to mask.

    Returns:
        Marching cubes (VTK's) of every mask's bounding box, smoothed, and the distance of their points to the
        reference's triangles.
    """
    masks = ({} if reference is None else {"Reference": reference}) | dict(predictions)
    # VTK and compiled code work outside Python's lock; one core is left to who answers browsers meanwhile.
    with ThreadPoolExecutor(max((os.cpu_count() or 2) - 1, 1)) as pool:
        outline = pool.submit(_outline, image)
        meshes = dict(zip(masks, pool.map(_surface, masks.values()), strict=True))
        truth = meshes.get("Reference") if reference is not None else None
        tree = None if truth is None else MeshTree.of(np.asarray(truth.points, dtype=np.float64)[_faces(truth)])
        measured = pool.map(lambda name: _measured(meshes[name], tree), predictions)
        sources = dict(zip(predictions, measured, strict=True))
    scenes = ({} if reference is None else {"Reference": truth and _plain(truth)}) | sources
    head = outline.result()
    return Surfaces(head and _plain(head), scenes, _limit(sources))


def _surface(mask: Mask) -> pv.PolyData | None:
    """Smoothed triangle mesh in world mm, from the mask's bounding box alone; None when the mask is empty."""
    box = bounding_box(mask.array)
    if box is None:
        return None
    mesh = _contour(np.pad(mask.array[box], 2).astype(np.float32), 0.5)
    mesh = mesh.smooth_taubin(n_iter=SMOOTHING_STEPS, pass_band=0.1)
    return _to_world(mesh, mask.affine, offset=np.array([side.start for side in box]) - 2, step=1)


def _outline(image: Volume | None) -> pv.PolyData | None:
    """Coarse surface of the image's foreground; None without one that means something."""
    if image is None:
        return None
    inside = foreground(image.array)
    coarse = inside[::OUTLINE_STEP, ::OUTLINE_STEP, ::OUTLINE_STEP]
    if not coarse.any() or not has_outline(inside, image.spacing_mm):
        return None
    mesh = _contour(np.pad(coarse, 1).astype(np.float32), 0.5).smooth_taubin(n_iter=SMOOTHING_STEPS, pass_band=0.05)
    mesh = mesh.connectivity("largest")  # the ventricles and other holes inside are no outline
    return _to_world(mesh, image.affine, offset=np.full(3, -OUTLINE_STEP), step=OUTLINE_STEP)


def has_outline(inside: BoolArray, spacing_mm: tuple[float, float, float]) -> bool:
    """Whether the edge of a foreground is that of a body, and not that of what the scanner recorded.

    Args:
        inside: The foreground, shape (X, Y, Z). Its own box is looked at: constant padding around it changes nothing.
        spacing_mm: Spacing of the voxels.

    Returns:
        False where the foreground fills `FILLED_SHARE` of its box or `CUT_SHARE` of `CUT_FACES` of its faces, where the
        box is flat by `FLAT_SHARE`, and where there is none.
    """
    box = bounding_box(inside)
    if box is None:
        return False
    flattest, middle, _ = sorted((side.stop - side.start) * mm for side, mm in zip(box, spacing_mm, strict=True))
    if flattest < FLAT_SHARE * middle:
        return False
    part = inside[box]
    faces = [np.moveaxis(part, axis, 0)[end] for axis in range(3) for end in (0, -1)]
    cut = sum(float(face.mean()) >= CUT_SHARE for face in faces)
    return cut < CUT_FACES and float(part.mean()) < FILLED_SHARE


def _contour(field: NDArray[np.float32], level: float) -> pv.PolyData:
    grid = pv.ImageData(dimensions=field.shape)
    grid.point_data["field"] = field.flatten(order="F")
    return grid.contour([level], scalars="field")


def _to_world(mesh: pv.PolyData, affine: NDArray[np.float64], *, offset: NDArray[np.int64], step: int) -> pv.PolyData:
    voxels = np.asarray(mesh.points, dtype=np.float64) * step + offset
    mesh.points = voxels @ affine[:3, :3].T + affine[:3, 3]
    return mesh


def _measured(mesh: pv.PolyData | None, reference: MeshTree | None) -> Surface | None:
    if mesh is None or reference is None:
        return mesh and _plain(mesh)
    return _plain(mesh, reference.distances(np.asarray(mesh.points)).astype(np.float32))


def _plain(mesh: pv.PolyData, distance_mm: NDArray[np.float32] | None = None) -> Surface:
    return Surface(np.asarray(mesh.points, dtype=np.float32), _faces(mesh), distance_mm)


def _faces(mesh: pv.PolyData) -> NDArray[np.int32]:
    return np.asarray(mesh.faces.reshape(-1, 4)[:, 1:], dtype=np.int32)


def _limit(sources: Mapping[str, Surface | None]) -> float:
    """Common end of the colour range in mm: the 95th percentile over all sources, of distances within `LIMITS_MM`."""
    values = [np.abs(s.distance_mm) for s in sources.values() if s is not None and s.distance_mm is not None]
    near = np.concatenate([np.zeros(1, np.float32), *values])
    return float(np.clip(np.percentile(near[near <= LIMITS_MM[1]], 95), *LIMITS_MM))
