"""Which file of a folder is the prediction of which case, whatever tool wrote it."""

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.layouts import references_cohort
from afl_core.errors import DataError
from afl_core.evaluation.pipeline import evaluate_case
from afl_core.evaluation.prediction_files import (
    MissingPredictionError,
    find_prediction,
    list_predictions,
)
from afl_core.evaluation.prediction_reading import load_prediction
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import MaskSource, decide_meanings, parse_sources
from afl_core.volume import Case, Region


def put(folder, *names, data=b""):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "p_1.nii.gz",
        "p_1.NII",
        "p_1.mha",
        "p_1.nrrd",
        "p_1.seg.nrrd",
        "p_1/p_1.SEG.NRRD",
        "p_1/seg.nrrd",
        "p_1-pred.nii.gz",
        "p_1_pred.nii.gz",
        "p_1_t2w-pred.nii.gz",
        "p_1_prediction.nii",
        "p_1_seg.nii.gz",
        "p_1.mask.nii.gz",
        "p_1/p_1.nii.gz",
        "p_1/p_1_seg.nii.gz",
        "p_1/pred.nii.gz",
        "p_1/whatever.nii.gz",
    ],
)
def test_every_way_to_name_a_prediction(tmp_path, name):
    put(tmp_path, name, "p_10.nii.gz", "other_p_1.nii.gz", "dataset.json", "p_1.npz", "p_1.pkl")
    assert find_prediction(tmp_path, "p_1") == tmp_path / name
    assert find_prediction(tmp_path, "p_10").name == "p_10.nii.gz"


@pytest.mark.parametrize("case_id", ["p_1_seg", "p_1"])
def test_a_case_id_may_itself_end_like_a_tail(tmp_path, case_id):
    put(tmp_path, "p_1_seg.nii.gz")
    assert find_prediction(tmp_path, case_id).name == "p_1_seg.nii.gz"


def test_what_calls_itself_a_prediction_goes_before_the_image_and_the_reference(tmp_path):
    put(tmp_path, "a.nii.gz", "a_seg.nii.gz", "a_pred.nii.gz", "b/b_flair.nii", "b/b_seg.nii", "b/b-pred.nii")
    assert {key: path.name for key, path in list_predictions(tmp_path).items() if key in "ab"} == {
        "a": "a_pred.nii.gz",
        "b": "b-pred.nii",
    }


@pytest.mark.parametrize("names", [("a.nii.gz", "a.nii"), ("a_pred.nii", "a-pred.nii"), ("a_seg.nii", "a_mask.nii")])
def test_two_files_that_may_both_be_it_are_named(tmp_path, names):
    put(tmp_path, *names, "b.nii.gz")
    with pytest.raises(DataError, match="Two masks have the case id a") as caught:
        find_prediction(tmp_path, "a")
    for name in names:
        assert name in str(caught.value)
    assert find_prediction(tmp_path, "b") == tmp_path / "b.nii.gz"


def test_a_sub_folder_of_other_images_is_no_prediction(tmp_path):
    put(tmp_path, "a/t1.nii.gz", "a/t2.nii.gz", "b.nii.gz")
    with pytest.raises(MissingPredictionError, match=r"no mask of a \(received: .*1 prediction, such as b\.nii\.gz"):
        find_prediction(tmp_path, "a")


def test_a_file_that_comes_into_a_sub_folder_later_is_found(tmp_path):
    put(tmp_path, "b/b.nii.gz", "a/notes.txt")
    with pytest.raises(MissingPredictionError):
        find_prediction(tmp_path, "a")
    put(tmp_path, "a/a.nii.gz")
    assert find_prediction(tmp_path, "a").name == "a.nii.gz"


def test_a_link_out_of_the_folder_is_refused_and_a_loop_ends(tmp_path):
    folder = put(tmp_path / "masks", "a.nii.gz")
    (folder / "again").symlink_to(folder)
    (folder / "self.nii.gz").symlink_to(folder / "self.nii.gz")
    assert set(list_predictions(folder)) == {"a"}
    put(tmp_path, "secret.nii.gz")
    (folder / "b.nii.gz").symlink_to(tmp_path / "secret.nii.gz")
    (folder / "c_pred.nii.gz").symlink_to(tmp_path / "nothing.nii.gz")
    with pytest.raises(DataError, match=r"leaves the folder.*b\.nii\.gz.*Copy"):
        find_prediction(folder, "b")
    with pytest.raises(DataError, match=r"a link to nothing.*c_pred\.nii\.gz.*the file itself"):
        find_prediction(folder, "c")
    assert find_prediction(folder, "a") == folder / "a.nii.gz"


