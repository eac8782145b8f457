"""Every layout reads a tree with the names and labels of the real data set, and a trap of its own does not fool it."""

import json
import os
import re
import shutil
import unicodedata
from pathlib import Path
from random import Random

import made_trees
import numpy as np
import pytest
from made_trees import SHAPE, TREES, write

from afl_core.data.formats.files import load_labels
from afl_core.data.layouts import LAYOUTS, load_case, load_cohort, load_sequence
from afl_core.data.layouts.generic import load_layout
from afl_core.data.layouts.layout import SUFFIX
from afl_core.errors import AflError, DataError
from afl_core.evaluation.changes import find_candidates

BRAIN = ("flair", "t1", "t1ce", "t2")
EXPECTED = {
    "brats2018": (["Brats18_2013_2_1", "Brats18_TCIA09_141_1"], BRAIN, "brats", {"HGG", "LGG"}),
    "brats2021": (["BraTS2021_00000", "BraTS2021_01666"], BRAIN, "brats", {""}),
    "brats": (
        ["BraTS2021_00000", "BraTS2021_01666", "Brats18_2013_2_1", "Brats18_TCIA09_141_1"],
        BRAIN,
        "brats",
        {"", "HGG", "LGG"},
    ),
    "brats2023": (
        ["BraTS-GLI-00002-000", "BraTS-GLI-00002-001", "BraTS-MET-00100-000"],
        BRAIN,
        "brats2023",
        {"GLI", "MET"},
    ),
    "brats_ped": (["BraTS-PED-00001-000"], BRAIN, "any", {"PED"}),
    "msd": (["BRATS_001", "BRATS_002", "BRATS_485"], BRAIN, "declared", {"Tr", "Ts"}),
    "msd_task": (["prostate_00", "prostate_03", "prostate_42"], ("t2", "adc"), "declared", {"Tr", "Ts"}),
    "nnunet": (
        ["BraTS2021_00000", "BraTS2021_00001", "BraTS2021_00002"],
        ("t1", "t1ce", "t2", "flair"),
        "declared",
        {"Tr", "Ts"},
    ),
    "picai": (
        ["10000_1000000", "10005_1000005", "10005_1000006"],
        ("t2w", "adc", "hbv"),
        "picai",
        {"fold0", "fold1"},
    ),
    "authors_picai": (["10000_1000000", "10001_1000001"], ("t2w", "adc", "hbv"), "binary", {"Train", "Valid"}),
    "authors_brats": (["BRATS_001", "BRATS_002"], BRAIN, "any", {"Tr", "Ts"}),
    "plain": (["Zoë Müller 1", "b"], ("flair", "t1ce"), "any", {""}),
    "deepmedic": (["brats_2013_pat0002_1"], ("flair", "t1ce"), "brats2013", {""}),
    "bids": (["sub-01_ses-1", "sub-01_ses-2", "sub-P02"], BRAIN, "any", {""}),
    "audit": (["Patient-002-week-000", "Patient-002-week-003"], BRAIN, "any", {"SET"}),
    "ucsf_pdgm": (["UCSF-PDGM-0004", "UCSF-PDGM-0429_FU003d"], BRAIN, "brats", {""}),
}


def test_every_layout_has_a_tree() -> None:
    assert set(TREES) == set(EXPECTED) == set(LAYOUTS)


@pytest.mark.parametrize("name", TREES)
def test_a_tree_is_recognised_and_read(tmp_path: Path, name: str) -> None:
    TREES[name](tmp_path)
    cohort = load_cohort(tmp_path)
    case_ids, sequences, scheme, groups = EXPECTED[name]
    assert cohort.layout.name == name
    assert [case.case_id for case in cohort.cases] == case_ids
    assert (cohort.sequences, cohort.scheme.name) == (sequences, scheme)
    assert {case.group for case in cohort.cases} == groups
    assert (cohort.problems, cohort.strays) == ((), ())
    for case in cohort.cases:
        loaded = load_case(case)
        assert set(loaded.images) <= set(sequences)
        assert all(image.array.shape == SHAPE for image in loaded.images.values())
        if loaded.reference is not None:
            assert case.reference is not None
            labels = load_labels(case.reference).array
            np.testing.assert_array_equal(loaded.reference.array, labels > 0)
            assert labels.any()


