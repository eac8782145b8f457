"""Labels that are named in a command."""

import numpy as np
import pytest

from afl_core.data.label_codes import find_scheme
from afl_core.data.layouts import DataOptions, load_case, references_cohort
from afl_core.errors import UsageError
from afl_core.evaluation.caveats import notes
from afl_core.evaluation.manifest import whole_cohort
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import parse_sources


def test_codes_become_regions():
    scheme = find_scheme(" ED=3, et=1,NCR=2,rc=9")
    assert scheme.name == "et=1,ncr=2,ed=3,rc=9"
    assert find_scheme(scheme.name) == scheme
    assert dict(scheme.regions) == {
        "whole": (1, 2, 3),  # a cavity is no tumour
        "et": (1,),
        "ncr": (2,),
        "ed": (3,),
        "rc": (9,),
        "tc": (1, 2),
    }


def test_a_cavity_is_no_tumour_by_any_of_its_names():
    assert find_scheme("et=1,resection_cavity=4,Surgical-Cavity=5").regions["whole"] == (1,)
    with pytest.raises(UsageError, match="None of these labels is tumour"):
        find_scheme("resection_cavity=4")


def test_there_is_no_core_where_the_names_do_not_tell():
    assert list(find_scheme("solid=1,cyst=2").regions) == ["whole", "solid", "cyst"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("et=1,ncr", "not written as they must be"),
        ("et=one", "not written as they must be"),
        ("=1", "not written as they must be"),
        ("et=1,", "not written as they must be"),
        ("et=-1", "not written as they must be"),
        ("et=1,ncr=1", "one name or one number"),
        ("et=1,ET=2", "one name or one number"),
        ("bg=0,et=1", "0 is background"),
        ("et=70000", "0 is background"),
        ("wt=1", "wt is no name of one label"),
        ("tc=1", "tc is no name of one label"),
        ("rc=4", "None of these labels is tumour"),
        ("brats2032", r"Did you mean brats20\d\d\?"),
    ],
)
def test_codes_that_cannot_be_get_one_message(text, said):
    with pytest.raises(UsageError, match=said):
        find_scheme(text)


@pytest.fixture
def folder(tmp_path, write_nifti):
    array = np.zeros((6, 6, 6), np.uint8)
    array.ravel()[:6] = [1, 2, 2, 3, 3, 3]
    write_nifti(tmp_path / "refs" / "a.nii.gz", array)
    return tmp_path / "refs"


@pytest.mark.parametrize(("region", "voxels"), [("et", 1), ("ncr", 2), ("ed", 3), ("tc", 3), ("whole", 6)])
def test_a_region_is_taken_by_the_codes(folder, region, voxels):
    cohort = references_cohort(folder, labels="et=1,ncr=2,ed=3", region=region)
    reference = load_case(cohort.cases[0], sequences=()).reference
    assert reference is not None
    assert reference.array.sum() == voxels
    assert DataOptions(labels=cohort.labels, region=region).references(folder).cases == cohort.cases


def test_the_codes_are_kept_and_said_with_the_results(tmp_path, folder):
    cohort = references_cohort(folder, labels="ED=3,et=1,ncr=2", region="tc")
    results, sources = Results(tmp_path / "out"), parse_sources([f"A={folder}"])
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    manifest = results.manifest()
    assert manifest.settings.labels == "et=1,ncr=2,ed=3"
    assert whole_cohort(manifest).region == cohort.region
    assert (
        "Region: tumour core (TC): 1+2, by the labels et=1,ncr=2,ed=3 "
        "(1 enhancing tumour (ET), 2 necrotic core (NCR), 3 edema (ED))." in notes(manifest, results.cases())
    )


def test_the_core_of_a_childs_tumour_holds_its_cyst():
    """As BraTS PED has it: TC is 1, 2 and 3."""
    regions = find_scheme("et=1,netc=2,cc=3,ed=4").regions
    assert (regions["tc"], regions["whole"]) == ((1, 2, 3), (1, 2, 3, 4))
