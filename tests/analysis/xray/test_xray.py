"""The X-ray's numbers: by hand, against the loss itself, and what must hold for any mask."""

import math

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F  # noqa: N812 - PyTorch's own convention

from afl_core.analysis.xray.findings import (
    bin_sentence,
    distance_sentence,
    findings,
    headline,
)
from afl_core.analysis.xray.focusing import (
    SETTINGS,
    SIZE_FIRST,
    Setting,
    case_gamma,
    distance_from_ce,
    focal_loss,
    focal_slope,
    gammas,
    kept_at,
    weights,
)
from afl_core.analysis.xray.gradients import (
    NEAR_MM,
    PLACES,
    find_places,
    gradient_map,
    logits_of,
    model_logits,
    profile,
    shares,
)
from afl_core.analysis.xray.store import kept_table
from afl_core.analysis.xray.table import (
    COLUMNS,
    PREPARATIONS,
    Preparation,
    focusing_by_bin,
    measure_mask,
    spearman,
    summary,
    tumours,
    xray_table,
)
from afl_core.data.layouts import references_cohort
from afl_core.data.mask_grid import crop_mask, resample_mask, resize_mask
from afl_core.errors import GeometryError, UsageError
from afl_core.loss import PRESETS, build_loss, factors
from afl_core.study.arms import ARMS
from afl_core.volume import Case, Mask

SPACING = (1.0, 1.5, 3.0)


def mask_of(array, spacing=SPACING) -> Mask:
    return Mask(np.asarray(array, bool), np.diag([*spacing, 1.0]))


def ball(shape=(30, 28, 14), centre=(14, 12, 7), radius_mm=7.0, spacing=SPACING) -> Mask:
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    far = sum(((x - c) * s) ** 2 for x, c, s in zip(grid, centre, spacing, strict=True))
    return mask_of(far <= radius_mm**2, spacing)


def two_lesions() -> Mask:
    array = ball().array.copy()
    array[2:5, 22:25, 2:4] = True
    return mask_of(array)


CASES = {
    "ball": ball(),
    "two lesions": two_lesions(),
    "at the border": mask_of(np.arange(30 * 28 * 14).reshape(30, 28, 14) < 900),
}


def table_of(masks, names=None) -> pd.DataFrame:
    rows = [{"case_id": f"c{k}", "patient": f"c{k}"} | measure_mask(mask) for k, mask in enumerate(masks)]
    table = pd.DataFrame(rows)
    return table.assign(gamma_adaptive=gammas(SETTINGS["A-FL released"], table))


def test_one_cube_by_hand():
    """2 x 2 x 2 voxels in 6^3: inside each voxel the three differences are 1/2; one outside, 24 have one of 1/2."""
    array = np.zeros((6, 6, 6), bool)
    array[2:4, 2:4, 2:4] = True
    row = measure_mask(mask_of(array, (1, 1, 1)))
    boundary = 8 * math.sqrt(3) / 2 + 24 * 1 / 2
    assert (row["voxels"], row["tumour_voxels"], row["size"]) == (216, 8, pytest.approx(0.008))
    assert row["boundary"] == pytest.approx(boundary)
    assert row["gamma_va"] == pytest.approx(8 / 216)
    assert row["alpha_va"] == pytest.approx(208 / 216)
    assert row["released"] == pytest.approx(boundary / 216)
    assert row["surface"] == pytest.approx(boundary / 32)
    assert math.isnan(row["roughness"])
    assert row["scale_free"] == 0


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reading", ["released", "surface", "scale_free"])
def test_factors_are_those_of_the_loss(name, reading):
    mask = CASES[name]
    row = measure_mask(mask)
    found = factors(torch.from_numpy(mask.array)[None, None], smoothness=reading, spacing_mm=mask.spacing_mm)
    assert row[reading] == pytest.approx(found.gamma_msa.item(), rel=1e-6)
    assert row["gamma_va"] == pytest.approx(found.gamma_va.item(), rel=1e-12)
    assert row["alpha_va"] == pytest.approx(found.alpha_va.item(), rel=1e-12)


@pytest.mark.parametrize("setting", [*SETTINGS.values(), SIZE_FIRST])
def test_gamma_and_weights_are_those_of_the_loss(setting):
    mask = ball()
    terms = build_loss("adaptive_focal", **setting.loss_settings()).terms
    target = torch.from_numpy(mask.array)[None, None]
    found = factors(target, smoothness=setting.gamma_smoothness, spacing_mm=mask.spacing_mm)
    table = table_of([mask])
    assert gammas(setting, table)[0] == pytest.approx(terms.gamma(found).item(), rel=1e-6)
    assert case_gamma(setting, table.iloc[0]) == pytest.approx(gammas(setting, table)[0])
    expected = terms.weights(found, channels=2, softmax=False)[0].numpy()
    np.testing.assert_allclose(weights(setting.alpha, table["gamma_va"][0]), expected, rtol=1e-12)


