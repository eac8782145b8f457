"""`afl xray`: what it prints and writes, and one clear message for a mistake."""

import json
from functools import partial

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

AFFINE = np.diag([1.0, 1.0, 3.0, 1.0])


@pytest.fixture
def masks(tmp_path):
    """Cubes of 2, 4, 6 and 8 voxels a side, and an empty mask."""
    (tmp_path / "masks").mkdir()
    for side in (0, 2, 4, 6, 8):
        mask = np.zeros((20, 20, 12), np.uint8)
        mask[4 : 4 + side, 4 : 4 + side, 2 : 2 + side] = 1
        nib.save(nib.Nifti1Image(mask, AFFINE), tmp_path / "masks" / f"cube_{side}.nii.gz")
    return tmp_path / "masks"


@pytest.fixture
def xray(call):
    """`xray(*arguments)` gives exit status, standard output and standard error."""
    return partial(call, "xray")


def test_masks_alone_are_enough(xray, masks, tmp_path):
    code, out, err = xray("--references", masks, "--out", tmp_path / "out")
    assert code == 0, err
    assert "4 of 5 cases with a tumour" in err
    table = pd.read_csv(tmp_path / "out" / "xray.csv").set_index("case_id")
    assert table.loc["cube_4", "gamma_va"] == pytest.approx(64 / 4800)
    document = json.loads((tmp_path / "out" / "xray.json").read_text())
    gammas = table["gamma_adaptive"][table["tumour_voxels"] > 0]
    assert document["summary"]["gamma_adaptive"]["median"] == pytest.approx(gammas.median())
    assert document["summary"]["gamma_adaptive"]["rho_size"] == pytest.approx(1)
    (line,) = [line for line in out.splitlines() if line.startswith("gamma_adaptive ")]
    assert f"{gammas.median():.2g}" in line
    assert line.split()[-2:] == ["+1.00", "–"]
    assert all(finding["measured"] in out for finding in document["findings"])


def test_a_grid_and_area_resizing_make_tumours_larger(xray, masks, tmp_path):
    for how in ("nearest", "area"):
        code, _, err = xray("--references", masks, "--grid", "11,11,5", "--resize", how, "--out", tmp_path / how)
        assert code == 0, err
        assert f"11 x 11 x 5 voxels, resized by {how}" in err
    nearest, area = (pd.read_csv(tmp_path / how / "xray.csv") for how in ("nearest", "area"))
    assert set(area["voxels"]) == {605}
    assert (area["gamma_va"] >= nearest["gamma_va"]).all()
    assert area["gamma_va"].sum() > nearest["gamma_va"].sum()


def test_who_is_one_patient_is_declared_by_a_table(xray, masks, tmp_path):
    table = tmp_path / "patients.csv"
    table.write_text("case_id,patient\ncube_0,P1\ncube_2,P1\ncube_4,P2\ncube_6,P2\ncube_9,P3\n")
    code, _, err = xray("--references", masks, "--patients", table, "--out", tmp_path / "out")
    assert code == 0, err
    found = pd.read_csv(tmp_path / "out" / "xray.csv").set_index("case_id")["patient"]
    assert found.to_dict() == {"cube_0": "P1", "cube_2": "P1", "cube_4": "P2", "cube_6": "P2", "cube_8": "cube_8"}
    assert "cube_8" in err
    assert "The table of patients names 1 case not in the data set: cube_9" in err


@pytest.mark.parametrize("where", ["--data", "--references"])
def test_own_codes_and_a_region_of_them(xray, tmp_path, where):
    labels = np.zeros((20, 20, 12), np.uint8)
    labels[4:8, 4:8, 2:6] = 3  # 64 voxels of edema
    labels[5:7, 5:7, 3:5] = 2
    labels[5, 5, 3] = 1
    for name in ("images/a_t1.nii.gz", "references/a.nii.gz"):
        (tmp_path / name).parent.mkdir()
        nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / name)
    folder = tmp_path if where == "--data" else tmp_path / "references"
    args = ("--labels", "et=1,ncr=2,ed=3", "--region", "tc", "--out", tmp_path / "out")
    code, _, err = xray(where, folder, *args)
    assert code == 0, err
    assert pd.read_csv(tmp_path / "out" / "xray.csv")["tumour_voxels"].tolist() == [8]


def test_a_data_set(xray, cohort):
    code, out, err = xray("--data", cohort)
    assert code == 0, err
    assert "4 of 4 cases with a tumour" in err
    assert "of 4 tumours" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --data or --references"),
        (("--grid", "1,2"), "three numbers of voxels"),
        (("--grid", "a,b,c"), "three numbers of voxels"),
        (("--grid", "100000,100000,100000"), "three numbers of voxels"),
        (("--resize", "area"), "needs a grid"),
        (("--grid", "4,4,4", "--resize", "cubic"), "There are: nearest, area"),
        (("--prepare", "picai"), "Did you mean picai_"),
    ],
)
def test_a_mistake_is_one_message(xray, masks, arguments, said):
    given = ("--references", masks, *arguments) if arguments else ()
    code, _, err = xray(*given)
    assert code == 2
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert said in line


def test_nothing_that_can_be_read(xray, tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "case.nii.gz").write_bytes(b"no mask")
    code, _, err = xray("--references", tmp_path / "masks")
    assert code == 2
    assert "No reference could be measured" in err
