"""To a network's grid and back: hand-computed values, and nothing moves."""

import numpy as np
import pytest
from scipy import ndimage

from afl_core.data.preprocess import resampled_shape, z_score
from afl_core.errors import GeometryError
from afl_core.interpolation import resize
from afl_core.regions import foreground


def line(*values):
    return np.array(values, np.float32).reshape(-1, 1, 1)


def padded(inner, *, background):
    return np.pad(np.array(inner, np.float32).reshape(-1, 1, 1), 1, constant_values=background)


@pytest.mark.parametrize("background", [0, -0.7])
def test_the_background_is_the_constant_of_the_corners(background):
    inside = foreground(padded([1, 2, 0, 4], background=background))
    assert inside.shape == (6, 3, 3)
    assert inside[1:-1, 1, 1].tolist() == [True, True, background != 0, True]
    assert inside.sum() == (3 if background == 0 else 4)


def test_an_image_whose_corners_differ_is_all_foreground():
    image = np.zeros((4, 4, 4), np.float32)
    image[-1, 0, -1] = 1
    assert foreground(image).all()


def test_z_score_of_the_foreground_alone():
    """Foreground 1 and 3: mean 2, deviation 1; the background becomes 0, whatever it was."""
    for background in (0, -5):
        scaled = z_score(padded([1, 3], background=background))
        assert scaled[1:-1, 1, 1].tolist() == [-1, 1]
        assert np.count_nonzero(scaled) == 2
        assert scaled.dtype == np.float32


def test_z_score_does_not_depend_on_scale_or_offset_of_the_foreground():
    values = np.random.default_rng(0).uniform(1, 2, 50)
    first, second = padded(values, background=0), padded(values * 1e4 + 3e4, background=0)
    assert np.allclose(z_score(first), z_score(second), atol=1e-3)


@pytest.mark.parametrize("image", [np.zeros((3, 3, 3), np.float32), padded([7, 7, 7], background=0)])
def test_a_constant_image_gives_zero_not_nan(image):
    assert not z_score(image).any()


@pytest.mark.parametrize(
    ("shape", "spacing", "target", "expected"),
    [
        ((240, 240, 155), (1, 1, 1), (2, 2, 2), (120, 120, 78)),
        ((30, 30, 20), (1, 1, 3), (1, 1, 1), (30, 30, 60)),
        ((30, 30, 30), (2.03, 2, 2), (2, 2, 2), (30, 30, 30)),  # within 2 %: left alone
        ((300, 30, 30), (2.05, 2, 2), (2, 2, 2), (308, 30, 30)),
        ((1, 9, 9), (1, 1, 1), (4, 4, 4), (1, 2, 2)),  # never zero voxels
    ],
)
def test_resampled_shape_covers_the_same_field_of_view(shape, spacing, target, expected):
    assert resampled_shape(shape, spacing, target) == expected


def test_resize_interpolates_between_voxel_centres():
    """The edges of the field of view stay: four voxels over two have their centres at -1/4, 1/4, 3/4 and 5/4."""
    assert resize(line(0, 1), (4, 1, 1)).ravel().tolist() == pytest.approx([0, 0.25, 0.75, 1])
    assert resize(line(0, 1, 2, 3), (2, 1, 1)).ravel().tolist() == pytest.approx([0.5, 2.5])


def test_resize_to_the_same_shape_changes_nothing():
    array = np.random.default_rng(0).random((5, 6, 7), np.float32)
    assert resize(array, (5, 6, 7)) is array


@pytest.mark.parametrize("shape", [(16, 20, 9), (7, 5, 30), (8, 10, 12), (1, 10, 12), (3, 25, 12)])
def test_it_is_scipy_s_linear_zoom_of_the_field_of_view(shape):
    array = np.random.default_rng(0).normal(size=(8, 10, 12)).astype(np.float32)
    zoom = [target / n for target, n in zip(shape, array.shape, strict=True)]
    expected = ndimage.zoom(array, zoom, order=1, mode="nearest", grid_mode=True)
    found = resize(array, shape)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("shape", [(17, 23, 5), (60, 41, 50), (30, 31, 29)])
def test_there_and_back_keeps_the_centre_of_mass(shape):
    """A smooth off-centre blob, so that a shift by half a voxel shows."""
    x, y, z = np.ogrid[:30, :31, :29]
    blob = np.exp(-((x - 9) ** 2 + (y - 18) ** 2 + (z - 13) ** 2) / 40).astype(np.float32)
    there = resize(blob, shape)
    assert there.shape == shape
    back = resize(there, blob.shape)
    assert back.shape == blob.shape
    for axis, index in enumerate(np.indices(blob.shape)):
        moved = (index * back).sum() / back.sum() - (index * blob).sum() / blob.sum()
        assert abs(moved) < 0.1, axis


@pytest.mark.parametrize(("spacing", "target"), [(1e6, 1), (1, 1e-3), (1, 1e-300)])
def test_a_grid_that_would_be_too_large_is_refused_before_it_is_made(spacing, target):
    spacing, target = (spacing,) * 3, (target,) * 3
    with pytest.raises(GeometryError, match=r"too large .*voxels, at most 134217728"):
        resampled_shape((40, 40, 24), spacing, target)
    assert resampled_shape((40, 40, 24), target, spacing) == (1, 1, 1)
