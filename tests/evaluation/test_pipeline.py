"""Case and source to rows: hand-computed values, the grid of the stored masks, and one bad case that stops no other."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from afl_core.base.isolation import ERRORS
from afl_core.data.formats.files import load_mask
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.evaluation import rows
from afl_core.evaluation.manifest import failed_predictions
from afl_core.evaluation.pipeline import evaluate_case, evaluate_cases, mask_path
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into, pending
from afl_core.evaluation.sources import MaskSource, parse_sources
from afl_core.volume import Case

ROW = """case_id source reference_volume_ml predicted_volume_ml dsc iou sensitivity specificity precision
hd95_mm assd_mm nsd lesion_tp lesion_fp lesion_fn roughness released_smoothness seconds"""
LESION_ROW = "case_id lesion_id source volume_ml roughness dsc detected kind"
VOXEL_ML = 0.008


@pytest.fixture
def evaluated(cohort, masks, tmp_path):
    results = Results(tmp_path / "results")
    evaluate_into(results, load_cohort(cohort).cases, (MaskSource("A", masks),))
    return results


def test_rows_have_the_promised_columns_and_the_hand_computed_values(evaluated, tiny_cases):
    rows = evaluated.cases().set_index("case_id")
    assert set(ROW.split()) <= {*rows.columns, "case_id"}
    assert list(rows.index) == sorted(tiny_cases)
    assert (rows["source"] == "A").all()
    assert (rows["group"] == "HGG").all()
    assert rows["dsc"].tolist() == pytest.approx([0.75, 432 / 523, 1, 0])
    assert rows["reference_volume_ml"].tolist() == pytest.approx([n * VOXEL_ML for n in (512, 280, 125, 8 * 10 * 14)])
    assert rows["predicted_volume_ml"].tolist() == pytest.approx([n * VOXEL_ML for n in (512, 243, 125, 0)])
    assert rows["sensitivity"].tolist() == pytest.approx([0.75, 216 / 280, 1, 0])
    assert rows["precision"]["Case_A"] == pytest.approx(0.75)
    assert (rows["slice_thickness_mm"] == 2).all()
    cube_mm = 8 * 2  # the surface of a cube, a little rounded at its edges
    assert rows["surface_area_mm2"]["Case_A"] == pytest.approx(6 * cube_mm**2, rel=0.12)
    assert rows["iou"]["Case_A"] == pytest.approx(384 / 640)
    assert rows["hd_mm"]["Case_A"] == pytest.approx(4)  # two voxels of 2 mm
    assert rows["hd95_mm"]["Case_D"] == pytest.approx(2 * math.hypot(33, 32, 40))  # missed: the diagonal of the grid
    assert rows["empty"].tolist() == ["", "", "", "prediction"]
    assert rows[["lesion_tp", "lesion_fp", "lesion_fn"]].to_numpy().tolist() == [
        [1, 0, 0],
        [1, 1, 1],
        [1, 0, 0],
        [0, 0, 1],
    ]
    assert (rows["seconds"] > 0).all()


def test_every_lesion_and_every_false_positive_is_a_row(evaluated):
    lesions = evaluated.lesions()
    assert set(LESION_ROW.split()) <= set(lesions.columns)
    rows = lesions[lesions["case_id"] == "Case_B"]
    assert rows["lesion_id"].tolist() == [1, 2, 3]
    assert rows["kind"].tolist() == ["reference", "reference", "false_positive"]
    assert rows["volume_ml"].tolist() == pytest.approx([216 * VOXEL_ML, 64 * VOXEL_ML, 27 * VOXEL_ML])
    assert rows["dsc"].tolist() == [1, 0, 0]
    assert rows["detected"].tolist() == [True, False, False]
    one, other, false = rows["other_lesion_mm"]
    assert one == other > 0
    assert math.isnan(false)
    assert math.isnan(rows["roughness"].iloc[2])
    assert lesions["case_id"].value_counts().to_dict() == {"Case_A": 1, "Case_B": 3, "Case_C": 1, "Case_D": 1}


def test_lesion_roughness_goes_with_its_lesion(tmp_path, write_nifti):
    """Two lesions of equal size, one a cube and one a comb: a third mask around them must not swap their rows."""
    reference = np.zeros((32, 32, 32), np.uint8)
    reference[4:12, 4:12, 4:12] = 1
    reference[18:30:2, 18:26, 18:26] = 1
    reference[18:30, 18:26, 18] = 1
    reference[29:31, 18:26, 18:26] = 1
    write_nifti(tmp_path / "references" / "a.nii.gz", reference)
    prediction = reference.copy()
    prediction[0:2, 0:2, 0:2] = 1
    write_nifti(tmp_path / "masks" / "a.nii.gz", prediction)
    (case,) = references_cohort(tmp_path / "references").cases
    result = evaluate_case(case, (MaskSource("A", tmp_path / "masks"),), tmp_path)
    rough = {lesion["x"] > 15: lesion["roughness"] for lesion in result.lesions if lesion["kind"] == "reference"}
    assert rough[True] > rough[False] + 0.2


@pytest.mark.parametrize(("case_id", "axes"), [("Case_A", "RAS"), ("Case_B", "LPS"), ("Case_D", "ASL")])
def test_masks_lie_on_the_references_stored_grid(evaluated, cohort, masks, case_id, axes):
    stored = nib.load(mask_path(evaluated.folder, "A", case_id))
    reference = nib.load(cohort / "HGG" / case_id / f"{case_id}_seg.nii.gz")
    assert "".join(nib.aff2axcodes(stored.affine)) == axes
    assert stored.shape == reference.shape
    assert np.array_equal(stored.affine, reference.affine)
    prediction = load_mask(masks / f"{case_id}.nii.gz")
    kept = load_mask(mask_path(evaluated.folder, "A", case_id))
    assert np.array_equal(kept.array, prediction.array)
    assert np.allclose(kept.affine, prediction.affine)


def test_an_empty_reference_follows_the_empty_rule(tmp_path, write_nifti):
    empty = np.zeros((12, 12, 12), np.uint8)
    full = empty.copy()
    full[4:7, 4:7, 4:7] = 1
    for case_id, prediction in (("both", empty), ("false_alarm", full)):
        write_nifti(tmp_path / "references" / f"{case_id}.nii.gz", empty)
        write_nifti(tmp_path / "masks" / f"{case_id}.nii.gz", prediction)
    cases = references_cohort(tmp_path / "references").cases
    results = Results(tmp_path / "results")
    evaluate_into(results, cases, (MaskSource("A", tmp_path / "masks"),))
    both, alarm = results.cases().itertuples()
    assert (both.empty, both.dsc, both.lesion_fp, both.reference_volume_ml) == ("both", 1, 0, 0)
    assert (alarm.empty, alarm.dsc, alarm.lesion_fp) == ("reference", 0, 1)
    assert math.isnan(both.roughness)
    (row,) = results.lesions().itertuples()
    assert (row.case_id, row.kind, row.detected) == ("false_alarm", "false_positive", False)
    assert row.volume_ml == pytest.approx(27 * VOXEL_ML)
    assert results.manifest().empty_masks == {"A": {"both": 1, "reference": 1}}


def test_a_missing_prediction_is_a_problem_and_the_others_go_on(cohort, masks, tmp_path):
    (masks / "Case_B.nii.gz").unlink()
    results = Results(tmp_path / "results")
    evaluate_into(results, load_cohort(cohort).cases, (MaskSource("A", masks),))
    assert results.cases()["case_id"].tolist() == ["Case_A", "Case_C", "Case_D"]
    problems = results.manifest().problems
    assert list(problems) == ["Case_B"]
    assert problems["Case_B"]["A"].startswith("A has no mask of Case_B")


def test_a_prediction_added_later_is_found_and_clears_the_problem(cohort, masks, tmp_path, write_nifti, tiny_cases):
    """Also by the process that found it missing, as a page does."""
    kept = (masks / "Case_B.nii.gz").read_bytes()
    (masks / "Case_B.nii.gz").unlink()
    results = Results(tmp_path / "results")
    cases = load_cohort(cohort).cases
    evaluate_into(results, cases, (MaskSource("A", masks),))
    (masks / "Case_B.nii.gz").write_bytes(kept)
    evaluate_into(results, cases, (MaskSource("A", masks),))
    assert results.manifest().problems == {}
    assert len(results.cases()) == 4


def test_one_failing_source_leaves_the_other_sources_of_the_case(cohort, masks, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "Case_A.nii.gz").write_bytes((masks / "Case_A.nii.gz").read_bytes()[:60])
    (other / "Case_C.nii.gz").write_bytes((masks / "Case_C.nii.gz").read_bytes())
    case = load_cohort(cohort).cases[0]
    result = evaluate_case(case, parse_sources([f"bad={other}", f"good={masks}"]), tmp_path / "results")
    assert [row["source"] for row in result.rows] == ["good"]
    assert list(result.problems) == ["bad"]
    assert "Case_A.nii.gz cannot be read" in result.problems["bad"]


@pytest.mark.parametrize("error", [ValueError("no such thing"), MemoryError(), RecursionError(), KeyError("x")])
def test_an_error_that_nobody_foresaw_is_a_problem_of_its_case_alone(cohort, masks, tmp_path, monkeypatch, error):
    measure = rows.evaluate_masks

    def fail(prediction, *args, **options):
        if prediction.shape == (32, 32, 32):  # Case_C
            raise error
        return measure(prediction, *args, **options)

    monkeypatch.setattr(rows, "evaluate_masks", fail)
    results = Results(tmp_path / "results")
    evaluate_into(results, load_cohort(cohort).cases, (MaskSource("A", masks),))
    assert results.cases()["case_id"].tolist() == ["Case_A", "Case_B", "Case_D"]
    said = results.manifest().problems["Case_C"]["A"]
    assert "measuring A on Case_C (reference Case_C_seg.nii.gz)" in said
    assert "\n" not in said
    if not isinstance(error, MemoryError):
        assert "Traceback" in (results.folder / ERRORS).read_text()


@pytest.mark.parametrize("changes", ["prediction", "reference"])
def test_a_file_that_changes_while_it_is_read_gives_no_row(cohort, masks, tmp_path, monkeypatch, changes):
    """Or the row would be kept under the bytes that were there before, with the values of others."""
    case = load_cohort(cohort).cases[0]
    path = {"prediction": masks / "Case_A.nii.gz", "reference": case.reference}[changes]
    predict, other = MaskSource.predict, bytearray(path.read_bytes())
    other[4] ^= 1  # of the gzip header

    def meanwhile(self, *args):
        path.write_bytes(other)
        return predict(self, *args)

    monkeypatch.setattr(MaskSource, "predict", meanwhile)
    result = evaluate_case(case, (MaskSource("A", masks),), tmp_path / "results")
    assert result.rows == ()
    assert "A file changed while it was read" in result.problems["A"]
    assert path.name in result.problems["A"]
    assert not (tmp_path / "results" / "masks").exists()


def test_a_case_without_reference_is_a_problem(tmp_path, cohort, masks):
    (cohort / "HGG" / "Case_C" / "Case_C_seg.nii.gz").unlink()
    results = Results(tmp_path / "results")
    evaluate_into(results, load_cohort(cohort).cases, (MaskSource("A", masks),))
    assert results.manifest().problems == {"Case_C": {"": "Case_C has no reference segmentation"}}
    assert len(results.cases()) == 3


@pytest.mark.parametrize("damage", ["vanished", "truncated", "shifted", "reshaped", "sheared"])
def test_a_reference_that_cannot_be_used_is_one_problem_of_the_case_for_all_sources(
    damage, tmp_path, cohort, masks, write_nifti
):
    case = next(case for case in load_cohort(cohort).cases if case.case_id == "Case_C")
    match damage:
        case "vanished":
            case.reference.unlink()
        case "truncated":
            case.reference.write_bytes(case.reference.read_bytes()[:-40])
        case "shifted":
            write_nifti(case.reference, np.zeros((32, 32, 32), np.uint8), spacing_mm=2.2)
        case "reshaped":
            write_nifti(case.reference, np.zeros((32, 32, 31), np.uint8))
        case "sheared":
            affine = np.array([[2, 0.3, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
            nib.save(nib.Nifti1Image(np.zeros((32, 32, 32), np.uint8), affine), case.reference)
    results = Results(tmp_path / "results")
    result = evaluate_case(case, (MaskSource("A", masks), MaskSource("B", masks)), results.folder)
    assert result.rows == ()
    assert list(result.problems) == [""]
    results.add([result])
    assert not failed_predictions(results.manifest())  # no source's own
    said = result.problems[""]
    expected = {
        "vanished": "seg.nii.gz",
        "truncated": "cannot be read",
        "shifted": "affine",
        "reshaped": "another grid",
        "sheared": "not at right angles",
    }
    assert expected[damage] in said
    assert said.count("\n") == 0


def test_an_executor_gives_the_same_rows_as_none(cohort, masks, tmp_path):
    """Threads stand in for processes here; the command line's test runs real ones."""
    from concurrent.futures import ThreadPoolExecutor

    cases, sources = load_cohort(cohort).cases, (MaskSource("A", masks),)

    def rows(executor):
        results = evaluate_cases(cases, sources, tmp_path / "out", executor=executor)
        return {r.case_id: [{k: v for k, v in row.items() if k != "seconds"} for row in r.rows] for r in results}

    with ThreadPoolExecutor(2) as executor:
        pooled = rows(executor)
    assert repr(pooled["Case_B"]) == repr(rows(None)["Case_B"])
    assert set(pooled) == {case.case_id for case in cases}


