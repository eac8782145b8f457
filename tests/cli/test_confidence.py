"""`afl confidence`: what it prints, its JSON and files, and one message for what cannot be compared."""

import json
from functools import partial

import pandas as pd
import pytest
from made_maps import measure_maps


@pytest.fixture
def ran(call):
    """`ran(*arguments)` gives exit status, standard output and standard error."""
    return partial(call, "confidence")


@pytest.fixture
def parts(tmp_path):
    """Results of noisy maps, on test and on validation cases."""
    measure_maps(tmp_path, tmp_path / "results", noise=1)
    return tmp_path / "results"


def test_it_prints_errors_sentences_and_the_pair_at_temperatures(ran, parts, tmp_path):
    code, out, err = ran(parts / "test", "--validation", parts / "validation", "--out", tmp_path / "out")
    assert code == 0, err
    words = " ".join(out.split())
    assert "ECE over the whole grid, all cases: " in words
    assert "ECE within 10 mm of the reference. Small tumours: " in words
    assert "At temperatures fitted on 7 validation cases, within 10 mm of the reference (FL " in words
    curves, records = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("reliability", "calibration"))
    assert len(curves) == 2 * 2 * 20
    assert set(records["error"]) == {"ece", "ace", "mce", "brier"}
    assert set(records["over"]) == {"near", "grid"}


def test_json_has_the_numbers(ran, parts):
    code, out, err = ran(*(parts / "test", "--validation", parts / "validation", "--over", "grid", "--json", "--quiet"))
    assert code == 0, err
    document = json.loads(out, parse_constant=pytest.fail)
    assert document["scaled"]["over"] == "grid"
    assert set(document["scaled"]["temperatures"]) == {"FL", "A-FL"}
    low, high = document["scaled"]["remaining_interval"]
    assert low < document["scaled"]["remaining"] < high
    assert f"({100 * low:.0f} to {100 * high:.0f} %)." in document["scaled"]["sentence"]
    assert len(document["reliability"]) == 80
    assert {row["bin"] for row in document["errors"]} == {"all", "small", "medium", "large"}


def test_a_wrong_choice_is_one_sentence(ran, parts):
    assert "There is no kind of voxels of that name (received: shell)" in " ".join(
        ran(parts / "test", "--over", "shell")[2].split()
    )
    code, out, err = ran(parts / "test", "--validation", parts / "test")
    assert (code, out) == (2, "")
    assert "Patients of the validation cases are among those that are compared" in " ".join(err.split())