@pytest.mark.parametrize("name", TREES)
def test_a_link_out_of_the_tree_and_a_loop_are_refused_in_every_layout(tmp_path: Path, name: str) -> None:
    """The file behind the link is fine: only where it lies is wrong."""
    root = tmp_path / "root"
    TREES[name](root)
    before = load_cohort(root)
    case = next(case for case in before.cases if case.reference)
    first = next(iter(case.sequences.values()))
    moved = tmp_path / "outside" / first.name
    moved.parent.mkdir()
    first.rename(moved)
    first.symlink_to(moved)
    (root / "loop").symlink_to(root, target_is_directory=True)
    cohort = load_cohort(root)
    assert case.case_id not in [c.case_id for c in cohort.cases]
    assert [c.case_id for c in cohort.cases] == [c.case_id for c in before.cases if c.case_id != case.case_id]
    assert "leaves the folder" in dict(cohort.problems)[case.case_id]


@pytest.mark.parametrize("name", TREES)
def test_nii_beside_nii_gz_is_ambiguous_in_every_layout(tmp_path: Path, name: str) -> None:
    TREES[name](tmp_path)
    case = next(case for case in load_cohort(tmp_path).cases if case.reference)
    reference = case.reference
    assert reference is not None
    shutil.copy(reference, reference.with_name(reference.name.removesuffix(".gz")))
    problems = dict(load_cohort(tmp_path).problems)
    assert "two files for reference" in problems[case.case_id]
    assert reference.name in problems[case.case_id]


@pytest.mark.parametrize("name", TREES)
def test_endings_in_upper_case_are_read_in_every_layout(tmp_path: Path, name: str) -> None:
    TREES[name](tmp_path)
    for path in [p for p in tmp_path.rglob("*") if p.name.endswith((".nii.gz", ".mha"))]:
        path.rename(path.with_name(path.name.replace(".nii.gz", ".NII.GZ").replace(".mha", ".MHA")))
    cohort = load_cohort(tmp_path)
    assert [case.case_id for case in cohort.cases] == EXPECTED[name][0]
    load_case(next(case for case in cohort.cases if case.reference))


@pytest.mark.parametrize("name", TREES)
def test_a_stray_image_is_listed_and_no_case_in_every_layout(tmp_path: Path, name: str) -> None:
    TREES[name](tmp_path)
    write(tmp_path / "backup of masks" / "old" / "scan copy.nii.gz")
    cohort = load_cohort(tmp_path)
    assert cohort.strays == ("backup of masks/old/scan copy.nii.gz",)
    assert [case.case_id for case in cohort.cases] == EXPECTED[name][0]


def test_a_decathlon_task_of_one_modality_has_its_name_and_its_labels_as_regions(tmp_path: Path) -> None:
    write(tmp_path / "imagesTr" / "pancreas_001.nii.gz")
    write(tmp_path / "labelsTr" / "pancreas_001.nii.gz", [1, 2])
    labels = {"0": "background", "1": "pancreas", "2": "cancer"}
    (tmp_path / "dataset.json").write_text(json.dumps({"modality": {"0": "CT"}, "labels": labels}))
    cohort = load_cohort(tmp_path, region="cancer")
    assert (cohort.layout.name, cohort.sequences) == ("msd_task", ("ct",))
    assert set(cohort.scheme.regions) == {"whole", "pancreas", "cancer"}
    loaded = load_case(cohort.cases[0])
    assert loaded.reference is not None
    assert loaded.reference.array.sum() == 1
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"has no dataset.json"):
        load_cohort(tmp_path)


