"""Labels that are read once for all regions."""

from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from afl_core.data import boxed_labels
from afl_core.data.boxed_labels import box_labels, load_boxed_labels
from afl_core.data.formats.files import load_labels
from afl_core.errors import DataError
from afl_core.regions import bounding_box
from afl_core.volume import WHOLE, Region, Volume

CORE = Region("tc", (1, 3), (1, 2, 3))


def drawn() -> np.ndarray:
    """Labels 0, 1 and 2 in a box of a grid of three different edges."""
    labels = np.zeros((7, 8, 9), np.int16)
    labels[2:5, 3:6, 1:8] = np.random.default_rng(4).integers(0, 3, (3, 3, 7))
    return labels


@pytest.mark.parametrize(("order", "steps"), list(product("CF", product((1, -1), repeat=3))))
def test_the_mask_of_a_region_is_where_its_labels_are(order, steps) -> None:
    labels = np.asarray(drawn(), order=order)[tuple(slice(None, None, step) for step in steps)]
    boxed = box_labels(Volume(labels, np.eye(4)))
    assert boxed.present == (1, 2)
    for region, inside in ((WHOLE, (1, 2, 3)), (CORE, (1, 3)), (Region("et", (3,), (1, 2, 3)), (3,))):
        volume = boxed.mask(region, file="x.nii")
        mask = volume.array
        assert bounding_box(mask, volume.within) == bounding_box(mask)
        np.testing.assert_array_equal(mask, np.isin(labels, inside))
        assert mask.strides == tuple(stride // 2 for stride in labels.strides), "written and passed over as the file"


def test_labels_that_are_not_known_are_refused_with_the_file() -> None:
    with pytest.raises(DataError, match=r"x\.nii holds labels that its data set does not have.*2"):
        box_labels(Volume(drawn(), np.eye(4))).mask(Region("a", (1,), (1,)), file="x.nii")


def test_nothing_above_0_makes_an_empty_mask() -> None:
    boxed = box_labels(Volume(np.zeros((3, 4, 5), np.int16), np.eye(4)))
    assert boxed.present == ()
    assert not boxed.mask(CORE, file="x").array.any()


def test_a_file_is_read_once_and_again_when_it_was_written_to(tmp_path: Path, monkeypatch) -> None:
    read: list[str] = []

    def counted(path: Path) -> Volume:
        read.append(path.name)
        return load_labels(path)

    monkeypatch.setattr(boxed_labels, "load_labels", counted)
    for name in ("reference", "prediction"):
        nib.save(nib.Nifti1Image(drawn(), np.eye(4)), tmp_path / f"{name}.nii")
    for _ in range(3):
        load_boxed_labels(tmp_path / "reference.nii")
        load_boxed_labels(tmp_path / "prediction.nii")
    assert read == ["reference.nii", "prediction.nii"]
    nib.save(nib.Nifti1Image(drawn() * 2, np.eye(4)), tmp_path / "reference.nii")
    assert load_boxed_labels(tmp_path / "reference.nii").present == (2, 4)
    with pytest.raises(DataError, match=r"no file gone\.nii"):
        load_boxed_labels(tmp_path / "gone.nii")
