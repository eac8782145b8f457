"""The check is right about every trap, reads nothing twice, and gives a report that a program can read too."""

import json
import os
import shutil
from pathlib import Path

import made_trees
import numpy as np
import pytest
from made_trees import SHAPE, write, write_empty

from afl_core.data.check.check import Report, check_cohort
from afl_core.data.check.facts import Finding
from afl_core.data.layouts import load_cohort, references_cohort
from afl_core.data.splits import save_splits

CASE = "Brats18_2013_2_1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two whole BraTS 2018 cases."""
    made_trees.brats2018(tmp_path / "data")
    return tmp_path / "data"


def check(root: Path, **asked: str) -> Report:
    return check_cohort(load_cohort(root, **asked), index=root.parent / "index")


def file(root: Path, name: str, case_id: str = CASE) -> Path:
    return next(root.rglob(f"{case_id}_{name}.nii.gz"))


def only(report: Report, level: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.level == level]
    return finding


def test_a_whole_data_set_has_no_finding_and_every_number(root: Path) -> None:
    report = check(root)
    assert report.findings == ()
    first = report.cases[0]
    assert (first.case_id, first.group, first.sequences) == (CASE, "HGG", ("flair", "t1", "t1ce", "t2"))
    assert (first.shape, first.spacing_mm, first.stored) == (SHAPE, (1, 1, 3), "LPS")
    assert (first.labels, first.lesions) == ({1: 1, 2: 1, 4: 1}, 1)
    assert first.volume_ml == pytest.approx(0.009)
    (grid,) = report.grids
    assert (grid.what, grid.cases) == ("flair, t1, t1ce, t2, reference", 2)
    assert [(row.value, row.cases) for row in report.values] == [(1, 2), (2, 2), (4, 2)]


def test_only_the_region_is_measured(root: Path) -> None:
    assert check(root, region="et").cases[0].volume_ml == pytest.approx(0.003)


def test_a_missing_modality_is_a_warning_by_what_is_missing(root: Path) -> None:
    file(root, "t2").unlink()
    finding = only(check(root), "warning")
    assert (finding.what, finding.items) == ("1 case with no t2 image", (CASE,))


def test_a_mixed_orientation_is_a_note_and_no_shift(root: Path) -> None:
    path = file(root, "t1")
    shutil.copy(path, root.parent / "kept.nii.gz")
    write(path, axes="RAS")
    finding = only(check(root), "note")
    assert "stored in 2 orders (LPS in 2 cases, RAS in 1 case)" in finding.what
    assert finding.items == (CASE,)


def test_a_truncated_image_is_named(root: Path) -> None:
    path = file(root, "t1ce")
    path.write_bytes(path.read_bytes()[:-30])
    finding = only(check(root), "error")
    assert finding.what == "1 file that cannot be read"
    assert path.name in finding.items[0]


@pytest.mark.parametrize("suffix", [".nii", ".mha", ".nii.gz"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_truncated_file_is_found_by_its_length(tmp_path: Path, suffix: str, compressed: bool) -> None:
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 999, (9, 8, 7)).astype(np.int16))
    path = tmp_path / "data" / "images" / f"a_t1{suffix}"
    path.parent.mkdir(parents=True)
    sitk.WriteImage(image, str(path), useCompression=compressed)
    assert check(tmp_path / "data").worst == "note", "only: no reference"
    path.write_bytes(path.read_bytes()[:-20])
    assert f"a_t1{suffix}" in only(check(tmp_path / "data"), "error").items[0]


def test_a_gzip_file_of_several_streams_is_whole(root: Path) -> None:
    """Its last four bytes are the length of the last stream alone."""
    import gzip

    path = file(root, "flair")
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[:500]) + gzip.compress(plain[500:]))
    assert check(root).findings == ()


@pytest.mark.parametrize(
    ("coded", "said"),
    [(lambda mask: mask + 1, "no voxel of 0"), (lambda mask: 1 - mask, "all eight corners"), (lambda mask: mask, "")],
)
def test_a_reference_without_background_or_inverted_is_an_error(tmp_path: Path, write_nifti, coded, said: str) -> None:
    mask = np.zeros((6, 7, 8), np.uint8)
    mask[2:4, 2:5, 2:6] = 1
    write_nifti(tmp_path / "refs" / "a.nii.gz", coded(mask))
    report = check_cohort(references_cohort(tmp_path / "refs"), index=tmp_path / "index")
    errors = [(finding.level, finding.what) for finding in report.findings]
    assert errors == ([("error", "1 reference that cannot be used")] if said else []), "nor is it asked what 2 means"
    assert report.sound == (() if said else ("a",))
    if said:
        assert said in only(report, "error").items[0]


