"""Exactness of the shared distances, however far is searched at first."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from afl_core.metrics import surface


def slow_surface(mask):
    padded = np.pad(mask, 1)
    out = np.zeros_like(mask)
    for x, y, z in np.argwhere(mask):
        here = np.array([x, y, z]) + 1
        steps = [*np.eye(3, dtype=int), *-np.eye(3, dtype=int)]
        out[x, y, z] = not all(padded[tuple(here + step)] for step in steps)
    return out


def slow_distances(prediction, reference, spacing):
    a, b = (np.argwhere(slow_surface(m)) * spacing for m in (prediction, reference))
    apart = cdist(a, b)
    return apart.min(axis=1), apart.min(axis=0)


def random_pairs(n):
    rng = np.random.default_rng(5)
    for _ in range(n):
        shape = rng.integers(1, 12, 3)
        pair = rng.random((2, *shape)) < rng.choice([0.05, 0.5, 0.95])
        pair[:, *rng.integers(0, shape)] = True
        yield *pair, tuple(rng.uniform(0.3, 4, 3))


def check(prediction, reference, spacing):
    mine = surface.compute_surface_distances(prediction, reference, spacing_mm=spacing)
    slow = slow_distances(prediction, reference, spacing)
    assert np.sort(mine.prediction) == pytest.approx(np.sort(slow[0]), rel=1e-12)
    assert np.sort(mine.reference) == pytest.approx(np.sort(slow[1]), rel=1e-12)


@pytest.mark.parametrize("reach", [None, 1e-3, 0.7, 1e9], ids=["guessed", "tiny", "short", "endless"])
def test_equal_to_all_pairs_of_surface_voxels(reach, monkeypatch):
    if reach:
        monkeypatch.setattr(surface, "_guess_mm", lambda *_: reach)
    for prediction, reference, spacing in random_pairs(60):
        check(prediction, reference, spacing)


def test_equal_to_all_pairs_where_the_masks_lie_far_apart():
    """Side by side along each axis, so that no plane, row or column of the one meets the other."""
    rng = np.random.default_rng(6)
    for axis in range(3):
        for swapped in (False, True):
            for _ in range(5):
                masks = np.zeros((2, *np.roll([40, 5, 6], axis)), bool)
                ends = [np.moveaxis(mask, axis, 0) for mask in masks]
                ends[0][:4] = rng.random(ends[0][:4].shape) < 0.4
                ends[1][-3:] = rng.random(ends[1][-3:].shape) < 0.4
                pair = masks[::-1] if swapped else masks
                check(*pair, tuple(rng.uniform(0.3, 4, 3)))


def test_equal_to_all_pairs_where_a_few_voxels_are_far_from_all_others(monkeypatch):
    """A sample misses them, so what is found first does not reach: they are searched again."""
    searched = []
    search = surface._search
    monkeypatch.setattr(surface, "_search", lambda *a: searched.append(a[0].shape[1]) or search(*a))
    prediction = np.zeros((50, 30, 30), bool)
    prediction[3:9, 4:20, 5:20] = prediction[45, 28, 27] = True
    reference = np.roll(prediction, 1, axis=2)
    reference[40:] = False
    check(prediction, reference, (1, 0.5, 2))
    assert searched[1:-1]
    assert set(searched[1:-1]) == {1}


def test_distances_between_voxels_a_millimetre_apart_are_exact():
    box = np.zeros((70, 70, 70), bool)
    dot = box.copy()
    box[2:68, 2:68, 2:68] = True
    dot[30:33, 31, 32] = True
    distances = surface.compute_surface_distances(box, dot, spacing_mm=(1, 1, 1))
    both = np.concatenate([distances.prediction, distances.reference])
    assert (both == np.sqrt(np.rint(both**2))).all()
    assert distances.reference.tolist() == [28, 29, 29]


def test_reading_results_does_not_wait_for_numba():
    code = "import sys, afl_core.metrics; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_surface_voxels_equal_a_slow_loop():
    for prediction, _, _ in random_pairs(20):
        assert (surface.surface_voxels(prediction) == slow_surface(prediction)).all()
