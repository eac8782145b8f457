"""Sources of nnU-Net: masks, labels of their own, probabilities that must be the mask, and files that are broken."""

import json
import pickle
import re
import shutil
from io import BytesIO
from zipfile import ZIP_LZMA, ZipFile

import made_nnunet
import nibabel as nib
import numpy as np
import pytest
from made_nnunet import (
    LABELS,
    MODEL,
    painted,
    probabilities,
    save_case,
    save_model,
    save_references,
    sigmoids,
)

from afl_core.data.layouts import references_cohort
from afl_core.errors import CheckpointError, DataError, UsageError
from afl_core.evaluation import caveats
from afl_core.evaluation.nnunet_probabilities import POSTPROCESSED, UNREAD
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import MaskSource, decide_meanings, parse_sources

CASES = ("a", "b", "c")


@pytest.fixture
def model(tmp_path):
    return save_model(tmp_path / "nnUNet_results" / "Dataset501_Made", {0: ["a", "b"], 1: ["c"]})


@pytest.fixture
def references(tmp_path):
    folder = tmp_path / "nnUNet_raw" / "Dataset501_Made" / "labelsTr"
    made_nnunet.save_declaration(folder.parent)
    return save_references(folder, CASES)


def decided(folder, cohort):
    (source,) = decide_meanings(parse_sources([f"A={folder}"]), cohort)
    return source


def predicted(source, cohort, case_id):
    (case,) = [case for case in cohort.cases if case.case_id == case_id]
    return source.predict(case, {}, None)


def as_ras(array):
    """An array of shape (Z, Y, X), stored as LPS, in RAS+ order (X, Y, Z)."""
    return array.transpose(2, 1, 0)[::-1, ::-1]


def measured(folder, cohort, tmp_path):
    """Rows, and the warnings that go with them."""
    results = Results(tmp_path / "results")
    cases, sources = begin(results, cohort, cohort.cases, parse_sources([f"A={folder}"]))
    evaluate_into(results, cases, sources)
    manifest, rows = results.manifest(), results.cases()
    return rows.set_index("case_id"), " ".join(caveats.warnings(manifest, rows)), manifest


