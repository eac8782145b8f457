"""Labels mean what their data set says; a label of another convention is refused by file and value, never guessed."""

import json
from pathlib import Path

import made_trees
import numpy as np
import pytest
from made_trees import TREES, write

from afl_core.data.labels import SCHEMES, fitting_schemes, scheme_for
from afl_core.data.layouts import load_case, load_cohort, references_cohort
from afl_core.data.layouts.decathlon import declared_scheme
from afl_core.data.layouts.labelling import with_regions
from afl_core.errors import AflError, DataError, UsageError
from afl_core.volume import Region

SWAPPED = {
    "brats2018": ([1, 2, 3], "3 where 1, 2, 4 are known"),
    "brats2021": ([1, 3], "3 where 1, 2, 4 are known"),
    "brats2023": ([1, 2, 4], "4 where 1, 2, 3 are known"),
    "msd": ([1, 2, 4], "4 where 1, 2, 3 are known"),
    "nnunet": ([1, 4], "4 where 1, 2, 3 are known"),
    "picai": ([1], "1 where 2, 3, 4, 5 are known"),
    "authors_picai": ([3], "3 where 1 are known"),
    "deepmedic": ([5], "5 where 1, 2, 3, 4 are known"),
}


def first_mask(root: Path) -> Path:
    reference = next(case.reference for case in load_cohort(root).cases if case.reference)
    assert reference is not None
    return reference


@pytest.mark.parametrize("name", SWAPPED)
def test_a_label_outside_the_scheme_names_file_and_value(tmp_path: Path, name: str) -> None:
    TREES[name](tmp_path)
    labels, said = SWAPPED[name]
    mask = write(first_mask(tmp_path), labels)
    case = next(case for case in load_cohort(tmp_path).cases if case.reference == mask)
    with pytest.raises(DataError) as caught:
        load_case(case, sequences=())
    assert mask.name in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "region", "inside"),
    [
        ("brats2018", "wt", {1, 2, 4}),
        ("brats2018", "tc", {1, 4}),
        ("brats2018", "et", {4}),
        ("brats2023", "TC", {1, 3}),
        ("brats2023", "et", {3}),
        ("msd", "tc", {2, 3}),
        ("msd", "et", {3}),
        ("nnunet", "tc", {2, 3}),
        ("picai", "csPCa", {2, 3, 4, 5}),
        ("deepmedic", "tc", {1, 3, 4}),
    ],
)
def test_regions_hold_their_labels_and_no_other(tmp_path: Path, name: str, region: str, inside: set[int]) -> None:
    from afl_core.data.formats.files import load_labels

    TREES[name](tmp_path)
    for case in load_cohort(tmp_path, region=region).cases:
        if case.reference is not None:
            stored = load_labels(case.reference).array
            mask = load_case(case, sequences=()).reference
            assert mask is not None
            np.testing.assert_array_equal(mask.array, np.isin(stored, list(inside)))


def test_a_region_that_the_labels_do_not_have(tmp_path: Path) -> None:
    made_trees.picai(tmp_path)
    with pytest.raises(UsageError, match=r"no region of that name \(received: et\).*There are: whole"):
        load_cohort(tmp_path, region="et")


def test_a_label_set_that_fits_several_schemes_is_asked_about(tmp_path: Path) -> None:
    made_trees.plain(tmp_path)  # 1, 2 and 4: enhancing tumour in BraTS 2021, cavity in BraTS 2024
    with pytest.raises(UsageError) as caught:
        load_cohort(tmp_path, region="et")
    for part in ("labels 1, 2, 4", "--labels brats", "brats2013", "brats2024"):
        assert part in str(caught.value)
    named = load_cohort(tmp_path, region="et", labels="brats")
    assert (named.region.inside, named.labels) == ((4,), "brats")
    assert load_cohort(tmp_path, region="et", labels="brats2024").region.inside == (3,)


def test_one_scheme_that_fits_needs_no_answer(tmp_path: Path) -> None:
    made_trees.plain(tmp_path)
    for path in (tmp_path / "references").iterdir():
        write(path, [3, 4])  # 3 and 4 together: BraTS 2013 or 2024; 4 in TC by one, outside by the other
    with pytest.raises(UsageError, match="fit several schemes"):
        load_cohort(tmp_path, region="tc")
    for path in (tmp_path / "references").iterdir():
        write(path, [2, 9])
    with pytest.raises(UsageError, match="No known labels fit"):
        load_cohort(tmp_path, region="tc")
    for path in (tmp_path / "references").iterdir():
        write(path, [1])
    with pytest.raises(UsageError, match="fit several schemes"):  # core in BraTS, edema in the Decathlon
        load_cohort(tmp_path, region="tc")
    assert scheme_for({2}, "whole").name == "brats"  # all mean the same by the whole