def test_sessions_of_bids_are_of_one_patient_and_two_raters_are_not_chosen_between(tmp_path: Path) -> None:
    made_trees.bids(tmp_path)
    patients = load_cohort(tmp_path).patients
    assert patients.of == {"sub-01_ses-1": "sub-01", "sub-01_ses-2": "sub-01", "sub-P02": "sub-P02"}
    write(tmp_path / "derivatives" / "rater2" / "sub-P02" / "anat" / "sub-P02_label-tumor_dseg.nii.gz", [1])
    cohort = load_cohort(tmp_path)
    assert [case.case_id for case in cohort.cases] == ["sub-01_ses-1", "sub-01_ses-2"]
    assert "two files for reference" in dict(cohort.problems)["sub-P02"]
    alone = load_cohort(tmp_path / "derivatives" / "lesions")
    assert [case.case_id for case in alone.cases] == ["sub-01_ses-1", "sub-01_ses-2", "sub-P02"]


def test_4d_volumes_are_told_apart_and_a_3d_file_in_their_place_is_refused(tmp_path: Path) -> None:
    made_trees.msd(tmp_path)
    path = tmp_path / "imagesTr" / "BRATS_001.nii.gz"
    import nibabel as nib

    stored = np.asanyarray(nib.load(path).dataobj)
    (case, *_) = load_cohort(tmp_path).cases
    for number, name in enumerate(("flair", "t1", "t1ce", "t2")):
        np.testing.assert_array_equal(load_sequence(case, name).array, stored[..., number])
    write(path)
    with pytest.raises(DataError, match="has 3 dimensions where 4 are due"):
        load_case(case)


def test_nnunet_needs_its_dataset_json_and_takes_the_channels_from_it(tmp_path: Path) -> None:
    made_trees.nnunet(tmp_path)
    path = tmp_path / "Dataset137_BraTS2021" / "dataset.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps(said | {"channel_names": {"0": "T2W", "1": "ADC", "2": "HBV", "3": "sag"}}))
    assert load_cohort(tmp_path).sequences == ("t2w", "adc", "hbv", "sag")
    path.unlink()
    with pytest.raises(DataError, match=r"no dataset\.json"):
        load_cohort(tmp_path)


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        (["CT", "CT", "PET", "ct"], ("ct", "ct_2", "pet", "ct_3")),
        (["noNorm", "noNorm", "noNorm_2", "x"], ("nonorm", "nonorm_3", "nonorm_2", "x")),
        (["T1", "T1w", "T2W", "T2"], ("t1", "t1_2", "t2", "t2_2")),
    ],
)
def test_channels_of_one_name_are_numbered(tmp_path: Path, declared: list[str], names: tuple[str, ...]) -> None:
    """In nnU-Net a name says how intensities are normalised, and channels may share it."""
    made_trees.nnunet(tmp_path)
    path = tmp_path / "Dataset137_BraTS2021" / "dataset.json"
    channels = {str(number): name for number, name in enumerate(declared)}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"channel_names": channels}))
    cohort = load_cohort(tmp_path)
    assert (cohort.sequences, cohort.problems) == (names, ())
    files = {name: file.name[-11:-7] for name, file in cohort.cases[0].sequences.items()}
    assert files == dict(zip(names, ["0000", "0001", "0002", "0003"], strict=True))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"channel_names": ["T1"], "labels": {"a": 1}}',
        '{"channel_names": {"0": "T1", "2": "T2"}, "labels": {"a": 1}}',
        '{"channel_names": {"0": "T1"}, "labels": {"a": "x"}}',
        '{"channel_names": {"0": "T1"}, "labels": {"a": -1}}',
        '{"channel_names": {"0": "T1"}, "labels": [1]}',
        '{"channel_names": {"0": "T1"}, "labels": {"a": [0, 1]}}',
        '{"channel_names": {"0": "T1"}, "labels": {"0": "background", "1": "a", "4": "background"}}',
    ],
)
def test_a_dataset_json_that_declares_nothing_usable_is_one_message(tmp_path: Path, content: str) -> None:
    made_trees.nnunet(tmp_path)
    (tmp_path / "Dataset137_BraTS2021" / "dataset.json").write_text(content)
    with pytest.raises(DataError, match=r"dataset\.json"):
        load_cohort(tmp_path)


