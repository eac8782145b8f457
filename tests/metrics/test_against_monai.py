"""The same definitions as MONAI give the same numbers."""

import warnings

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from afl_core.metrics import evaluate_masks


@pytest.fixture(scope="module")
def monai_row():
    """Function from a pair of masks to MONAI's values of the metrics that both define alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch", reason="the peer is in the extra train")
        from monai import metrics

    def row(prediction, reference, spacing):
        p, r = (torch.from_numpy(np.ascontiguousarray(m))[None, None] for m in (prediction, reference))
        both = {"include_background": True, "spacing": list(spacing)}
        values = {
            "dsc": metrics.compute_dice(p, r),
            "iou": metrics.compute_iou(p, r),
            "hd_mm": metrics.compute_hausdorff_distance(p, r, **both),
            "hd95_mm": metrics.compute_hausdorff_distance(p, r, percentile=95, **both),
            "assd_mm": metrics.compute_average_surface_distance(p, r, symmetric=True, **both),
            "nsd": metrics.compute_surface_dice(p, r, [1.0], **both),
        }
        matrix = metrics.get_confusion_matrix(p.float(), r.float())
        for key in ("sensitivity", "specificity", "precision"):
            values[key] = metrics.compute_confusion_matrix_metric(key, matrix)
        return {key: float(value) for key, value in values.items()}

    return row


def random_masks(rng, spacing):
    """A pair of smooth blobs, often cut by the border of the array, sometimes scattered, sometimes thin."""
    shape = rng.integers(1, 28, 3)
    noise = rng.normal(size=(2, *shape))
    noise[1] = rng.uniform(0, 1) * noise[0] + rng.uniform(0.1, 1) * noise[1]
    noise = np.stack([gaussian_filter(n, rng.uniform(0, 4) / np.array(spacing)) for n in noise])
    masks = noise > np.quantile(noise, rng.uniform(0.05, 0.95))
    masks[:, *rng.integers(0, shape)] = True  # never empty: MONAI's rule for that is another
    return masks


@pytest.mark.filterwarnings("ignore:monai:FutureWarning")
def test_200_random_pairs(monai_row):
    rng = np.random.default_rng(2024)
    borders = 0
    for i in range(200):
        spacing = tuple(rng.uniform(0.3, 4, 3))
        prediction, reference = random_masks(rng, spacing)
        borders += reference[0].any()
        mine = evaluate_masks(prediction, reference, spacing_mm=spacing).as_dict()
        theirs = monai_row(prediction, reference, spacing)
        if reference.all():
            del theirs["specificity"]  # 0/0: NaN here, 0 there
        # relative: MONAI interpolates percentiles in single precision
        assert {key: mine[key] for key in theirs} == pytest.approx(theirs, rel=1e-5, abs=1e-6), f"pair {i}"
    assert borders > 50
