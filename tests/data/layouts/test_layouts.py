"""Folders become cohorts: recognised from their files, never guessed, one bad case never stops the others."""

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.layouts import (
    LAYOUTS,
    detect_layout,
    load_case,
    load_cohort,
    load_references,
    references_cohort,
)
from afl_core.data.scan import scan_folder, typed_folder
from afl_core.errors import DataError, GeometryError, UsageError
from afl_core.volume import Case

SHAPE = (4, 5, 6)


def write(path: Path, value: float = 1, *, shape: tuple[int, ...] = SHAPE, shift_mm: float = 0) -> Path:
    """A tiny image in LPS storage whose RAS+ origin is the same for all; one corner is background."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[0, 3] = shift_mm
    target = path.with_name(path.name.lower())
    array = np.full(shape, value, np.float32)
    array.flat[0] = 0
    nib.save(nib.Nifti1Image(array, affine), target)
    return target.rename(path)


def brats(root: Path, case_id: str, *, group: str = "HGG", skip: Iterable[str] = ()) -> Path:
    folder = root / group / case_id
    for number, name in enumerate(("flair", "t1", "t1ce", "t2")):
        if name not in skip:
            write(folder / f"{case_id}_{name}.nii.gz", number + 2)
    if "seg" not in skip:
        write(folder / f"{case_id}_seg.nii.gz", 4)
    return folder


def plain(root: Path, case_id: str, *, sequences: Iterable[str] = ("t1", "flair"), suffix: str = ".nii.gz") -> None:
    for name in sequences:
        write(root / "images" / f"{case_id}_{name}{suffix}")
    write(root / "references" / f"{case_id}{suffix}")


def deepmedic(root: Path, case_id: str) -> None:
    for name in ("Flair_subtrMeanDivStd", "T1c_subtrMeanDivStd", "OTMultiClass", "brainmask"):
        write(root / case_id / f"{name}.nii.gz")


def refused(what: Callable[[], object], *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        what()
    for part in parts:
        assert part in str(caught.value)


def test_brats_2018(tmp_path: Path) -> None:
    brats(tmp_path, "Brats18_B")
    brats(tmp_path, "Brats18_A", group="LGG", skip=["seg"])
    write(tmp_path / "HGG" / "Brats18_B" / "._Brats18_B_t1.nii.gz")  # macOS leaves these behind
    (tmp_path / "HGG" / "Brats18_B" / "lesions.json").write_text("{}")
    cohort = load_cohort(tmp_path)
    assert (cohort.root, cohort.layout.name, cohort.problems) == (tmp_path, "brats2018", ())
    first, second = cohort.cases
    assert (first.case_id, first.group, first.reference) == ("Brats18_A", "LGG", None)
    assert (second.case_id, second.group) == ("Brats18_B", "HGG")
    folder = tmp_path / "HGG" / "Brats18_B"
    assert second.reference == folder / "Brats18_B_seg.nii.gz"
    assert dict(second.sequences) == {n: folder / f"Brats18_B_{n}.nii.gz" for n in ("flair", "t1", "t1ce", "t2")}


def test_brats_without_grade_folders(tmp_path: Path) -> None:
    brats(tmp_path, "Brats18_A", group="")
    (case,) = load_cohort(tmp_path).cases
    assert (case.case_id, case.group) == ("Brats18_A", "")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".NII.GZ", ".NII"])
def test_plain(tmp_path: Path, suffix: str) -> None:
    plain(tmp_path, "Zoë case_01", sequences=("T1c", "FLAIR"), suffix=suffix)
    write(tmp_path / "images" / f"no_reference_t2{suffix}")
    cohort = load_cohort(tmp_path)
    assert cohort.layout.name == "plain"
    first, second = cohort.cases
    assert (first.case_id, set(first.sequences)) == ("Zoë case_01", {"t1ce", "flair"})
    assert first.reference == tmp_path / "references" / f"Zoë case_01{suffix}"
    assert (second.case_id, set(second.sequences), second.reference) == ("no_reference", {"t2"}, None)
    assert load_case(first).reference is not None


@pytest.mark.parametrize(
    ("image", "reference"), [("a_adc.mha", "a.mha"), ("a_adc.nrrd", "a.nrrd"), ("a_adc.nrrd", "a.seg.nrrd")]
)
def test_plain_reads_mha_and_nrrd(tmp_path: Path, image: str, reference: str) -> None:
    import SimpleITK as sitk  # noqa: N813

    for path in (tmp_path / "images" / image, tmp_path / "references" / reference):
        path.parent.mkdir(exist_ok=True)
        sitk.WriteImage(sitk.GetImageFromArray(np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 2), str(path))
    (case,) = load_cohort(tmp_path).cases
    assert load_case(case).images["adc"].array.shape == (5, 4, 3)


def test_a_plain_reference_without_images_is_a_problem(tmp_path: Path) -> None:
    plain(tmp_path, "a")
    write(tmp_path / "references" / "b.nii.gz")
    cohort = load_cohort(tmp_path)
    assert [c.case_id for c in cohort.cases] == ["a"]
    ((case_id, message),) = cohort.problems
    assert case_id == "b"
    assert "no image" in message


def test_deepmedic(tmp_path: Path) -> None:
    deepmedic(tmp_path, "brats_2013_pat0002_1")
    cohort = load_cohort(tmp_path)
    assert cohort.layout.name == "deepmedic"
    (case,) = cohort.cases
    assert (case.case_id, set(case.sequences)) == ("brats_2013_pat0002_1", {"flair", "t1ce"})
    assert case.reference is not None
    assert case.reference.name == "OTMultiClass.nii.gz"


def test_a_case_that_lacks_a_modality_is_kept_and_named(tmp_path: Path) -> None:
    for case_id, skip in (("a", []), ("b", ["t1ce", "t2"]), ("c", [])):
        brats(tmp_path, case_id, skip=skip)
    cohort = load_cohort(tmp_path)
    assert [case.case_id for case in cohort.cases] == ["a", "b", "c"]
    assert cohort.incomplete == (("b", "no t1ce and no t2 image"),)
    assert cohort.sequences == ("flair", "t1", "t1ce", "t2")
    assert set(load_case(cohort.cases[1], sequences=("flair", "t1")).images) == {"flair", "t1"}
    refused(lambda: load_case(cohort.cases[1], sequences=("flair", "t2")), "b has no t2 image", "only flair, t1")


def test_a_reference_without_any_image_is_a_problem_of_its_case_alone(tmp_path: Path) -> None:
    brats(tmp_path, "a")
    brats(tmp_path, "b", skip=("flair", "t1", "t1ce", "t2"))
    cohort = load_cohort(tmp_path)
    assert [case.case_id for case in cohort.cases] == ["a"]
    ((case_id, message),) = cohort.problems
    assert case_id == "b"
    assert "no image" in message


def test_two_files_for_one_sequence_are_a_problem(tmp_path: Path) -> None:
    write(brats(tmp_path, "a") / "a_t1.nii")
    brats(tmp_path, "b")
    brats(tmp_path, "b", group="LGG")
    cohort = load_cohort(tmp_path)
    assert cohort.cases == ()
    (_, first), (_, second) = cohort.problems
    assert "HGG/a/a_t1.nii and HGG/a/a_t1.nii.gz" in first
    assert "HGG/b/" in second
    assert "LGG/b/" in second


def test_missing_root_file_for_a_folder_and_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for what in (load_cohort, detect_layout, load_references):
        refused(lambda f=what: f(tmp_path / "none"), "There is no such folder", str(tmp_path / "none"))
        refused(lambda f=what: f(tmp_path / "file"), "A folder is due, not a file", str(tmp_path / "file"))
        refused(lambda f=what: f(tmp_path / "empty"), str(tmp_path / "empty"))
    refused(lambda: load_cohort(tmp_path / "empty"), "received: an empty folder", "Taken are .nii")


def test_no_layout_says_what_was_found_and_what_to_do(tmp_path: Path) -> None:
    write(tmp_path / "scans" / "patient.nii.gz")
    refused(lambda: detect_layout(tmp_path), "1 image file such as scans/patient.nii.gz", "afl-layout.toml")


def test_two_layouts_are_never_guessed_between(tmp_path: Path) -> None:
    brats(tmp_path, "a")
    plain(tmp_path, "b")
    refused(lambda: load_cohort(tmp_path), "brats2018 (4 images)", "plain (2 images)")
    assert [case.case_id for case in load_cohort(tmp_path, layout="plain").cases] == ["b"]
    assert [case.case_id for case in load_cohort(tmp_path, layout="brats2018").cases] == ["a"]


def test_a_layout_by_name_must_exist_and_fit(tmp_path: Path) -> None:
    brats(tmp_path, "a")
    with pytest.raises(UsageError, match="Did you mean brats2018"):
        load_cohort(tmp_path, layout="brats208")
    refused(lambda: load_cohort(tmp_path, layout="plain"), "5 image files such as HGG/a/a_", "images/CASE_SEQUENCE")


def test_the_catalogue_cannot_be_changed() -> None:
    assert isinstance(LAYOUTS, MappingProxyType)
    assert all(name == layout.name for name, layout in LAYOUTS.items())


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    secret = write(outside / "secret.nii.gz")
    for case_id in ("file", "fine", "inner"):
        brats(root, case_id)
    leaving = root / "HGG" / "file" / "file_t1.nii.gz"
    leaving.unlink()
    leaving.symlink_to(secret)
    inner = root / "HGG" / "inner" / "inner_t1.nii.gz"
    inner.rename(root / "HGG" / "kept.nii.gz")
    inner.symlink_to(root / "HGG" / "kept.nii.gz")
    brats(outside, "folder")
    (root / "HGG" / "folder").symlink_to(outside / "HGG" / "folder")
    cohort = load_cohort(root)
    assert [case.case_id for case in cohort.cases] == ["fine", "inner"]
    problems = dict(cohort.problems)
    assert "HGG/file/file_t1.nii.gz" in problems["file"]
    assert "leaves the folder" in problems["file"]
    assert "leaves the folder" in problems["HGG/folder"]


def test_a_folder_of_nothing_but_links_out_of_it_says_so(tmp_path: Path) -> None:
    brats(tmp_path / "outside", "a")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "HGG").symlink_to(tmp_path / "outside" / "HGG")
    refused(lambda: load_cohort(tmp_path / "root"), "not followed, such as HGG, a link that leaves the folder")


@pytest.fixture
def closed() -> Iterator[Path]:
    """A folder in which `Brats18_b` and `../aside` may not be read, and links lead there; root, who may, is nobody."""
    with TemporaryDirectory() as name:
        root = Path(name) / "root"
        for case_id in ("Brats18_a", "Brats18_b", "Brats18_c"):
            brats(root, case_id)
        aside = Path(name) / "aside"
        write(aside / "below" / "secret.nii.gz")
        (root / "HGG" / "Brats18_c" / "Brats18_c_t1.nii.gz").unlink()
        (root / "HGG" / "Brats18_c" / "Brats18_c_t1.nii.gz").symlink_to(aside / "below" / "secret.nii.gz")
        (root / "HGG" / "notes").symlink_to(aside)
        (root.parent / "links").mkdir()
        for place in (root / "HGG", root.parent / "links"):
            (place / "shut").symlink_to(aside / "below")
        shut, user = (aside, root / "HGG" / "Brats18_b"), os.geteuid()
        Path(name).chmod(0o755)
        for path in shut:
            path.chmod(0)
        if user == 0:
            os.seteuid(65534)
        try:
            yield root
        finally:
            os.seteuid(user)
            for path in shut:
                path.chmod(0o700)


def test_a_folder_that_may_not_be_read_and_links_into_one_cost_themselves_alone(closed: Path) -> None:
    cohort = load_cohort(closed)
    assert [case.case_id for case in cohort.cases] == ["Brats18_a"]
    said = dict(cohort.problems)
    assert sorted(said) == ["Brats18_c", "HGG/Brats18_b", "HGG/notes", "HGG/shut"]
    link, of = "Left out: a link that cannot be followed: Permission denied", "HGG/Brats18_c/Brats18_c_t1.nii.gz"
    advice = "Ask its owner for the permission to read it, or remove it."
    assert said["HGG/notes"] == f"{link} (received: HGG/notes). {advice}"
    assert said["HGG/shut"] == f"{link} (received: HGG/shut). {advice}"
    assert said["Brats18_c"] == f"{link} (received: {of}). {advice}"
    folder = "Left out: a file or folder that cannot be read: Permission denied"
    assert said["HGG/Brats18_b"] == f"{folder} (received: HGG/Brats18_b). {advice}"


@pytest.mark.parametrize("name", ["../aside", "../aside/below", "HGG/notes", "HGG/shut"])
def test_a_data_set_that_may_not_be_read_says_so(closed: Path, name: str) -> None:
    for load in (load_cohort, load_references):
        refused(lambda load=load: load(closed / name), "The folder cannot be read: Permission denied", "its owner")


def test_where_nothing_may_be_read_the_reason_is_named(closed: Path) -> None:
    said = "not followed, such as shut, a link that cannot be followed: Permission denied"
    refused(lambda: load_cohort(closed.parent / "links"), said, "Ask its owner")
    refused(lambda: load_references(closed.parent / "links"), "a link that cannot be followed: Permission denied")


def test_link_loops_and_a_linked_root(tmp_path: Path) -> None:
    brats(tmp_path / "real", "a")
    (tmp_path / "real" / "HGG" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "HGG" / "self.nii.gz").symlink_to(tmp_path / "real" / "HGG" / "self.nii.gz")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert scan_folder(tmp_path / "link").files == tuple(
        f"HGG/a/a_{name}.nii.gz" for name in ("flair", "seg", "t1", "t1ce", "t2")
    )
    cohort = load_cohort(tmp_path / "link")
    assert [case.case_id for case in cohort.cases] == ["a"]
    assert [path for path, _ in cohort.problems] == ["HGG/self.nii.gz"]


def test_references_alone(tmp_path: Path) -> None:
    for name in ("b.nii.gz", "a.NII", ".hidden.nii.gz"):
        write(tmp_path / name, 0)
    write(tmp_path / "below" / "c.nii.gz")
    (tmp_path / "notes.txt").write_text("")
    assert load_references(tmp_path) == {"a": tmp_path / "a.NII", "b": tmp_path / "b.nii.gz"}
    assert references_cohort(tmp_path).strays == ("below/c.nii.gz",), "what is passed over is named"
    cohort = references_cohort(tmp_path)
    assert [(c.case_id, dict(c.sequences), c.reference) for c in cohort.cases] == [
        ("a", {}, tmp_path / "a.NII"),
        ("b", {}, tmp_path / "b.nii.gz"),
    ]
    loaded = load_case(cohort.cases[0])
    assert loaded.reference is not None
    assert loaded.reference.volume_ml == 0


def test_references_that_clash_or_leave_the_folder(tmp_path: Path) -> None:
    for name in ("a.nii", "a.nii.gz"):
        write(tmp_path / "twice" / name)
    refused(lambda: load_references(tmp_path / "twice"), "case id a", "a.nii and a.nii.gz")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "b.nii").symlink_to(tmp_path / "twice" / "a.nii")
    refused(lambda: load_references(tmp_path / "links"), "b.nii", "leaves the folder")


def test_references_that_clash_or_are_links_are_left_out_and_the_others_used(tmp_path: Path) -> None:
    for name in ("refs/a.nii", "refs/b.nii", "refs/b.nii.gz", "elsewhere/c.nii"):
        write(tmp_path / name)
    (tmp_path / "refs" / "c.nii").symlink_to(tmp_path / "elsewhere" / "c.nii")
    (tmp_path / "refs" / "d.nii").symlink_to(tmp_path / "nowhere.nii")
    (tmp_path / "refs" / "e.nii").symlink_to("gone.nii")
    (tmp_path / "refs" / "images").symlink_to(tmp_path / "elsewhere")  # sub-folders are not searched here
    cohort = references_cohort(tmp_path / "refs")
    assert ([case.case_id for case in cohort.cases], cohort.strays) == (["a"], ())
    said = dict(cohort.problems)
    assert sorted(said) == ["b", "c", "d", "e.nii"]
    assert "Two masks have the case id b (received: b.nii and b.nii.gz in" in said["b"]
    for case_id, what in (("c", "a link that leaves"), ("d", "a link to nothing"), ("e.nii", "broken link")):
        assert what in said[case_id]


def test_a_set_in_sub_folders_with_one_case_twice_or_a_linked_folder(tmp_path: Path) -> None:
    for name in ("HGG/a.nii", "HGG/b.nii", "LGG/b.nii", "../elsewhere/c.nii"):
        write(tmp_path / "refs" / name)
    (tmp_path / "refs" / "more").symlink_to(tmp_path / "elsewhere")
    cohort = references_cohort(tmp_path / "refs")
    assert [case.case_id for case in cohort.cases] == ["a"]
    assert sorted(dict(cohort.problems)) == ["b", "more"]


def test_load_case_reads_what_was_asked_for(tmp_path: Path) -> None:
    brats(tmp_path, "a")
    (case,) = load_cohort(tmp_path).cases
    loaded = load_case(case, sequences=("t2", "flair"))
    assert [(name, image.array.max()) for name, image in loaded.images.items()] == [("t2", 5), ("flair", 2)]
    assert loaded.reference is not None
    assert np.count_nonzero(loaded.reference.array) == np.prod(SHAPE) - 1
    assert set(load_case(case).images) == {"flair", "t1", "t1ce", "t2"}
    assert load_case(case, sequences=()).images == {}


def test_load_case_names_the_missing_sequence_and_lists_the_others(tmp_path: Path) -> None:
    plain(tmp_path, "a")
    (case,) = load_cohort(tmp_path).cases
    refused(lambda: load_case(case, sequences=("t1", "adc")), "a has no adc image", "only flair, t1")


@pytest.mark.parametrize("name", ["t2", "seg"])
def test_load_case_refuses_another_grid(tmp_path: Path, name: str) -> None:
    title = "The reference of a" if name == "seg" else "The t2 image of a"
    path = brats(tmp_path, "a") / f"a_{name}.nii.gz"
    (case,) = load_cohort(tmp_path).cases
    write(path, shift_mm=3)
    with pytest.raises(GeometryError, match=rf"{title} has another affine .*3\.00 mm away"):
        load_case(case, sequences=("flair", "t2"))
    write(path, shape=(4, 5, 7))
    with pytest.raises(GeometryError, match=rf"{title} lies on another grid .*\(4, 5, 7\) against \(4, 5, 6\)"):
        load_case(case, sequences=("flair", "t2"))


def test_load_case_of_a_damaged_file_names_it(tmp_path: Path) -> None:
    folder = brats(tmp_path, "a")
    (folder / "a_t1.nii.gz").write_bytes((folder / "a_t1.nii.gz").read_bytes()[:50])
    (case,) = load_cohort(tmp_path).cases
    refused(lambda: load_case(case, sequences=("t1",)), "a_t1.nii.gz", "truncated")
    assert set(load_case(case, sequences=("t2",)).images) == {"t2"}


def test_a_case_without_reference(tmp_path: Path) -> None:
    image = write(tmp_path / "x.nii.gz")
    assert load_case(Case("x", {"t1": image})).reference is None


def test_pipes_devices_and_broken_links_are_named_and_never_opened(cohort, monkeypatch):
    folder = cohort / "HGG" / "Case_A"
    os.mkfifo(folder / "Case_E_seg.nii.gz")
    (folder / "gone.nii").symlink_to(folder / "nothing.nii")
    with socket.socket(socket.AF_UNIX) as there:
        monkeypatch.chdir(folder)  # the path of a socket is short
        there.bind("socket.mha")
        found = load_cohort(cohort)
    assert [case.case_id for case in found.cases] == ["Case_A", "Case_B", "Case_C", "Case_D"]
    assert [path for path, _ in found.problems] == [
        "HGG/Case_A/Case_E_seg.nii.gz",
        "HGG/Case_A/gone.nii",
        "HGG/Case_A/socket.mha",
    ]
    assert all("a pipe, device, socket or broken link" in said for _, said in found.problems)
    # /dev/shm holds ordinary files, of any process.
    assert [file for file in scan_folder(Path("/dev")).files if not str(file).startswith("shm/")] == []


@pytest.mark.parametrize("text", ["~nosuchuser", "a\0b", "/" + "a" * 300, "/" + "a/" * 3000, "/dev/zero/x", " "])
def test_a_typed_folder_that_cannot_be_is_one_message(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"There is no such folder|No cases were found"):
        load_cohort(typed_folder(text))
