"""Properties that hold for any pair of masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from afl_core.metrics import METRICS, evaluate_masks

any_pair = settings(deadline=None, max_examples=60)

SPACINGS = st.tuples(*[st.sampled_from([0.5, 0.7, 1.0, 3.0])] * 3)
SYMMETRIC = ("dsc", "iou", "hd_mm", "hd95_mm", "assd_mm", "nsd")


@st.composite
def pairs(draw, *, empty=True):
    shape = draw(array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))
    masks = [draw(arrays(bool, shape)) for _ in range(2)]
    if not empty:
        for mask in masks:
            mask[tuple(draw(st.integers(0, n - 1)) for n in shape)] = True
    return masks


def row(prediction, reference, spacing, **options):
    return evaluate_masks(prediction, reference, spacing_mm=spacing, **options).as_dict()


def same(a, b):
    return a == pytest.approx(b, rel=1e-6, abs=1e-9, nan_ok=True)


@any_pair
@given(pairs(), SPACINGS)
def test_swap(masks, spacing):
    forth, back = row(*masks, spacing), row(*masks[::-1], spacing)
    assert same({key: forth[key] for key in SYMMETRIC}, {key: back[key] for key in SYMMETRIC})
    assert forth["volume_error_ml"] == -back["volume_error_ml"]


@any_pair
@given(pairs(empty=False), SPACINGS)
def test_swap_turns_sensitivity_into_precision(masks, spacing):
    assert row(*masks, spacing)["sensitivity"] == row(*masks[::-1], spacing)["precision"]


@any_pair
@given(pairs(), SPACINGS, st.integers(0, 2))
def test_flip(masks, spacing, axis):
    assert same(row(*[np.flip(m, axis) for m in masks], spacing), row(*masks, spacing))


@any_pair
@given(pairs(), SPACINGS, st.permutations(range(3)))
def test_axes_carry_their_spacing(masks, spacing, order):
    turned = row(*[m.transpose(order) for m in masks], tuple(spacing[k] for k in order))
    assert same(turned, row(*masks, spacing))


@any_pair
@given(pairs(empty=False), SPACINGS, st.tuples(*[st.integers(0, 3)] * 6))
def test_a_larger_field_of_view_changes_specificity_alone(masks, spacing, margin):
    wider = row(*[np.pad(m, np.reshape(margin, (3, 2))) for m in masks], spacing)
    before = row(*masks, spacing)
    del wider["specificity"], before["specificity"]
    assert same(wider, before)


@any_pair
@given(pairs(), SPACINGS, st.sampled_from([0.5, 2.0, 4.0]))
def test_spacing_scales_mm_and_ml(masks, spacing, factor):
    scaled = row(*masks, tuple(factor * s for s in spacing), nsd_tolerance_mm=factor)
    power = {"mm": 1, "ml": 3, "": 0}
    expected = {key: value * factor ** power[METRICS[key].unit] for key, value in row(*masks, spacing).items()}
    assert same(scaled, expected)


@any_pair
@given(pairs(), SPACINGS, st.tuples(*[st.integers(0, 3)] * 3))
def test_shift(masks, spacing, step):
    wide = [np.pad(m, 3) for m in masks]
    assert same(row(*[np.roll(m, step, (0, 1, 2)) for m in wide], spacing), row(*wide, spacing))


def lesion_values(masks, spacing):
    """Each lesion's values that neither its position nor its number decides, in sorted order."""
    keys = ("volume_ml", "dsc", "overlap_ml", "predicted_ml", "hd95_mm", "assd_mm", "nearest_mm")
    lesions = evaluate_masks(*masks, spacing_mm=spacing).lesions
    return sorted([lesion.kind, *(round(getattr(lesion, key), 5) for key in keys)] for lesion in lesions)


@any_pair
@given(pairs(), SPACINGS, st.integers(0, 2))
def test_flip_keeps_the_lesions(masks, spacing, axis):
    forth, back = lesion_values(masks, spacing), lesion_values([np.flip(m, axis) for m in masks], spacing)
    assert [v[0] for v in forth] == [v[0] for v in back]
    assert [v[1:] for v in forth] == [pytest.approx(v[1:], abs=2e-5) for v in back]


@any_pair
@given(pairs(), SPACINGS, st.sampled_from([0.5, 2.0]))
def test_spacing_scales_the_lesions(masks, spacing, factor):
    before = evaluate_masks(*masks, spacing_mm=spacing).lesions
    after = evaluate_masks(*masks, spacing_mm=tuple(factor * s for s in spacing)).lesions
    for a, b in zip(before, after, strict=True):
        assert (b.hd95_mm, b.assd_mm, b.nearest_mm) == pytest.approx(
            (factor * a.hd95_mm, factor * a.assd_mm, factor * a.nearest_mm), rel=1e-6
        )
        assert (b.volume_ml, b.dsc) == pytest.approx((factor**3 * a.volume_ml, a.dsc))


