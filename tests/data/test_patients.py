"""Studies of one patient are recognised by the numbering of their data set, and of no other."""

import pytest

from afl_core.data.patients import patient_id


@pytest.mark.parametrize(
    ("case_id", "patient"),
    [
        ("10000_1000000", "10000"),
        ("11475_1001499", "11475"),
        ("BraTS-GLI-00002-000", "BraTS-GLI-00002"),
        ("BraTS-GLI-00002-001", "BraTS-GLI-00002"),
        ("BraTS-MET-01234-002", "BraTS-MET-01234"),
        ("BraTS-SSA-00158-000", "BraTS-SSA-00158"),
    ],
)
def test_cases_of_a_known_numbering(case_id, patient):
    assert patient_id(case_id) == patient


@pytest.mark.parametrize(
    "case_id",
    [
        "Brats18_TCIA08_242_1",
        "BraTS2021_00002",
        "BraTS20_Training_001",
        "BRATS_001",
        "Case_A",
        "10000",
        "10000_100000",
        "10000_10000001",
        "1000_1000000",
        "10000_1000000_t2w",
        "x10000_1000000",
        "BraTS-GLI-00002",
        "BraTS-GLI-0002-000",
        "BraTS-GLI-00002-0000",
        "brats-gli-00002-000",
        "10000_1000000\n",
        "",
    ],
)
def test_any_other_case_is_a_patient_of_its_own(case_id):
    assert patient_id(case_id) == case_id
