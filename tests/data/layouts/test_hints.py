"""A folder that is nearly a data set is told what it is and what it lacks, shortly."""

import shutil
from pathlib import Path

import made_nnunet
import made_trees
import pytest

from afl_core.data.layouts import LAYOUTS, load_cohort, references_cohort
from afl_core.errors import DataError
from afl_core.evaluation.results import Results


def one_level_down(root: Path) -> Path:
    made_trees.brats2018(root / "BraTS2020_images")
    return root


def two_levels_down(root: Path) -> Path:
    made_trees.brats2021(root / "a" / "b" / "BraTS2021_images")
    return root


def a_case_of_it(root: Path) -> Path:
    made_trees.brats2021(root)
    return root / "BraTS2021_00000"


def a_part_of_it(root: Path) -> Path:
    made_trees.plain(root)
    return root / "images"


def another_separator(root: Path) -> Path:
    for name in ("flair", "t1", "seg"):
        made_trees.write(root / "BraTS2021-00001" / f"BraTS2021-00001-{name}.nii.gz", [1])
    return root


def the_other_separator(root: Path) -> Path:
    for name in ("t1n", "t1c", "seg"):
        made_trees.write(root / "BraTS_GLI_00001_000" / f"BraTS_GLI_00001_000_{name}.nii.gz", [1])
    return root


def upper_case(root: Path) -> Path:
    for name in ("T1N", "SEG"):
        made_trees.write(root / "BRATS-GLI-00001-000" / f"BRATS-GLI-00001-000-{name}.nii.gz", [1])
    return root


def double_ending(root: Path) -> Path:
    for name in ("flair", "seg"):
        made_trees.write(root / "BraTS2021_00001" / f"BraTS2021_00001_{name}.nii.nii.gz", [1])
    return root


def labels_alone(root: Path) -> Path:
    made_trees.brats2021(root)
    for path in root.rglob("*.nii.gz"):
        if "seg" not in path.name:
            path.unlink()
    return root


def flat_masks(root: Path) -> Path:
    for name in "abc":
        made_trees.write(root / f"{name}.nii.gz", [1])
    return root


def flat_images(root: Path) -> Path:
    for name in ("flair", "t1"):
        made_trees.write(root / f"case1_{name}.nii.gz")
    return root


def two_data_sets(root: Path) -> Path:
    made_trees.msd(root / "first")
    made_trees.msd(root / "x" / "deeper")
    made_trees.msd(root / "second")
    return root


def references_and_models(root: Path) -> Path:
    for case_id in ("P1", "P2"):
        made_trees.write(root / "SET_masks" / case_id / f"{case_id}_seg.nii.gz", [1])
        for model in ("nnUnet", "SegResNet"):
            made_trees.write(root / "SET_seg" / model / case_id / f"{case_id}_pred.nii.gz", [1])
    return root


def models_alone(root: Path) -> Path:
    for model in ("a", "b"):
        for case_id in ("P1", "P2", "P3"):
            made_trees.write(root / model / f"{case_id}.nii.gz", [1])
    return root


def references_beside_a_model(root: Path) -> Path:
    for folder in ("labels", "pred_fl", "unet output"):
        for case_id in ("P1", "P2"):
            made_trees.write(root / folder / f"{case_id}.nii.gz", [1])
    return root


def parts_of_references(root: Path) -> Path:
    for part, case_id in (("train", "P1"), ("test", "P2")):
        made_trees.write(root / part / f"{case_id}.nii.gz", [1])
    return root


def dicom(root: Path) -> Path:
    for number in range(42):
        (root / f"IM{number:04d}").write_bytes(bytes(128) + b"DICM" + bytes(40))
    return root


def dicom_by_ending(root: Path) -> Path:
    (root / "series").mkdir()
    (root / "series" / "1.dcm").write_bytes(b"x")
    return root


def archives(root: Path) -> Path:
    for number in range(3):
        (root / f"fold{number}.zip").write_bytes(b"PK")
    return root


def arrays(root: Path) -> Path:
    (root / "a.npy").write_bytes(b"")
    return root


