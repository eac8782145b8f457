"""`afl follow-up`: what it prints and writes, and one message where nothing can be followed."""

import json
from functools import partial

import pandas as pd
import pytest

from tests.made_results import write_results


@pytest.fixture
def ran(call):
    """`ran(*arguments)` gives exit status, standard output and standard error."""
    return partial(call, "follow-up")


@pytest.fixture
def visits(tmp_path):
    """24 cases as three visits of 8 patients; FL has the reference's volume, A-FL half of it at the last visit."""
    folder = write_results(tmp_path / "made")
    names = {f"case_{k:02d}": f"sub-{k // 3}_ses-{k % 3}" for k in range(24)}
    for name in ("cases.parquet", "lesions.parquet"):
        table = pd.read_parquet(folder / name)
        table["case_id"] = table["case_id"].map(names)
        if name == "cases.parquet":
            half = (table["source"] == "A-FL") & table["case_id"].str.endswith("ses-2")
            table.loc[half, "predicted_volume_ml"] /= 2
        table.to_parquet(folder / name)
    return folder


def test_it_writes_a_row_a_time_point_and_source(ran, visits, tmp_path):
    code, out, err = ran(visits, "--out", tmp_path / "out")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "out" / "follow_up.csv")
    assert len(table) == 48
    assert table["patient"].nunique() == 8
    assert "FL gives another response by volume than the reference at 0 of 16 time points" in " ".join(out.split())
    assert "not a clinical assessment" in " ".join(out.split())


def test_json_has_what_is_printed(ran, visits):
    code, out, err = ran(visits, "--json")
    assert code == 0, err
    document = json.loads(out, parse_constant=pytest.fail)
    agreement = {row["source"]: row for row in document["agreement"]}
    assert agreement["FL"]["bias_ml"] == 0
    last = [row for row in document["time_points"] if row["source"] == "A-FL" and row["time_point"] == 3]
    bias = -sum(row["reference_volume_ml"] for row in last) / 2 / 8
    assert agreement["A-FL"]["bias_ml"] == pytest.approx(bias)
    assert sum(sum(row.values()) for row in document["categories"]["FL"].values()) == 16
    assert document["time_points"][0]["reference_change_ml"] is None


def test_results_of_one_time_point_a_patient_say_what_is_needed(ran, tmp_path):
    code, _, err = ran(write_results(tmp_path / "made"))
    assert code == 2
    assert "needs a patient with two measured time points" in err
    assert "--patients CSV" in err
