"""The kept counts of label errors: which are read again, and what one bad case leaves of the others."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_regions import CODES, PREDICTED, labelled, write_cases

from afl_core import evaluate
from afl_core.analysis import label_error_counts
from afl_core.analysis.label_error_counts import FILE, count_label_errors, kept_counts, labelled_sources, wanted_pairs
from afl_core.analysis.label_errors import label_errors, worst_case
from afl_core.data.formats.files import save_volume
from afl_core.data.layouts import DataOptions
from afl_core.evaluation.comparison import open_comparison

ED, NCR, ET = "edema (ED)", "necrotic core (NCR)", "enhancing tumour (ET)"


def measure(folder):
    """Cases a and b; L holds labels, M masks of the whole. In b, L has no necrosis at all."""
    evaluate(
        {"L": folder / "labels", "M": folder / "masks"},
        folder / "out",
        references=folder / "references",
        options=DataOptions(labels=CODES),
        regions=(),
    )
    first = open_comparison(folder / "out")
    return {region: open_comparison(folder / "out", region=region) for region in first.regions}


@pytest.fixture
def opened(tmp_path):
    write_cases(tmp_path)
    save_volume(tmp_path / "labels" / "b.nii.gz", labelled((3, slice(1, 6)), (1, slice(6, 9))), np.eye(4))
    return measure(tmp_path)


@pytest.fixture
def read(monkeypatch):
    """How often each case and source was read."""
    counter = Counter()

    def counting(opened, case_id, source):
        counter[case_id, source] += 1
        return label_errors(opened, case_id, source)

    monkeypatch.setattr(label_error_counts, "label_errors", counting)
    return counter


def test_each_prediction_with_labels_is_read_once_and_kept(opened, read, tmp_path):
    assert labelled_sources(opened) == ("L",)
    table, _, problems = count_label_errors(opened)
    assert not problems
    assert read == {("a", "L"): 1, ("b", "L"): 1}
    expected = pd.concat([label_errors(opened, case_id, "L") for case_id in "ab"], ignore_index=True)
    pd.testing.assert_frame_equal(table, expected)
    again, *_ = count_label_errors(opened)
    assert read.total() == 2
    pd.testing.assert_frame_equal(again, expected, check_dtype=False)
    assert (tmp_path / "out" / FILE).is_file()


def test_the_path_by_which_results_are_opened_is_no_part_of_a_count(opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert wanted_pairs({region: open_comparison(Path("out"), region=region) for region in opened}) == wanted_pairs(
        opened
    )


def test_a_changed_prediction_is_read_again_and_not_shown_meanwhile(opened, read, tmp_path):
    count_label_errors(opened)
    save_volume(tmp_path / "labels" / "a.nii.gz", labelled((3, slice(1, 4)), (2, slice(4, 9))), np.eye(4))
    opened = measure(tmp_path)
    kept, held = kept_counts(tmp_path / "out", wanted_pairs(opened))
    assert set(held) == {("b", "L")}
    assert kept["case_id"].unique().tolist() == ["b"]
    table, *_ = count_label_errors(opened)
    assert read == {("a", "L"): 2, ("b", "L"): 1}
    taken = table[(table["case_id"] == "a") & (table["reference"] == ET)]
    assert dict(zip(taken["predicted"], taken["voxels"], strict=True)) == {NCR: 48}


def test_a_case_that_cannot_be_read_is_named_and_ends_no_other(opened, tmp_path):
    opened["et"].mask("a", "L").unlink()
    table, _, problems = count_label_errors(opened)
    assert table["case_id"].unique().tolist() == ["b"]
    assert "is gone" in str(problems["a", "L"])
    assert set(kept_counts(tmp_path / "out", wanted_pairs(opened))[1]) == {("b", "L")}


def test_what_was_counted_before_a_stop_stays(opened, read, tmp_path):
    def stop(done, total, case_id):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_label_errors(opened, report=stop)
    count_label_errors(opened)
    assert read == {("a", "L"): 1, ("b", "L"): 1}


@pytest.mark.parametrize("content", [b"", b"no table", None])
def test_a_damaged_table_is_made_again(opened, tmp_path, content):
    before, *_ = count_label_errors(opened)
    if content is None:
        before.to_parquet(tmp_path / "out" / FILE)  # no keys
    else:
        (tmp_path / "out" / FILE).write_bytes(content)
    again, _, problems = count_label_errors(opened)
    assert not problems
    pd.testing.assert_frame_equal(again, before, check_dtype=False)


def test_a_case_without_any_tumour_counts_as_read(opened, read, tmp_path):
    for folder in ("references", "labels", "masks"):
        save_volume(tmp_path / folder / "a.nii.gz", np.zeros_like(PREDICTED), np.eye(4))
    opened = measure(tmp_path)
    table, *_ = count_label_errors(opened)
    assert table["case_id"].unique().tolist() == ["b"]
    count_label_errors(opened)
    assert read["a", "L"] == 1


def test_the_worst_case_of_a_cell_has_most_of_it(opened):
    table, *_ = count_label_errors(opened)
    assert worst_case(table, NCR, ED) == "b"  # 2 slabs there, none in a
    assert worst_case(table, ED, NCR) == "a"
    assert worst_case(table, NCR, ET) == ""