def analyze(root: Path) -> Path:
    for ending in ("hdr", "img"):
        (root / f"a.{ending}").write_bytes(b"")
    return root


def detached(root: Path) -> Path:
    for number in range(42):
        (root / f"case{number}.nhdr").write_bytes(b"NRRD0004")
        (root / f"case{number}.raw.gz").write_bytes(b"")
    return root


def annexed(root: Path) -> Path:
    (root / "a.nii.gz").symlink_to("annex/objects/a")
    return root


def nothing(root: Path) -> Path:
    return root


def text_alone(root: Path) -> Path:
    (root / "notes.txt").write_text("")
    return root


def audit_without_images(root: Path) -> Path:
    made_trees.write(root / "LUMIERE" / "LUMIERE_images" / "P1" / "P1_seg.nii.gz", [1])
    made_trees.write(root / "LUMIERE" / "LUMIERE_seg" / "nnUnet" / "P1" / "P1_pred.nii.gz", [1])
    return root


NEAR = [
    (audit_without_images, "this looks like AUDIT one level down", "Open LUMIERE in it"),
    (one_level_down, "BraTS 2018 (also 2017, 2019 and 2020) one level down", "Open BraTS2020_images"),
    (two_levels_down, "BraTS 2021 2 levels down", "Open a/b in it"),
    (a_case_of_it, "a part of BraTS 2021", "Open the folder above: data"),
    (a_part_of_it, "a part of Plain images", "Open the folder above: data"),
    (another_separator, "BraTS 2021, but - stands where _ is due", "BraTS2021_00001/BraTS2021_00001_flair.nii.gz"),
    (the_other_separator, "_ stands where - is due", "BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1c.nii.gz"),
    (upper_case, "upper and lower case differ", "Rename them"),
    (double_ending, "the ending stands twice", "BraTS2021_00001_flair.nii.gz"),
    (
        references_and_models,
        "masks alone, in SET_masks; predictions in SET_seg/SegResNet, SET_seg/nnUnet",
        "SET_masks",
    ),
    (references_and_models, "", "Measure a model's: --source SegResNet="),
    (models_alone, "masks of the same cases, as models make, in a, b", "--source a="),
    (references_beside_a_model, "masks alone, in labels; predictions in pred_fl, unet output", "--masks"),
    (parts_of_references, "perhaps masks alone, in test, train", "afl data check --masks "),
    (two_data_sets, "this looks like", "Open one of first, second in it"),
    (labels_alone, "references of BraTS 2021 without images", "--references FOLDER"),
    (flat_masks, "3 image files such as a.nii.gz, side by side", "--references FOLDER"),
    (flat_images, "side by side", "images/"),
    (dicom, "42 DICOM files are not read", "dcm2niix"),
    (dicom_by_ending, "1 DICOM file is not read", "dcm2niix"),
    (archives, "3 .zip files are not read", "Unpack them first"),
    (arrays, "1 .npy file is not read", "as NIfTI"),
    (analyze, ".img file", "Convert them to NIfTI"),
    (detached, "42 .nhdr files are not read", "Save each image as one .nrrd file"),
    (annexed, "1 link to files that are not there", "datalad get"),
    (nothing, "an empty folder", ".nii.gz"),
    (text_alone, "but 1 .txt", ".nii.gz"),
]


@pytest.mark.parametrize(
    ("make", "what", "todo"), NEAR, ids=[f"{make.__name__}-{n}" for n, (make, *_) in enumerate(NEAR)]
)
def test_a_near_miss_says_what_it_is_and_what_to_do(make, what, todo, tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError) as caught:
        load_cohort(make(tmp_path / "data"))
    said = str(caught.value)
    assert said.startswith("No cases were found in ")
    assert what in said
    assert todo in said
    assert len(said.replace(str(tmp_path), "")) <= 300


