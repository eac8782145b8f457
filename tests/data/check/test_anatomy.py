"""Labels whose place contradicts what they are said to be."""

import os
from pathlib import Path

import numpy as np
import pytest

from afl_core.data.check.anatomy import background_shares, doubt_labels
from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import SCHEMES
from afl_core.data.layouts import references_cohort
from afl_core.volume import Case


def nested(*labels):
    """Cubes of 8, 4 and 2 voxels in each other, the outermost label first."""
    array = np.zeros((12, 12, 12), np.uint8)
    for label, margin in zip(labels, (2, 4, 5), strict=True):
        array[margin:-margin, margin:-margin, margin:-margin] = label
    return array


def test_the_shares_of_nested_cubes():
    # outermost: 6 x 64 faces to background, 6 x 16 to the middle
    assert background_shares(nested(2, 3, 1)) == {2: pytest.approx(0.8), 3: 0, 1: 0}


@pytest.mark.parametrize(
    ("coded", "name", "doubted"),
    [
        ((2, 3, 1), "brats2023", False),
        ((3, 1, 2), "brats2023", True),  # 1 enhancing, 2 necrosis, 3 edema
        ((3, 1, 2), "et=1,ncr=2,ed=3", False),
        ((1, 3, 2), "msd", False),
        ((1, 3, 2), "brats2023", True),
        ((2, 4, 1), "brats", False),
        ((2, 3, 1), "any", False),
        ((2, 3, 1), "et=2,solid=1,cyst=3", False),
    ],
)
def test_edema_inside_the_core_is_doubted(tmp_path, write_nifti, coded, name, doubted):
    path = write_nifti(tmp_path / "a.nii.gz", nested(*coded))
    said = doubt_labels([Case("a", {}, path), Case("b", {}, None)], find_scheme(name))
    assert bool(said) == doubted
    assert not doubted or f"by the labels {name}" in said


def test_a_set_of_which_most_references_fit_is_not_doubted(tmp_path, write_nifti):
    arrays = [nested(2, 3, 1)] * 2 + [nested(3, 1, 2)]
    cases = [Case(str(i), {}, write_nifti(tmp_path / f"{i}.nii.gz", array)) for i, array in enumerate(arrays)]
    assert doubt_labels(cases, SCHEMES["brats2023"]) == ""


REAL = os.environ.get("AFL_REAL_DATA")


@pytest.mark.skipif(not REAL, reason="AFL_REAL_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "files", "scheme", "doubted"),
    [
        ("brats_2013", "*/OTMultiClass.nii.gz", "brats2013", False),
        ("brats_2021", "*/*seg*.nii.gz", "brats", False),
        ("two_models", "LUMIERE/LUMIERE_images/*/*_seg.nii.gz", "brats2023", True),
        ("two_models", "LUMIERE/LUMIERE_images/*/*_seg.nii.gz", "et=1,ncr=2,ed=3", False),
    ],
)
def test_real_sets_are_doubted_only_by_a_wrong_scheme(name, files, scheme, doubted):
    paths = sorted(Path(REAL or "", name).glob(files))
    assert paths
    assert bool(doubt_labels([Case(path.name, {}, path) for path in paths], find_scheme(scheme))) == doubted


def test_the_command_line_says_it(tmp_path, write_nifti, capsys):
    from afl_core.cli.main import app

    for case in "ab":
        write_nifti(tmp_path / "refs" / f"{case}.nii.gz", nested(3, 1, 2))
    assert references_cohort(tmp_path / "refs", labels="brats2023").labels == "brats2023"
    common = ["--labels", "brats2023", "--region", "et"]
    refs, out = str(tmp_path / "refs"), str(tmp_path / "out")
    calls = (
        ["evaluate", "--references", refs, "--source", f"A={refs}", "--out", out, "--workers", "1"],
        ["data", "check", refs, "--masks"],
    )
    for call in calls:
        app([*call, *common], standalone_mode=False)
        said = " ".join("".join(capsys.readouterr()).split())
        assert "The label 2 is edema by the labels brats2023, but it lies inside" in said