def test_a_network_that_fails_for_lack_of_a_sequence_is_one_problem(cohort, masks, tmp_path, make_checkpoint):
    wants_dwi = make_checkpoint(tmp_path / "dwi", sequences=("dwi",))
    case = load_cohort(cohort).cases[0]
    result = evaluate_case(case, parse_sources([f"net={wants_dwi}", f"A={masks}"]), tmp_path / "results")
    assert [row["source"] for row in result.rows] == ["A"]
    assert "needs the sequence dwi" in result.problems["net"]


def test_a_checkpoint_predicts_on_each_cases_own_grid(cohort, tmp_path, make_checkpoint):
    """Untrained, so only the place is looked at."""
    cases = load_cohort(cohort).cases
    source = parse_sources([f"net={make_checkpoint(tmp_path / 'net')}"])
    assert pending(cases, source, Results(tmp_path / "results")) == list(cases)
    results = Results(tmp_path / "results")
    evaluate_into(results, cases[1:2], source)
    assert results.cases()["case_id"].tolist() == ["Case_B"]
    stored = nib.load(mask_path(results.folder, "net", "Case_B"))
    assert np.array_equal(stored.affine, nib.load(cases[1].reference).affine)
    assert [case.case_id for case in pending(cases, source, results)] == ["Case_A", "Case_C", "Case_D"]


def test_a_case_id_may_hold_spaces_and_other_letters(tmp_path, write_nifti):
    cube = np.zeros((8, 8, 8), np.uint8)
    cube[2:5, 2:5, 2:5] = 1
    path = write_nifti(tmp_path / "masks" / "Zoë 1.v2.nii.gz", cube)
    case = Case("Zoë 1.v2", {}, path)
    result = evaluate_case(case, (MaskSource("A", tmp_path / "masks"),), tmp_path / "results")
    assert [row["dsc"] for row in result.rows] == [1]
    assert Path(tmp_path / "results" / "masks" / "A" / "Zoë 1.v2.nii.gz").is_file()
