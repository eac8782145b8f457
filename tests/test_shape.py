"""Shape descriptors against analytic solids, brute-force morphology and the direct formula."""

import math

import numpy as np
import pytest
from scipy import ndimage

from afl_core.errors import GeometryError
from afl_core.metrics import evaluate_masks
from afl_core.shape import Shape, describe, lesion_roughness, released_smoothness, surface_area_mm2

ISOTROPIC, PROSTATE = (1.0, 1.0, 1.0), (0.5, 0.5, 3.0)
SPACINGS = [ISOTROPIC, PROSTATE]


def radius_mm(volume_ml):
    return (volume_ml * 3000 / (4 * math.pi)) ** (1 / 3)


def solid(volume_ml, spacing, *, axes=(1, 1, 1), amplitude=0.0, seed=0):
    """An ellipsoid at a random sub-voxel place, its radius modulated by 12 waves of the given relative amplitude."""
    rng = np.random.default_rng(seed)
    radius = radius_mm(volume_ml)
    shape = [math.ceil(2 * radius * a * (1 + 2.5 * amplitude) / s) + 5 for a, s in zip(axes, spacing, strict=True)]
    offset = rng.uniform(-0.5, 0.5, 3)
    index = np.indices(shape).T - (np.array(shape) - 1) / 2 + offset
    place = (index * spacing / np.array(axes)).T
    apart = np.linalg.norm(place, axis=0) + 1e-9
    if not amplitude:
        return apart <= radius
    waves = sum(np.cos(np.tensordot(rng.normal(size=3) * 4, place / apart, 1) + rng.uniform(0, 7)) for _ in range(12))
    return apart <= radius * (1 + amplitude * waves / math.sqrt(6))


def ellipsoid_area(volume_ml, axes):
    """Knud Thomsen's formula, within 1.1 %."""
    a, b, c = (radius_mm(volume_ml) * np.array(axes)) ** 1.6075
    return 4 * math.pi * ((a * b + a * c + b * c) / 3) ** (1 / 1.6075)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("volume_ml", [1, 3, 10])
def test_area_of_spheres(volume_ml, spacing):
    truth = 4 * math.pi * radius_mm(volume_ml) ** 2
    for seed in range(4):
        assert surface_area_mm2(solid(volume_ml, spacing, seed=seed), spacing_mm=spacing) == pytest.approx(
            truth, rel=0.03
        )


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("axes", [(1.6, 1, 0.625), (1, 0.625, 1.6), (0.7, 0.7, 2), (1.4, 1.4, 0.5)])
def test_area_of_ellipsoids(axes, spacing):
    limit = 0.02 if spacing == ISOTROPIC else 0.07
    mask = solid(10, spacing, axes=axes)
    assert surface_area_mm2(mask, spacing_mm=spacing) == pytest.approx(ellipsoid_area(10, axes), rel=limit)


def test_area_of_a_plate_and_of_one_that_fills_the_array():
    """Two faces of 60x60 along the grid, 7 % low as documented; the array's border closes the surface."""
    plate = np.zeros((64, 64, 5), bool)
    plate[2:62, 2:62, 2] = True
    area = surface_area_mm2(plate, spacing_mm=ISOTROPIC)
    assert area == pytest.approx(2 * 3600, rel=0.1)
    assert surface_area_mm2(plate[2:62, 2:62, 2:3].copy(), spacing_mm=ISOTROPIC) == pytest.approx(area)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("axes", [(1, 1, 1), (1.5, 1, 0.67), (0.67, 1, 1.5)])
@pytest.mark.parametrize("volume_ml", [0.3, 1, 5, 50])
def test_smooth_solids_have_roughness_near_zero(volume_ml, axes, spacing):
    """As documented: the voxels of a small lesion, and the slices of a thin one, are steps that count as roughness."""
    isotropic = {0.3: 0.07, 1: 0.05, 5: 0.02, 50: 0.012}
    limit = isotropic[volume_ml] if spacing == ISOTROPIC else (0.015 if volume_ml == 50 else 0.09)
    for seed in range(3):
        assert 0 <= lesion_roughness(solid(volume_ml, spacing, axes=axes, seed=seed), spacing_mm=spacing) < limit


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("volume_ml", [1, 5])
def test_roughness_grows_with_the_amplitude(volume_ml, spacing):
    by_amplitude = [
        np.mean(
            [lesion_roughness(solid(volume_ml, spacing, amplitude=a, seed=s), spacing_mm=spacing) for s in range(3)]
        )
        for a in (0, 0.1, 0.2, 0.3)
    ]
    assert (np.diff(by_amplitude) > 0.02).all()