@pytest.mark.parametrize(("region", "inside"), [("whole", (1, 2, 3)), ("tc", (2, 3)), ("et", (3,))])
def test_a_region_is_taken_by_the_labels_of_the_model_with_its_probability(region, inside, model, references):
    cohort = references_cohort(references, region=region)
    source = decided(model, cohort)
    assert (source.meaning, source.doubt) == ("declared", "")
    for case_id in CASES:
        got, array = predicted(source, cohort, case_id), probabilities(case_id)
        assert np.array_equal(got.mask.array, as_ras(np.isin(array.argmax(axis=0), inside)))
        np.testing.assert_allclose(got.probabilities[1], as_ras(array[list(inside)].sum(axis=0)), atol=1e-6)
        np.testing.assert_allclose(got.probabilities.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize(("region", "channel"), [("whole", 0), ("tc", 1), ("et", 2)])
def test_regions_have_a_channel_each(region, channel, tmp_path):
    folder = save_model(tmp_path / "results", {0: CASES}, regions=True)
    made_nnunet.save_declaration(tmp_path / "data", made_nnunet.REGIONS)
    cohort = references_cohort(save_references(tmp_path / "data" / "labelsTr", CASES), region=region)
    got, array = predicted(decided(folder, cohort), cohort, "b"), sigmoids("b")
    inside = ((1, 2, 3), (2, 3), (3,))[channel]
    assert np.array_equal(got.mask.array, as_ras(np.isin(painted(array), inside)))
    np.testing.assert_array_equal(got.probabilities[1], as_ras(array[channel]))


def test_labels_that_have_other_numbers_than_the_references_are_found_by_name(tmp_path):
    """nnU-Net's BraTS calls edema 1 and necrosis 2; BraTS 2018 the other way round, and 4 what nnU-Net calls 3."""
    folder = save_model(tmp_path / "results", {0: ["a"]})
    arrays = probabilities("a").argmax(axis=0)
    made_nnunet.save_labels(tmp_path / "references" / "a.nii.gz", np.array([0, 2, 1, 4])[arrays])
    for region in ("whole", "tc", "et"):
        cohort = references_cohort(tmp_path / "references", labels="brats", region=region)
        rows, _, _ = measured(folder, cohort, tmp_path / region)
        assert rows["dsc"]["a"] == 1


def test_a_region_of_other_labels_than_that_of_the_references_is_said(model, references):
    """A cavity is no tumour in BraTS 2024; where a model's dataset.json does not say that 4 is one, it counts it."""
    cohort = references_cohort(references, labels="brats2024")
    made_nnunet.save_declaration(model, {"background": 0, "NCR": 1, "SNFH": 2, "ET": 3, "cavity": 4})
    assert decided(model, cohort).doubt == ""
    made_nnunet.save_declaration(model, {"background": 0, "NCR": 1, "SNFH": 2, "ET": 3, "other": 4})
    assert decided(model, cohort).doubt.startswith("The region whole of A was made of its labels 1+2+3+4")
    assert "that of the references of 1+2+3." in decided(model, cohort).doubt
    made_nnunet.save_declaration(model)
    assert decided(model, references_cohort(references, region="tc")).doubt == ""


def test_an_array_that_was_turned_when_read_lies_where_the_mask_does(tmp_path):
    """NibabelIOWithReorient: the archive is in RAS+ order, the mask as the image was stored."""
    folder = save_model(tmp_path / "results", {0: ["a"]})
    made_nnunet.save_declaration(folder, reader="NibabelIOWithReorient")
    array = probabilities("a")
    ras = nib.Nifti1Image(array.argmax(axis=0).transpose(2, 1, 0).astype(np.uint8), np.diag([1.0, 1, 3, 1]))
    orientation = nib.orientations
    turn = orientation.ornt_transform(orientation.axcodes2ornt("RAS"), orientation.axcodes2ornt("PIR"))
    nib.save(ras.as_reoriented(turn), folder / "fold_0" / "validation" / "a.nii.gz")
    cohort = references_cohort(save_references(tmp_path / "references", ["a"]))
    got = predicted(decided(folder, cohort), cohort, "a")
    assert got.note == ""
    np.testing.assert_allclose(got.probabilities[1], array[1:].sum(axis=0).transpose(2, 1, 0), atol=1e-6)


def test_a_mask_that_the_probabilities_do_not_give_was_postprocessed_and_counts(model, references, tmp_path):
    labels = probabilities("a").argmax(axis=0)
    labels[0, 0, 0] = 3 if labels[0, 0, 0] != 3 else 0
    made_nnunet.save_labels(model / "fold_0" / "validation" / "a.nii.gz", labels)
    rows, said, _ = measured(model, references_cohort(references), tmp_path)
    assert rows["note"]["a"] == POSTPROCESSED
    assert np.isnan(rows["released_dsc"]["a"])
    assert rows["released_dsc"].drop("a").notna().all()
    assert "The probabilities of A give another mask in 1 case: post-processing was applied" in said


def archive(array, *, name="probabilities"):
    file = BytesIO()
    np.savez_compressed(file, **{name: array})
    return file.getvalue()


def bomb():
    """An archive whose header promises 8 TB in the right number of axes."""
    file, header = BytesIO(), BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (4, 10**4, 10**4, 5500)}
    )
    with ZipFile(file, "w") as made:
        made.writestr("probabilities.npy", header.getvalue())
    return file.getvalue()


def archive_by(compression, array):
    file, content = BytesIO(), BytesIO()
    np.save(content, array)
    with ZipFile(file, "w", compression) as made:
        made.writestr("probabilities.npy", content.getvalue())
    return file.getvalue()


def other_version(array):
    """Version 2, whose header may have gigabytes."""
    file, content = BytesIO(), BytesIO()
    np.lib.format.write_array(content, array, version=(2, 0))
    with ZipFile(file, "w") as made:
        made.writestr("probabilities.npy", content.getvalue())
    return file.getvalue()


def objects(trap):
    array = np.empty(1, object)
    array[0] = made_nnunet.Trap(trap)
    return archive(array)