def test_a_results_folder_is_no_data_set_and_names_the_one_it_was_made_on(tmp_path):
    """Its masks are of models: neither references, nor predictions to measure again."""
    made_trees.plain(tmp_path / "data")
    results = Results(tmp_path / "my results")
    results.describe_cohort(load_cohort(tmp_path / "data"), ())
    advice = f"Open it in the selector of results, or by afl report '{tmp_path}/my results', "
    advice += f"or give the data set that it was made on: {tmp_path}/data."
    for masks in (0, 1, 2):
        if masks:
            made_trees.write(results.folder / "masks" / "A-FL" / f"case{masks}.nii.gz", [1])
            made_trees.write(results.folder / "masks" / "FL" / f"case{masks}.nii.gz", [1])
        for load, what in ((load_cohort, "No cases were found"), (references_cohort, "There are no references")):
            with pytest.raises(DataError, match=what) as caught:
                load(results.folder)
            assert "received: a results folder of the workbench" in str(caught.value)
            assert str(caught.value).endswith(advice)
    assert [case.case_id for case in references_cohort(results.folder / "masks" / "FL").cases] == ["case1", "case2"]


def test_a_manifest_of_another_program_or_results_beside_their_references_hide_no_mask(tmp_path):
    made_trees.write(tmp_path / "case1.nii.gz", [1])
    for manifest in ("[", "{}", '{"data": {"path": "x"}}', '{"data": 1, "sources": {}}'):
        (tmp_path / "manifest.json").write_text(manifest)
        assert len(references_cohort(tmp_path).cases) == 1
    (tmp_path / "manifest.json").unlink()
    Results(tmp_path).describe_cohort(references_cohort(tmp_path), ())
    assert len(references_cohort(tmp_path).cases) == 1


@pytest.mark.parametrize(
    ("path", "todo"),
    [
        (r"C:\Users\me\data", "path of Windows"),
        (r"\\server\share", "path of Windows"),
        ("'/data'", "without quotes"),
        ("file:///data", "without quotes"),
        ("/nowhere/at/all", "Check the path"),
    ],
)
def test_a_path_that_is_not_there(path, todo):
    for load in (load_cohort, references_cohort):
        with pytest.raises(DataError, match="There is no such folder") as caught:
            load(Path(path))
        assert todo in str(caught.value)


def test_a_file_in_place_of_a_folder(tmp_path):
    path = made_trees.write(tmp_path / "a.nii.gz", [1])
    with pytest.raises(DataError, match="A folder is due") as caught:
        load_cohort(path)
    assert str(tmp_path) in caught.value.todo


def test_images_without_references_are_cases(tmp_path):
    made_trees.brats2021(tmp_path)
    for path in tmp_path.rglob("*seg*"):
        path.unlink()
    assert [case.reference for case in load_cohort(tmp_path).cases] == [None, None]


def test_years_of_brats_in_one_folder_are_one_data_set(tmp_path):
    made_trees.brats2018(tmp_path)
    made_trees.brats2021(tmp_path)
    cohort = load_cohort(tmp_path, region="et")
    assert [case.case_id for case in cohort.cases] == [
        "BraTS2021_00000",
        "BraTS2021_01666",
        "Brats18_2013_2_1",
        "Brats18_TCIA09_141_1",
    ]
    assert cohort.region.inside == (4,)
    assert not cohort.strays
    assert load_cohort(tmp_path, layout=cohort.layout.name).cases == load_cohort(tmp_path).cases


def test_years_whose_labels_differ_are_not_mixed(tmp_path):
    made_trees.brats2021(tmp_path)
    made_trees.brats2023(tmp_path)
    with pytest.raises(DataError, match="more than one layout"):
        load_cohort(tmp_path)


@pytest.mark.parametrize("case_id", ["101_2001", "ProstateX-0001_a1"])
def test_picai_ids_of_any_form(case_id, tmp_path):
    patient = case_id.split("_")[0]
    for name in ("t2w", "adc", "hbv"):
        made_trees.write(tmp_path / patient / f"{case_id}_{name}.mha")
    made_trees.write(tmp_path / "human_expert" / "resampled" / f"{case_id}.nii.gz", [2])
    (case,) = load_cohort(tmp_path, layout="picai").cases
    assert (case.case_id, case.patient) == (case_id, patient)
    assert case.reference is not None