def test_the_settings_named_as_presets_are_the_presets():
    for name, preset in (("A-FL released", "released_code"), ("A-FL paper", "paper_equation")):
        assert build_loss("adaptive_focal", **SETTINGS[name].loss_settings()).terms == PRESETS[preset]


def test_size_first_is_an_arm_of_the_study():
    settings = ARMS["A-FL size-first case"].candidates
    ours = build_loss("adaptive_focal", **SIZE_FIRST.loss_settings(), normalise=True)
    assert ours.terms in [build_loss("adaptive_focal", **candidate).terms for candidate in settings]


def test_gamma_never_falls_below_zero():
    table = table_of([ball()])
    assert gammas(Setting(gamma_volume=True, gamma_scale=-1e6), table)[0] == 0


@pytest.mark.parametrize("gamma", [0.0, 0.004, 0.58, 2.0, 5.0])
def test_loss_and_slope_are_those_of_autograd(gamma):
    logit = torch.linspace(-9, 9, 37, dtype=torch.float64, requires_grad=True)
    p = logit.sigmoid()
    loss = -((1 - p) ** gamma) * F.logsigmoid(logit)
    np.testing.assert_allclose(focal_loss(p.detach().numpy(), gamma), loss.detach().numpy(), rtol=1e-9)
    loss.sum().backward()
    np.testing.assert_allclose(focal_slope(logit.detach().numpy(), gamma), -logit.grad.numpy(), rtol=1e-9)


def test_distance_from_ce_is_the_largest_difference_over_p():
    p = np.linspace(0.01, 0.99, 999)
    for gamma in (0.0, 0.0038, 0.5, 2.0):
        measured = np.max(np.abs(focal_loss(p, gamma) / focal_loss(p, 0.0) - 1))
        assert distance_from_ce(gamma) == pytest.approx(measured, abs=1e-12)
    assert kept_at(0.9, 2.0) == pytest.approx(0.01)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("loss", [*SETTINGS, "yours"])
def test_shares_are_those_of_autograd(name, loss):
    mask = CASES[name]
    setting = SETTINGS.get(loss) or Setting("balanced", True, "released", -2.0, 1.5)
    rng = np.random.default_rng(3)
    logits = (model_logits(mask, 0.95) + rng.normal(0, 1.5, (2, *mask.array.shape))).astype(np.float32)
    row = measure_mask(mask)
    gathered = profile(logits, mask)
    found = shares(gathered, setting, case_gamma(setting, row), row["gamma_va"])
    x = torch.tensor(logits[None], dtype=torch.float64, requires_grad=True)
    module = build_loss("adaptive_focal", spacing_mm=mask.spacing_mm, **setting.loss_settings())
    module(x, torch.from_numpy(mask.array)[None, None]).backward()
    size = x.grad[0].abs().numpy()
    places = find_places(mask)
    expected = np.array([[size[c][places == k].sum() for k in range(5)] for c in (0, 1)]) / size.sum()
    np.testing.assert_allclose(found.parts, expected, atol=1e-5)
    assert found.lesions.sum() == pytest.approx(expected[:, :2].sum(), abs=1e-5)
    drawn = gradient_map(logits, mask, setting, case_gamma(setting, row))
    np.testing.assert_allclose(drawn, size / size.max(), atol=0.01)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    density=st.floats(0, 1),
    alpha=st.sampled_from(["balanced", "scalar", "released", "none"]),
    gamma=st.floats(0, 5),
)
def test_shares_sum_to_one_for_any_mask(seed, density, alpha, gamma):
    rng = np.random.default_rng(seed)
    mask = mask_of(rng.random((6, 5, 4)) < density)
    found = shares(profile(rng.normal(0, 4, (2, 6, 5, 4)), mask), Setting(alpha), gamma, float(mask.array.mean()))
    share = float(mask.array.mean())
    none = not weights(alpha, share)[:, [share < 1, share > 0]].any()  # no voxel has a weight
    assert found.parts.sum() == pytest.approx(0 if none else 1, abs=1e-12)
    assert (found.parts >= 0).all()
    assert found.lesions.sum() <= found.parts[:, :2].sum() + 1e-12


