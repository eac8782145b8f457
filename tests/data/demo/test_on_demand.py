"""Images of the demo that are drawn when a case is opened."""

import hashlib
import shutil

import pytest

from afl_core.data.check.check import check_cohort
from afl_core.data.demo.case import is_drawn, write_demo_case
from afl_core.data.demo.design import DemoSpec, Scan
from afl_core.data.demo.on_demand import leave_undrawn
from afl_core.data.demo.phantom import SEQUENCES
from afl_core.data.demo_cohort import write_demo
from afl_core.data.layouts import load_case, load_cohort, load_sequence
from afl_core.errors import DataError
from afl_core.evaluation.network_sources import CheckpointSource

SPEC = DemoSpec(n_train=0, n_validation=0, n_test=1, spacing_mm=2.0)
SECOND = Scan("test", 0, 2)  # of the one patient, whose growth is 1.5


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn")
    write_demo(root, SPEC)
    return root


@pytest.fixture
def undrawn(drawn, tmp_path):
    """The same cohort with references and records alone."""
    shutil.copytree(drawn, tmp_path / "demo")
    for folder in (tmp_path / "demo" / "HGG").iterdir():
        for name in SEQUENCES:
            (folder / f"{folder.name}_{name}.nii.gz").unlink()
        leave_undrawn(folder)
    return tmp_path / "demo"


def bytes_of(root):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (root / "HGG").rglob("*.nii.gz")}


def test_opening_a_case_draws_its_images_the_same_as_ever_and_no_other_case_s(drawn, undrawn):
    first, second = load_cohort(undrawn).cases
    assert second.case_id == SECOND.case_id
    assert list(second.sequences) == ["flair", "t1", "t1ce", "t2"]
    load_sequence(second, "t2")
    assert {path.stat().st_size for path in first.sequences.values()} == {0}
    wanted, there = bytes_of(drawn), bytes_of(undrawn)
    assert {n: b for n, b in there.items() if SECOND.case_id in n} == {
        n: b for n, b in wanted.items() if SECOND.case_id in n
    }
    load_case(first)
    assert bytes_of(undrawn) == wanted
    assert not list(undrawn.rglob(".*"))


def test_the_reference_alone_draws_nothing(undrawn):
    case = load_cohort(undrawn).cases[0]
    load_case(case, sequences=[])
    assert not is_drawn(case.reference.parent, SPEC)


def test_what_a_network_predicts_depends_on_the_drawn_images(drawn, undrawn, make_checkpoint, tmp_path):
    make_checkpoint(tmp_path / "network", sequences=("flair", "t1", "t1ce", "t2"))
    source = CheckpointSource("FL", tmp_path / "network")
    keys = [source.key(load_cohort(root).cases[0]) for root in (drawn, undrawn)]
    assert keys[0] == keys[1]


def test_the_cohort_is_completed_by_writing_it(drawn, undrawn):
    told = []
    write_demo(undrawn, SPEC, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert bytes_of(undrawn) == bytes_of(drawn)
    assert write_demo_case(undrawn, SPEC, SECOND)


def test_the_check_says_that_they_are_not_drawn_and_finds_nothing_wrong(undrawn, tmp_path):
    report = check_cohort(load_cohort(undrawn), index=tmp_path / "index")
    assert report.worst != "error"
    (note,) = (finding for finding in report.findings if "images are not drawn" in finding.what)
    assert note.what == "2 cases of the demo whose images are not drawn yet"
    assert "afl demo --images" in note.todo
    assert report.unusable == ()
    assert report.cases[0].sequences == ("flair", "t1", "t1ce", "t2")


@pytest.mark.parametrize("record", [None, "[]", '{"seed": "x"}', "not json"])
def test_a_case_whose_record_is_gone_or_damaged_says_so(undrawn, record):
    case = load_cohort(undrawn).cases[0]
    path = case.reference.parent / "lesions.json"
    path.unlink()
    if record is not None:
        path.write_text(record)
    with pytest.raises(DataError):
        load_sequence(case, "t2")


def test_an_id_that_is_none_of_the_demo_s_is_refused():
    assert Scan.of("Brats18_SYN_test_007_visit2") == Scan("test", 7, 2)
    for wrong in ("Brats18_SYN_test_7", "Brats18_SYN_best_007", "Brats18_SYN_test_007_visit1", "x"):
        with pytest.raises(ValueError, match=r".*"):
            Scan.of(wrong)
