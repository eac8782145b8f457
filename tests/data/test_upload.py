"""Files handed over for a session: what they are, under which names they lie, and that they go."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from afl_core.data import upload
from afl_core.data.layouts import load_case, load_cohort
from afl_core.data.upload import CASE_ID, check_upload, guess_role, remove_leftovers, write_upload
from afl_core.errors import DataError, GeometryError
from afl_core.ui.shared.upload_limits import MAX_MIB

BRATS, PICAI = ("flair", "t1", "t1ce", "t2"), ("t2w", "adc", "hbv")


@pytest.mark.parametrize(
    ("name", "sequences", "role"),
    [
        ("Brats18_X_flair.nii.gz", BRATS, "flair"),
        ("Brats18_X_T1CE.nii", BRATS, "t1ce"),
        ("BraTS-GLI-00001-000-t2f.nii.gz", BRATS, "flair"),
        ("BraTS-GLI-00001-000-t2w.nii.gz", BRATS, "t2"),
        ("BraTS-GLI-00001-000-t1n.nii.gz", BRATS, "t1"),
        ("10795_1000811_t2w.mha", PICAI, "t2w"),
        ("10795_1000811_hbv.mha", PICAI, "hbv"),
        ("case-seg.nii.gz", PICAI, "reference"),
        ("case_0001.nii.gz", BRATS, ""),
        ("t1_and_t2.nii.gz", BRATS, ""),
        ("flairy.nii.gz", BRATS, ""),
        ("x_adc.mha", BRATS, ""),
    ],
)
def test_a_name_tells_the_sequence_or_nothing(name, sequences, role):
    assert guess_role(name, sequences) == role


@pytest.fixture
def image(tmp_path, write_nifti):
    inside = np.arange(6 * 7 * 8).reshape(6, 7, 8) > 0
    return write_nifti(tmp_path / "given.nii.gz", inside.astype(np.uint8)).read_bytes()


def test_files_lie_under_names_of_our_own_and_make_a_case(tmp_path, image):
    names = ["../../../evil.nii.gz", "<b>a</b>.NII.GZ"]
    root = write_upload(tmp_path / "s", [(names[0], "flair", image), (names[1], "reference", image)])
    assert {str(p.relative_to(root)) for p in root.rglob("*.gz")} == {
        f"images/{CASE_ID}_flair.nii.gz",
        f"references/{CASE_ID}.nii.gz",
    }
    assert list(tmp_path.rglob("*evil*")) == []
    (case,) = load_cohort(root).cases
    assert np.count_nonzero(load_case(case).reference.array) == 6 * 7 * 8 - 1
    write_upload(tmp_path / "s", [("b.nii.gz", "t1", image)])
    assert set(load_cohort(root).cases[0].sequences) == {"t1"}


@pytest.mark.parametrize("suffix", [".nrrd", ".seg.nrrd", ".MHA"])
def test_files_of_itk_make_a_case(tmp_path, suffix):
    made = tmp_path / f"given{suffix.lower()}"
    sitk.WriteImage(
        sitk.GetImageFromArray(np.eye(4, 5, dtype=np.uint8)[..., None].repeat(6, axis=2)),
        str(made),
        useCompression=True,
    )
    files = [(f"a_flair{suffix}", "flair", made.read_bytes()), (f"a{suffix}", "reference", made.read_bytes())]
    (case,) = load_cohort(write_upload(tmp_path / "s", files)).cases
    assert load_case(case).reference.array.shape == (6, 5, 4)


def ramp(path, shape, spacing_mm, start):
    """An image whose intensity is the first coordinate of the patient, in mm."""
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = start
    x = start[0] + spacing_mm[0] * np.arange(shape[0], dtype=np.float32)
    nib.save(nib.Nifti1Image(np.broadcast_to(x[:, None, None], shape), affine), path)
    return path.read_bytes()


def test_sequences_on_other_grids_come_onto_the_one_that_is_named(tmp_path):
    t2w = ramp(tmp_path / "a.nii", (40, 36, 8), (0.5, 0.5, 3.0), (-10, -9, 0))
    adc = ramp(tmp_path / "b.nii", (20, 18, 10), (2.0, 2.0, 3.0), (-20, -18, -3))
    files = [("b.nii", "adc", adc), ("a.nii", "t2w", t2w), ("c.nii", "hbv", t2w)]
    (case,) = load_cohort(write_upload(tmp_path / "s", files, grid="t2w")).cases
    assert upload.sequences_elsewhere(case) == ["adc"]
    images = load_case(case).images
    assert images["adc"].array.shape == (40, 36, 8)
    np.testing.assert_allclose(images["adc"].array, images["t2w"].array, atol=1e-3)
    far = ramp(tmp_path / "d.nii", (20, 18, 10), (2.0, 2.0, 3.0), (980, -18, -3))  # another patient's, say
    (case,) = load_cohort(write_upload(tmp_path / "s", [*files[1:], ("d.nii", "adc", far)], grid="t2w")).cases
    with pytest.raises(GeometryError, match=r"adc image of upload does not lie where its t2w image does \(received"):
        load_case(case)
    (case,) = load_cohort(write_upload(tmp_path / "s", files)).cases
    assert upload.sequences_elsewhere(case) == []
    with pytest.raises(GeometryError):
        load_case(case)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("a.mhd", "flair")], r"no image file \(received: a\.mhd\)"),
        ([("a.png", "flair")], "no image file"),
        ([("a.nii", "flair"), ("b.nii.gz", "flair")], r"a\.nii cannot be read"),
        ([("a.nii.gz", "flair"), ("b.nii.gz", "flair")], r"Two files are the flair \(received: a\.nii\.gz and b"),
        ([("a.nii.gz", "reference")], "no image among the files"),
        ([], "no image among the files"),
    ],
)
def test_what_cannot_be_a_case_is_named_as_it_was_given(tmp_path, image, files, said):
    with pytest.raises(DataError, match=said):
        write_upload(tmp_path, [(name, role, image) for name, role in files])


def start_server(tmp: Path) -> tuple[subprocess.Popen, Path]:
    """A process with a session's folder, as a server has it."""
    code = "import sys; from afl_core.data.upload import new_session_folder\n"
    code += "f = new_session_folder(); (f / 'a.nii').write_bytes(b'patient'); print(f, flush=True); sys.stdin.read()"
    environment = {**os.environ, "TMPDIR": str(tmp)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    return process, Path(process.stdout.readline().strip())


def test_a_folder_goes_with_its_process_and_a_killed_ones_at_the_next_start(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed, left = start_server(tmp_path)
    running, kept = start_server(tmp_path)
    assert left.stat().st_mode & 0o777 == left.parent.stat().st_mode & 0o777 == 0o700
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert (left / "a.nii").exists()
    stranger = tmp_path / "afl-upload-link"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".lock").touch()
    stranger.symlink_to(tmp_path / "elsewhere")
    assert remove_leftovers() == (left.parent.name,)
    assert not left.parent.exists()
    assert (kept / "a.nii").exists()
    assert (tmp_path / "elsewhere").exists()
    running.communicate("")
    assert not kept.parent.exists()


def test_folders_of_two_sessions_differ():
    first, second = upload.new_session_folder(), upload.new_session_folder()
    assert first != second
    assert first.parent == second.parent


def test_files_and_folders_of_an_upload_are_its_users_alone(tmp_path, image):
    root = write_upload(tmp_path / "s", [("a.nii.gz", "flair", image), ("b.nii.gz", "reference", image)])
    assert {path.stat().st_mode & 0o777 for path in (root, *root.iterdir()) if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in root.rglob("*.gz")} == {0o600}


def test_a_leftover_without_its_lock_goes_too(tmp_path, monkeypatch):
    """As a removal leaves it that was killed."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "afl-upload-x" / "session-y").mkdir(parents=True)
    assert remove_leftovers() == ("afl-upload-x",)
    assert list(tmp_path.iterdir()) == []


def test_the_server_accepts_what_the_page_names():
    config = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text())
    assert config["server"]["maxUploadSize"] == MAX_MIB


def test_the_job_of_a_killed_server_is_ended_before_its_folder_goes(tmp_path, monkeypatch):
    """It would bring the folder back."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    job = tmp_path / "afl-upload-x" / "session-y" / "results" / "jobs" / "upload"
    job.mkdir(parents=True)
    code = "import os, sys, time; from pathlib import Path; from afl_core.base import processes\n"
    code += "with processes.hold(Path(sys.argv[1])) as lock: print(flush=True); time.sleep(100)"  # it does not listen
    process = subprocess.Popen([sys.executable, "-c", code, str(job)], stdout=subprocess.PIPE)
    process.stdout.readline()
    (job / "status.json").write_text(json.dumps({"pid": process.pid}))
    monkeypatch.setattr(upload, "_STOP_SECONDS", 0.1)
    assert remove_leftovers() == ("afl-upload-x",)
    process.communicate(timeout=5)
    assert process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("role", "bad", "said"),
    [
        ("reference", np.full((6, 7, 8), 0.5, np.float32), "mine_seg.nii.gz"),
        ("reference", np.ones((6, 7, 8), np.uint8), "mine_seg.nii.gz"),
        ("reference", np.zeros((6, 7, 9), np.uint8), "mine_seg.nii.gz lies on another grid than mine_flair.nii.gz"),
        ("flair", np.full((6, 7, 8), np.nan, np.float32), "mine_flair.nii.gz"),
    ],
)
def test_what_only_the_values_tell_is_said_before_a_run_in_the_names_that_were_given(
    tmp_path, image, write_nifti, role, bad, said
):
    files = {"flair": ("mine_flair.nii.gz", image), "reference": ("mine_seg.nii.gz", image)}
    names = {role: name for role, (name, _) in files.items()}

    def written():
        (case,) = load_cohort(
            write_upload(tmp_path / "s", [(name, of, data) for of, (name, data) in files.items()])
        ).cases
        return case

    check_upload(written(), names)
    files[role] = names[role], write_nifti(tmp_path / "bad.nii.gz", bad).read_bytes()
    with pytest.raises(DataError) as caught:
        check_upload(written(), names)
    assert said in str(caught.value)
    assert CASE_ID not in str(caught.value)