@pytest.mark.parametrize("labels", [[1], [0], [2, 9], [1, 2, 4]])
def test_a_part_that_cannot_be_told_asks_for_own_codes(tmp_path: Path, labels: list[int]) -> None:
    write(tmp_path / "a.nii.gz", labels)
    with pytest.raises(UsageError) as caught:
        references_cohort(tmp_path, region="et")  # never a region that is empty in every case
    assert "--labels et=1,ncr=2,ed=3" in str(caught.value)


def test_every_label_above_0_needs_no_scheme(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.nii.gz", [9, 300])
    cohort = references_cohort(tmp_path)
    assert (cohort.region, cohort.labels) == (Region(), "")
    assert all(load_case(case).reference.array.sum() == 2 for case in cohort.cases)  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="no label scheme of that name"):
        references_cohort(tmp_path, labels="bratz")


def test_schemes_are_consistent() -> None:
    for name, scheme in SCHEMES.items():
        assert scheme.name == name
        assert "whole" in scheme.regions
        for inside in scheme.regions.values():
            assert set(inside) <= set(scheme.values)
    assert {s.name for s in fitting_schemes({0, 1, 2, 3}, "et")} == {"brats2013", "brats2023", "brats2024", "msd"}


def test_the_key_of_a_region_is_what_it_takes() -> None:
    assert SCHEMES["brats"].region("wt").key == SCHEMES["any"].region("whole").key == ""
    keys = {SCHEMES["brats"].region("tc").key, SCHEMES["msd"].region("tc").key, SCHEMES["brats"].region("et").key}
    assert len(keys) == 3
    assert SCHEMES["brats2024"].region("whole").key, "a cavity is left out"


@pytest.mark.parametrize(
    ("labels", "regions"),
    [
        (
            {"background": 0, "edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3},
            {"whole": (1, 2, 3), "tc": (2, 3), "et": (3,)},
        ),
        (
            {"0": "background", "1": "necrotic core", "2": "ED", "4": "ET"},
            {"whole": (1, 2, 4), "tc": (1, 4), "et": (4,)},
        ),
        (
            {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]},
            {"whole": (1, 2, 3), "tc": (2, 3), "et": (3,)},
        ),
        (
            {"background": 0, "NCR": 1, "ED": 2, "NET": 3, "ET": 4},
            {"whole": (1, 2, 3, 4), "tc": (1, 3, 4), "et": (4,)},  # the core without enhancement in two labels
        ),
        ({"background": 0, "lesion": 1}, {"whole": (1,)}),
        ({"background": 0, "lesion": 1, "ignore": 2}, {"whole": (1,)}),
        ({"background": 0, "kidney": 1, "cyst": 2}, {"whole": (1, 2), "kidney": (1,), "cyst": (2,)}),
        ({"background": 0, "edema": 1, "necrosis": 2}, {"whole": (1, 2), "tc": (2,)}),  # no ET: () would be every label
        (
            {"background": 0, "NCR": 1, "SNFH": 2, "ET": 3, "RC": 4},
            {"whole": (1, 2, 3), "tc": (1, 3), "et": (3,), "rc": (4,)},  # but for RC as `brats2024`
        ),
        (
            {"0": "background", "1": "lesion", "3": "Resection_Cavity (RC)"},
            {"whole": (1,), "lesion": (1,), "resection_cavity (rc)": (3,)},
        ),
        (
            {"background": 0, "tumor core": [1, 3], "edema": 2, "postop cavity": [4]},
            {"whole": (1, 2, 3), "tc": (1, 3), "edema": (2,), "postop cavity": (4,)},
        ),
        ({"0": "background", "1": "lesion", "2": "lesion", "3": "lesion"}, {"whole": (1, 2, 3)}),
        (
            {"0": "background", "1": "necrosis", "2": "edema", "3": "necrosis", "4": "ET"},
            {"whole": (1, 2, 3, 4), "tc": (1, 3, 4), "et": (4,)},
        ),
        (
            {"0": "background", "2": "kidney", "1": "cyst", "3": "kidney"},
            {"whole": (1, 2, 3), "kidney": (2, 3), "cyst": (1,)},
        ),
        ({"background": 0, "cavity": 1}, {"whole": (1,)}),  # it is what is segmented
        (
            {"background": 0, "oral cavity": 1, "tumor": 2},
            {"whole": (1, 2), "oral cavity": (1,), "tumor": (2,)},
        ),
    ],
)
def test_declared_labels(labels: dict[str, object], regions: dict[str, tuple[int, ...]]) -> None:
    scheme = declared_scheme({"labels": labels}, Path("dataset.json"))
    assert dict(scheme.regions) == regions
    assert 0 not in scheme.values
    assert ("ignore" in labels) == (2 in scheme.values and len(regions["whole"]) == 1)