def test_several_nnunet_data_sets_are_not_one(tmp_path: Path) -> None:
    made_trees.nnunet(tmp_path)
    shutil.copytree(tmp_path / "Dataset137_BraTS2021", tmp_path / "Dataset138_Other")
    with pytest.raises(DataError, match="several data sets"):
        load_cohort(tmp_path)
    assert load_cohort(tmp_path / "Dataset138_Other").layout.name == "nnunet"


def test_a_picai_study_in_two_folds_is_ambiguous(tmp_path: Path) -> None:
    made_trees.picai(tmp_path)
    shutil.copytree(tmp_path / "picai_public_images_fold0", tmp_path / "picai_public_images_fold4")
    problems = dict(load_cohort(tmp_path).problems)
    assert "two files for adc" in problems["10000_1000000"]
    assert "fold4" in problems["10000_1000000"]


def test_picai_masks_alone_are_cases_but_not_beside_images(tmp_path: Path) -> None:
    made_trees.picai(tmp_path)
    write(tmp_path / "picai_labels/csPCa_lesion_delineations/human_expert/resampled/10009_1000009.nii.gz", [4])
    assert "no image" in dict(load_cohort(tmp_path).problems)["10009_1000009"]
    for fold in ("picai_public_images_fold0", "picai_public_images_fold1"):
        shutil.rmtree(tmp_path / fold)
    cohort = load_cohort(tmp_path)
    assert [case.case_id for case in cohort.cases] == ["10000_1000000", "10005_1000005", "10009_1000009"]
    assert (cohort.sequences, cohort.problems, cohort.incomplete) == ((), (), ())


def test_an_accent_stored_in_two_ways_is_one_case(tmp_path: Path) -> None:
    name = "Zoë 1"
    write(tmp_path / "images" / f"{unicodedata.normalize('NFD', name)}_t1.nii.gz")
    write(tmp_path / "references" / f"{unicodedata.normalize('NFC', name)}.nii.gz", [1])
    (case,) = load_cohort(tmp_path).cases
    assert case.case_id == unicodedata.normalize("NFC", name)
    assert load_case(case).reference is not None


def test_a_described_layout(tmp_path: Path) -> None:
    made_trees.generic(tmp_path)
    cohort = load_cohort(tmp_path)
    assert cohort.layout.label == "Hospital A"
    assert [(case.case_id, case.group) for case in cohort.cases] == [("p 1", "2024"), ("p 2", "2024")]
    assert cohort.sequences == ("t2w", "adc")
    assert [load_case(case).reference.array.sum() for case in cohort.cases] == [1, 1]  # type: ignore[union-attr]
    cyst = load_cohort(tmp_path, region="cyst")
    assert cyst.region.inside == (7,)
    elsewhere = tmp_path / "elsewhere.toml"
    (tmp_path / "afl-layout.toml").rename(elsewhere)
    again = load_cohort(tmp_path, layout=str(elsewhere))
    assert [case.case_id for case in again.cases] == ["p 1", "p 2"]
    assert load_cohort(tmp_path, layout=again.layout.name).cases == again.cases, "a manifest names the file"
    with pytest.raises(DataError, match="No cases were found"):
        load_cohort(tmp_path)


