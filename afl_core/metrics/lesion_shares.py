"""A predicted component that several lesions share, divided among them: each voxel goes to the nearest lesion."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from afl_core.base.jit import jit
from afl_core.metrics.components import Flat, Integers, by_number
from afl_core.metrics.matchers import Matching
from afl_core.metrics.surface import Distances, Points, directed_mm, places

FEW = 2**18
"""Voxels whose nearest lesion is searched for one by one; for a prediction of ones everywhere that took minutes."""

ROUNDING = 1e-9
"""Relative difference up to which two lesions are equally near, and the tree decides."""


def voxels_in_region(m: Matching) -> Integers:
    """Matched voxels of each lesion (by number, 0 unused) when each voxel belongs to the nearest lesion alone."""
    counts = np.zeros(len(m.lesion_voxels) + 1, dtype=np.int64)
    lesion, component = m.pairs.T
    shared = np.bincount(component, minlength=len(m.component_voxels) + 1) > 1
    np.add.at(counts, lesion[~shared[component]], m.component_voxels[component[~shared[component]] - 1])
    if not shared.any():
        return counts
    numbers, surface, inside = m.lesions.ravel(), m.surfaces[1], m.inside[0]
    voxels, starts = by_number(m.components.ravel()[inside], len(m.component_voxels))
    sites, site_starts = by_number(numbers[surface], len(m.lesion_voxels))
    rivals, rival_starts = by_number(component, len(m.component_voxels))
    for c in np.flatnonzero(shared):
        own = inside[voxels[starts[c] : starts[c + 1]]]
        covered = numbers[own]
        counts += np.bincount(covered[covered > 0], minlength=len(counts))
        parts = [
            sites[site_starts[k] : site_starts[k + 1]] for k in lesion[rivals[rival_starts[c] : rival_starts[c + 1]]]
        ]
        counts += np.bincount(
            _owners(surface[np.sort(np.concatenate(parts))], own[covered == 0], m), minlength=len(counts)
        )
    return counts


def _owners(targets: Flat, outside: Flat, m: Matching) -> Integers:
    """Number of the lesion with the target nearest to each voxel outside; all are places in memory.

    A few voxels are looked up in a tree, many are read off a transform. The tree is not asked where the largest lesion
    is nearer than all the others.
    """
    shape, numbers = m.reference.shape, m.lesions.ravel()[targets].astype(np.int64)
    if len(outside) > FEW:
        free = np.ones(shape, dtype=bool)
        free.ravel()[targets] = False
        nearest = distance_transform_edt(free, sampling=m.spacing_mm, return_distances=False, return_indices=True)
        return np.asarray(m.lesions[tuple(axis.ravel()[outside] for axis in nearest)], dtype=np.int64)
    largest = np.bincount(numbers).argmax()
    owners = np.full(len(outside), largest)
    points, steps = places(outside, shape), np.array(m.spacing_mm, dtype=np.float64)
    sites = places(targets, shape)
    own = numbers == largest
    doubtful = _not_nearest(points, sites.compress(own, axis=1), sites.compress(~own, axis=1), steps)
    if len(doubtful):
        tree = cKDTree(sites.T * steps)
        owners[doubtful] = numbers[tree.query(points[:, doubtful].T * steps)[1]]
    return owners


def _not_nearest(points: Points, sites: Points, others: Points, steps: NDArray[np.float64]) -> Flat:
    """The points to which one of the others is as near as any site."""
    if not len(points[0]):
        return np.empty(0, dtype=np.intp)
    apart = directed_mm(points, others, steps)
    left = np.ones(len(apart), dtype=bool)
    thinned = np.ascontiguousarray(sites[:, :: 1 + sites.shape[1] // 64])
    jit(_leave)(points, thinned, steps, apart * (1 - ROUNDING), left)
    open_ = np.flatnonzero(left)
    if not len(open_):
        return open_
    return open_[directed_mm(points.take(open_, axis=1), sites, steps) >= apart[open_] * (1 - ROUNDING)]


def _leave(
    points: Points, sites: Points, steps: NDArray[np.float64], limits_mm: Distances, left: NDArray[np.bool_]
) -> None:
    """Clear `left` for the points that have one of the sites within their limit: most, after a few looks."""
    for i in range(points.shape[1]):
        x, y, z, limit = points[0, i], points[1, i], points[2, i], limits_mm[i] ** 2
        for j in range(sites.shape[1]):
            apart = ((sites[0, j] - x) * steps[0]) ** 2 + ((sites[1, j] - y) * steps[1]) ** 2
            if apart + ((sites[2, j] - z) * steps[2]) ** 2 < limit:
                left[i] = False
                break
