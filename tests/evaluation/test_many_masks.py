"""Masks of many cases lie in several folders; those of few, and those that were there before, lie side by side."""

import json
import shutil

import numpy as np
import pytest

from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.layouts.labelling import with_regions
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


@pytest.mark.parametrize("sharded", [False, True])
def test_masks_of_two_regions_never_share_a_file(tmp_path, sharded):
    shard_masks(tmp_path, pipeline.MANY_CASES if sharded else 1)
    names = ["некроз", "отёк", "a/b", "a b", "a_b", "a=1+2", "a_1=2", "a_1_2", "..", "../..", "x" * 90 + "é", "x" * 90]
    paths = [mask_path(tmp_path, "A", "case", name, anew=True) for name in names]
    assert len({str(path).lower() for path in paths}) == len(names)
    assert all(path.resolve().is_relative_to(tmp_path / "masks" / "A") for path in paths)
    assert all("." not in path.relative_to(tmp_path / "masks" / "A").parts[0] for path in paths)
    for name, path in zip(names, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    assert [mask_path(tmp_path, "A", "case", name).read_text() for name in names] == names


def test_a_mask_of_earlier_results_is_found_until_it_is_written_anew(tmp_path):
    old = tmp_path / "masks" / "A" / "ring_2_4" / "case.nii.gz"  # where regions with other signs lay
    old.parent.mkdir(parents=True)
    old.write_bytes(b"mask")
    assert mask_path(tmp_path, "A", "case", "ring=2+4") == old
    new = mask_path(tmp_path, "A", "case", "ring=2+4", anew=True)
    assert new != old
    new.parent.mkdir()
    new.write_bytes(b"mask")
    assert mask_path(tmp_path, "A", "case", "ring=2+4") == new


def test_every_region_that_is_measured_keeps_its_mask(tmp_path, write_nifti):
    array = np.zeros((6, 6, 6), np.uint8)
    array.ravel()[:6] = [1, 2, 2, 3, 3, 3]
    for folder in ("data/labelsTr", "A"):
        write_nifti(tmp_path / folder / "a.nii.gz", array)
    labels = {"background": 0, "некроз": 1, "отёк": 2, "опухоль": 3}
    (tmp_path / "data" / "dataset.json").write_text(json.dumps({"labels": labels}))
    opened = with_regions(references_cohort(tmp_path / "data" / "labelsTr"), ())
    results, sources = Results(tmp_path / "out"), (MaskSource("A", tmp_path / "A", meaning="labels"),)
    results.describe_cohort(opened, sources)
    evaluate_into(results, opened.cases, sources)
    assert pending(opened.cases, sources, results) == []
    voxels = {
        region: load_mask(open_comparison(results.folder, region=region).mask("a", "A")).array.sum()
        for region in ("whole", "некроз", "отёк", "опухоль")
    }
    assert voxels == {"whole": 6, "некроз": 1, "отёк": 2, "опухоль": 3}


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
