"""Shape descriptors against analytic solids, hand values, brute force, and the bars that docs/shape.md states."""

import importlib.util
import json
import math
import sys
import tracemalloc
from itertools import permutations
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from afl_core import shape as shape_module
from afl_core.errors import GeometryError
from afl_core.metrics import evaluate_masks
from afl_core.shape import Shape, _second_moments, describe, lesion_roughness, released_smoothness
from afl_core.surface_area import surface_area_mm2

ISOTROPIC, PROSTATE = (1.0, 1.0, 1.0), (0.5, 0.5, 3.0)
SPACINGS = [ISOTROPIC, PROSTATE]
ELLIPSOIDS = [(1, 1, 1), (1.6, 1, 0.625), (1, 0.625, 1.6), (0.7, 0.7, 2), (1.4, 1.4, 0.5)]


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
@pytest.mark.parametrize("axes", ELLIPSOIDS[1:])
@pytest.mark.parametrize("volume_ml", [1, 10])
def test_area_of_ellipsoids(volume_ml, axes, spacing):
    """Also of long ones across thick slices, of which crossings alone miss 7 % at 1 ml."""
    limit = 0.025 if spacing == ISOTROPIC else {1: 0.065, 10: 0.045}[volume_ml]
    for seed in range(3):
        mask = solid(volume_ml, spacing, axes=axes, seed=seed)
        assert surface_area_mm2(mask, spacing_mm=spacing) == pytest.approx(ellipsoid_area(volume_ml, axes), rel=limit)


def test_area_of_a_plate_and_of_one_that_fills_the_array():
    """Two faces of 60x60 along the grid, 4 % low as documented; the array's border closes the surface."""
    plate = np.zeros((64, 64, 5), bool)
    plate[2:62, 2:62, 2] = True
    area = surface_area_mm2(plate, spacing_mm=ISOTROPIC)
    assert area == pytest.approx(0.955 * 2 * 3600, rel=0.01)
    assert surface_area_mm2(plate[2:62, 2:62, 2:3].copy(), spacing_mm=ISOTROPIC) == pytest.approx(area)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("axes", ELLIPSOIDS)
@pytest.mark.parametrize("volume_ml", [0.3, 1, 5, 50])
def test_smooth_solids_have_roughness_near_zero_however_elongated(volume_ml, axes, spacing):
    """As documented: the steps between thick slices are the only roughness, and too few slices give none."""
    limit = 0.025 if spacing == ISOTROPIC else {0.3: 0.09, 1: 0.07, 5: 0.04, 50: 0.012}[volume_ml]
    thick = radius_mm(volume_ml) * axes[2] > 1.4 * spacing[2]
    for seed in range(3):
        rough = lesion_roughness(solid(volume_ml, spacing, axes=axes, seed=seed), spacing_mm=spacing)
        assert 0 <= rough < limit or (math.isnan(rough) and not thick)


def test_a_ball_on_the_grid_has_no_roughness_at_all():
    """Mirrored voxels are blurred to equal values, so none of them is moved for another."""
    away = np.linalg.norm(np.indices((21, 21, 21)).T - 10, axis=-1)
    assert lesion_roughness(away <= 8.2, spacing_mm=ISOTROPIC) == 0
    turned = [np.ones(edges, bool) for edges in permutations((7, 6, 5))]
    assert len({lesion_roughness(box, spacing_mm=ISOTROPIC) for box in turned}) == 1


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("amplitude", [0.1, 0.2])
@pytest.mark.parametrize("volume_ml", [1, 4, 20])
def test_roughness_is_about_the_amplitude_of_bumps(volume_ml, amplitude, spacing):
    """A bump that goes altogether moves 1.5 E|f| = 1.2 times its amplitude; some of each bump stays, so 0.8 it is."""
    masks = [solid(volume_ml, spacing, amplitude=amplitude, seed=seed) for seed in range(4)]
    assert np.mean([lesion_roughness(mask, spacing_mm=spacing) for mask in masks]) == pytest.approx(
        0.78 * amplitude, rel=0.15
    )


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
@pytest.mark.parametrize("volume_ml", [2, 10])
def test_one_lesion_on_two_grids(volume_ml, amplitude):
    for seed in range(3):
        shapes = [
            describe(solid(volume_ml, spacing, amplitude=amplitude, seed=seed), spacing_mm=spacing)
            for spacing in SPACINGS
        ]
        assert shapes[0].roughness == pytest.approx(shapes[1].roughness, abs=0.03)
        assert shapes[0].surface_area_mm2 == pytest.approx(shapes[1].surface_area_mm2, rel=0.05)
        assert shapes[0].elongation == pytest.approx(shapes[1].elongation, rel=0.03)


