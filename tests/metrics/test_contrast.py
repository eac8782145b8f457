"""Contrast, signal to noise and contrast to noise: values by hand, scipy's distances, and what has no value."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, label

from afl_core.metrics.contrast import find_body, has_zero, measure_contrasts

SPACING = (3.5, 3.5, 3.5)
"""A voxel has its 6 neighbours by a face at 3.5 mm and the 12 by an edge at 4.95 mm within 5 mm, and no other."""


def one_voxel(at=(3, 3, 3), shape=(7, 7, 7)):
    """A lesion of one voxel of 150; 90 beside it by a face, 105 by an edge, and 1 to 3 elsewhere."""
    image = np.ones(shape)
    image[::2], image[:, ::2] = 2, 3
    lesions = np.zeros(shape, np.uint32)
    lesions[at] = 1
    apart = np.sum((np.indices(shape) - np.reshape(at, (3, 1, 1, 1))) ** 2, axis=0)
    image[apart == 0], image[apart == 1], image[apart == 2] = 150, 90, 105
    return image, lesions


def test_values_by_hand():
    noise = math.sqrt((6 * 10**2 + 12 * 5**2) / 17)  # around a mean of 100
    for found in measure_contrasts(*one_voxel(), spacing_mm=SPACING):
        assert found.shell_voxels == 18
        assert found.contrast == pytest.approx(0.5)
        assert found.signal_to_noise == pytest.approx(150 / noise)
        assert found.contrast_to_noise == pytest.approx(50 / noise)


def test_distances_are_in_mm_along_each_axis():
    image, lesions = one_voxel()
    found = measure_contrasts(image, lesions, spacing_mm=(2.5, 2.5, 5.0))[1]
    assert found.shell_voxels == 12 + 2  # up to two steps in the slice, one voxel above and one below


def test_a_lesion_at_the_border_has_the_part_of_its_shell_that_is_there():
    inside, corner = one_voxel((0, 3, 3)), one_voxel((0, 0, 0))
    found = measure_contrasts(*inside, spacing_mm=SPACING)[1]
    assert found.shell_voxels == 5 + 8
    assert found.contrast == pytest.approx(150 / ((5 * 90 + 8 * 105) / 13) - 1)
    assert measure_contrasts(*corner, spacing_mm=SPACING)[1].shell_voxels == 6
    assert math.isnan(measure_contrasts(*corner, spacing_mm=SPACING)[1].contrast_to_noise)


def test_another_lesion_is_in_no_shell():
    image, lesions = one_voxel()
    alone = measure_contrasts(image, lesions, spacing_mm=SPACING)[1]
    lesions[3, 3, 5], image[3, 3, 5] = 2, 5000  # two voxels away: one of its shell is shared
    beside = measure_contrasts(image, lesions, spacing_mm=SPACING)
    assert beside[1] == alone
    lesions[3, 3, 4] = 2  # touches it: that face is no longer in its shell
    found = measure_contrasts(image, lesions, spacing_mm=SPACING)
    assert found[1].shell_voxels == 17
    assert found[1].contrast == pytest.approx(150 / ((5 * 90 + 12 * 105) / 17) - 1)
    assert found[0].shell_voxels < sum(of.shell_voxels for of in found[1:])  # a voxel counts once for all lesions


@pytest.mark.parametrize("background", [0, -7.5])
def test_the_background_of_a_stripped_image_is_no_surrounding(background):
    image, lesions = one_voxel()
    image[4:] = background
    image[:, :1], image[:, -1:] = background, background
    found = measure_contrasts(image, lesions, spacing_mm=SPACING)[1]
    assert found.shell_voxels == 5 + 8
    assert found.contrast == pytest.approx(150 / ((5 * 90 + 8 * 105) / 13) - 1)


def test_without_a_background_every_finite_voxel_counts():
    image, _ = one_voxel()
    image[0, 0, 0] = 9
    assert find_body(image).all()
    image[2, 2, 2], image[3, 2, 2] = np.nan, np.inf
    assert np.count_nonzero(~find_body(image)) == 2
    assert not find_body(np.zeros((1, 4, 4))).any()


def test_where_the_lesion_shows_nothing_there_is_no_value():
    image, lesions = one_voxel()
    image[0], image[-1], image[3, 3, 3] = 0, 0, 0
    found = measure_contrasts(image, lesions, spacing_mm=SPACING)[1]
    assert found.shell_voxels == 18
    assert math.isnan(found.contrast)
    assert math.isnan(found.contrast_to_noise)


def test_no_lesion_has_nothing_defined():
    image, lesions = one_voxel()
    (nothing,) = measure_contrasts(image, np.zeros_like(lesions), spacing_mm=SPACING)
    assert nothing.shell_voxels == 0
    assert math.isnan(nothing.contrast_to_noise)


def test_a_shell_of_one_value_has_a_contrast_and_no_noise():
    image, lesions = one_voxel()
    image[image != 150] = 0.1
    image[0, 0, 0] = 0.2  # no background
    found = measure_contrasts(image, lesions, spacing_mm=SPACING)[1]
    assert found.contrast == pytest.approx(1499)
    assert math.isnan(found.signal_to_noise)
    assert math.isnan(found.contrast_to_noise)


def test_scores_and_ct_have_contrast_to_noise_alone():
    image, lesions = one_voxel()
    plain = measure_contrasts(image, lesions, spacing_mm=SPACING)[1]
    scored = (image - image.mean()) / image.std()
    found = measure_contrasts(scored, lesions, spacing_mm=SPACING)[1]
    assert math.isnan(found.contrast)
    assert math.isnan(found.signal_to_noise)
    assert found.contrast_to_noise == pytest.approx(plain.contrast_to_noise)


def test_a_few_negative_voxels_of_interpolation_leave_the_zero_as_it_is():
    image = np.ones((10, 10, 10))
    body = np.ones(image.shape, bool)
    image.flat[:10] = -0.5
    assert has_zero(image, body)
    image.flat[10] = -0.5
    assert not has_zero(image, body)


@given(st.floats(0.01, 100), st.floats(-500, 500), st.integers(0, 2**32 - 1))
def test_contrast_to_noise_has_no_scale_and_the_three_hang_together(factor, offset, seed):
    rng = np.random.default_rng(seed)
    image, lesions = rng.uniform(50, 150, (7, 7, 7)), one_voxel()[1]
    (found, _), (moved, _) = (
        measure_contrasts(values, lesions, spacing_mm=SPACING) for values in (image, factor * image + offset)
    )
    assert moved.contrast_to_noise == pytest.approx(found.contrast_to_noise, rel=1e-6, abs=1e-8)
    assert found.contrast == pytest.approx(found.contrast_to_noise / (found.signal_to_noise - found.contrast_to_noise))


@pytest.mark.parametrize("seed", range(4))
def test_against_the_distance_transform_of_scipy(seed):
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.uniform(0.6, 3, 3))
    image = rng.gamma(9, 10, (24, 20, 16))
    image[:3] = image[-2:] = image[:, :2] = image[:, -2:] = 0
    lesions, n = label(rng.random(image.shape) < 0.01, np.ones((3, 3, 3)))
    found = measure_contrasts(image, lesions.astype(np.uint32), spacing_mm=spacing)
    assert len(found) == n + 1
    for number, of in enumerate(found):
        mask = lesions == number if number else lesions > 0
        shell = (distance_transform_edt(~mask, sampling=spacing) <= 5) & (lesions == 0) & (image > 0)
        assert of.shell_voxels == shell.sum()
        inside, around = image[mask & (image > 0)], image[shell]
        if len(inside) and len(around) >= 10:
            assert of.contrast == pytest.approx(inside.mean() / around.mean() - 1)
            assert of.signal_to_noise == pytest.approx(inside.mean() / around.std(ddof=1))
        else:
            assert math.isnan(of.contrast)