def test_a_swapped_label_scheme_is_an_error_by_file_and_value(root: Path) -> None:
    write(file(root, "seg"), [1, 2, 3])
    finding = only(check(root), "error")
    assert finding.what == "1 reference that cannot be used"
    assert f"{CASE}_seg.nii.gz" in finding.items[0]
    assert "3 where 1, 2, 4 are known" in finding.items[0]
    assert [(row.value, row.meaning.split(":")[0]) for row in check(root).values][2] == (3, "unknown")


def test_labels_that_fit_several_schemes_are_a_question(tmp_path: Path) -> None:
    made_trees.plain(tmp_path / "data")
    finding = only(check(tmp_path / "data"), "question")
    assert "1, 2, 4 could be of 3 known schemes" in finding.what
    assert [item.split(":")[0] for item in finding.items] == ["brats", "brats2013", "brats2024"]
    assert check(tmp_path / "data", labels="brats").findings == ()


def test_empty_references_and_missing_ones_are_notes(root: Path) -> None:
    write_empty(file(root, "seg"))
    file(root, "seg", "Brats18_TCIA09_141_1").unlink()
    first, second = check(root).findings
    assert (first.what, first.items) == ("1 case without a reference", ("Brats18_TCIA09_141_1",))
    assert (second.what, second.items) == ("1 empty reference, of 1", (CASE,))
    assert check(root).empty == (CASE,)


def test_the_same_bytes_under_two_ids_are_an_error_empty_masks_are_not(root: Path) -> None:
    for case_id in (CASE, "Brats18_TCIA09_141_1"):
        write_empty(file(root, "seg", case_id))
    assert check(root).worst == "note"
    shutil.copy(file(root, "t1"), file(root, "t1", "Brats18_TCIA09_141_1"))
    finding = only(check(root), "error")
    assert finding.items == (f"{CASE} t1 = Brats18_TCIA09_141_1 t1",)


def test_files_of_one_length_are_told_apart(root: Path) -> None:
    """Uncompressed images of one grid all have one length, and may begin alike."""
    for case_id, last in ((CASE, 1), ("Brats18_TCIA09_141_1", 2)):
        path = file(root, "t2", case_id)
        path.unlink()
        image = np.zeros((64, 64, 16), np.int16)
        image[-1, -1, -1] = last
        import nibabel as nib

        nib.save(nib.Nifti1Image(image, np.eye(4)), path.with_name(path.name.removesuffix(".gz")))
    assert not [f for f in check(root).findings if "same bytes" in f.what]


def test_another_grid_is_an_error_unless_it_is_to_be_resampled(root: Path, tmp_path: Path) -> None:
    write(file(root, "t1"), shape=(6, 7, 6))
    finding = only(check(root), "error")
    assert "(6, 7, 6) against (6, 7, 5) voxels" in finding.items[0]
    made_trees.picai(tmp_path / "picai")
    write(tmp_path / "picai/picai_public_images_fold0/10000/10000_1000000_adc.mha", shape=(4, 4, 4))
    report = check(tmp_path / "picai")
    assert report.worst == "note"
    assert any("1 image on another grid than t2w, brought onto it" in finding.what for finding in report.findings)


def test_patients_with_several_studies_and_a_split_that_leaks(tmp_path: Path) -> None:
    root = tmp_path / "data"
    made_trees.brats2023(root)
    assert only(check(root), "note").items == ("BraTS-GLI-00002: 2 studies",)
    save_splits(root / "splits.json", {"train": ["BraTS-GLI-00002-000", "gone"], "test": ["BraTS-GLI-00002-001"]})
    report = check(root)
    assert report.splits == {"train": 1, "test": 1}  # the other is not there
    assert only(report, "error").items == ("BraTS-GLI-00002: test, train",)
    assert only(report, "warning").items == ("gone",)
    assert only(report, "warning").what == "splits.json names 1 case not in the data set"
    (root / "splits.json").write_text("[]")
    assert "is not a split file" in only(check(root), "error").items[0]


def test_two_spellings_of_a_patient_in_the_table_are_found(root: Path, tmp_path: Path) -> None:
    other = CASE.lower()
    (tmp_path / "t.csv").write_text(f"case_id,patient\n{CASE},p1\n{other},p9\ngone,p2\n")
    cohort = load_cohort(root, patients=tmp_path / "t.csv")
    found = {finding.what: finding.items for finding in check_cohort(cohort, index=tmp_path / "index").findings}
    assert found["1 id in two spellings in the declaration of patients"] == (f"{CASE} (taken) and {other}",)
    assert found["The table of patients names 1 case not in the data set"] == ("gone",)


def test_strays_links_and_references_without_images(root: Path) -> None:
    write(root / "HGG" / "notes.nii.gz")
    (root / "HGG" / "far").symlink_to(root.parent)
    (root / "LGG" / "lonely").mkdir()
    write(root / "LGG" / "lonely" / "lonely_seg.nii.gz", [4])
    report = check(root)
    assert only(report, "warning").items == ("HGG/notes.nii.gz",)
    error = only(report, "error")
    assert error.what == "2 cases left out"
    assert "leaves the folder" in error.items[0]
    assert "lonely is left out: no image" in error.items[1]


