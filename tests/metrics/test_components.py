"""Components of a mask that is given by its voxels are those that cc3d finds, in the same order."""

import numpy as np
import pytest

from afl_core.metrics.components import label_components
from afl_core.regions import label_lesions


@pytest.mark.parametrize("density", [0.0, 0.02, 0.1, 0.3, 0.6, 1.0])
def test_components_are_those_of_label_lesions(density):
    rng = np.random.default_rng(int(100 * density))
    for _ in range(40):
        mask = rng.random(rng.integers(1, 14, 3)) < density
        labels, sizes = label_components(np.flatnonzero(mask), mask.shape)
        expected, expected_sizes = label_lesions(mask)
        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(sizes, expected_sizes)
        assert labels.dtype == np.uint32
        assert sizes.dtype == np.int64


def test_a_spiral_is_one_component():
    """Each turn meets the others only at its end, so runs are joined late and over many steps."""
    mask = np.zeros((1, 15, 15), bool)
    mask[0, ::4] = True
    mask[0, 1::4, 0] = mask[0, 2::4, 0] = mask[0, 3::4, 0] = True
    assert label_components(np.flatnonzero(mask), mask.shape)[1].tolist() == [mask.sum()]
    mask[0, :, 0] = False
    assert label_components(np.flatnonzero(mask), mask.shape)[1].tolist() == [14] * 4
