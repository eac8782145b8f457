"""Masks in many pieces: every lesion's values against a plain slow computation, one lesion after the other."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from afl_core.metrics import evaluate_masks
from afl_core.metrics.surface import ROUNDING_MM, within

SPACINGS = [(1.0, 1.0, 1.0), (0.7, 0.7, 0.7), (0.5, 0.8, 3.0)]


def fragmented(rng, shape, pieces):
    """A ball with a noisy edge among scattered voxels."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    middle = [n / 2 + rng.uniform(-2, 2) for n in shape]
    distance = np.sqrt(sum((axis - m) ** 2 for axis, m in zip(axes, middle, strict=True)))
    return (distance + rng.normal(0, 1.2, shape) <= min(shape) / 3) | (rng.random(shape) < pieces)


def labels_of(mask):
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    order = np.argsort(-np.bincount(labels.ravel(), minlength=count + 1)[1:], kind="stable")
    return [labels == k + 1 for k in order]


def surface(mask):
    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def slow_rows(prediction, reference, spacing):
    """HD95, ASSD, and the least and greatest share of the region, of each lesion; None for a missed one."""
    components, lesions = labels_of(prediction), labels_of(reference)
    matched = [[c for c in components if (c & lesion).any()] for lesion in lesions]
    for lesion, own in zip(lesions, matched, strict=True):
        if not own:
            yield None
            continue
        union = np.any(own, axis=0)
        apart = cdist(surface(union) * spacing, surface(lesion) * spacing)
        there, back = apart.min(axis=1), apart.min(axis=0)
        least = greatest = 0
        for component in own:
            rivals = [other for other in lesions if other is not lesion and (other & component).any()]
            voxels = np.argwhere(component) * spacing
            to_own = cdist(voxels, np.argwhere(lesion) * spacing).min(axis=1)
            to_rival = cdist(voxels, np.argwhere(np.any(rivals, axis=0)) * spacing).min(axis=1) if rivals else np.inf
            least += np.count_nonzero(to_own < to_rival - 1e-9)
            greatest += np.count_nonzero(to_own <= to_rival + 1e-9)
        covered, size = np.count_nonzero(union & lesion), np.count_nonzero(lesion)
        yield (
            max(np.percentile(there, 95), np.percentile(back, 95)),
            np.concatenate([there, back]).mean(),
            2 * covered / (size + greatest),
            2 * covered / (size + least),
        )


@pytest.mark.parametrize("small", [0, 300, 2**20], ids=["planes", "both", "pairs"])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_every_lesion_of_masks_in_pieces(monkeypatch, spacing, small):
    monkeypatch.setattr("afl_core.metrics.lesion_distances.SMALL", small)
    rng = np.random.default_rng(5)
    for pieces in (0.0, 0.005, 0.03):
        prediction, reference = fragmented(rng, (22, 20, 17), pieces), fragmented(rng, (22, 20, 17), pieces)
        measured = evaluate_masks(np.asfortranarray(prediction), reference, spacing_mm=spacing)
        rows = [row for row in measured.lesions if row.kind == "reference"]
        expected = list(slow_rows(prediction, reference, spacing))
        assert len(rows) == len(expected) > 1
        for row, values in zip(rows, expected, strict=True):
            assert row.detected == (values is not None)
            if values is not None:
                assert (row.hd95_mm, row.assd_mm) == pytest.approx(values[:2], rel=1e-12)
                assert values[2] - 1e-12 <= row.dsc_in_region <= values[3] + 1e-12


def test_voxels_within_a_distance_of_far_ones():
    rng = np.random.default_rng(1)
    for _ in range(30):
        points, others = np.sort(rng.integers(0, 40, (3, 50)), axis=1), np.sort(rng.integers(10, 90, (3, 60)), axis=1)
        steps, limit = rng.uniform(0.4, 3, 3), rng.uniform(0, 12) + ROUNDING_MM
        expected = cdist(points.T * steps, others.T * steps).min(axis=1) <= limit
        np.testing.assert_array_equal(within(points, others, steps, limit), expected)


def test_a_mask_in_the_order_of_a_nifti_file_has_the_same_values():
    rng = np.random.default_rng(2)
    masks = fragmented(rng, (22, 20, 17), 0.01), fragmented(rng, (22, 20, 17), 0.01)
    expected = evaluate_masks(*masks, spacing_mm=(1, 1, 1))
    assert evaluate_masks(*map(np.asfortranarray, masks), spacing_mm=(1, 1, 1)) == expected
    flipped = [np.ascontiguousarray(mask[:, ::-1])[:, ::-1] for mask in masks]
    assert evaluate_masks(*flipped, spacing_mm=(1, 1, 1)) == expected
