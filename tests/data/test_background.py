"""References without a background, and inverted ones, are refused; large tumours are not."""

from contextlib import nullcontext

import numpy as np
import pytest

from afl_core.data.background import check_predicted, fills_corners
from afl_core.data.loading import load_reference, load_reference_labels
from afl_core.errors import DataError
from afl_core.volume import WHOLE, Case, Region

CORE = Region("tc", (1, 3), (1, 2, 3))


def ball() -> np.ndarray:
    """A tumour of 123 voxels amid a grid of 9 x 9 x 9."""
    return (((np.indices((9, 9, 9)) - 4) ** 2).sum(axis=0) <= 9).astype(np.int16)


def cut() -> np.ndarray:
    """A tumour that fills its grid but for one corner, as in a file that was cut tightly."""
    array = np.ones((4, 5, 6), np.int16)
    array[-1, -1, 0] = 0
    return array


@pytest.mark.parametrize(
    ("labels", "region", "said"),
    [
        (ball(), WHOLE, ""),
        (cut(), WHOLE, ""),
        (0 * ball(), WHOLE, ""),
        (ball() + 1, WHOLE, r"a\.nii has no voxel of 0, which is the background \(received: labels 1, 2\)"),
        (ball() + 1, CORE, "has no voxel of 0"),
        (0 * ball() + 1, WHOLE, r"has no voxel of 0.*labels 1\)"),
        (
            1 - ball(),
            WHOLE,
            r"fills all eight corners of the grid, as in an inverted mask \(received: labels 1 there\)",
        ),
        (1 - ball(), CORE, "fills all eight corners"),
        (2 * (1 - ball()), CORE, ""),  # the corners are edema, and no part of the core
        (2 * (1 - ball()), WHOLE, "fills all eight corners"),
    ],
)
def test_a_reference_has_a_background_and_its_region_is_not_all_around(labels, region, said, tmp_path, write_nifti):
    case = Case("a", {}, write_nifti(tmp_path / "a.nii", labels.astype(np.uint8)), region=region)
    for load in (load_reference, load_reference_labels):
        with pytest.raises(DataError, match=said) if said else nullcontext():
            load(case)


def test_one_label_everywhere_may_be_predicted_several_may_not() -> None:
    check_predicted(0 * ball() + 1, file="a.nii")
    check_predicted(ball(), file="a.nii")
    with pytest.raises(DataError, match=r"a\.nii has no voxel of 0"):
        check_predicted(ball() + 1, file="a.nii")


def test_the_corners_of_a_grid() -> None:
    assert [fills_corners(array > 0) for array in (ball(), 1 - ball(), cut())] == [False, True, False]