def brute_roughness(mask, spacing):
    """Gaussian of every voxel at every voxel; the covariance from sums, not from the module."""
    places = np.argwhere(mask) * spacing
    apart = places - places.mean(axis=0)
    covariance = 0.4**2 * 5 * (apart.T @ apart / len(apart) + np.diag(np.square(spacing)) / 12)
    wide = np.pad(mask, 4)
    grid = np.argwhere(np.ones(wide.shape, bool))
    away = np.linalg.solve(np.linalg.cholesky(covariance), (grid * np.array(spacing)).T).T
    inside = away[wide.ravel()]
    power = (away**2).sum(axis=1)[:, None] + (inside**2).sum(axis=1) - 2 * away @ inside.T
    blurred = np.exp(-power / 2).sum(axis=1)
    kept = np.argsort(-blurred)[: len(places)]
    return 1 - wide.ravel()[kept].mean()  # as many voxels kept as in the lesion: DSC is the share of it that is kept


@pytest.mark.parametrize(("volume_ml", "spacing"), [(0.3, ISOTROPIC), (0.9, (0.9, 1.3, 2.1))])
def test_roughness_equals_brute_force(volume_ml, spacing):
    mask = solid(volume_ml, spacing, axes=(0.8, 1, 1.25), amplitude=0.2)
    cut = mask[mask.shape[0] // 2 - 1 :]  # cut by the border of the array: outside is background
    for lesion in (mask, cut):
        expected = brute_roughness(lesion, spacing)
        assert expected > 0.03
        assert lesion_roughness(lesion, spacing_mm=spacing) == pytest.approx(expected, abs=0.008)


@pytest.mark.parametrize(
    ("shape", "known"),
    [((5, 5, 4), True), ((9, 11, 1), False), ((3, 3, 11), False), ((30, 30, 1), False), ((10, 10, 2), True)],
)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_a_lesion_too_small_or_too_thin_to_carry_roughness_says_so(shape, known, spacing):
    """From 100 voxels and two slices on; 99 voxels, a sheet and a thread have none."""
    box = np.ones(shape, bool)
    assert math.isnan(lesion_roughness(box, spacing_mm=spacing)) != known
    assert math.isnan(describe(box, spacing_mm=spacing).roughness) != known
    assert math.isnan(lesion_roughness(np.ones((300, 1, 1), bool), spacing_mm=spacing))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("axes", ELLIPSOIDS)
@pytest.mark.parametrize("volume_ml", [10, 50])
def test_form_of_ellipsoids(volume_ml, axes, spacing):
    truth = 4 * math.pi * radius_mm(volume_ml) ** 2 / ellipsoid_area(volume_ml, axes)
    shape = describe(solid(volume_ml, spacing, axes=axes), spacing_mm=spacing)
    assert shape.sphericity == pytest.approx(truth, rel=0.025 if spacing == ISOTROPIC else 0.045)
    assert shape.sphericity <= 1
    assert shape.compactness == pytest.approx(shape.sphericity**3)
    minor, major = sorted(axes)[1:]
    assert shape.elongation == pytest.approx(minor / major, rel=0.03)


def test_elongation_by_hand():
    """A box of a x b x c has the second moments a^2/12, b^2/12, c^2/12, with its own extent: so for one voxel."""
    for shape, spacing, expected in (
        ((1, 1, 1), ISOTROPIC, 1),
        ((1, 1, 1), PROSTATE, 0.5 / 3),
        ((4, 8, 1), ISOTROPIC, 4 / 8),
        ((4, 6, 2), PROSTATE, 3 / 6),
    ):
        assert describe(np.ones(shape, bool), spacing_mm=spacing).elongation == pytest.approx(expected)
    diagonal = np.eye(9, dtype=bool)[:, :, None]  # one lesion: moments 80/12 + 1/12 and 1/12 along a turned axis
    major = 2 * 80 / 12 + 1 / 12
    assert describe(diagonal, spacing_mm=ISOTROPIC).elongation == pytest.approx(math.sqrt(1 / 12 / major))


def test_sphericity_by_hand():
    """A box of 10x10x10 has an area of 532 by the estimate that the doctest shows; one voxel is clipped to 1."""
    shape = describe(np.ones((10, 10, 10), bool), spacing_mm=ISOTROPIC)
    assert shape.sphericity == pytest.approx((36 * math.pi * 1000**2) ** (1 / 3) / shape.surface_area_mm2)
    assert shape.compactness == pytest.approx(36 * math.pi * 1000**2 / shape.surface_area_mm2**3)
    assert describe(np.ones((1, 1, 1), bool), spacing_mm=ISOTROPIC).sphericity == 1


def test_form_of_several_lesions_is_the_mean_weighted_by_volume_wherever_they_lie():
    long, ball = solid(2, ISOTROPIC, axes=(0.7, 0.7, 2)), solid(6, ISOTROPIC)
    mask = np.zeros((60, 60, 60), bool)
    mask[: long.shape[0], : long.shape[1], : long.shape[2]] = long
    mask[-ball.shape[0] :, -ball.shape[1] :, -ball.shape[2] :] = ball
    shape = describe(mask, spacing_mm=ISOTROPIC)
    alone = [describe(m, spacing_mm=ISOTROPIC) for m in (long, ball)]
    weights = [m.sum() for m in (long, ball)]
    for name in ("sphericity", "compactness", "elongation"):
        assert getattr(shape, name) == pytest.approx(np.average([getattr(a, name) for a in alone], weights=weights))


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
            "sphericity": math.nan,
            "compactness": math.nan,
            "elongation": math.nan,
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
        **shape.as_dict() | {"released_smoothness": wide.released_smoothness},
        lesion_roughness=shape.lesion_roughness,
        lesion_ml=shape.lesion_ml,
    )