def test_a_cavity_of_a_described_layout_is_no_tumour_unless_its_whole_says_so(tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz", [1, 4])
    text = 'reference = "{case}.nii.gz"\n[labels]\n1 = "ET"\n4 = "resection cavity"\n'
    for regions, inside in (("", (1,)), ("[regions]\nwhole = [1, 4]\n", (1, 4))):
        (tmp_path / "afl-layout.toml").write_text(text + regions)
        assert load_cohort(tmp_path).region.inside == inside


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "neither images nor a reference"),
        ("images = 3", "images"),
        ('[images]\nt1 = "a/t1.nii"', "has no {case}"),
        ('reference = "{case}.nii"\ncolour = "red"', "colour"),
        ('reference = ["{case}.nii", "masks.nii"]', "masks.nii has no {case}"),
        ('reference = ["a/{case}.nii", "../b/{case}.nii"]', "not from / or by .."),
        ('reference = ["a/{case}.nii", 5]', "reference"),
        ("reference = []", "neither images nor a reference"),
        ('reference = "{case}.nii"\ngrid = "t2w"', "no image t2w"),
        ('reference = "{case}.nii"\nlabels = "brts"', "Did you mean brats"),
        ('reference = "{case}.nii"\n[labels]\nx = "lesion"', "whole numbers from 1"),
        ('reference = "{case}.nii"\n[labels]\n1 = "lesion"\n[regions]\ntc = [2]', "tc 2 is no label"),
        ('reference = "{case}.nii"\n[labels]\n1 = "a"\n[regions]\nwhole = [1]\nwt = []', "one region twice"),
        ('[images]\nreference = "{case}.nii"', "no name of a sequence"),
        ("x = ", "afl-layout.toml"),
    ],
)
def test_a_description_that_describes_no_layout(tmp_path: Path, content: str, said: str) -> None:
    write(tmp_path / "a.nii.gz", [1])
    (tmp_path / "afl-layout.toml").write_text(content)
    with pytest.raises(AflError) as caught:
        load_cohort(tmp_path)
    assert said in str(caught.value)


def test_a_pattern_is_no_regular_expression_and_stays_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "afl-layout.toml").write_text('reference = "m(.+/{case}*.nii"\n')
    write(tmp_path / "m(.+" / "a 1.nii.gz", [1])
    write(tmp_path / "m(x" / "b.nii.gz", [1])
    cohort = load_cohort(tmp_path)
    assert cohort.strays == ("m(x/b.nii.gz",)
    assert len(cohort.cases) == 1


def every_way(template):
    """The same pattern by plain backtracking, which tries every way."""
    parts, seen = [], set()
    for part in re.split(r"(\{case\}|\{group\}|\*)", template):
        name = part.strip("{}")
        if part == "*":
            parts.append("[^/]*?")
        elif part in ("{case}", "{group}"):
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)")
            seen.add(name)
        else:
            parts.append(re.escape(part))
    return "".join(parts) + SUFFIX


def test_patterns_match_as_if_every_way_were_tried(tmp_path):
    random, path, compared, refused = Random(0), tmp_path / "afl-layout.toml", 0, 0
    for _ in range(1000):
        template = "".join(
            random.choices(
                ["{case}", "{group}", "*", "a", "b", "_", "/"], [2, 1, 3, 1, 1, 1, 1], k=random.randint(1, 4)
            )
        )
        template = f"{template}{{case}}{random.choice('ab_/*')}"
        path.write_text(f'[images]\nt1 = "{template}"\n')
        try:
            found = load_layout(path).files[0][1]
        except DataError:  # it can be read in too many ways
            refused += 1
            continue
        for _ in range(40):
            name = "".join(random.choices("ab_/", [4, 3, 2, 1], k=random.randint(3, 9))) + ".nii.gz"
            groups = [
                match and match.groupdict() for match in (re.fullmatch(p, name) for p in (found, every_way(template)))
            ]
            assert groups[0] == groups[1], (template, name)
            compared += groups[0] is not None
    assert compared > 300
    assert refused < 200