def test_released_weights_leave_the_tumour_channel_its_share_of_the_volume():
    """At p = 0.5 everywhere every slope is equal, so the channel's share is its weight, gamma_va."""
    mask = ball()
    share = float(mask.array.mean())
    gathered = profile(model_logits(mask, 0.5), mask)
    assert shares(gathered, SETTINGS["A-FL released"], 0.0, share).tumour_channel == pytest.approx(share)
    assert shares(gathered, SETTINGS["FL"], 2.0, share).tumour_channel == pytest.approx(0.5)
    balanced = shares(gathered, SETTINGS["CE by class"], 0.0, share)
    assert balanced.parts[:, :2].sum() == pytest.approx(0.5)


def test_places_of_a_slab_by_hand():
    array = np.zeros((30, 3, 3), bool)
    array[10:14] = True
    found = find_places(mask_of(array, (2, 2, 2)))[:, 1, 1]
    expected = np.full(30, PLACES.index("far background"))
    expected[10 - int(NEAR_MM / 2) : 14 + int(NEAR_MM / 2)] = PLACES.index("near background")
    expected[[9, 14]] = PLACES.index("boundary, outer side")
    expected[[10, 13]] = PLACES.index("boundary, inner side")
    expected[[11, 12]] = PLACES.index("tumour core")
    assert found.tolist() == expected.tolist()


def test_the_model_is_sure_away_from_the_boundary_and_unsure_at_it():
    array = np.zeros((41, 3, 3), bool)
    array[15:26] = True
    background, tumour = model_logits(mask_of(array, (1, 1, 1)), 0.95)[:, :, 1, 1]
    p = 1 / (1 + np.exp(-tumour))
    assert (background == -tumour).all()
    assert p[[0, 20]] == pytest.approx([0.05, 0.95])
    assert p[14] < 0.5 < p[15]
    assert abs(p[15] - 0.5) < 0.15
    assert logits_of(p.astype(np.float32)) == pytest.approx(tumour, abs=1e-4)
    assert (model_logits(mask_of(array), 0.5) == 0).all()


def test_gradient_on_an_empty_mask_is_background_alone():
    mask = mask_of(np.zeros((5, 5, 5)))
    found = shares(profile(model_logits(mask, 0.9), mask), SETTINGS["FL"], 2.0, 0.0)
    assert found.parts[:, -1].sum() == pytest.approx(1)
    assert found.lesions.size == 0


@pytest.mark.parametrize("grid", [(11, 40, 7), (30, 28, 14), (5, 3, 2)])
def test_resizing_is_that_of_training(grid):
    mask = CASES["two lesions"]
    tensor = torch.from_numpy(mask.array)[None, None]
    area = F.interpolate(tensor.float(), grid, mode="area")[0, 0] != 0
    nearest = F.interpolate(tensor.byte(), grid, mode="nearest-exact")[0, 0].bool()
    assert (resize_mask(mask, grid, how="area").array == area.numpy()).all()
    assert (resize_mask(mask, grid).array == nearest.numpy()).all()
    seen = resize_mask(mask, grid)
    assert np.prod(seen.spacing_mm) * np.prod(grid) == pytest.approx(np.prod(SPACING) * mask.array.size)
    corner = np.array([-0.5, -0.5, -0.5, 1])
    np.testing.assert_allclose(seen.affine @ corner, mask.affine @ corner)


def test_a_crop_keeps_its_place_and_pads():
    mask = ball()
    assert crop_mask(mask, (32, 40, 20)).volume_ml == pytest.approx(mask.volume_ml)
    cropped = crop_mask(mask, (8, 6, 20))
    assert cropped.array.shape == (8, 6, 20)
    inside = np.argwhere(cropped.array)[0]
    place = np.linalg.inv(mask.affine) @ (cropped.affine @ [*inside, 1])
    assert mask.array[tuple(place[:3].round().astype(int))]
    assert resample_mask(mask, (1.0, 1.0, 1.0)).array.shape == (30, 42, 42)


@pytest.mark.parametrize("grid", [(0, 3, 3), (2**20, 2**20, 1)])
def test_an_impossible_grid_is_refused_before_it_is_made(grid):
    with pytest.raises(GeometryError, match="grid"):
        resize_mask(ball(), grid)
    with pytest.raises(UsageError, match="resize"):
        resize_mask(ball(), (3, 3, 3), how="linear")


def test_a_crop_changes_gamma_but_not_the_tumour():
    small, whole = measure_mask(ball(), Preparation("half", crop=(15, 28, 14))), measure_mask(ball())
    assert small["size"] == whole["size"]
    assert small["grid_ml"] == pytest.approx(whole["grid_ml"])
    assert small["gamma_va"] == pytest.approx(2 * whole["gamma_va"])


