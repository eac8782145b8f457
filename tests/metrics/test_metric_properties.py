"""Properties that hold for any pair of masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

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