def test_what_is_wrong_with_one_case_of_a_source_ends_no_other(tmp_path, write_nifti):
    """Of three cases one is doubled and one a link; two files of no case do not matter."""
    tumour = np.zeros((8, 8, 8), np.uint8)
    tumour[2:5, 2:5, 2:5] = 1
    for place in ("refs", "A", "B"):
        for case_id in "abc":
            write_nifti(tmp_path / place / f"{case_id}.nii.gz", tumour)
    folder = tmp_path / "A"
    (folder / "a.nii.gz").rename(folder / "a_seg.nii.gz")
    for name in ("a-label", "X-label", "X_seg"):
        write_nifti(folder / f"{name}.nii.gz", tumour)
    (folder / "b.nii.gz").unlink()
    for name in ("b", "Y"):
        (folder / f"{name}.nii.gz").symlink_to(tmp_path / "refs" / "b.nii.gz")
    cohort, results = references_cohort(tmp_path / "refs"), Results(tmp_path / "out")
    sources = decide_meanings(parse_sources([f"{name}={tmp_path / name}" for name in "AB"]), cohort)
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    rows, problems = results.cases(), results.manifest().problems
    assert set(zip(rows["source"], rows["case_id"], strict=True)) == {("A", "c"), *(("B", case) for case in "abc")}
    assert set(problems) == {"a", "b"}
    assert "Two masks have the case id a" in problems["a"]["A"]
    assert "leaves the folder" in problems["b"]["A"]
    assert results.manifest().missing == {}


@pytest.mark.parametrize("case_id", ["../secret", "/etc/passwd", "..", "a/../../secret"])
def test_a_case_id_that_is_a_path_reads_and_writes_nothing_elsewhere(tmp_path, case_id, masks, write_nifti):
    cube = np.ones((8, 8, 8), np.uint8)
    write_nifti(tmp_path / "secret.nii.gz", cube)
    reference = write_nifti(tmp_path / "reference.nii.gz", cube)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.nii.gz")}
    result = evaluate_case(Case(case_id, {}, reference), (MaskSource("A", masks),), tmp_path / "out" / "deep")
    assert result.rows == ()
    assert result.missing == ("A",)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.nii.gz")} == before


@pytest.mark.parametrize("case_id", ["../a", "..", "a/b", "a\\b", ""])
def test_a_stored_mask_has_no_path_for_a_name(tmp_path, case_id):
    from afl_core.evaluation.pipeline import mask_path

    for source, case in (("A", case_id), (case_id, "a")):
        with pytest.raises(DataError, match="cannot be a path"):
            mask_path(tmp_path, source, case)


def test_a_map_of_probabilities_is_cut_at_one_half_and_gives_the_papers_score(tmp_path, write_nifti):
    reference = np.zeros((12, 12, 12), np.uint8)
    reference[3:7, 3:7, 3:7] = 1
    chances = np.where(reference, 0.9, 0.1).astype(np.float32)
    chances[0, 0, 0] = 0.5  # not above one half
    path = write_nifti(tmp_path / "reference.nii.gz", reference)
    write_nifti(tmp_path / "maps" / "a.nii.gz", chances)
    (row,) = evaluate_case(Case("a", {}, path), (MaskSource("A", tmp_path / "maps"),), tmp_path / "out").rows
    assert row["dsc"] == 1
    assert row["note"] == "a map of probabilities, cut at 0.5"
    p, g = chances.astype(float), reference.astype(float)
    both = [2 * (q * h).sum() / ((q * q).sum() + (h * h).sum()) for q, h in ((1 - p, 1 - g), (p, g))]
    assert row["released_dsc"] == pytest.approx(np.mean(both), abs=1e-4)