@any_pair
@given(pairs(empty=False), SPACINGS)
def test_bounds_of_a_lesion(masks, spacing):
    for lesion in evaluate_masks(*masks, spacing_mm=spacing).lesions:
        assert lesion.dsc - 1e-9 <= lesion.dsc_in_region <= 1 + 1e-9
        assert (lesion.nearest_mm == 0) == (lesion.detected)
        assert lesion.nearest_mm <= lesion.hd95_mm + 1e-6
        assert not lesion.detected or lesion.assd_mm >= 0


@any_pair
@given(pairs(empty=False))
def test_losing_voxels_of_the_reference_never_raises_the_overlap(masks):
    """For predictions inside the reference, one inside the other, of any shape."""
    smaller, reference = masks[0] & masks[1], masks[1]
    larger = smaller | (reference & np.roll(masks[0], 1, 0))
    low, high = row(smaller, reference, (1, 1, 1)), row(larger, reference, (1, 1, 1))
    for key in ("dsc", "iou", "sensitivity", "volume_error_ml"):
        assert low[key] <= high[key]
    assert low["specificity"] == high["specificity"] or np.isnan(low["specificity"])


def solid(name):
    x, y, z = np.ogrid[-12:13, -12:13, -12:13]
    return {
        "box": (abs(x) <= 9) & (abs(y) <= 6) & (abs(z) <= 7),
        "ball": x**2 + y**2 + z**2 <= 10**2,
        "ellipsoid": (x / 11) ** 2 + (y / 6) ** 2 + (z / 8) ** 2 <= 1,
        "octahedron": abs(x) + abs(y) + abs(z) <= 11,
    }[name]


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.5, 0.5, 3), (2, 0.7, 1.1)])
@pytest.mark.parametrize("name", ["box", "ball", "ellipsoid", "octahedron"])
def test_eroding_a_convex_solid_makes_everything_worse_step_by_step(name, spacing):
    reference = prediction = solid(name)
    before = row(prediction, reference, spacing)
    steps = 0
    while (prediction := ndimage.binary_erosion(prediction)).any():
        after = row(prediction, reference, spacing)
        for key in ("dsc", "iou", "sensitivity", "nsd", "lesion_dsc"):
            assert after[key] <= before[key]
        for key in ("hd_mm", "hd95_mm", "assd_mm"):
            assert after[key] >= before[key] - 1e-6, key
        assert after["precision"] == 1
        before, steps = after, steps + 1
    assert steps >= 5


def test_eroding_a_hollow_solid_can_bring_the_surfaces_together():
    """Why convex: the wall of a central hole lies 9 mm deep; grown by the erosion, 8 mm; the outside moved by 1 mm."""
    reference = np.pad(np.ones((21, 21, 21), bool), 1)
    hollow = reference.copy()
    hollow[11, 11, 11] = False
    eroded = ndimage.binary_erosion(hollow, np.ones((3, 3, 3)))
    assert row(hollow, reference, (1, 1, 1))["hd_mm"] == 9
    assert row(eroded, reference, (1, 1, 1))["hd_mm"] == 8
    assert row(eroded, reference, (1, 1, 1))["dsc"] < row(hollow, reference, (1, 1, 1))["dsc"]


@any_pair
@given(pairs(empty=False), SPACINGS)
def test_a_mask_against_itself_is_perfect(masks, spacing):
    m = evaluate_masks(masks[0], masks[0].copy(), spacing_mm=spacing)
    assert (m.dsc, m.iou, m.sensitivity, m.precision, m.nsd, m.lesion_f1, m.lesion_dsc) == (1,) * 7
    assert (m.hd_mm, m.hd95_mm, m.assd_mm, m.volume_error_ml, m.relative_volume_error) == (0,) * 5
    assert (m.lesion_fp, m.lesion_fn) == (0, 0)
    assert m.lesion_tp == len(m.lesions)


@any_pair
@given(pairs(empty=False), SPACINGS)
def test_order_of_the_distances_and_dice_from_iou(masks, spacing):
    m = evaluate_masks(*masks, spacing_mm=spacing)
    assert m.assd_mm <= m.hd_mm + 1e-9
    assert m.hd95_mm <= m.hd_mm + 1e-9
    assert m.dsc == pytest.approx(2 * m.iou / (1 + m.iou))
    assert (m.hd_mm == 0) == (m.nsd == 1 and m.assd_mm == 0)


@any_pair
@given(pairs())
def test_each_lesion_is_one_row(masks):
    m = evaluate_masks(*masks, spacing_mm=(1, 1, 1))
    assert [lesion.lesion_id for lesion in m.lesions] == list(range(1, len(m.lesions) + 1))
    assert m.lesion_tp + m.lesion_fp + m.lesion_fn == len(m.lesions)
    reference_ml = sum(lesion.volume_ml for lesion in m.lesions if lesion.kind == "reference")
    assert reference_ml == pytest.approx(masks[1].sum() / 1000)
