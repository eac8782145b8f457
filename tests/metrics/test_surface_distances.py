"""Exactness of the shared distances, whichever way they are computed."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from afl_core.metrics import evaluate_masks, surface


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


@pytest.mark.parametrize("tree", [True, False])
def test_equal_to_all_pairs_of_surface_voxels(tree, monkeypatch):
    monkeypatch.setattr(surface, "_tree_is_faster", lambda *_: tree)
    for prediction, reference, spacing in random_pairs(60):
        mine = surface.compute_surface_distances(prediction, reference, spacing_mm=spacing)
        slow = slow_distances(prediction, reference, spacing)
        assert np.sort(mine.prediction) == pytest.approx(np.sort(slow[0]), rel=1e-6)
        assert np.sort(mine.reference) == pytest.approx(np.sort(slow[1]), rel=1e-6)


def test_surface_voxels_equal_a_slow_loop():
    for prediction, _, _ in random_pairs(20):
        assert (surface.surface_voxels(prediction) == slow_surface(prediction)).all()


def test_surfaces_far_apart_go_through_the_distance_transform(monkeypatch):
    chosen = []
    decide = surface._tree_is_faster
    monkeypatch.setattr(surface, "_tree_is_faster", lambda *a: chosen.append(decide(*a)) or chosen[-1])
    box = np.ones((80, 80, 80), bool)
    dot = np.zeros_like(box)
    dot[38:42, 38:42, 38:42] = True
    evaluate_masks(box, dot, spacing_mm=(1, 1, 1))
    assert False in chosen
    chosen.clear()
    plate = np.zeros_like(box)
    plate[10:70, 10:70, 40] = plate[10, 10, 10] = True
    evaluate_masks(plate, np.roll(plate, 1, 2), spacing_mm=(1, 1, 1))
    assert chosen == [True, True]