GOOD = probabilities("a")
BROKEN = {
    "cut off": (archive(GOOD)[:-3000], "it is broken"),
    "no archive": (b"nothing", "it is broken"),
    "empty": (b"", "it is broken"),
    "of another name": (archive(GOOD, name="softmax"), "it is broken"),
    "of another grid": (archive(GOOD[:, :-1]), "it is of another grid or model"),
    "of turned axes": (archive(GOOD.transpose(0, 3, 2, 1)), "it is of another grid or model"),
    "of fewer channels": (archive(GOOD[:3]), "it is of another grid or model"),
    "of no numbers": (archive(np.full_like(GOOD, np.nan)), "it holds no probabilities"),
    "of logits": (archive(GOOD * 9 - 4), "it holds no probabilities"),
    "of integers": (archive((GOOD > 0.5).astype(np.int32)), "it holds no probabilities"),
    "of terabytes": (bomb(), "it is of another grid or model"),
    "far too large": (bytes(2**20 + 8 * GOOD.size + 1), "it is larger than its grid"),
    "of another version": (other_version(GOOD), "it is broken"),
    "of another compression": (archive_by(ZIP_LZMA, GOOD), "it is broken"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_archive_that_cannot_be_used_is_left_aside_with_one_sentence(kind, model, references, tmp_path):
    content, reason = BROKEN[kind]
    (model / "fold_0" / "validation" / "a.npz").write_bytes(content)
    rows, said, manifest = measured(model, references_cohort(references), tmp_path)
    assert manifest.problems == {}
    assert rows["note"]["a"].startswith(f"{UNREAD}: {reason}")
    assert (rows["note"].drop("a") == "").all()
    assert f"1 .npz file of A could not be used, the first since {reason}" in said
    assert said.count(".npz") == 1


def test_nothing_is_ever_unpickled(model, references, tmp_path):
    (model / "fold_0" / "validation" / "a.npz").write_bytes(objects(tmp_path / "sprung"))
    rows, _, _ = measured(model, references_cohort(references), tmp_path)
    assert len(rows) == 3
    assert "it is of another grid or model" in rows["note"]["a"]
    assert not list(tmp_path.rglob("sprung"))
    pickle.loads((model / "fold_0" / "validation" / "a.pkl").read_bytes())
    assert list(tmp_path.rglob("sprung"))  # who opened the pickle would have been seen
    with pytest.raises(ValueError, match="allow_pickle"):  # the archive is one that NumPy would have to unpickle
        np.load(model / "fold_0" / "validation" / "a.npz")["probabilities"]


def test_an_archive_behind_a_link_out_of_the_folder_is_not_read(model, references, tmp_path):
    archive_file = model / "fold_0" / "validation" / "a.npz"
    archive_file.rename(tmp_path / "elsewhere.npz")
    archive_file.symlink_to(tmp_path / "elsewhere.npz")
    cohort = references_cohort(references)
    assert predicted(decided(model, cohort), cohort, "a").probabilities is None


def test_a_case_in_two_folds_is_a_problem_that_names_both(model, references, tmp_path):
    (model / "fold_2" / "validation").mkdir(parents=True)
    shutil.copy(model / "fold_0" / "validation" / "a.nii.gz", model / "fold_2" / "validation")
    rows, _, manifest = measured(model, references_cohort(references), tmp_path)
    assert sorted(rows.index) == ["b", "c"]
    said = (
        r"Two folds of .* hold a mask of a .*fold_0/validation/a.*fold_2/validation/a.* give one fold, such as .*fold_0"
    )
    assert re.search(said, manifest.problems["a"]["A"])
    assert predicted(decided(model / "fold_2", cohort := references_cohort(references)), cohort, "a")


def test_a_missing_fold_is_said_with_the_results_and_its_cases_are_missing(model, references, tmp_path):
    (model / "fold_1").rename(model / "fold_2")
    save_references(references, ["d"])
    rows, said, manifest = measured(model, references_cohort(references), tmp_path)
    assert sorted(rows.index) == list(CASES)
    assert "1 fold is missing in nnUNetTrainerFL__nnUNetPlans__3d_fullres (fold_1)" in said
    assert manifest.missing == {"A": ("d",)}


def test_masks_of_a_cross_validation_are_not_of_cases_that_the_model_has_seen(model, references, tmp_path):
    (references / "splits.json").write_text(json.dumps({"train": list(CASES)}))
    shutil.copytree(model / "fold_0" / "validation", tmp_path / "predicted")
    assert "training part" not in measured(model, references_cohort(references), tmp_path / "validated")[1]
    assert "training part" in measured(tmp_path / "predicted", references_cohort(references), tmp_path / "seen")[1]


def test_without_a_declaration_the_values_tell_and_that_is_said(model, references, tmp_path):
    (model / "dataset.json").unlink()
    rows, said, manifest = measured(model, references_cohort(references), tmp_path)
    assert manifest.sources["A"].meaning == "labels"
    assert f"{MODEL} has no dataset.json: what its labels mean was told from the masks" in said
    assert rows["released_dsc"].isna().all()


def test_a_region_that_the_model_does_not_declare_is_refused_case_by_case(model, references, tmp_path):
    labels = {"background": 0, "lesion": 1, "cyst": 2, "other": 3}
    made_nnunet.save_declaration(model, labels)
    cohort = references_cohort(references, region="et")
    results = Results(tmp_path / "declared")
    cases, sources = begin(results, cohort, cohort.cases, parse_sources([f"A={model}"]))
    evaluate_into(results, cases, sources)
    assert results.cases().empty
    problem = results.manifest().problems["a"]["A"]
    assert "declares no region et (received: whole, lesion, cyst, other;" in problem
    results = Results(tmp_path / "as labels")
    cases, sources = begin(results, cohort, cohort.cases, parse_sources([f"A={model}@labels"]))
    evaluate_into(results, cases, sources)
    assert len(results.cases()) == 3


def test_a_changed_declaration_or_archive_is_measured_again(model, references):
    cohort = references_cohort(references, region="tc")
    source, case = decided(model, cohort), cohort.cases[0]
    keys = [source.key(case)]
    made_nnunet.save_declaration(model, {"background": 0, "necrosis": 1, "edema": 2, "enhancing": 3})
    keys.append(source.key(case))
    (model / "fold_0" / "validation" / "a.npz").unlink()
    keys.append(source.key(case))
    assert len(set(keys)) == 3


def test_a_folder_of_results_is_all_its_models_and_each_has_its_name(model, tmp_path):
    other = save_model(model.parent, {0: CASES}, name="nnUNetTrainerAFL__nnUNetPlans__3d_fullres")
    assert parse_sources([str(model.parent)]) == (
        MaskSource("AFL 3d_fullres", other),
        MaskSource("FL 3d_fullres", model),
    )
    assert parse_sources([str(model)]) == (MaskSource("FL 3d_fullres", model),)
    with pytest.raises(CheckpointError, match=r"holds several models of nnU-Net.*Give it without a name"):
        parse_sources([f"A={model.parent}"])
    with pytest.raises(CheckpointError, match=r"holds models of nnU-Net by data set.*--source .*Dataset501_Made"):
        parse_sources([f"A={model.parents[1]}"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="needs no name"):
        parse_sources([str(tmp_path / "empty")])


def test_a_folder_without_a_name_that_holds_no_model_is_told_what_it_is(model, tmp_path):
    for folder in model.parents[1:3]:  # nnUNet_results, and the folder that holds it
        with pytest.raises(CheckpointError, match=r"holds models of nnU-Net by data set.*--source .*Dataset501_Made"):
            parse_sources([str(folder)])
    for fold in model.glob("fold_*"):
        (fold / "validation").rename(fold / "elsewhere")
    (model / "plans.json").touch()
    for folder in (model, model.parent):
        with pytest.raises(DataError, match=r"No fold of nnU-Net's model nnUNetTrainerFL.* was validated"):
            parse_sources([str(folder)])


@pytest.mark.parametrize("name", ["dataset.json", "plans.json"])
def test_a_broken_file_of_one_of_several_models_is_named_with_its_folder(name, model, references):
    (model / name).write_text("{")
    with pytest.raises(DataError, match=rf"{model.name}/{name} again"):
        decided(model, references_cohort(references))


def test_models_of_one_name_in_two_data_sets_are_told_to_be_named(model, tmp_path):
    other = save_model(tmp_path / "Dataset502_Other", {0: CASES}, name=model.name)
    with pytest.raises(UsageError, match=r"same name.*a name of its own: NAME=PATH"):
        parse_sources([str(model), str(other)])


def test_a_name_that_begins_with_signs_that_no_source_has_is_a_name_without_them(model):
    other = model.rename(model.with_name("nnUNetTrainer_Ünicöde ✓ x__nnUNetPlans__3d_fullres"))
    assert parse_sources([str(other)]) == (MaskSource("nic_de _ x 3d_fullres", other),)


def test_predictions_that_were_written_elsewhere_know_their_labels_too(tmp_path, references):
    folder = tmp_path / "predicted"
    made_nnunet.save_declaration(folder)
    for case_id in CASES:
        save_case(folder, case_id)
    cohort = references_cohort(references, region="et")
    source = decided(folder, cohort)
    assert source.meaning == "declared"
    assert predicted(source, cohort, "c").probabilities is not None


def test_references_of_a_data_set_have_its_labels(references, tmp_path):
    assert references_cohort(references, region="tc").region.inside == (2, 3)
    truth = references.rename(references.parent / "gt_segmentations")
    assert references_cohort(truth, region="et").region.inside == (3,)
    (truth.parent / "dataset.json").write_text("{")
    with pytest.raises(DataError, match=r"dataset\.json"):
        references_cohort(truth)


def test_the_regions_of_an_exported_data_set_are_those_that_it_says(tmp_path):
    said = {"labels": LABELS, "afl_regions": {"whole": [1, 3], "tc": [3]}}
    (tmp_path / "labelsTr").mkdir(parents=True)
    (tmp_path / "dataset.json").write_text(json.dumps(said))
    save_references(tmp_path / "labelsTr", ["a"])
    cohort = references_cohort(tmp_path / "labelsTr", region="tc")
    assert (cohort.region.inside, cohort.scheme.regions["whole"]) == ((3,), (1, 3))
    for wrong in ([1], {"whole": [9]}, {"whole": "1"}):
        (tmp_path / "dataset.json").write_text(json.dumps(said | {"afl_regions": wrong}))
        with pytest.raises(DataError, match=r"afl_regions|labels"):
            references_cohort(tmp_path / "labelsTr")