def test_nothing_is_read_twice_and_what_changed_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from afl_core.data.check import index, references

    read: list[str] = []
    header, describe = index.read_header, references.describe_reference
    monkeypatch.setattr(index, "read_header", lambda path, **k: (read.append(path.name), header(path, **k))[1])
    monkeypatch.setattr(references, "describe_reference", lambda case: (read.append(case.case_id), describe(case))[1])
    first = check(root)
    assert len(read) == 2 * 5 + 2
    read.clear()
    assert check(root) == first
    assert read == []
    write(file(root, "seg"), [1, 1, 1, 2])
    os.utime(file(root, "t1"), ns=(1, 1))
    again = check(root)
    assert sorted(read) == sorted([f"{CASE}_seg.nii.gz", f"{CASE}_t1.nii.gz", CASE])
    assert again.cases[0].labels == {1: 3, 2: 1}
    read.clear()
    check(root, region="tc")
    assert read == [CASE, "Brats18_TCIA09_141_1"], "another region is described anew, headers are not read"


def test_what_was_read_is_kept_when_the_reading_is_interrupted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from afl_core.data.check import index

    def stop(done: int, total: int, note: str) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_cohort(load_cohort(root), index=root.parent / "index", progress=stop)
    read: list[str] = []
    header = index.read_header
    monkeypatch.setattr(index, "read_header", lambda path, **k: (read.append(path.name), header(path, **k))[1])
    check(root)
    assert len(read) == 4


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 1}', b'{"version": 1, "files": [], "references": 3}'])
def test_a_damaged_index_is_made_again(root: Path, content: bytes) -> None:
    first = check(root)
    (kept,) = (root.parent / "index").iterdir()
    kept.write_bytes(content)
    assert check(root) == first
    kept.unlink()
    kept.mkdir()  # cannot be written
    assert check(root) == first


def test_headers_alone(root: Path) -> None:
    report = check_cohort(load_cohort(root), index=root.parent / "index", read=False)
    assert (report.references_read, report.values, report.empty) == (False, (), ())
    assert np.isnan(report.cases[0].volume_ml)


def test_the_report_is_json(root: Path) -> None:
    file(root, "seg").unlink()
    said = json.loads(json.dumps(check(root).as_dict(), allow_nan=False))
    assert said["cases"][0]["volume_ml"] is None
    assert said["cases"][1]["labels"] == {"1": 1, "2": 1, "4": 1}
    assert said["findings"][0]["level"] == "note"
    assert said["layout"] == ["brats2018", "BraTS 2018 (also 2017, 2019 and 2020)"]


@pytest.mark.skipif("AFL_REAL_DATA" not in os.environ, reason="AFL_REAL_DATA names no folder of real cases")
@pytest.mark.parametrize("name", ["brats_2013", "picai", "picai_masks"])
def test_real_data_sets(tmp_path: Path, name: str) -> None:
    cohort = load_cohort(Path(os.environ["AFL_REAL_DATA"]) / name)
    report = check_cohort(cohort, index=tmp_path, read=name != "picai_masks")
    assert (cohort.problems, cohort.incomplete, cohort.strays) == ((), (), ())
    assert report.worst in ("", "note")
    if name == "brats_2013":
        assert [row.case_id for row in report.cases] == [f"brats_2013_pat000{k}_1" for k in (2, 4, 5)]
        assert all(set(row.labels) == {1, 2, 3, 4} and row.shape == (240, 240, 155) for row in report.cases)
    if name == "picai":
        assert [(row.what, row.shape) for row in report.grids] == [
            ("t2w, reference", (384, 384, 19)),
            ("adc, hbv", (84, 128, 19)),
        ]
        assert report.empty == ("10795_1000811",)
    if name == "picai_masks":
        assert len(report.cases) == len({row.patient for row in report.cases}) == 179
        assert all(row.reference and not row.sequences for row in report.cases)


def test_unused_masks_of_a_model_can_be_evaluated(tmp_path):
    made_trees.picai(tmp_path)
    made_trees.write(tmp_path / "my model" / "10000_1000000_pred.nii.gz", [1])
    findings = check_cohort(load_cohort(tmp_path), index=tmp_path / "index", read=False).findings
    todos = [finding.todo for finding in findings if "afl evaluate" in finding.todo]
    labels = tmp_path / "picai_labels" / "csPCa_lesion_delineations"
    assert sorted(text.partition("--source ")[2].partition(". ")[0] for text in todos) == [
        f"'my_model={tmp_path / 'my model'}'",
        f"AI={labels / 'AI' / 'Bosma22a'}",
    ]