@pytest.mark.parametrize(
    ("name", "case_id"),
    [
        ("P1/P1_seg.nii.gz", "P1"),
        ("P1/seg.nii.gz", "P1"),
        ("P1/P1.nii.gz", "P1"),
        ("HGG/P1.nii.gz", "P1"),
        ("a/b/P1/P1-label.nii", "P1"),
        ("sub-1/ses-1/anat/sub-1_ses-1_mask.nii.gz", "sub-1_ses-1_mask"),
    ],
)
def test_references_in_sub_folders(name, case_id, tmp_path):
    made_trees.write(tmp_path / name, [1])
    (case,) = references_cohort(tmp_path).cases
    assert case.case_id == case_id


def test_masks_beside_images_in_folders_of_cases(tmp_path):
    made_trees.brats2021(tmp_path)
    cohort = references_cohort(tmp_path)
    assert [case.case_id for case in cohort.cases] == ["BraTS2021_00000", "BraTS2021_01666"]
    assert len(cohort.strays) == 8


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tree_two_levels_down_is_told_in_every_layout(name, tmp_path):
    made_trees.TREES[name](tmp_path / "here" / "below" / "it")
    with pytest.raises(DataError, match=r"this looks like .* down\). Open below") as caught:
        load_cohort(tmp_path / "here")
    assert len(str(caught.value).replace(str(tmp_path), "")) <= 300


def test_several_masks_of_a_case_name_the_folders_of_one_set(tmp_path):
    models_alone(tmp_path)
    with pytest.raises(DataError, match="Two masks have the case id P1") as caught:
        references_cohort(tmp_path)
    assert "such as a, b" in caught.value.todo


def test_two_layouts_are_named_with_their_folders(tmp_path):
    made_trees.brats2021(tmp_path / "first")
    made_trees.picai(tmp_path)
    with pytest.raises(
        DataError, match=r"brats2021 \(8 images\) in first, picai \(11 images\) in picai_labels"
    ) as caught:
        load_cohort(tmp_path)
    assert "Open the folder of one of them" in caught.value.todo


@pytest.mark.parametrize(
    ("make", "images", "masks"),
    [
        (made_trees.msd, "imagesTr", "labelsTr"),
        (made_trees.nnunet, "Dataset137_BraTS2021/imagesTr", "Dataset137_BraTS2021/labelsTr"),
        (made_trees.plain, "images", "references"),
    ],
)
def test_a_data_set_is_no_folder_of_references(make, images, masks, tmp_path):
    make(tmp_path)
    with pytest.raises(DataError, match="data set with images, not a folder of references alone") as caught:
        references_cohort(tmp_path)
    assert f"in {images} of {tmp_path}" in caught.value.received
    root = (tmp_path / images).parent
    alone = f"take the references alone, from {tmp_path / masks}"
    assert caught.value.todo == f"Open it as a data set: --data {root}, or {alone}"
    assert all(case.sequences for case in load_cohort(root).cases)
    assert references_cohort(tmp_path / masks).cases


def test_a_data_set_without_masks_is_no_folder_of_references(tmp_path):
    made_trees.nnunet(tmp_path)
    (root,) = tmp_path.iterdir()
    shutil.rmtree(root / "labelsTr")
    with pytest.raises(DataError, match="not a folder of references alone") as caught:
        references_cohort(root)
    assert "alone, from" not in caught.value.todo


@pytest.mark.parametrize("name", ["labelsTr/images/P1.nii.gz", "images/P1.nii.gz"])
def test_a_folder_of_masks_may_be_called_images(name, tmp_path):
    made_trees.write(tmp_path / name, [1])
    assert [case.case_id for case in references_cohort(tmp_path).cases] == ["P1"]


def test_results_of_nnunet_are_called_so(tmp_path):
    model = made_nnunet.save_model(tmp_path / "Dataset501_Made", {0: ["a"]})
    for folder in (model, model.parent):
        expected = rf"1 model of nnU-Net, {model.name}\)\. Open the data set.*--source {folder}\."
        with pytest.raises(DataError, match=expected):
            load_cohort(folder)