def test_what_is_blurred_grows_with_voxels_and_not_with_millimetres(monkeypatch):
    """The area of a lesion reads no voxel that lies farther than two from it, however wide the blur is."""
    blur, shapes = ndimage.gaussian_filter, []
    monkeypatch.setattr(
        ndimage, "gaussian_filter", lambda mask, *args, **kw: shapes.append(mask.shape) or blur(mask, *args, **kw)
    )
    mask = solid(1, ISOTROPIC)
    box = tuple(side.stop - side.start for side in ndimage.find_objects(mask.astype(int))[0])
    areas = [surface_area_mm2(mask, spacing_mm=(mm,) * 3) / mm**2 for mm in (1, 0.1, 0.02)]
    assert shapes == [tuple(n + 4 for n in box)] * 3
    assert areas[2] == pytest.approx(areas[1], rel=1e-6)  # the widest blur from 0.25 mm down


@pytest.mark.parametrize("measure", [describe, lesion_roughness, surface_area_mm2])
def test_refuses_what_is_not_a_mask(measure):
    with pytest.raises(GeometryError, match="mask must be a boolean"):
        measure(np.zeros((3, 3, 3)), spacing_mm=ISOTROPIC)
    with pytest.raises(GeometryError, match="spacing must be"):
        measure(np.zeros((3, 3, 3), bool), spacing_mm=(1, 1, -1))