def test_two_labels_of_one_name_are_known_both(tmp_path: Path) -> None:
    made_trees.nnunet(tmp_path)
    path = tmp_path / "Dataset137_BraTS2021" / "dataset.json"
    said = {"0": "background", "1": "lesion", "2": "lesion", "3": "lesion"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": said}))
    write(first_mask(tmp_path), [1, 2, 3])
    case = next(case for case in load_cohort(tmp_path).cases if case.reference)
    assert load_case(case, sequences=()).reference.array.sum() == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("labels", "regions"),
    [
        (
            {"whole tumor": [1, 2, 3], "enhancing tumor": [3], "non-enhancing tumor": [1]},
            {"whole": (1, 2, 3), "et": (3,), "non-enhancing tumor": (1,)},
        ),
        (
            {"whole tumor": [1, 2, 3], "tumor core": [1, 3], "necrotic core": [1], "enhancing": [3]},
            {"whole": (1, 2, 3), "tc": (1, 3), "necrotic core": (1,), "et": (3,)},
        ),
        (
            {"Whole_Tumour (WT)": [1, 2, 3], "edema core": [2], "non-enhancing core": [1], "enhancing core": [1, 3]},
            {"whole": (1, 2, 3), "edema core": (2,), "non-enhancing core": (1,), "enhancing core": (1, 3)},
        ),
        (
            {"csPCa": [1, 2], "TumorCore": [1, 3], "contrast-enhancing tumor (ET)": 3},
            {"whole": (1, 2), "tc": (1, 3), "et": (3,)},
        ),
        ({"ET": [3], "enhancing tumor": [2, 3]}, {"whole": (2, 3), "et": (3,), "enhancing tumor": (2, 3)}),
        (
            {"enhancing": [3], "enhancing tumor": [2, 3]},
            {"whole": (2, 3), "enhancing": (3,), "enhancing tumor": (2, 3)},
        ),
        ({"whole": [1, 2], "WT": [2, 1], "core": 1}, {"whole": (1, 2), "tc": (1,)}),
    ],
)
def test_a_declared_region_is_taken_by_its_whole_name(labels: dict[str, object], regions: dict[str, object]) -> None:
    scheme = declared_scheme({"labels": {"background": 0} | labels}, Path("dataset.json"))
    assert {name: tuple(sorted(of)) for name, of in scheme.regions.items()} == regions


@pytest.mark.parametrize(
    "declared",
    [
        {"labels": {"background": 0, "WT": [1, 2, 3], "all": [1, 2]}},
        {"labels": {"background": 0, "ET": [3], "et": [2, 3]}},
        {"labels": {"background": 0, "Lesion": 1, "lesion": 2}},
        {"labels": {"background": 0, "a": 1, "b": 2}, "afl_regions": {"Cyst": [1], "cyst": [2]}},
    ],
)
def test_two_names_of_one_region_are_refused(declared: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"dataset\.json gives one name to different labels"):
        declared_scheme(declared, Path("dataset.json"))


@pytest.mark.parametrize(
    ("labels", "regions", "asked"),
    [
        ({"WT": 1, "TC": 2, "ET": 3}, {"whole": (1, 2, 3), "et": (3,)}, ("tc", "wt")),
        ({"whole": 1, "Tumor Core": 2}, {"whole": (1, 2)}, ("tumor core",)),
        ({"csPCa": 1, "cyst": 2}, {"whole": (1, 2), "cyst": (2,)}, ("cspca",)),
    ],
)
def test_a_region_that_is_declared_as_one_label_of_several_is_asked_about(
    labels: dict[str, int], regions: dict[str, object], asked: tuple[str, ...], tmp_path: Path
) -> None:
    """As `--labels` does: nested shells, of which TC is 2 and 3, and parts, of which it is 2, look alike."""
    made_trees.nnunet(tmp_path)
    path = tmp_path / "Dataset137_BraTS2021" / "dataset.json"
    said = {key: of for key, of in json.loads(path.read_text()).items() if key != "regions_class_order"}
    path.write_text(json.dumps(said | {"labels": {"background": 0} | labels}))
    cohort = load_cohort(tmp_path)
    assert (dict(cohort.scheme.regions), cohort.region.inside) == (regions, regions["whole"])
    for name in asked:
        with pytest.raises(UsageError, match=rf"{name} is no name of one label .*--labels et=1,ncr=2,ed=3"):
            load_cohort(tmp_path, region=name)
    with pytest.raises(UsageError, match="is no name of one label"):
        with_regions(cohort, ())
    assert [region.name for region in with_regions(cohort, list(regions)).regions] == list(regions)
    assert load_cohort(tmp_path, labels="ed=1,ncr=2,et=3", region="tc").region.inside == (2, 3)


