import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from afl_core.errors import GeometryError
from afl_core.regions import bounding_box, check_mask, check_spacing, edge_strength, label_lesions, union_box


def brute_box(mask):
    where = np.argwhere(mask)
    return tuple(slice(a, b + 1) for a, b in zip(where.min(axis=0), where.max(axis=0), strict=True))


@pytest.mark.parametrize("order", ["C", "F", "flipped", "moved"])
def test_bounding_box_equals_brute_force_in_any_memory_order(order):
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = np.zeros(rng.integers(1, 9, 3), bool)
        mask[tuple(rng.integers(0, mask.shape, (3, 3)).T)] = True
        laid_out = {
            "C": mask,
            "F": np.asfortranarray(mask),
            "flipped": mask[::-1, :, ::-1],
            "moved": np.moveaxis(mask, 2, 0),
        }[order]
        assert bounding_box(laid_out) == brute_box(laid_out)


def test_bounding_box_of_an_empty_mask_is_none():
    assert bounding_box(np.zeros((3, 4, 5), bool)) is None
    assert bounding_box(np.zeros((3, 4, 5), bool, order="F")) is None


def test_a_box_looked_for_in_a_part_is_the_same():
    mask = np.zeros((9, 8, 7), bool)
    mask[3:5, 2, 4:6] = True
    assert bounding_box(mask, (slice(2, 7), slice(1, 4), slice(4, 7))) == brute_box(mask)
    assert bounding_box(mask, (slice(6, 9), slice(0, 8), slice(0, 7))) is None


@settings(deadline=None)
@given(data=st.data())
def test_edge_strength_is_the_length_of_numpys_gradient(data):
    mask = data.draw(arrays(bool, array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6)))
    axes = [axis for axis in range(3) if mask.shape[axis] > 1]
    whole = sum((np.gradient(mask.astype(float), axis=axis) ** 2 for axis in axes), start=np.zeros(mask.shape))
    found = edge_strength(mask)
    if not mask.any():
        assert found.size == 0
        return
    x, y, z = (slice(max(side.start - 2, 0), side.stop + 2) for side in brute_box(mask))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.sqrt(whole[x, y, z]).astype(np.float32))
    assert np.isclose(found.sum(), np.sqrt(whole).sum())  # beyond it all are 0


def test_union_box_holds_both():
    a, b = (slice(1, 3), slice(4, 5), slice(0, 2)), (slice(2, 6), slice(1, 2), slice(1, 2))
    assert union_box(a, b) == (slice(1, 6), slice(1, 5), slice(0, 2))


def test_lesions_are_numbered_by_volume():
    mask = np.zeros((12, 3, 3), bool)
    mask[0, 0, 0] = mask[2:4, 0, 0] = mask[5:9, 0, 0] = mask[11, 0, 0] = True
    labels, sizes = label_lesions(mask)
    assert sizes.tolist() == [4, 2, 1, 1]
    assert labels[:, 0, 0].tolist() == [3, 0, 2, 2, 0, 1, 1, 1, 1, 0, 0, 4]
    assert not labels[:, 1:].any()


def test_a_corner_connects_and_a_gap_does_not():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True
    assert label_lesions(mask)[1].tolist() == [2, 1]


def test_numbers_do_not_depend_on_the_crop():
    rng = np.random.default_rng(1)
    mask = np.zeros((20, 20, 20), bool)
    mask[5:15, 5:15, 5:15] = rng.random((10, 10, 10)) < 0.05
    whole, sizes = label_lesions(mask)
    assert len(sizes) > 10
    assert (whole[5:15, 5:15, 5:15] == label_lesions(mask[5:15, 5:15, 5:15].copy())[0]).all()
    assert (whole == label_lesions(np.asfortranarray(mask))[0]).all()


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 6, 1), (1, 1, 9), (3, 1, 5), (3, 3, 3), (9, 9, 1), (5, 5, 5)])
def test_as_many_lesions_as_fit(shape):
    """cc3d alone raises on most of these shapes."""
    mask = np.zeros(shape, bool)
    mask[::2, ::2, ::2] = True
    labels, sizes = label_lesions(mask)
    assert sizes.tolist() == [1] * mask.sum()
    assert sorted(labels[mask]) == list(range(1, mask.sum() + 1))
    assert labels.shape == shape
    assert not labels[~mask].any()


def test_one_lesion():
    mask = np.zeros((5, 6, 7), bool)
    mask[1:4, 2:5, 3:5] = True
    labels, sizes = label_lesions(mask)
    assert sizes.tolist() == [18]
    assert (labels == mask).all()


def test_no_lesion_in_an_empty_mask():
    labels, sizes = label_lesions(np.zeros((2, 2, 2), bool))
    assert sizes.size == 0
    assert not labels.any()


@pytest.mark.parametrize(
    "bad", [np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2), bool), np.zeros((2, 0, 2), bool), [[[True]]]]
)
def test_refuses_what_is_not_a_mask(bad):
    with pytest.raises(GeometryError, match="The reference must"):
        check_mask(bad, "reference")


@pytest.mark.parametrize("bad", [(1, 1), (1, 1, 0), (1, -1, 1), (1, 1, float("nan")), (float("inf"), 1, 1)])
def test_refuses_an_impossible_spacing(bad):
    with pytest.raises(GeometryError, match="positive, finite"):
        check_spacing(bad)