@pytest.fixture(scope="module")
def bench():
    pytest.importorskip("pyvista", reason="the lesions of the benchmark are drawn with the extra app")
    path = Path(__file__).parents[1] / "benchmarks" / "shape.py"
    spec = importlib.util.spec_from_file_location("benchmark_shape", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generated(bench):
    """40 lesions of 0.1 to 100 ml on both grids."""
    lesions = bench.draw_lesions(40, (3, 6))
    return {spacing: bench.measure(lesions, spacing) for spacing in SPACINGS}


@pytest.mark.parametrize("spacing", SPACINGS)
def test_roughness_follows_the_amplitude_and_not_the_volume(bench, generated, spacing):
    table = bench.rank_correlations(generated[spacing], ("true_ml", "amplitude"))
    given = generated[spacing][["true_ml", "amplitude"]].corr("spearman").iloc[0, 1]
    assert abs(table.loc["roughness", "true_ml"] - given) < (0.2 if spacing == ISOTROPIC else 0.35)
    assert table.loc["roughness", "amplitude"] > 0.9
    assert table.loc["roughness", "n"] >= 36
    assert table.loc["sphericity", "amplitude"] < -0.8
    assert table.loc["released_smoothness", "true_ml"] > 0.9
    assert abs(table.loc["released_smoothness", "amplitude"] - given) < 0.2


def test_generated_lesions_measure_alike_on_both_grids(bench, generated):
    """Roughness within 5 % of its scale, which is from 0 to 1, and area within 5 % of itself, for every lesion."""
    table = bench.agreement(generated[ISOTROPIC], generated[PROSTATE])
    assert table.loc["abs max", "roughness"] < 0.05
    assert table.loc["rel median", "roughness"] < 0.05
    assert table.loc["rel max", "surface_area_mm2"] < 0.05
    assert table.loc["ratio of means"].between(0.98, 1.02).all()


def test_generated_lesions_have_the_volume_they_say(bench, generated):
    for table in generated.values():
        large = table[table["true_ml"] > 1]
        assert (large["volume_ml"] / large["true_ml"]).between(0.95, 1.05).all()


def test_agreement_by_hand(bench):
    first = pd.DataFrame(
        {"true_ml": [2, 2, 0.5], "amplitude": 0.2, "roughness": [0.2, 0.1, 9], "surface_area_mm2": [100, math.nan, 9]}
    )
    second = first.assign(roughness=[0.3, 0.1, 0], surface_area_mm2=[102.0, 50, 0])
    table = bench.agreement(first, second)
    assert table.loc[["n", "abs max", "rel max", "share rel < 5 %"], "roughness"].tolist() == pytest.approx(
        [2, 0.1, 0.4, 0.5]
    )
    assert table.loc[["n", "rel max", "ratio of means"], "surface_area_mm2"].tolist() == pytest.approx(
        [1, 2 / 101, 1.02]
    )


def test_the_benchmark_prints_and_writes_its_figures(bench, tmp_path, capsys):
    masks = tmp_path / "csPCa_lesion_delineations/human_expert/resampled"
    masks.mkdir(parents=True)
    for k, volume_ml in enumerate((0.5, 1, 2)):
        labels = 3 * solid(volume_ml, PROSTATE, seed=k).astype(np.uint8)
        nib.save(nib.Nifti1Image(labels, np.diag([*PROSTATE, 1])), masks / f"{k}.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), masks / "empty.nii.gz")
    file = tmp_path / "shape.json"
    bench.main(["--lesions", "8", "--picai", str(tmp_path), "--json", str(file)])
    figures, printed = json.loads(file.read_text(encoding="utf-8")), capsys.readouterr().out
    assert all(title in printed for title in figures)
    assert set(figures["Spearman at 1 mm"]) == set(bench.MEASURES)
    assert figures["Spearman on PI-CAI"]["sphericity"]["n"] == 3
    with pytest.raises(SystemExit, match="No lesion masks"):
        bench.main(["--lesions", "8", "--picai", str(tmp_path / "elsewhere")])


def test_cost_and_values_go_by_voxels_not_by_mm():
    """A 0.02 mm grid was blurred over 75 voxels each way; only the unit of area and volume may change."""
    mask = solid(2, ISOTROPIC)
    near, far, micro = (describe(mask, spacing_mm=(s, s, s)) for s in (0.02, 1e-3, 1e-6))
    for other, scale in ((far, 0.05), (micro, 5e-5)):
        assert other.surface_area_mm2 == pytest.approx(near.surface_area_mm2 * scale**2, rel=1e-5)
        assert other.volume_ml == pytest.approx(near.volume_ml * scale**3)
        assert other.roughness == pytest.approx(near.roughness, abs=1e-3)
        assert other.elongation == pytest.approx(near.elongation)


@pytest.mark.parametrize("spacing", [(1e-6, 1.0, 1e6), (1e6,) * 3, (1e-6,) * 3])
def test_a_fine_grid_takes_no_more_memory_than_another(spacing):
    mask = np.zeros((40, 40, 24), bool)
    mask[10:30, 10:30, 6:18] = True
    tracemalloc.start()
    try:
        shape = describe(mask, spacing_mm=spacing)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert math.isfinite(shape.surface_area_mm2)
    assert math.isfinite(shape.elongation)


def test_moments_by_planes_are_those_of_all_places():
    rng = np.random.default_rng(0)
    mask = rng.random((9, 8, 7)) > 0.6
    spacing = (0.5, 0.7, 3.0)
    places = np.argwhere(mask) * spacing
    wanted = np.cov(places.T, bias=True) + np.diag(np.square(spacing)) / 12
    np.testing.assert_allclose(_second_moments(mask, spacing), wanted, atol=1e-12)


def test_a_lesion_as_large_as_a_scan_has_the_roughness_of_every_second_voxel(monkeypatch):
    rough = solid(20, ISOTROPIC)
    whole = lesion_roughness(rough, spacing_mm=ISOTROPIC)
    monkeypatch.setattr("afl_core.shape.MOST_VOXELS", rough.size // 4)
    assert lesion_roughness(rough, spacing_mm=ISOTROPIC) == pytest.approx(whole, abs=0.02)


def test_small_lesions_of_one_form_are_measured_once_and_rightly(monkeypatch):
    """Noise has hundreds of thousands of lesions of a few forms; each used to take a millisecond."""
    mask = np.random.default_rng(0).random((40, 40, 40)) > 0.97
    measured = []
    area = shape_module.area_mm2
    monkeypatch.setattr(shape_module, "area_mm2", lambda lesion, spacing: measured.append(1) or area(lesion, spacing))
    quick = describe(mask, spacing_mm=(1, 1, 3))
    assert len(measured) < quick.n_components / 3
    monkeypatch.setattr(shape_module, "SMALL", 0)
    assert repr(describe(mask, spacing_mm=(1, 1, 3))) == repr(quick)
