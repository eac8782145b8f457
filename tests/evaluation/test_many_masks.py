"""Masks of many cases lie in several folders; those of few, and those that were there before, lie side by side."""

import shutil

import pytest

from afl_core.data.layouts import load_cohort
from afl_core.evaluation import pipeline
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.pipeline import mask_path, shard_masks
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into, pending
from afl_core.evaluation.sources import MaskSource


def test_masks_of_few_cases_lie_side_by_side(tmp_path):
    shard_masks(tmp_path, pipeline.MANY_CASES - 1)
    assert mask_path(tmp_path, "A", "case") == tmp_path / "masks" / "A" / "case.nii.gz"
    assert mask_path(tmp_path, "A", "case", "tc") == tmp_path / "masks" / "A" / "tc" / "case.nii.gz"


def test_masks_of_many_cases_lie_in_folders_that_are_no_regions(tmp_path):
    shard_masks(tmp_path, pipeline.MANY_CASES)
    paths = {mask_path(tmp_path, "A", f"case_{k}") for k in range(5000)}
    folders = {path.parent for path in paths}
    assert len(paths) == 5000
    assert len(folders) == 256
    assert max(sum(path.parent == folder for path in paths) for folder in list(folders)[:20]) < 60
    of_region = mask_path(tmp_path, "A", "case_0", "ed")
    assert of_region.parents[1] == tmp_path / "masks" / "A" / "ed"
    assert all("." in folder.name for folder in folders)  # "ed" is a region, and could be the begin of a hash


def test_a_mask_that_was_there_stays_where_it_is(tmp_path):
    old = mask_path(tmp_path, "A", "case")
    old.parent.mkdir(parents=True)
    old.write_bytes(b"mask")
    shard_masks(tmp_path, pipeline.MANY_CASES)
    assert mask_path(tmp_path, "A", "case") == old
    assert mask_path(tmp_path, "A", "other") != tmp_path / "masks" / "A" / "other.nii.gz"


@pytest.mark.parametrize("few_before", [False, True])
def test_an_evaluation_of_many_cases_is_found_again(cohort, masks, tmp_path, monkeypatch, few_before):
    """Also after the data set has grown, and after the source was renamed."""
    opened, results, sources = load_cohort(cohort), Results(tmp_path / "results"), (MaskSource("A", masks),)
    if few_before:
        results.describe_cohort(opened, sources)
        evaluate_into(results, opened.cases[:2], sources)
    monkeypatch.setattr(pipeline, "MANY_CASES", 1)
    results.describe_cohort(opened, sources)
    evaluate_into(results, opened.cases, sources)
    assert pending(opened.cases, sources, results) == []
    written = sorted(path.parent.name[:6] for path in (results.folder / "masks").rglob("*.nii.gz"))
    assert written == sorted(["A", "A"] * few_before + ["cases."] * (len(opened.cases) - 2 * few_before))
    results.rename_source("A", "B")
    found = open_comparison(results.folder)
    assert all(found.mask(case.case_id, "B").is_file() for case in opened.cases)
    shutil.rmtree(results.folder)