@pytest.mark.parametrize("amplitude", [0, 0.1, 0.2])
def test_roughness_and_area_hardly_depend_on_size_or_spacing(amplitude):
    """The mean over four shapes, as a single one varies with its place on a 3 mm grid."""

    def mean(volume_ml, spacing):
        masks = [solid(volume_ml, spacing, amplitude=amplitude, seed=seed) for seed in range(4)]
        area = np.mean([surface_area_mm2(mask, spacing_mm=spacing) for mask in masks])
        return np.mean([lesion_roughness(mask, spacing_mm=spacing) for mask in masks]), area / volume_ml ** (2 / 3)

    reference = mean(10, ISOTROPIC)
    for volume_ml in (2, 10):
        for spacing in SPACINGS:
            roughness, area = mean(volume_ml, spacing)
            assert roughness == pytest.approx(reference[0], abs=0.07)
            assert area == pytest.approx(reference[1], rel=0.06)


def brute_roughness(mask, spacing):
    r = 0.3 * (mask.sum() * math.prod(spacing) * 3 / (4 * math.pi)) ** (1 / 3)
    reach = [math.ceil(r / s) for s in spacing]
    steps = np.moveaxis(np.indices([2 * n + 1 for n in reach]), 0, -1) - reach
    ball = np.linalg.norm(steps * spacing, axis=-1) <= r
    padded = np.pad(mask, [(2 * n, 2 * n) for n in reach])
    opened, closed = ndimage.binary_opening(padded, ball), ndimage.binary_closing(padded, ball)
    return 1 - opened.sum() / closed.sum()


