"""Points between thousands are told from decimal ones by the whole column, or not at all."""

import pytest

from afl_core.data.covariates import load_covariates
from afl_core.data.number_signs import signs_fault

TWO_WAYS = "write 1.0010 where it is decimal, 1001 where it stands between thousands"


@pytest.mark.parametrize(
    ("numbers", "unit", "fault"),
    [
        (["1.001", "1.001,5"], None, "its numbers have a decimal comma, such as 1.001,5; write 1001.5"),
        (["1.001", "1.001.000"], "mm", "its numbers have points between thousands, such as 1.001.000; write 1001000"),
        (["850", "1.001"], None, TWO_WAYS),  # 850 and 1001, or 850 and 1.001
        (["850", "1.001"], "ml", TWO_WAYS),
        (["1.001", "12.345"], "mm3", TWO_WAYS),
        (["1234", "1.001"], "voxels", TWO_WAYS),
        (["1234", "1.001"], "ml", ""),  # who writes 1234 does not write 1.001 for 1001
        (["850", "1.001", "0.250"], None, ""),
        (["850", "1.001", "1.0010"], "mm3", ""),  # what the advice says to write
        (["850", "1.001", "12.5"], "count", ""),
        (["1.414", "12.345"], None, ""),  # all with three decimals
        (["0", "1.414", "2"], "mm", ""),  # no distance is 1,414 mm
        (["low", "1.001.000"], None, ""),
    ],
)
def test_the_other_values_of_a_column_say_what_its_points_are(numbers, unit, fault):
    found = signs_fault(numbers, unit)
    assert found.endswith(fault) if fault else found == ""


@pytest.mark.parametrize("numbers", [["850", "1.001", "2.750"], ["850", "1.001", "1.001.000"]])
def test_a_covariate_with_points_between_thousands_is_left_out_and_said(tmp_path, numbers):
    table = tmp_path / "table.csv"
    table.write_text("case_id,dose\n" + "".join(f"c{k},{text}\n" for k, text in enumerate(numbers)))
    read = load_covariates(table, {f"c{k}": f"c{k}" for k in range(3)})
    assert read.columns == {}
    assert "such as 1.001" in read.left_out["dose"]
