"""What validation results are refused: the maps of another source, and the same patients under other names."""

import shutil
from dataclasses import replace

import pytest
from made_maps import PAIR, measure_maps
from made_results import CARD

from afl_core.analysis.validation import check_same_sources, check_validation, fits
from afl_core.data.layouts import references_cohort
from afl_core.errors import DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.manifest import Manifest
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import begin, evaluate_into
from afl_core.evaluation.sources import parse_sources


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Maps of two sources on test and on validation cases, and their results."""
    work = tmp_path_factory.mktemp("made")
    measure_maps(work, work / "results")
    return work


def measured(work, name, folders):
    """Results of the maps in these folders of the part `name`."""
    cohort, results = references_cohort(work / name / "references"), Results(work / "other" / name)
    shutil.rmtree(results.folder, ignore_errors=True)
    cases, decided = begin(results, cohort, cohort.cases, parse_sources([f"{n}={f}" for n, f in folders.items()]))
    evaluate_into(results, cases, decided)
    return open_comparison(results.folder)


def copied(work, name, cases):
    """Add cases of the test part to a part, under other names."""
    for folder in ("references", *PAIR):
        (work / name / folder).mkdir(parents=True, exist_ok=True)
        for k in cases:
            shutil.copy(work / "test" / folder / f"test{k}.nii.gz", work / name / folder / f"new{k}.nii.gz")
    return measured(work, name, {source: work / name / source for source in PAIR})


@pytest.fixture(scope="module")
def opened(made):
    return open_comparison(made / "results" / "test")


def test_validation_results_of_other_patients_and_the_same_sources_do(made, opened):
    check_validation(opened, open_comparison(made / "results" / "validation"), PAIR)


def test_folders_of_maps_that_are_swapped_are_refused(made, opened):
    swapped = measured(
        made, "validation", {PAIR[0]: made / "validation" / PAIR[1], PAIR[1]: made / "validation" / PAIR[0]}
    )
    with pytest.raises(
        DataError, match=r"FL of validation has a folder that is named as that of A-FL.*validation/A-FL"
    ):
        check_validation(opened, swapped, PAIR)


def test_one_folder_for_both_sources_is_refused(made, opened):
    same = measured(made, "validation", dict.fromkeys(PAIR, made / "validation" / PAIR[0]))
    with pytest.raises(DataError, match="FL and A-FL are the same files in validation"):
        check_validation(opened, same, PAIR)


def test_folders_with_names_of_their_own_are_not_taken_for_another_source(made, opened):
    """Names that say nothing, and one folder for all that the other source's path holds too."""
    for folder in ("first", "second"):
        shutil.copytree(made / "validation" / PAIR[0], made / "A-FL study" / folder, dirs_exist_ok=True)
    folders = {name: made / "A-FL study" / folder for name, folder in zip(PAIR, ("first", "second"), strict=True)}
    check_validation(opened, measured(made, "validation", folders), PAIR)


def test_the_same_references_under_other_names_are_refused(made, opened):
    again = copied(made, "again", range(7))
    with pytest.raises(DataError, match=r"The references of 7 validation cases are those of cases that are compared"):
        check_validation(opened, again, PAIR)


def test_one_reference_of_the_same_shape_may_be_chance(made, opened):
    shutil.copytree(made / "validation", made / "mixed")
    check_validation(opened, copied(made, "mixed", [2]), PAIR)
    two = copied(made, "mixed", [4])
    with pytest.raises(DataError, match=r"of 2 validation cases are those.*test2 and new2, test4 and new4"):
        check_validation(opened, two, PAIR)


def test_a_patient_in_both_is_named_before_its_reference(opened):
    with pytest.raises(DataError, match="Patients of the validation cases are among those that are compared"):
        check_validation(opened, opened, PAIR)


def test_results_fit_by_data_set_other_cases_region_and_fingerprint():
    checkpoint = {"kind": "checkpoint", "path": "/net", "fingerprint": "f00d", "card": CARD}
    record = {"data": {"path": "/data", "kind": "plain", "skipped": {}, "cases": ["a"]}, "sources": {"FL": checkpoint}}

    def manifest(sources=None, **data):
        given = (
            record | {"data": record["data"] | data} | ({"sources": {"FL": checkpoint | sources}} if sources else {})
        )
        return Manifest.model_validate(given)

    opened = manifest()
    assert fits(opened, manifest(cases=["b"]), ["FL"])
    assert not fits(opened, manifest(cases=["a", "b"]), ["FL"])
    assert not fits(opened, manifest(cases=["b"], path="/other"), ["FL"])
    assert not fits(opened, manifest(cases=["b"], sources={"fingerprint": "beef"}), ["FL"])
    assert not fits(opened, manifest(cases=["b"]), ["FL", "A-FL"])
    assert not fits(opened.for_region("et", sources=["FL"], empty_masks={}), manifest(cases=["b"]), ["FL"])
    masks = {"kind": "masks", "files": 1, "fingerprint": "", "card": None}
    alike = [manifest(cases=[case], sources=masks) for case in "ab"]
    assert not fits(*alike, ["FL"])  # nothing says that the files are of one network


def test_the_compared_cases_with_other_sources_are_refused_for_their_patients_first(opened):
    """Files of a folder, or other networks, of the same patients: other sources would not mend it."""
    sources = {
        name: of.model_copy(update={"kind": "checkpoint", "fingerprint": name})
        for name, of in opened.manifest.sources.items()
    }
    other = replace(opened, manifest=opened.manifest.model_copy(update={"sources": sources}))
    with pytest.raises(DataError, match="Patients of the validation cases are among"):
        check_validation(other, opened, PAIR)
    with pytest.raises(DataError, match=r"does not hold the same FL \(received: files of a folder\)"):
        check_same_sources(other, opened, PAIR)
