"""Folders of nnU-Net: which folds hold the masks, what is missing, and what its dataset.json declares."""

import json

import made_nnunet
import pytest

from afl_core.data.layouts.nnunet_results import (
    find_models,
    load_declaration,
    mask_folders,
    model_name,
    models_near,
    results_doubts,
)
from afl_core.errors import DataError


@pytest.fixture
def model(tmp_path):
    return made_nnunet.save_model(tmp_path / "nnUNet_results" / "Dataset501_Made", {0: ["a"], 1: ["b"], 2: ["c"]})


def test_folds_are_joined_by_number(model):
    assert mask_folders(model) == tuple(model / f"fold_{k}" / "validation" for k in range(3))
    assert mask_folders(model / "fold_1") == (model / "fold_1" / "validation",)
    assert mask_folders(model / "fold_1" / "validation") == (model / "fold_1" / "validation",)
    assert list(results_doubts(model)) == []
    assert list(results_doubts(model / "fold_1")) == []


def test_any_other_folder_is_itself(tmp_path):
    made_nnunet.save_case(tmp_path / "fold_0", "a")  # folds of another tool, without validation
    assert mask_folders(tmp_path) == (tmp_path,)
    assert mask_folders(tmp_path / "fold_0") == (tmp_path / "fold_0",)
    assert list(results_doubts(tmp_path)) == []


def test_a_fold_between_others_that_is_missing_is_named(model):
    (model / "fold_1").rename(model / "other")
    (said,) = results_doubts(model)
    assert said == f"1 fold is missing in {model.name} (fold_1): its cases have no prediction."


@pytest.mark.parametrize("place", ["nnUNet_preprocessed", "nnUNet_raw"])
def test_the_folds_that_the_split_names_are_due(place, model):
    splits = model.parents[2] / place / "Dataset501_Made" / "splits_final.json"
    splits.parent.mkdir(parents=True)
    splits.write_text(json.dumps([{"train": [], "val": []}] * 5))
    (said,) = results_doubts(model)
    assert "2 folds are missing" in said
    assert "(fold_3, fold_4)" in said


def test_a_folder_of_joined_folds_says_which_it_lacks(model):
    (folder := model / "crossval_results_folds_0_2").mkdir()
    assert mask_folders(folder) == (folder,)
    (said,) = results_doubts(folder)
    assert said.startswith("1 fold is missing in crossval_results_folds_0_2 (fold_1)")


def test_a_validation_that_did_not_end_is_named(model):
    (model / "fold_2" / "validation" / "summary.json").unlink()
    (said,) = results_doubts(model)
    maybe = "perhaps its validation did not end, and masks are missing"
    assert said == f"fold_2 of {model.name} has no summary.json: {maybe}."
    (model / "fold_1" / "validation" / "summary.json").unlink()
    (said,) = results_doubts(model)
    assert said == f"fold_1, fold_2 of {model.name} have no summary.json: {maybe.replace('its', 'their')}."


def test_fold_all_counts_only_alone_and_with_a_warning(tmp_path):
    both = made_nnunet.save_model(tmp_path, {0: ["a"], "all": ["a"]})
    assert mask_folders(both) == (both / "fold_0" / "validation",)
    assert [said for said in results_doubts(both) if said.startswith("fold_all of")]
    alone = made_nnunet.save_model(tmp_path / "alone", {"all": ["a"]})
    assert mask_folders(alone) == (alone / "fold_all" / "validation",)
    assert "they score too well" in next(results_doubts(alone))


def test_a_model_that_was_not_validated_says_what_to_run(model):
    for fold in model.glob("fold_*"):
        (fold / "validation").rename(fold / "elsewhere")
    with pytest.raises(DataError, match=r"No fold of nnU-Net's model .* was validated.*--val"):
        mask_folders(model)


def test_models_are_found_in_the_results_of_their_data_set(model):
    base = model.parents[2]
    other = made_nnunet.save_model(model.parent, {0: ["a"]}, name="nnUNetTrainerAFL__nnUNetPlans__2d")
    made_nnunet.save_model(model.parents[1] / "Dataset502_Other", {0: ["a"]})
    (model.parent / "ensembles").mkdir()
    assert find_models(model.parent) == (other, model)
    raw = base / "nnUNet_raw" / "Dataset501_Made"
    for root in (raw, raw / "labelsTr", base / "nnUNet_preprocessed" / "Dataset501_Made" / "gt_segmentations"):
        root.mkdir(parents=True)
        assert models_near(root) == (other, model)
    assert len(models_near(base)) == 3  # where the data set's folder has another name, those of all
    assert find_models(base / "nowhere") == ()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("nnUNetTrainer__nnUNetPlans__3d_fullres", "nnUNet 3d_fullres"),
        (
            "nnUNetTrainerDiceFocal_250epochs__nnUNetResEncUNetLPlans__2d/fold_3/validation",
            "DiceFocal_250epochs 2d ResEncUNetL fold_",
        ),
        ("My Trainer(1)__Plans__3d/fold_all", "My Trainer_1_ 3d fold_all"),
        ("predictions/model A", ""),
    ],
)
def test_a_models_name_is_of_trainer_and_configuration(path, name, tmp_path):
    assert model_name(tmp_path / path) == name


def test_labels_are_the_channels_of_a_softmax(model):
    said = load_declaration(model)
    assert [sorted(of) for of in said.channels] == [[0], [1], [2], [3]]
    assert (said.order, said.reoriented) == ((), False)
    assert said.scheme.regions["tc"] == (2, 3)
    assert load_declaration(model / "fold_0") == load_declaration(model / "fold_0" / "validation") == said


def test_regions_are_channels_in_the_order_of_the_file(tmp_path):
    said = load_declaration(made_nnunet.save_model(tmp_path, {0: ["a"]}, regions=True))
    assert [sorted(of) for of in said.channels] == [[1, 2, 3], [2, 3], [3]]
    assert said.order == (1, 2, 3)


def test_a_reader_that_turns_images_is_known_and_others_are_not_believed(model):
    made_nnunet.save_declaration(model, reader="NibabelIOWithReorient")
    assert load_declaration(model).reoriented
    made_nnunet.save_declaration(model, reader="Tiff3DIO")
    assert load_declaration(model).channels == ()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"labels": 3}', '{"labels": {"a": "b"}}'])
def test_a_broken_declaration_is_an_error_that_names_it(text, model):
    (model / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.json"):
        load_declaration(model)