@pytest.mark.parametrize(
    "template",
    ["{case}" + "*a" * 200 + "*b", "*" * 5000 + "{case}", "{case}/{case}" + "*a" * 40 + "*b", "{case}*{group}*b"],
)
def test_a_pattern_of_many_stars_takes_no_longer_than_a_plain_one(tmp_path, template):
    """By backtracking, the age of the universe."""
    (tmp_path / "afl-layout.toml").write_text(f'[images]\nt1 = "{template}"\n')
    pattern = re.compile(load_layout(tmp_path / "afl-layout.toml").files[0][1])
    names = ("a" * 240 + ".nii.gz", "a" * 240 + "/" + "a" * 240 + ".nii")
    assert [bool(pattern.fullmatch(name)) for name in names * 20] == [template.startswith("*"), False] * 20


def test_names_twice_beside_other_places_are_refused(tmp_path):
    (tmp_path / "afl-layout.toml").write_text('[images]\nt1 = "*{group}*{case}*/{group}{case}.nii"\n')
    with pytest.raises(DataError, match="can be read in too many ways"):
        load_layout(tmp_path / "afl-layout.toml")


def test_audit_needs_both_folders(tmp_path: Path) -> None:
    """Images alone are another layout's, of BraTS 2021 always its own; the models are sources."""
    TREES["audit"](tmp_path / "a")
    candidates = find_candidates(load_cohort(tmp_path / "a"))
    assert {(of.name, of.cases) for of in candidates} == {("nnUnet", 2), ("SegResNet", 2)}
    shutil.rmtree(tmp_path / "a" / "SET_seg")
    with pytest.raises(DataError, match=r"BraTS 2018 .* one level down"):
        load_cohort(tmp_path / "a")
    assert len(load_cohort(tmp_path / "a", layout="audit").cases) == 2
    TREES["brats2021"](tmp_path / "b" / "SET_images")
    write(tmp_path / "b" / "SET_seg" / "nnUnet" / "BraTS2021_00000" / "BraTS2021_00000_pred.nii.gz", [1])
    cohort = load_cohort(tmp_path / "b")
    assert (cohort.layout.name, cohort.scheme.name, len(cohort.strays)) == ("brats2021", "brats", 1)
    assert [of.name for of in find_candidates(cohort)] == ["nnUnet"]


def test_audit_without_images_and_with_several_sets(tmp_path: Path) -> None:
    TREES["audit"](tmp_path)
    for path in tmp_path.glob("*/*/*.nii.gz"):
        if not path.name.endswith("_seg.nii.gz"):
            path.unlink()
    cohort = load_cohort(tmp_path)
    assert [(case.sequences, case.reference is not None) for case in cohort.cases] == [({}, True)] * 2
    write(tmp_path / "TWO_images" / "p" / "p_seg.nii.gz", [1])
    write(tmp_path / "TWO_images" / "Patient-002-week-000" / "Patient-002-week-000_seg.nii.gz", [1])
    cohort = load_cohort(tmp_path)
    assert [(case.case_id, case.group) for case in cohort.cases] == [("Patient-002-week-003", "SET"), ("p", "TWO")]
    assert "two files for reference" in dict(cohort.problems)["Patient-002-week-000"]


@pytest.mark.skipif("AFL_REAL_DATA" not in os.environ, reason="AFL_REAL_DATA names no folder of real cases")
@pytest.mark.parametrize(("name", "cases", "patients"), [("LUMIERE", 6, 1), ("BraTS2024_PED", 2, 2)])
def test_real_masks_of_two_models(name: str, cases: int, patients: int) -> None:
    cohort = load_cohort(Path(os.environ["AFL_REAL_DATA"]) / "two_models" / name)
    assert (cohort.layout.name, len(cohort.cases), len(cohort.aside)) == ("audit", cases, 2 * cases)
    assert len({case.patient for case in cohort.cases}) == patients
    assert {(of.name, of.cases) for of in find_candidates(cohort)} == {("nnUnet", cases), ("SegResNet", cases)}
