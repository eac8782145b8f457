"""Organs that are labelled beside lesions are said before the whole of both is measured."""

import json

import made_trees
import numpy as np
import pytest

from afl_core import evaluate
from afl_core.data.check.check import check_cohort
from afl_core.data.check.doubts import doubt_organs, with_tumour
from afl_core.data.formats.nrrd import read_segments
from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import SCHEMES
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.layouts.decathlon import declared_scheme
from afl_core.data.organs import doubt_segments, doubt_whole, is_lesion, is_organ
from afl_core.errors import UsageError
from afl_core.evaluation.caveats import warnings
from afl_core.evaluation.results import Results
from afl_core.evaluation.run import evaluate_into
from afl_core.evaluation.sources import decide_meanings, parse_sources
from afl_core.volume import Region

LITS = {"background": 0, "liver": 1, "tumor": 2}


@pytest.mark.parametrize(
    ("labels", "ways"),
    [
        (LITS, ["--region tumor"]),
        ({"0": "background", "1": "pancreas", "2": "cancer"}, ["--region cancer"]),
        ({"background": 0, "kidney": 1, "tumor": 2, "cyst": 3}, ["--region tumor", "--region cyst"]),
        ({"background": 0, "whole gland": [1, 2], "lesion": [2]}, ["--region lesion"]),
        ({"0": "background", "1": "Vessel", "2": "Tumour"}, ["--region tumour"]),
        ({"background": 0, "PZ": 1, "TZ": 2, "csPCa lesion": 3}, ["--region 'cspca lesion'"]),
        ({"0": "bg", "1": "normal brain", "2": "GTVp", "3": "brain metastases"}, ["gtvp", "'brain metastases'"]),
        ({"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}, []),
        ({"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}, []),
        ({"0": "background", "1": "PZ", "2": "TZ"}, []),
        ({"background": 0, "lung nodule": 1, "liver metastasis": 2}, []),
        ({"background": 0, "prostate lesion": 1}, []),
    ],
)
def test_organs_that_dataset_json_declares(labels, ways, tmp_path):
    scheme = declared_scheme({"labels": labels}, tmp_path)
    said = doubt_whole(scheme, scheme.region("whole"))
    assert bool(said) == bool(ways)
    assert all(way in said for way in ways)
    for name in set(scheme.regions) - {"whole"}:
        assert not doubt_whole(scheme, scheme.region(name))  # asked for


@pytest.mark.parametrize("name", SCHEMES)
def test_no_known_scheme_is_doubted(name):
    assert doubt_whole(SCHEMES[name], SCHEMES[name].region("whole")) == ""


def test_own_codes_and_described_labels_are_doubted_alike(tmp_path):
    codes = find_scheme("prostate=1,lesion=2")
    assert "prostate beside lesion" in doubt_whole(codes, codes.region("wt"))
    for case_id in "ab":
        made_trees.write(tmp_path / f"{case_id}.nii.gz", [1, 7])
    (tmp_path / "afl-layout.toml").write_text('reference = "{case}.nii.gz"\n[labels]\n1 = "Liver"\n7 = "HCC lesion"\n')
    said = doubt_organs(load_cohort(tmp_path))
    assert "--labels liver=1,hcc_lesion=7 --region hcc_lesion" in said
    asked = references_cohort(tmp_path, labels="liver=1,hcc_lesion=7", region="hcc_lesion")
    assert (asked.region.inside, doubt_organs(asked)) == ((7,), "")


def write_segments(path, names, *, labels=None):
    """A .seg.nrrd of 3D Slicer with a voxel a segment."""
    array = np.zeros((4, 4, 4), np.uint8)
    values = labels or range(1, len(names) + 1)
    array.ravel()[: len(names)] = list(values)
    told = "".join(
        f"Segment{n}_ID:=S{n}\nSegment{n}_LabelValue:={value}\nSegment{n}_Layer:=0\nSegment{n}_Name:={name}\n"
        for n, (name, value) in enumerate(zip(names, values, strict=True))
    )
    head = (
        "NRRD0004\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\n"
        "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nencoding: raw\n"
        f"space origin: (0,0,0)\n{told}\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.encode() + array.tobytes())
    return path


def test_segments_are_read_by_their_label(tmp_path):
    path = write_segments(tmp_path / "a.seg.nrrd", ["Leber: Rand", "Tumor 1"], labels=[4, 2])
    assert read_segments(path) == {4: "Leber: Rand", 2: "Tumor 1"}
    (tmp_path / "b.nrrd").write_bytes(b"no NRRD")
    assert read_segments(tmp_path / "b.nrrd") == {}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([["Liver", "Liver tumour"]] * 2, "--labels liver=1,liver_tumour=2 --region liver_tumour"),
        ([["Liver", "Tumor"], ["Tumor", "Liver"]], "save the lesions as masks of their own"),
        ([["Liver"], ["Tumor"]], "save the lesions"),
        ([["Prostate", "1st lesion"]], "--labels prostate=1,label_2=2 --region label_2"),
        ([["Tumor", "Edema"]], ""),
        ([["Segment_1", "Segment_2"]], ""),
    ],
)
def test_segments_of_organs_and_lesions(tmp_path, files, said):
    paths = [write_segments(tmp_path / f"{n}.seg.nrrd", names) for n, names in enumerate(files)]
    found = doubt_segments(paths, Region(), of="The references")
    assert bool(found) == bool(said)
    assert said in found
    assert doubt_segments(paths, Region("x", (2,), (1, 2)), of="") == ""
    of_source = doubt_segments(paths, Region(), of="The files of A", is_source=True)
    assert bool(of_source) == bool(said)
    assert "--labels" not in of_source  # codes hold for the references too, which may have others


def test_check_and_results_say_it_once_for_references_and_once_for_a_source(tmp_path):
    for case_id in "ab":
        for folder in ("refs", "A"):
            write_segments(tmp_path / folder / f"{case_id}.seg.nrrd", ["Liver", "Tumor"])
    cohort = references_cohort(tmp_path / "refs")
    findings = check_cohort(cohort, index=tmp_path / "index", read=False).findings
    assert sum("Liver beside Tumor" in finding.what for finding in findings) == 1
    results, sources = Results(tmp_path / "out"), decide_meanings(parse_sources([f"A={tmp_path / 'A'}"]), cohort)
    results.describe_cohort(cohort, sources)
    evaluate_into(results, cohort.cases, sources)
    told = [text for text in warnings(results.manifest(), results.cases()) if "Liver beside Tumor" in text]
    assert [text.partition(" name ")[0] for text in told] == ["The references", "The files of A"]
    asked = references_cohort(tmp_path / "refs", labels="liver=1,tumor=2", region="tumor")
    assert (asked.region.inside, doubt_organs(asked)) == ((2,), "")


def test_a_data_set_of_nnunet_is_warned_of_in_its_check(tmp_path):
    made_trees.nnunet(tmp_path)
    path = next(tmp_path.rglob("dataset.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": LITS | {"cyst": 3}}))
    (finding,) = [
        f for f in check_cohort(load_cohort(tmp_path), index=tmp_path / "i", read=False).findings if "liver" in f.what
    ]
    assert finding.level == "warning"
    assert "--region tumor, or --region cyst" in finding.what


def test_names_in_plural_and_in_parts():
    assert all(map(is_organ, ["Kidneys", "left_lung", "hepatic vessels", "transitional zone", "grey matter"]))
    assert not any(map(is_organ, ["lesion", "background", "edema", "resection cavity (no tumour)", "core"]))
    assert not is_lesion("healthy tissue")


@pytest.fixture
def liver(tmp_path):
    """A data set of nnU-Net with liver, tumour and cyst, and predictions of its cases."""
    made_trees.nnunet(tmp_path / "data")
    path = next((tmp_path / "data").rglob("dataset.json"))
    said = json.loads(path.read_text())
    del said["regions_class_order"]
    path.write_text(json.dumps(said | {"labels": LITS | {"cyst": 3}}))
    for reference in path.parent.glob("labelsTr/*"):
        made_trees.write(tmp_path / "A" / reference.name, [1, 2, 3])
    return tmp_path


def test_a_tumour_beside_an_organ_is_asked_for(liver):
    cohort = load_cohort(liver / "data")
    with pytest.raises(UsageError, match="not said which label is the tumour") as caught:
        with_tumour(cohort)
    assert "liver beside tumor and cyst" in str(caught.value)
    assert "--region tumor, or --region cyst" in str(caught.value)
    assert "--region whole" in str(caught.value)
    part = load_cohort(liver / "data", region="tumor")
    assert with_tumour(part) is part
    with pytest.raises(UsageError, match="--region tumor"):
        evaluate({"A": liver / "A"}, liver / "out", data=liver / "data")
    with pytest.raises(UsageError, match="--region tumor"):
        evaluate({"A": liver / "A"}, liver / "out", data=liver / "data", regions=())
    assert not (liver / "out").exists()


@pytest.mark.parametrize(
    ("named", "measured"),
    [
        ({"region": "tumor"}, {"tumor"}),
        ({"region": "whole"}, {"whole"}),
        ({"region": "tumor", "regions": ()}, {"tumor", "cyst", "liver"}),
        ({"regions": ("cyst", "whole")}, {"cyst", "whole"}),
    ],
)
def test_what_was_named_is_measured_and_a_mixed_whole_only_then(liver, named, measured):
    evaluate({"A": liver / "A"}, liver / "out", data=liver / "data", **named)
    assert set(Results(liver / "out").cases()["region"]) == measured


@pytest.mark.parametrize(
    ("labels", "region"),
    [
        ({"0": "background", "1": "liver", "2": "cancer"}, "cancer"),
        ({"0": "background", "1": "Vessel", "2": "Tumour"}, "tumour"),
        ({"0": "background", "1": "PZ", "2": "TZ"}, "whole"),
        ({"0": "background", "1": "cancer"}, "whole"),
    ],
)
def test_the_tasks_of_the_decathlon_say_their_tumour(labels, region, tmp_path):
    made_trees.msd_task(tmp_path)
    path = next(tmp_path.rglob("dataset.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": labels}))
    cohort = with_tumour(load_cohort(tmp_path))
    assert cohort.layout.name == "msd_task"
    assert cohort.region.name == region
    assert {case.region for case in cohort.cases} == {cohort.region}


def test_two_lesions_beside_an_organ_are_asked_for_in_a_decathlon_too(tmp_path):
    made_trees.msd_task(tmp_path)
    path = next(tmp_path.rglob("dataset.json"))
    labels = {"0": "background", "1": "liver", "2": "cancer", "3": "cyst"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": labels}))
    with pytest.raises(UsageError, match="--region cancer, or --region cyst"):
        with_tumour(load_cohort(tmp_path))


@pytest.mark.parametrize("place", ["references/dataset.json", "dataset.json"])
def test_references_alone_are_as_a_dataset_json_with_them_says(place, tmp_path):
    for case_id in "ab":
        made_trees.write(tmp_path / "references" / f"{case_id}.nii.gz", [1, 2])
    (tmp_path / place).write_text(json.dumps({"labels": LITS}))
    scheme = references_cohort(tmp_path / "references").layout.scheme
    assert ("tumor" in scheme.regions) == (place != "dataset.json")  # above any folder but labelsTr it is not theirs
