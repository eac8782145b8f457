"""The workbench from Python: the page of the documentation runs as it is printed; names, forms and errors."""

import doctest
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import afl_core
from afl_core import breakdown, evaluate, open_results
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.results import Results

ROOT = Path(__file__).parents[1]
NAMES = {"DataOptions", "ResultTables", "breakdown", "build_loss", "describe", "evaluate", "open_results"}


def test_the_page_of_the_documentation_runs_as_it_is_printed(tmp_path):
    failed, tried = doctest.testfile(str(ROOT / "docs" / "api.md"), module_relative=False, globs={"work": tmp_path})
    assert tried > 10
    assert failed == 0


def test_the_names_are_there_and_others_are_not():
    assert set(afl_core.__all__) == NAMES <= set(dir(afl_core))
    assert all(callable(getattr(afl_core, name)) for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        afl_core.nothing  # noqa: B018


def test_importing_the_package_loads_nothing():
    code = "import sys, afl_core; sys.exit(bool({'numpy', 'pandas', 'torch', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_data_set_is_evaluated_as_by_the_command(cohort, masks, tmp_path):
    tables = evaluate({"A": masks}, tmp_path / "out", data=cohort)
    stored = Results(tmp_path / "out").cases()
    pd.testing.assert_frame_equal(tables.cases, stored.reset_index(drop=True))
    assert tables.manifest.settings.region == "whole"
    part = evaluate({"A": masks}, tmp_path / "part", data=cohort, split="test", region="tc", matcher="iou")
    assert len(part.cases) < len(tables.cases)
    assert (part.manifest.settings.region, part.manifest.settings.matcher) == ("tc", "iou")


def test_a_problem_is_told_and_ends_nothing(cohort, masks, tmp_path):
    (masks / "Case_A.nii.gz").write_bytes(b"no image")
    tables = evaluate({"A": masks}, tmp_path / "out", data=cohort)
    assert "Case_A A" in tables.problems
    assert set(tables.cases["case_id"]) == {"Case_B", "Case_C", "Case_D"}


def test_nothing_to_measure_is_an_error(cohort, masks, tmp_path):
    for path in masks.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="No case could be evaluated"):
        evaluate({"A": masks}, tmp_path / "out", data=cohort)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Give either data or references"),
        ({"data": "a", "references": "b"}, "Give either data or references"),
        ({"data": "gone"}, "gone"),
    ],
)
def test_wrong_arguments_are_one_error(arguments, text, tmp_path, masks):
    with pytest.raises(AflError, match=text):
        evaluate({"A": masks}, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_wrong_choices_are_one_error(cohort, masks, tmp_path):
    for choice in ({"matcher": "none"}, {"split": "tset"}, {"region": "nowhere"}):
        with pytest.raises(UsageError):
            evaluate({"A": masks}, tmp_path / "out", data=cohort, **choice)
    with pytest.raises(UsageError, match="not a results folder"):
        open_results(tmp_path)
    evaluate({"A": masks}, tmp_path / "out", data=cohort)
    with pytest.raises(UsageError):
        breakdown(tmp_path / "out", metric="dise")


def test_a_part_of_the_split_that_names_no_case_is_one_error(cohort, masks, tmp_path):
    (cohort / "splits.json").write_text('{"test": ["Case A", "Case B"], "train": ["Case_C.nii.gz"]}')
    with pytest.raises(DataError, match=r"names no case of the data set.*such as Case_A"):
        evaluate({"A": masks}, tmp_path / "out", data=cohort, split="test")
    assert not (tmp_path / "out").exists()
    assert set(evaluate({"A": masks}, tmp_path / "out", data=cohort, split="train").cases["case_id"]) == {"Case_C"}


def test_covariates_are_kept_and_are_axes(cohort, masks, tmp_path):
    table = tmp_path / "sites.csv"
    table.write_text("case_id,site\nCase_A,N\nCase_B,S\nCase_C,S\n")
    tables = afl_core.evaluate({"A": masks}, tmp_path / "out", data=cohort, covariates=table)
    assert "1 case is not in sites.csv and without a value of its columns: Case_D." in tables.notes
    found = afl_core.breakdown(tmp_path / "out", by=("site",)).records
    assert found["bin"].tolist() == ["all", "N", "S", "no value"]
    assert found["n"].tolist() == [4, 1, 2, 1]
