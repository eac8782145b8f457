"""Contrast on the images of results: the values of the files, what is measured again, and what is stale."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import distance_transform_edt, label

from afl_core import evaluate
from afl_core.data.layouts import load_cohort
from afl_core.errors import DataError, UsageError
from afl_core.evaluation import contrast as measuring
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.contrast import measure_contrast, pick_sequence
from afl_core.evaluation.contrast_rows import CONTRAST, SEQUENCE, VALUES, lacking_sentence, load_contrast
from afl_core.metrics.lesions import lesion_rows
from afl_core.metrics.matchers import MATCHERS, match_masks
from afl_core.regions import label_lesions
from afl_core.volume import Mask


@pytest.fixture
def out(cohort, masks, tmp_path):
    """Results of the tiny cohort in two regions; only B, which has labels, is of both."""
    (tmp_path / "labels").mkdir()
    for path in cohort.glob("*/*/*_seg.nii.gz"):
        shutil.copy(path, tmp_path / "labels" / path.name.replace("_seg", ""))
    return evaluated(cohort, tmp_path)


def evaluated(cohort, root):
    evaluate({"A": root / "masks", "B": root / "labels"}, root / "out", data=cohort, regions=("whole", "et"))
    return root / "out"


def regions(folder):
    first = open_comparison(folder)
    return {first.region: first} | {name: open_comparison(folder, region=name) for name in first.regions[1:]}


def measured(folder, sequence="t1ce"):
    return measure_contrast(regions(folder), sequence)


def by_scipy(cohort, case_id, labels):
    """The three values of each lesion of a case, the largest first, by nibabel and scipy alone."""
    folder = cohort / "HGG" / case_id
    image, seg = (nib.load(folder / f"{case_id}_{name}.nii.gz") for name in ("t1ce", "seg"))
    values, tumour = np.asarray(image.dataobj, float), np.isin(np.asarray(seg.dataobj), labels)
    numbers, n = label(tumour, np.ones((3, 3, 3)))
    found = []
    for mask in [tumour, *(numbers == k for k in range(1, n + 1))]:
        near = distance_transform_edt(~mask, sampling=seg.header.get_zooms()) <= 5
        inside, shell = values[mask], values[near & ~tumour & (values != 0)]
        apart, noise = inside.mean() - shell.mean(), shell.std(ddof=1)
        found.append((mask.sum(), apart / shell.mean(), inside.mean() / noise, apart / noise))
    return [found[0][1:], *(values for _, *values in sorted(found[1:], reverse=True))]


def test_each_case_and_lesion_has_the_values_of_its_files_in_every_region(out, cohort):
    table, problems = measured(out)
    assert not problems
    for region, labels in (("whole", (1, 2, 4)), ("et", (4,))):
        of = table[table["region"] == region]
        assert set(of["case_id"]) == {"Case_A", "Case_B", "Case_C", "Case_D"}
        for case_id, rows in of.groupby("case_id"):
            wanted = by_scipy(cohort, case_id, labels)
            assert rows["lesion_id"].tolist() == list(range(len(wanted)))
            if region == "whole":  # of equal size, the parts of et may stand in another order
                assert rows[list(VALUES)].to_numpy() == pytest.approx(np.array(wanted))
            assert rows[list(VALUES)].to_numpy()[0] == pytest.approx(np.array(wanted[0]))
    assert table.groupby("region")["lesion_id"].max()["whole"] == 2
    of_lesions = open_comparison(out).lesions.query("case_id == 'Case_B' and lesion_id == 2 and kind == 'reference'")
    assert of_lesions["contrast"].tolist() == pytest.approx([by_scipy(cohort, "Case_B", (1, 2, 4))[2][0]] * 2)


def test_results_without_it_stay_as_they_are_and_with_it_only_gain_columns(out):
    before = open_comparison(out)
    assert SEQUENCE not in before.rows
    measured(out)
    after = open_comparison(out)
    assert after.stamp != before.stamp  # pages read the folder again
    for old, new in ((before.rows, after.rows), (before.lesions, after.lesions)):
        pd.testing.assert_frame_equal(old, new[old.columns])
        assert set(new) - set(old) == {*VALUES, SEQUENCE}
    false = after.lesions[after.lesions["kind"] == "false_positive"]
    assert len(false)
    assert false["contrast"].isna().all()


def test_what_was_measured_is_not_read_again_unless_files_or_sequence_change(out, cohort, monkeypatch):
    seen = []
    monkeypatch.setattr(measuring, "_measure", lambda task, of=measuring._measure: seen.append(task) or of(task))
    first, _ = measured(out)
    assert len(seen) == 4
    again, _ = measured(out)
    pd.testing.assert_frame_equal(first, again)
    assert len(seen) == 4
    path = cohort / "HGG" / "Case_C" / "Case_C_t1ce.nii.gz"
    image = nib.load(path)
    nib.save(nib.Nifti1Image(2 * np.asarray(image.dataobj), image.affine), path)
    measured(out)
    assert [task.case.case_id for task in seen[4:]] == ["Case_C"]
    other, _ = measured(out, "flair")
    assert len(seen) == 5 + 4
    assert set(other["sequence"]) == {"flair"}  # two sequences are never mixed
    assert len(other) == len(first)


def test_progress_begins_before_the_first_case_and_is_whole_where_nothing_is_due(out):
    """A bar is full, not empty, where every case was measured before; cases of before count."""
    told = []
    results = regions(out)

    def stop(done, total, case_id):
        told.append((done, total, bool(case_id)))
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_contrast(results, "t1ce", report=stop)
    assert told == [(0, 4, False), (1, 4, True), (2, 4, True), (3, 4, True)]
    told.clear()
    measure_contrast(results, "t1ce", report=lambda *of: told.append(of))
    assert [of[:2] for of in told] == [(3, 4), (4, 4)]
    told.clear()
    measure_contrast(results, "t1ce", report=lambda *of: told.append(of))
    assert told == [(4, 4, "")]


def test_a_bad_case_is_named_and_ends_no_other(out, cohort):
    def file(case_id):
        return cohort / "HGG" / case_id / f"{case_id}_t1ce.nii.gz"

    file("Case_A").unlink()
    file("Case_B").write_bytes(file("Case_B").read_bytes()[:200])
    image = nib.load(file("Case_C"))
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[:-3], image.affine), file("Case_C"))
    table, problems = measured(out)
    assert set(table["case_id"]) == {"Case_D"}
    assert "Case_A has no t1ce image" in problems["Case_A"]
    assert "choose another --sequence" in problems["Case_A"]
    assert "another grid" in problems["Case_C"]
    assert set(problems) == {"Case_A", "Case_B", "Case_C"}
    said = lacking_sentence(open_comparison(out).rows, out)
    assert said.startswith("Contrast and signal to noise are measured on 1 of 4 cases with a tumour; for the others:")
    assert said.endswith(f" `afl contrast {out}`.")


def test_another_reference_makes_a_value_stale(out, cohort):
    measured(out)
    assert lacking_sentence(open_comparison(out).rows, out) == ""
    path = cohort / "HGG" / "Case_A" / "Case_A_seg.nii.gz"
    image = nib.load(path)
    moved = np.roll(np.asarray(image.dataobj), 4, axis=0)  # of the same size
    nib.save(nib.Nifti1Image(moved, image.affine), path)
    _, problems = measured(out)
    assert problems["Case_A"].startswith("The reference of Case_A is another one than was measured")
    evaluated(cohort, out.parent)
    rows = open_comparison(out).rows.set_index("case_id")
    assert rows["contrast"].isna().groupby(level=0).all().to_dict() == {
        "Case_A": True,
        "Case_B": False,
        "Case_C": False,
        "Case_D": False,
    }
    assert "on 3 of 4 cases" in lacking_sentence(open_comparison(out).rows, out)
    assert not measured(out)[1]
    assert open_comparison(out).rows["contrast"].notna().all()


def test_a_renamed_source_keeps_the_values(out):
    measured(out)
    results = open_comparison(out).results
    results.rename_source("A", "New")
    results.keep_sources(["B"])
    assert open_comparison(out).rows["contrast"].notna().all()


def test_what_is_done_stays_when_it_is_stopped(out):
    def stop(done, total, case_id):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_contrast(regions(out), "t1ce", report=stop)
    assert load_contrast(out)["case_id"].nunique() == 2
    assert "on 2 of 4 cases" in lacking_sentence(open_comparison(out).rows, out)
    assert measured(out)[0]["case_id"].nunique() == 4


def test_a_damaged_table_is_none_and_is_measured_again(out):
    first, _ = measured(out)
    whole = (out / CONTRAST).read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"PAR1"):
        (out / CONTRAST).write_bytes(damaged)
        assert SEQUENCE not in open_comparison(out).rows
    pd.testing.assert_frame_equal(measured(out)[0], first)
    first.drop(columns="x").to_parquet(out / CONTRAST)
    assert load_contrast(out).empty


def test_the_sequence_is_enhanced_t1_else_flair_else_the_first(cohort):
    loaded = load_cohort(cohort)
    assert pick_sequence(loaded) == "t1ce"
    assert pick_sequence(loaded, "FLAIR") == "flair"

    def having(*names):
        cases = tuple(replace(case, sequences=dict.fromkeys(names, case.reference)) for case in loaded.cases)
        return replace(loaded, cases=cases, layout=replace(loaded.layout, sequences=names))

    assert pick_sequence(having("t2w", "adc", "hbv")) == "t2w"
    assert pick_sequence(having("T1-Gd", "FLAIR")) == "T1-Gd"
    assert pick_sequence(having("t1", "FLAIR")) == "FLAIR"
    with pytest.raises(UsageError, match="There is no sequence of that name"):
        pick_sequence(loaded, "adc")
    with pytest.raises(DataError, match="no images"):
        pick_sequence(having())


def test_cases_without_a_tumour_need_no_value(out, cohort):
    for path in cohort.glob("*/*/*_seg.nii.gz"):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(0 * np.asarray(image.dataobj), image.affine), path)
    folder = out.parent / "empty"
    evaluate({"A": out.parent / "masks"}, folder, data=cohort)
    assert lacking_sentence(open_comparison(folder).rows, folder) == ""
    with pytest.raises(DataError, match="No reference of these results holds a lesion"):
        measured(folder)


def test_a_matcher_that_merges_lesions_has_a_value_for_each_of_its_own(cohort, masks, tmp_path):
    evaluate({"A": masks}, tmp_path / "out", data=cohort, matcher="brats2023_gli")
    assert not measured(tmp_path / "out")[1]
    rows = open_comparison(tmp_path / "out").lesions
    counted = rows[rows["kind"] == "reference"]
    assert len(counted)
    assert counted["contrast"].notna().all()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hollow", [False, True])
def test_the_place_of_a_lesion_is_known_again_from_any_crop(seed, hollow):
    """A centre between two voxels, or in a hole, may be told from another crop by another voxel."""
    rng, spacing = np.random.default_rng(seed), (1.0, 1.5, 3.0)
    reference = np.zeros((40, 40, 20), bool)
    for corner in ((2, 3, 2), (20, 21, 9)):
        size = rng.integers(4, 9, 3)
        x, y, z = (slice(start, start + n) for start, n in zip(corner, size, strict=True))
        reference[x, y, z] = True
        if hollow:
            reference[x.start + 1 : x.stop - 1, y.start + 1 : y.stop - 1, z] = False
    mask = Mask(reference, np.diag([*spacing, 1.0]))
    for start in range(3):
        crop = reference[start:, start:, start:]
        nothing, rule = np.zeros_like(crop), MATCHERS["overlap"]
        rows = lesion_rows(match_masks(nothing, crop, spacing_mm=spacing, matcher=rule), origin=(start, start, start))
        places = [(0, 0, 0, 0, 0), *((row.lesion_id, row.volume_ml, *row.centroid_voxel) for row in rows)]
        lesions, _ = label_lesions(reference)
        measuring._check_same("case", lesions, mask, places)
        for axis in (2, 3, 4):
            wrong = [(*place[:axis], place[axis] + 2, *place[axis + 1 :]) for place in places]
            with pytest.raises(DataError, match="another one than was measured"):
                measuring._check_same("case", lesions, mask, wrong)


def test_real_enhancing_tumours_are_brighter_than_their_shell_and_scores_have_no_ratio(tmp_path):
    if not (data := os.environ.get("AFL_REAL_DATA")):
        pytest.skip("AFL_REAL_DATA is not set: it names the folder of real cases")
    found = {}
    for name, pattern, ending in (
        ("brats_2021", "*/*_seg.nii.gz", "_seg"),
        ("brats_2013", "*/OTMultiClass.nii.gz", ""),
    ):
        (tmp_path / name).mkdir()
        for path in (Path(data) / name).glob(pattern):
            case_id = path.name.removesuffix(".nii.gz").removesuffix(ending) if ending else path.parent.name
            shutil.copy(path, tmp_path / name / f"{case_id}.nii.gz")
        out = tmp_path / f"{name} results"
        evaluate({"M": tmp_path / name}, out, data=Path(data) / name, regions=("whole", "et"))
        table, problems = measured(out)
        assert not problems
        found[name] = table[table["lesion_id"] == 0].set_index(["region", "case_id"])
    et = found["brats_2021"].loc["et"]
    assert len(et) == 2  # the other two have none
    assert (et[list(VALUES)] > 0).all(axis=None)
    scored = found["brats_2013"]
    assert scored[["contrast", "signal_to_noise"]].isna().all(axis=None)
    assert (scored.loc["et", "contrast_to_noise"] > 1).all()