@pytest.mark.parametrize("spacing", [*SPACINGS, (0.9, 1.3, 2.1)])
def test_roughness_equals_brute_force_morphology(spacing):
    for seed in range(3):
        mask = solid(1.5, spacing, amplitude=0.25, seed=seed)
        assert lesion_roughness(mask, spacing_mm=spacing) == pytest.approx(brute_roughness(mask, spacing), abs=1e-12)
        cut = mask[mask.shape[0] // 2 :]  # cut by the border of the array: outside is background
        assert lesion_roughness(cut, spacing_mm=spacing) == pytest.approx(brute_roughness(cut, spacing), abs=1e-12)


def test_a_thread_is_all_boundary():
    thread = np.zeros((5, 5, 300), bool)
    thread[2, 2, :] = True
    assert lesion_roughness(thread, spacing_mm=ISOTROPIC) == 1


@pytest.mark.parametrize(("spacing", "too_small", "enough"), [(ISOTROPIC, 0.14, 0.17), (PROSTATE, 0.1, 0.13)])
def test_a_lesion_too_small_to_carry_roughness_says_so(spacing, too_small, enough):
    def box(volume_ml):
        mask = np.zeros(1000, bool)
        mask[: round(volume_ml * 1000 / math.prod(spacing))] = True
        return mask.reshape(10, 10, 10)

    assert math.isnan(lesion_roughness(box(too_small), spacing_mm=spacing))
    assert 0 <= lesion_roughness(box(enough), spacing_mm=spacing) <= 1


def test_roughness_of_a_case_is_weighted_by_volume_over_the_lesions_that_carry_it():
    rough, smooth = solid(3, ISOTROPIC, amplitude=0.3), solid(9, ISOTROPIC)
    mask = np.zeros((80, 90, 60), bool)
    mask[1 : 1 + rough.shape[0], 2 : 2 + rough.shape[1], 3 : 3 + rough.shape[2]] = rough
    mask[45 : 45 + smooth.shape[0], 50 : 50 + smooth.shape[1], 20 : 20 + smooth.shape[2]] = smooth
    mask[79, 89, 59] = True
    shape = describe(mask, spacing_mm=ISOTROPIC)
    sizes = sorted([rough.sum(), smooth.sum()], reverse=True)
    alone = [lesion_roughness(m, spacing_mm=ISOTROPIC) for m in (smooth, rough)]
    assert shape.n_components == 3
    assert shape.volume_ml == pytest.approx((sum(sizes) + 1) / 1000)
    assert shape.lesion_roughness == pytest.approx((*alone, math.nan), nan_ok=True)
    assert shape.roughness == pytest.approx(np.average(alone, weights=sizes))
    assert shape.surface_area_mm2 == pytest.approx(surface_area_mm2(mask, spacing_mm=ISOTROPIC))
    assert shape.released_smoothness == released_smoothness(mask)
    lesions = evaluate_masks(mask, mask, spacing_mm=ISOTROPIC).lesions
    assert [round(lesion.volume_ml * 1000) for lesion in lesions] == [*sizes, 1]  # the same order as lesion_roughness


def direct_smoothness(mask):
    axes = [axis for axis in range(3) if mask.shape[axis] > 1]
    gradients = [np.gradient(mask.astype(float), axis=axis) for axis in axes]
    return float(np.mean(np.sqrt(sum(g**2 for g in gradients))))


def test_released_smoothness_equals_the_direct_formula():
    rng = np.random.default_rng(0)
    for _ in range(200):
        mask = np.zeros(rng.integers(2, 14, 3), bool)
        box = tuple(slice(*sorted(rng.integers(0, n + 1, 2))) for n in mask.shape)
        mask[box] = rng.random(mask[box].shape) < rng.choice([0.2, 0.9, 1])
        assert released_smoothness(mask) == pytest.approx(direct_smoothness(mask), rel=1e-6, abs=1e-12)


def test_released_smoothness_by_hand():
    """One voxel in 27: its 6 neighbours have a one-sided gradient of 1 at the border; the voxel itself has 0."""
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    assert released_smoothness(mask) == pytest.approx(6 / 27)
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    assert released_smoothness(mask) == pytest.approx(6 * 0.5 / 125)
    assert released_smoothness(np.ones((4, 4, 1), bool)) == 0
    assert released_smoothness(np.ones((1, 1, 1), bool)) == 0


def test_released_smoothness_is_area_over_voxels():
    """Facts section 1: it grows with the tumour and shrinks with the field of view."""
    small, large = solid(5, ISOTROPIC), solid(40, ISOTROPIC)
    assert released_smoothness(np.pad(small, 20)) < released_smoothness(small)
    on_one_grid = np.zeros(large.shape, bool)
    on_one_grid[: small.shape[0], : small.shape[1], : small.shape[2]] = small
    assert released_smoothness(large) / released_smoothness(on_one_grid) == pytest.approx(4, rel=0.05)


def test_an_empty_mask():
    shape = describe(np.zeros((4, 5, 6), bool), spacing_mm=ISOTROPIC)
    assert shape.as_dict() == pytest.approx(
        {
            "volume_ml": 0,
            "n_components": 0,
            "surface_area_mm2": 0,
            "roughness": math.nan,
            "released_smoothness": 0,
        },
        nan_ok=True,
    )
    assert shape.lesion_roughness == ()
    assert math.isnan(lesion_roughness(np.zeros((4, 5, 6), bool), spacing_mm=ISOTROPIC))
    assert surface_area_mm2(np.zeros((4, 5, 6), bool), spacing_mm=ISOTROPIC) == 0


def test_memory_order_and_field_of_view_do_not_matter():
    mask = solid(2, PROSTATE, amplitude=0.2)
    shape = describe(mask, spacing_mm=PROSTATE)
    assert describe(np.asfortranarray(mask), spacing_mm=PROSTATE) == shape
    wide = describe(np.pad(mask, 9), spacing_mm=PROSTATE)
    assert wide.released_smoothness < shape.released_smoothness
    assert wide == Shape(
        **shape.as_dict() | {"released_smoothness": wide.released_smoothness}, lesion_roughness=shape.lesion_roughness
    )


@pytest.mark.parametrize("measure", [describe, lesion_roughness, surface_area_mm2])
def test_refuses_what_is_not_a_mask(measure):
    with pytest.raises(GeometryError, match="mask must be a boolean"):
        measure(np.zeros((3, 3, 3)), spacing_mm=ISOTROPIC)
    with pytest.raises(GeometryError, match="spacing must be"):
        measure(np.zeros((3, 3, 3), bool), spacing_mm=(1, 1, -1))
