"""A predicted component that several lesions share, divided among them: each voxel goes to the nearest lesion."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from afl_core.metrics.matchers import Integers, Matching
from afl_core.metrics.surface import surface_voxels
from afl_core.volume import Spacing

FEW = 2**18
"""Voxels whose nearest lesion is searched for one by one; for a prediction of ones everywhere that took minutes."""


def voxels_in_region(m: Matching) -> Integers:
    """Matched voxels of each lesion (by number, 0 unused) when each voxel belongs to the nearest lesion alone."""
    counts = np.zeros(len(m.lesion_voxels) + 1, dtype=np.int64)
    lesion, component = m.pairs.T
    shared = np.bincount(component, minlength=len(m.component_voxels) + 1) > 1
    np.add.at(counts, lesion[~shared[component]], m.component_voxels[component[~shared[component]] - 1])
    if not shared.any():
        return counts
    surface = np.flatnonzero(surface_voxels(m.reference))
    for c in np.flatnonzero(shared):
        rivals = np.zeros(len(counts), dtype=bool)
        rivals[lesion[component == c]] = True
        voxels = m.components == c
        counts += np.bincount(m.lesions[voxels & m.reference], minlength=len(counts))
        targets = surface[rivals[m.lesions.ravel()[surface]]]
        outside = np.flatnonzero(voxels & ~m.reference)
        counts += np.bincount(m.lesions.ravel()[_nearest_of(targets, outside, m)], minlength=len(counts))
    return counts


def _nearest_of(targets: NDArray[np.intp], outside: NDArray[np.intp], m: Matching) -> NDArray[np.intp]:
    """The target (flat index) nearest to each voxel outside; a few are looked up, many are read off a transform."""
    shape = m.reference.shape
    if len(outside) <= FEW:
        tree = cKDTree(_points_mm(targets, shape, m.spacing_mm))
        return np.asarray(targets[tree.query(_points_mm(outside, shape, m.spacing_mm))[1]])
    free = np.ones(shape, dtype=bool)
    free.ravel()[targets] = False
    places = distance_transform_edt(free, sampling=m.spacing_mm, return_distances=False, return_indices=True)
    return np.asarray(np.ravel_multi_index(tuple(axis.ravel()[outside] for axis in places), shape))


def _points_mm(flat: NDArray[np.intp], shape: tuple[int, ...], spacing_mm: Spacing) -> NDArray[np.float64]:
    axes = np.unravel_index(flat, shape)
    return np.column_stack([index * step for index, step in zip(axes, spacing_mm, strict=True)]).astype(np.float64)
