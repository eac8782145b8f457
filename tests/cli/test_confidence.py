"""`afl confidence`: what it prints, its JSON and files, and one message for what cannot be compared."""

import json
from functools import partial

import pandas as pd
import pytest
from made_maps import measure_maps

from afl_core.base.numbers import p_number


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


def test_the_report_corrects_for_the_tests_that_the_command_counts(call, parts, tmp_path):
    """Bins by size are among them, so p-values do not depend on where they are read."""
    document = json.loads(call("confidence", parts / "test", "--json", "--quiet")[1])
    code, _, err = call("report", parts / "test", "--out", tmp_path / "report.html")
    assert code == 0, err
    text = " ".join((tmp_path / "report.html").read_text().split())
    pairs = [row for row in document["errors"] if row["minus"]]
    whole = [row for row in pairs if row["bin"] == "all"]
    assert len(whole) == 8
    assert f"Holm&#x27;s correction counts all {sum(row['p'] is not None for row in pairs)} tests" in text
    for row in whole:
        assert f"{p_number(row['p_holm']).replace('<', '&lt;')}<" in text