def test_an_equals_sign_in_a_declared_name_makes_no_region(tmp_path: Path) -> None:
    made_trees.nnunet(tmp_path / "nnunet")
    path = tmp_path / "nnunet" / "Dataset137_BraTS2021" / "dataset.json"
    labels = {"background": 0, "ISUP=1": 1, "ISUP>=2": 2, "other": 3}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": labels}))
    cohort = with_regions(load_cohort(tmp_path / "nnunet"), ())
    assert {region.name: region.inside for region in cohort.regions} == {
        "whole": (1, 2, 3),
        "isup=1": (1,),
        "isup>=2": (2,),
        "other": (3,),
    }
    assert load_cohort(tmp_path / "nnunet", region="ISUP>=2").region.inside == (2,)
    made = load_cohort(tmp_path / "nnunet", region="isup=2+1")
    assert (made.region.name, made.region.inside) == ("isup=1+2", (1, 2))
    assert [cohort.scheme.title_of(name) for name in ("isup=1", "isup=1+2")] == ["isup=1: 1", "isup=1+2"]
    write(tmp_path / "own" / "a.nii.gz", [1, 2])
    text = 'reference = "{case}.nii.gz"\n[labels]\n1 = "a"\n2 = "b"\n[regions]\n"Grade>=2" = [2]\n'
    (tmp_path / "own" / "afl-layout.toml").write_text(text)
    assert load_cohort(tmp_path / "own", region="grade>=2").region.inside == (2,)


def test_ignored_voxels_are_no_tumour(tmp_path: Path) -> None:
    made_trees.nnunet(tmp_path)
    path = tmp_path / "Dataset137_BraTS2021" / "dataset.json"
    said = json.loads(path.read_text()) | {"labels": {"background": 0, "lesion": 1, "ignore": 3}}
    path.write_text(json.dumps(said))
    write(first_mask(tmp_path), [1, 3, 3])
    case = next(case for case in load_cohort(tmp_path).cases if case.reference)
    assert load_case(case, sequences=()).reference.array.sum() == 1  # type: ignore[union-attr]


def test_an_empty_reference_fits_every_region(tmp_path: Path) -> None:
    made_trees.brats2018(tmp_path)
    made_trees.write_empty(first_mask(tmp_path))
    for region in ("whole", "tc", "et"):
        case = load_cohort(tmp_path, region=region).cases[0]
        assert load_case(case, sequences=()).reference.volume_ml == 0  # type: ignore[union-attr]


def test_rows_of_two_regions_never_mix(tmp_path: Path) -> None:
    from afl_core.evaluation.manifest import whole_cohort
    from afl_core.evaluation.results import Results
    from afl_core.evaluation.rows import Settings, row_key, settings_for
    from afl_core.evaluation.run import evaluate_into
    from afl_core.evaluation.sources import MaskSource

    root = tmp_path / "data"
    made_trees.brats2018(root)
    source = MaskSource("A", tmp_path / "masks")
    for case in load_cohort(root).cases:
        write(tmp_path / "masks" / f"{case.case_id}.nii.gz", [1])
    whole, core = load_cohort(root), load_cohort(root, region="tc")
    assert row_key(whole.cases[0], source, Settings()) != row_key(core.cases[0], source, Settings())
    results = Results(tmp_path / "results")

    def describe(cohort):  # type: ignore[no-untyped-def]
        results.describe(
            data=root, kind=cohort.layout.name, sources=(source,), skipped={}, settings=settings_for(cohort)
        )

    describe(core)
    evaluate_into(results, core.cases, (source,))
    assert results.cases()["reference_volume_ml"].tolist() == [0.006, 0.006]  # two of three voxels, 3 mm3 each
    assert whole_cohort(results.manifest()).region == core.region
    with pytest.raises(AflError, match="measured with other settings"):
        describe(whole)


def test_another_layout_never_mixes_into_a_results_folder(tmp_path: Path) -> None:
    from afl_core.evaluation.results import Results

    results = Results(tmp_path / "results")
    results.describe(data=tmp_path, kind="plain", sources=(), skipped={})
    with pytest.raises(AflError, match="made with another layout"):
        results.describe(data=tmp_path, kind="brats2018", sources=(), skipped={})
