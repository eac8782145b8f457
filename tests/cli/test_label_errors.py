"""`afl label-errors`: one table a source, the same counts as the page, and what is left out is said."""

import shutil
from functools import partial

import pandas as pd
import pytest
from made_regions import CODES, write_cases

from afl_core import evaluate
from afl_core.analysis.label_error_counts import FILE
from afl_core.data.layouts import DataOptions


@pytest.fixture
def ran(call):
    """`ran(*arguments)` gives exit status, standard output and standard error."""
    return partial(call, "label-errors")


@pytest.fixture
def results(tmp_path):
    write_cases(tmp_path)
    sources = {"L": tmp_path / "labels", "M": tmp_path / "masks"}
    options = DataOptions(labels=CODES)
    evaluate(sources, tmp_path / "out", references=tmp_path / "references", options=options, regions=())
    return tmp_path / "out"


def test_it_writes_a_row_a_case_and_pair_and_keeps_the_counts(ran, results, tmp_path):
    code, out, err = ran(results, "--out", tmp_path / "errors")
    assert code == 0, err
    table = pd.read_csv(tmp_path / "errors" / "label_errors.csv")
    assert table.groupby("case_id")["voxels"].sum().to_dict() == {"a": 144, "b": 144}  # 8 slabs of tumour and 1 of none
    assert "L: reference" in out
    assert "The largest share with another label, or none, is in a: 25 % of the tumour" in " ".join(out.split())
    assert "Left out, since one region tells no labels apart: M" in " ".join((out + err).split())
    assert (results / FILE).is_file()
    assert ran(results)[0] == 0


def test_masks_alone_are_one_message(ran, tmp_path):
    write_cases(tmp_path)
    options = DataOptions(labels=CODES)
    evaluate({"M": tmp_path / "masks"}, tmp_path / "out", references=tmp_path / "references", options=options)
    code, _, err = ran(tmp_path / "out")
    assert code != 0
    assert "tell labels apart" in " ".join(err.split())


def test_a_mask_that_is_gone_leaves_the_other_case(ran, results, tmp_path):
    (results / "masks" / "L" / "a.nii.gz").unlink()
    code, out, err = ran(results)
    assert "L: reference" in out
    assert "a L" in out + err
    assert code == 0, err


def test_sources_are_compared_on_the_cases_that_all_of_them_have(ran, results, tmp_path):
    shutil.copytree(tmp_path / "labels", tmp_path / "again")
    sources, options = {"L": tmp_path / "labels", "K": tmp_path / "again"}, DataOptions(labels=CODES)
    evaluate(sources, tmp_path / "two", references=tmp_path / "references", options=options, regions=())
    (tmp_path / "two" / "masks" / "L" / "a.nii.gz").unlink()
    code, out, err = ran(tmp_path / "two", "--out", tmp_path / "errors")
    assert code == 0, err
    assert "Counted on 1 of 2 cases: on the others a source has no mask that can be read" in " ".join(
        (out + err).split()
    )
    table = pd.read_csv(tmp_path / "errors" / "label_errors.csv")
    assert set(zip(table["source"], table["case_id"], strict=True)) == {("L", "b"), ("K", "b")}
