"""Distances between the surfaces of two masks, measured once for HD, HD95, ASSD and NSD.

A surface voxel is a voxel of the mask with at least one of its six neighbours outside it; what lies beyond the array
counts as outside. A distance runs from the centre of a surface voxel to the centre of the nearest surface voxel of the
other mask. Both are MONAI's definitions (`monai.metrics.utils.get_mask_edges`, `get_surface_distance`).
"""

import math
from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from afl_core.regions import BoolArray
from afl_core.volume import Spacing

Distances = NDArray[np.floating]

ROUNDING_MM = 1e-5
"""Slack of the NSD tolerance: an affine stores 0.5 mm as 0.49999999 or 0.50000001, and both must count alike."""


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distances in mm from each surface voxel to the other surface, in no particular order.

    Attributes:
        prediction: From the prediction to the reference, one for each surface voxel of the prediction.
        reference: From the reference to the prediction.
    """

    prediction: Distances
    reference: Distances


def surface_voxels(mask: BoolArray) -> BoolArray:
    """Mark the voxels of a mask (X, Y, Z) that have a face neighbour outside it, or outside the array."""
    m = np.pad(mask, 1)
    core = m[:-2, 1:-1, 1:-1] & m[2:, 1:-1, 1:-1]
    core &= m[1:-1, :-2, 1:-1]
    core &= m[1:-1, 2:, 1:-1]
    core &= m[1:-1, 1:-1, :-2]
    core &= m[1:-1, 1:-1, 2:]
    return np.greater(mask, core)  # mask and not core


def compute_surface_distances(prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing) -> SurfaceDistances:
    """Measure the distances between the surfaces of two non-empty masks.

    Args:
        prediction: Shape (X, Y, Z), possibly a crop that holds every True voxel of both masks.
        reference: Same shape.
        spacing_mm: Voxel edge lengths.
    """
    surfaces = surface_voxels(prediction), surface_voxels(reference)
    points = _points_mm(surfaces[0], spacing_mm), _points_mm(surfaces[1], spacing_mm)
    both: list[Distances] = []
    for a, b in ((0, 1), (1, 0)):
        tree = cKDTree(points[b], balanced_tree=False, compact_nodes=False)
        if _tree_is_faster(tree, points[a], surfaces[b].size, spacing_mm):
            both.append(np.asarray(tree.query(points[a])[0]))
        else:
            both.append(edt.edt(~surfaces[b], anisotropy=spacing_mm, parallel=1)[surfaces[a]])
    return SurfaceDistances(prediction=both[0], reference=both[1])


def hd_mm(distances: SurfaceDistances) -> float:
    """Hausdorff distance: the largest distance, in mm."""
    return float(max(distances.prediction.max(), distances.reference.max()))


def hd95_mm(distances: SurfaceDistances) -> float:
    """The larger of the two directed 95th percentiles (linear interpolation), in mm; not the percentile of the pool."""
    return float(max(np.percentile(distances.prediction, 95), np.percentile(distances.reference, 95)))


def assd_mm(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance: the mean of all distances of both directions pooled, in mm."""
    total = distances.prediction.sum(dtype=float) + distances.reference.sum(dtype=float)
    return float(total / (distances.prediction.size + distances.reference.size))


def nsd(distances: SurfaceDistances, *, tolerance_mm: float) -> float:
    """Normalised surface Dice: the fraction of the surface voxels of both masks within the tolerance."""
    limit = tolerance_mm + ROUNDING_MM
    within = np.count_nonzero(distances.prediction <= limit) + np.count_nonzero(distances.reference <= limit)
    return within / (distances.prediction.size + distances.reference.size)


def _points_mm(surface: BoolArray, spacing_mm: Spacing) -> NDArray[np.float64]:
    voxels = np.unravel_index(np.flatnonzero(surface), surface.shape)
    return np.column_stack([index * step for index, step in zip(voxels, spacing_mm, strict=True)])


def _tree_is_faster(tree: cKDTree, points: NDArray[np.float64], grid_voxels: int, spacing_mm: Spacing) -> bool:
    """Guess from 64 points whether the tree beats a distance transform of the grid; either way the result is exact.

    A search visits about as many points of the tree as lie in a disc whose radius is the distance it finds: a handful
    where the surfaces run close to each other, nearly all inside a large hollow shape. The costs (1 us a search,
    0.02 us a visited point, 0.08 us a voxel) were measured on tumours of 0.2 and 50 ml, shifted, concentric, scattered
    and filling the grid.
    """
    found_mm, _ = tree.query(points[:: max(1, len(points) // 64)])
    face_mm2 = math.prod(spacing_mm) ** (2 / 3)
    visited = np.minimum(tree.n, math.pi * found_mm**2 / face_mm2).mean()
    return bool(len(points) * (1 + 0.02 * visited) < 0.08 * grid_voxels)
