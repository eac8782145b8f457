"""A split file is case ids by split, no case in two of them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trees import TREES

from afl_core.data.layouts import LAYOUTS, load_cohort
from afl_core.data.patient_names import NAMES
from afl_core.data.patients import decide_patients
from afl_core.data.splits import load_splits, pick_split, random_splits, save_splits
from afl_core.elsewhere.nnunet_folds import make_folds
from afl_core.errors import AflError, DataError

FORMS = {
    "PI-CAI": ("1{patient:04d}", "_{visit:07d}"),
    "BraTS 2023 and later": ("BraTS-GLI-{patient:05d}", "-{visit:03d}"),
    "BIDS": ("sub-{patient:02d}", "_ses-{visit}"),
    "UCSF": ("UCSF-PDGM-{patient:04d}", "_FU{visit:03d}d"),
    "UPENN-GBM": ("UPENN-GBM-{patient:05d}", "_{visit:02d}"),
    "RHUH-GBM": ("RHUH-{patient:04d}", "-{visit}"),
    "time points": ("Patient-{patient:03d}", "-week-{visit:03d}"),
    "times of a number": ("P{patient}", "_day_{visit}"),
    "dates": ("P{patient}", "_20190{visit}01"),
}
"""A patient and a visit in every numbering of `NAMES`, as the data sets have them; visits have one digit."""

VISITS = st.dictionaries(
    st.integers(1, 99), st.sets(st.integers(1, 9), min_size=1, max_size=4), min_size=3, max_size=12
)


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ('{"train": ["a"], "test": []}', "test", "The part test of splits.json holds no case"),
        ("{}", "test", "There are: none."),
    ],
)
def test_a_part_without_a_case_is_refused_for_no_case_means_all(
    tmp_path: Path, text: str, name: str, said: str
) -> None:
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises(AflError, match=said):
        pick_split(tmp_path / "splits.json", name, known={"a"})


def test_endings_of_files_are_cut_from_the_cases(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    path.write_text('{"train": ["a.NII.GZ", "b.1"], "test": ["c.mha"]}')
    assert load_splits(path) == {"train": ("a", "b.1"), "test": ("c",)}
    path.write_text('{"train": ["a.nii.gz"], "test": ["a"]}')
    with pytest.raises(DataError, match=r"uses a case twice \(received: a\)"):
        load_splits(path)


def test_a_part_of_which_no_case_is_known_is_refused_with_an_example(tmp_path: Path) -> None:
    (tmp_path / "splits.json").write_text('{"test": ["imagesTs/c_1", "imagesTs/c_2"], "train": ["gone", "c_1"]}')
    said = r"test of splits\.json names no case of the data set \(received: imagesTs/c_1, imagesTs/c_2\).*such as c_1"
    with pytest.raises(DataError, match=said):
        pick_split(tmp_path / "splits.json", "test", known=["c_1", "c_2"])
    assert pick_split(tmp_path / "splits.json", "train", known=["c_1", "c_2"]) == ("gone", "c_1")


def test_round_trip(tmp_path: Path) -> None:
    splits = {"train": ("Zoë 1", "b"), "test": ("c",), "validation": ()}
    save_splits(tmp_path / "splits.json", splits)
    assert load_splits(tmp_path / "splits.json") == splits
    assert [p.name for p in tmp_path.iterdir()] == ["splits.json"]


def test_a_case_in_two_splits_is_refused_both_ways(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    with pytest.raises(DataError, match=r"uses a case twice \(received: b\)"):
        save_splits(path, {"train": ["a", "b"], "test": ["b"]})
    assert not path.exists()
    path.write_text('{"train": ["a", "a"]}')
    with pytest.raises(DataError, match=r"uses a case twice \(received: a\)"):
        load_splits(path)


@pytest.mark.parametrize("content", ["", "[]", '{"train": "a"}', '{"train": [1]}', "\xff"])
def test_what_is_no_split_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "splits.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"splits\.json"):
        load_splits(tmp_path / "splits.json")


def test_a_missing_split_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(received: there is no .*none\.json"):
        load_splits(tmp_path / "none.json")


def parts_of(cases: dict[str, str], patients: dict[str, str], seed: int) -> list[dict[str, tuple[str, ...]]]:
    """Every way in which cases are split: at random, and into folds."""
    splits = random_splits(tuple(cases), patients=patients, seed=seed)
    return [splits, *make_folds({**splits, "train": tuple(cases), "validation": ()}, patients, 3)]


def check_whole(cases: dict[str, str], parts: dict[str, tuple[str, ...]]) -> None:
    """Each case stands in one part, and the parts of a patient, by what the case was made of, are one."""
    assert sorted(case for ids in parts.values() for case in ids) == sorted(cases)
    owners = [{cases[case] for case in ids} for ids in parts.values()]
    assert sum(map(len, owners)) == len(set(cases.values()))


@pytest.mark.parametrize("numbering", NAMES)
@given(visits=VISITS, seed=st.integers(0, 99))
def test_a_split_never_parts_a_patient_in_any_numbering(numbering, visits, seed) -> None:
    patient, visit = FORMS[numbering]
    cases = {
        patient.format(patient=number) + visit.format(visit=v): patient.format(patient=number)
        for number, of_patient in visits.items()
        for v in of_patient
    }
    decided = decide_patients(tuple(cases), Path("/no/such/folder"))
    assert {case: decided[case] for case in cases} == cases
    for parts in parts_of(cases, {case: decided[case] for case in cases}, seed):
        check_whole(cases, parts)


def test_every_numbering_has_a_form() -> None:
    assert set(FORMS) == set(NAMES)
    for numbering, (patient, visit) in FORMS.items():
        case_id = patient.format(patient=7) + visit.format(visit=1)
        assert next(name for name, pattern in NAMES.items() if pattern.fullmatch(case_id)) == numbering


@pytest.mark.parametrize(
    ("layout", "visit"), [("picai", "_{visit:07d}"), ("bids", "_ses-{visit}"), ("brats2023", "-{visit:03d}")]
)
@given(visits=VISITS, seed=st.integers(0, 99))
def test_nor_by_the_pattern_of_a_layout(layout, visit, visits, seed) -> None:
    patient = {"picai": "1{:04d}", "bids": "sub-{:02d}", "brats2023": "BraTS-GLI-{:05d}"}[layout]
    cases = {patient.format(n) + visit.format(visit=v): patient.format(n) for n, of in visits.items() for v in of}
    decided = decide_patients(tuple(cases), Path("/no/such/folder"), template=LAYOUTS[layout].patient, layout=layout)
    for parts in parts_of(cases, {case: decided[case] for case in cases}, seed):
        check_whole(cases, parts)


@pytest.mark.parametrize("name", TREES)
def test_the_names_of_every_layout_keep_their_patients_together(name) -> None:
    """Of each case of the layout's tree, with two more patients, so that there is something to split."""
    with TemporaryDirectory() as folder:
        TREES[name](Path(folder))
        cohort = load_cohort(Path(folder))
    cases = {case.case_id: case.patient for case in cohort.cases} | {"x": "x", "y": "y"}
    for seed in range(10):
        for parts in parts_of(cases, cases, seed):
            check_whole(cases, parts)