@pytest.mark.parametrize("values", [(-0.1, 0.5), (0.5, 1.2), (0.5, 2)])
def test_fractions_that_are_no_probabilities_are_refused(tmp_path, values, write_nifti):
    array = np.zeros((8, 8, 8), np.float32)
    array[0, 0, :2] = values
    reference = write_nifti(tmp_path / "reference.nii.gz", np.zeros((8, 8, 8), np.uint8))
    write_nifti(tmp_path / "maps" / "a.nii.gz", array)
    result = evaluate_case(Case("a", {}, reference), (MaskSource("A", tmp_path / "maps"),), tmp_path / "out")
    assert "a.nii.gz" in result.problems["A"]
    assert "fractions" in result.problems["A"] or "not a label image" in result.problems["A"]


def test_missing_predictions_are_counted_until_they_come(cohort, masks, tmp_path):
    from afl_core.data.layouts import load_cohort

    results, cases = Results(tmp_path / "results"), load_cohort(cohort).cases
    kept = (masks / "Case_B.nii.gz").read_bytes()
    (masks / "Case_B.nii.gz").unlink()
    (masks / "Case_C.nii.gz").write_bytes(b"damaged, which is not missing")
    evaluate_into(results, cases, (MaskSource("A", masks),))
    assert results.manifest().missing == {"A": ("Case_B",)}
    (masks / "Case_B.nii.gz").write_bytes(kept)
    (masks / "Case_A.nii.gz").unlink()
    evaluate_into(results, cases, (MaskSource("A", masks),))
    assert results.manifest().missing == {"A": ("Case_A",)}
    assert results.cases()["case_id"].tolist() == ["Case_B", "Case_D"]  # no row of what is no longer there


def test_an_mha_mask_is_measured_on_the_nifti_reference(tmp_path, write_nifti):
    import SimpleITK as sitk  # noqa: N813

    cube = np.zeros((8, 9, 10), np.uint8)
    cube[2:5, 2:5, 2:5] = 1
    reference = write_nifti(tmp_path / "reference.nii.gz", cube, axes="LPS")
    (tmp_path / "masks").mkdir()
    sitk.WriteImage(sitk.ReadImage(str(reference)), str(tmp_path / "masks" / "a.mha"), useCompression=True)
    (row,) = evaluate_case(Case("a", {}, reference), (MaskSource("A", tmp_path / "masks"),), tmp_path / "out").rows
    assert (row["dsc"], row["note"]) == (1, "")
    assert np.array_equal(
        nib.load(tmp_path / "out" / "masks" / "A" / "a.nii.gz").get_fdata(), nib.load(reference).get_fdata()
    )


ET = Region("et", (4,), (1, 2, 4))


@pytest.mark.parametrize(
    ("stored", "region", "inside", "note"),
    [
        ([0, 1, 2, 4], ET, [4], "a file of labels, of which et: 4 was taken"),
        ([0, 0, 0, 4], ET, [4], "a file of labels, of which et: 4 was taken"),
        ([0, 1, 1, 0], ET, [1], ""),
        ([0, 0, 0, 0], ET, [], ""),
        ([0, 1, 2, 4], Region(), [1, 2, 4], ""),
    ],
)
def test_a_region_is_taken_of_predicted_labels_and_a_plain_mask_is_the_region(
    tmp_path, write_nifti, stored, region, inside, note
):
    array = np.tile(np.array(stored, np.uint8), (3, 3, 1))
    mask, probabilities, said = load_prediction(write_nifti(tmp_path / "a.nii.gz", array), region)
    assert np.array_equal(mask.array, np.isin(array, inside) & (array > 0))
    assert (probabilities, said) == (None, note)


def test_a_predicted_label_that_the_data_set_lacks_is_named(tmp_path, write_nifti):
    path = write_nifti(tmp_path / "a.nii.gz", np.full((2, 2, 2), 3, np.uint8))
    with pytest.raises(DataError, match=r"a\.nii\.gz") as caught:
        load_prediction(path, ET)
    assert "3" in str(caught.value)


def test_of_several_models_that_hold_one_case_none_is_taken(tmp_path):
    """Any of them would be as right: which it is, the names do not say."""
    for model in ("a", "b"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "P1.nii.gz").write_bytes(b"")
    with pytest.raises(MissingPredictionError, match="no mask of P1"):
        find_prediction(tmp_path, "P1")