def test_an_empty_mask_has_alpha_one_and_no_gamma():
    row = measure_mask(mask_of(np.zeros((4, 4, 4))))
    assert row["alpha_va"] == 1
    assert {row[key] for key in ("gamma_va", "released", "surface", "scale_free", "boundary")} == {0}


def write(folder, name, mask: Mask):
    folder.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(mask.array.astype(np.uint8), mask.affine), folder / f"{name}.nii.gz")


@pytest.fixture
def balls(tmp_path):
    """Nine balls from small to large, and an empty mask."""
    for k in range(9):
        write(tmp_path / "balls", f"ball_{k}", ball(radius_mm=4 + k))
    write(tmp_path / "balls", "empty", mask_of(np.zeros((8, 8, 8))))
    return tmp_path / "balls"


def test_a_cohort_of_balls(balls):
    table, problems = xray_table(references_cohort(balls).cases)
    assert not problems
    assert list(table) == [*COLUMNS, "gamma_adaptive"]
    assert len(tumours(table)) == 9
    found = summary(table)
    assert found.loc["gamma_adaptive", "rho_size"] == pytest.approx(1)
    assert found.loc["alpha_va", "rho_size"] == pytest.approx(-1)
    assert found.loc["gamma_va", "median"] == pytest.approx(tumours(table)["gamma_va"].median())
    medians = focusing_by_bin(tumours(table), SETTINGS, np.repeat([0, 1, 2], 3))
    assert (medians["FL"] == 2).all()
    assert medians["A-FL released"].is_monotonic_increasing
    assert "less focus" in bin_sentence(medians["A-FL released"], ("small", "medium", "large"))
    assert "more focus" in bin_sentence(1 - medians["A-FL released"], ("small", "medium", "large"))
    assert "same focus" in bin_sentence(medians["FL"], ("small", "medium", "large"))


def test_a_broken_mask_is_a_problem_and_the_others_go_on(balls):
    (balls / "ball_3.nii.gz").write_bytes(b"not a mask")
    cases = [*references_cohort(balls).cases, Case("bare", {})]
    table, problems = xray_table(cases)
    assert len(table) == 9
    assert set(problems) == {"ball_3", "bare"}


def test_the_findings_say_the_numbers_of_these_cases(balls):
    table, _ = xray_table(references_cohort(balls).cases)
    gamma = tumours(table)["gamma_adaptive"]
    said = " ".join(f.measured for f in findings(table))
    assert f"median {gamma.median():.2g}" in said
    assert "of 9 tumours" in said
    assert "with volume +1.00" in said
    assert "1 of 10 cases reaches the loss without a tumour" in said
    assert f"{gamma.median():.2g}" in headline(table)
    of = f"{(table['size'] > 0).sum()} tumours of {len(table)} measured cases"
    assert f"on the {of} is" in headline(table)
    assert "all " not in headline(table)  # cases without a tumour, and some that could not be measured, are not in it
    empty = table[table["tumour_voxels"] == 0]
    assert "No case" in headline(empty)
    assert len(findings(empty)) == 1


def test_distance_in_words():
    assert distance_sentence("A-FL", 0.002, "x").startswith(
        "A-FL equals cross-entropy of the same weights within 0.92 %"
    )
    assert "differs from cross-entropy of the same weights by up to 99.99 %" in distance_sentence("FL", 2.0, "x")


def test_rank_correlation_as_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 40)).astype(float)
    a[3] = np.nan
    expected = spearmanr(a, b, nan_policy="omit").statistic
    assert spearman(pd.Series(a), pd.Series(b)) == pytest.approx(expected)
    assert math.isnan(spearman(pd.Series([1.0, 1.0, 1.0]), pd.Series([1.0, 2.0, 3.0])))


def test_the_table_is_kept_until_a_mask_changes(balls, tmp_path):
    seen: list[str] = []
    results = tmp_path / "results"

    def table():
        seen.clear()
        return kept_table(results, references_cohort(balls).cases, "own", report=seen.append)

    first, _ = table()
    assert len(seen) == 10
    again, problems = table()
    assert not seen
    assert problems == {}
    pd.testing.assert_frame_equal(first, again)
    write(balls, "ball_0", ball(radius_mm=13))
    assert table()[0]["size"].max() > first["size"].max()
    (results / "xray_own.parquet").write_bytes(b"damaged")
    assert len(table()[0]) == 10


def test_every_preparation_can_be_applied():
    for preparation in PREPARATIONS.values():
        seen = preparation.apply(ball())
        assert seen.array.any()
        if preparation.grid:
            assert seen.array.shape == preparation.grid
