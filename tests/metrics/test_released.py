"""The authors' released score: MONAI's loss, hand-computed values, what it rewards, what is refused."""

import tracemalloc
import warnings

import numpy as np
import pytest

from afl_core.errors import GeometryError, UsageError
from afl_core.metrics import METRICS, evaluate_masks

KEYS = ("released_dsc", "released_iou")


def released(probabilities, reference):
    prediction = np.zeros_like(reference)
    m = evaluate_masks(prediction, reference, spacing_mm=(1, 1, 1), probabilities=probabilities)
    return m.released_dsc, m.released_iou


def channels(tumour, background=None):
    return np.stack([1 - tumour if background is None else background, tumour]).astype(np.float32)


def small_tumour(n=40):
    reference = np.zeros((n, n, n), bool)
    reference[10:13, 10:13, 10:13] = True
    return reference


@pytest.fixture(scope="module")
def monai_scores():
    """Function from probabilities and a reference to 1 minus MONAI's losses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch", reason="the peer is in the extra train")
        from monai.losses import DiceLoss

    def scores(probabilities, reference):
        given = torch.from_numpy(probabilities.astype(np.float64))[None]
        truth = torch.from_numpy(np.stack([~reference, reference]).astype(np.float64))[None]
        return tuple(1 - float(DiceLoss(squared_pred=True, jaccard=j)(given, truth)) for j in (False, True))

    return scores


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("density", [0, 0.01, 0.5, 1])
def test_equal_to_monai(monai_scores, dtype, density):
    rng = np.random.default_rng(7)
    for order in "CF":
        probabilities = np.asarray(rng.random((2, 7, 8, 9)), dtype=dtype, order=order)
        reference = rng.random((7, 8, 9)) < density
        assert released(probabilities, reference) == pytest.approx(monai_scores(probabilities, reference), abs=1e-5)


@pytest.mark.parametrize("tumour", [0, 1])
def test_equal_to_monai_where_smoothing_decides(monai_scores, tumour):
    probabilities = channels(np.full((3, 4, 5), tumour))
    for reference in np.zeros((3, 4, 5), bool), np.ones((3, 4, 5), bool):
        assert released(probabilities, reference) == pytest.approx(monai_scores(probabilities, reference), abs=1e-5)


def test_by_hand():
    """10 voxels, 2 of them tumour; tumour 0.5 everywhere, background 1 everywhere."""
    reference = np.zeros((10, 1, 1), bool)
    reference[:2] = True
    dsc, iou = released(channels(np.full((10, 1, 1), 0.5), np.ones((10, 1, 1))), reference)
    # background: shared 8, squares 10, voxels 8; tumour: shared 1, squares 2.5, voxels 2
    assert dsc == pytest.approx((16 / 18 + 2 / 4.5) / 2, abs=1e-5)
    assert iou == pytest.approx((8 / 10 + 1 / 3.5) / 2, abs=1e-5)


def test_all_background_scores_one_half_on_a_small_tumour():
    reference = small_tumour()
    dsc, iou = released(channels(np.zeros(reference.shape)), reference)
    assert dsc == pytest.approx(0.5, abs=1e-3)
    assert iou == pytest.approx(0.5, abs=1e-3)
    assert all("0.50" in METRICS[key].definition for key in KEYS)


def test_calibration_alone_moves_it():
    reference = small_tumour()
    sharp = channels(reference.astype(float))
    vague = channels(np.where(reference, 1.0, 0.05))
    assert released(sharp, reference) == pytest.approx((1, 1), abs=1e-5)
    assert released(vague, reference)[0] < 0.9
    assert ((sharp[1] > 0.5) == (vague[1] > 0.5)).all()


def test_undefined_without_probabilities():
    m = evaluate_masks(small_tumour(), small_tumour(), spacing_mm=(1, 1, 1))
    assert np.isnan([m.released_dsc, m.released_iou]).all()
    assert all("Undefined unless probabilities are given" in METRICS[key].definition for key in KEYS)


def test_probabilities_move_nothing_else():
    reference = small_tumour()
    plain = evaluate_masks(reference, reference, spacing_mm=(1, 1, 1)).as_dict()
    given = evaluate_masks(
        reference, reference, spacing_mm=(1, 1, 1), probabilities=channels(np.full(reference.shape, 0.3))
    ).as_dict()
    assert {k: v for k, v in plain.items() if k not in KEYS} == {k: v for k, v in given.items() if k not in KEYS}


def test_labels_cannot_be_mistaken():
    for key in KEYS:
        assert METRICS[key].label.startswith("Released")
        assert "(soft)" in METRICS[key].label


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (np.zeros((2, 3, 4)), r"do not fit.*\(2, 3, 4\).*\(2, 2, 3, 4\)"),
        (np.zeros((1, 2, 3, 4)), r"do not fit.*\(1, 2, 3, 4\)"),
        (np.zeros((2, 2, 4, 3)), r"do not fit.*\(2, 2, 4, 3\)"),
        (np.zeros((2, 2, 3, 4), int), "do not fit.*int64"),
        ([0.5], "do not fit.*list"),
    ],
)
def test_refuses_what_does_not_fit(probabilities, message):
    with pytest.raises(GeometryError, match=message):
        released(probabilities, np.ones((2, 3, 4), bool))


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan])
def test_refuses_what_is_no_probability(value):
    probabilities = np.full((2, 2, 3, 4), 0.5)
    probabilities[1, 1, 2, 3] = value
    with pytest.raises(UsageError, match="sigmoid"):
        released(probabilities, np.ones((2, 3, 4), bool))


def test_no_full_size_copy():
    reference = np.zeros((64, 64, 64), bool)
    reference[30:34, 30:34, 30:34] = True
    probabilities = np.full((2, 64, 64, 64), 0.5, np.float32)
    tracemalloc.start()
    evaluate_masks(reference, reference, spacing_mm=(1, 1, 1), probabilities=probabilities)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < probabilities.nbytes / 4
