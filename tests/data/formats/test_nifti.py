"""What a NIfTI header says of place, size and value is read as the standard has it, as ITK reads it, or refused."""

import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from afl_core.data.formats.files import check_length, load_labels, load_mask, load_volume, read_header
from afl_core.errors import DataError

SHAPE = (4, 5, 6)
VOXELS = np.arange(120, dtype=np.int16).reshape(SHAPE)


def write(path: Path, *, affine: np.ndarray | None = None, kind: type = nib.Nifti1Image, **fields: object) -> Path:
    """A sound file whose header fields are then set, as they lie in the file."""
    data = kind(VOXELS, np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine).to_bytes()
    size = kind.header_class.sizeof_hdr
    header = np.frombuffer(data[:size], kind.header_class.template_dtype, 1).copy()
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.tobytes() + data[size:])
    return path


def itk_affine(path: Path) -> np.ndarray:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


@pytest.mark.parametrize(("unit", "factor"), [("micron", 0.001), ("meter", 1000), ("mm", 1), ("unknown", 1)])
@pytest.mark.parametrize("codes", [{"sform_code": 1, "qform_code": 0}, {"sform_code": 0, "qform_code": 1}])
def test_lengths_are_converted_to_mm_as_itk_does(tmp_path: Path, unit: str, factor: float, codes: dict) -> None:
    code = {"unknown": 0, "meter": 1, "mm": 2, "micron": 3}[unit]
    path = write(tmp_path / "a.nii", xyzt_units=code | 8, **codes, qoffset_x=5, srow_x=[1, 0, 0, 5])
    volume = load_volume(path)
    np.testing.assert_allclose(volume.affine, itk_affine(path), rtol=1e-6)
    assert volume.spacing_mm == pytest.approx((factor, 2 * factor, 3 * factor))
    assert volume.affine[0, 3] == pytest.approx(5 * factor)
    assert len(read_header(path).remarks) == (factor != 1)


@pytest.mark.parametrize("offset", [0, 100, 348, 351, 352.5, -1, np.nan, np.inf, 2**25])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_voxels_are_never_read_from_the_header_or_from_between(tmp_path: Path, offset: float, suffix: str) -> None:
    path = write(tmp_path / "a.nii", vox_offset=offset)
    if suffix == ".nii.gz":
        path = tmp_path / "a.nii.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    with pytest.raises(DataError, match=r"its header is damaged .*its voxels start at byte"):
        load_volume(path)
    with pytest.raises(DataError, match="voxels start at byte 348"):
        load_volume(write(tmp_path / "two.nii", kind=nib.Nifti2Image, vox_offset=348))


def test_a_quaternion_that_is_a_little_too_long_is_that_of_itk(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", sform_code=0, qform_code=1, quatern_b=0, quatern_c=1.0000004, quatern_d=2e-4)
    np.testing.assert_allclose(load_volume(path).affine, turned(itk_affine(path)), atol=1e-5)
    with pytest.raises(DataError, match=r"quaternion of the qform has the length 1\.5, more than 1"):
        load_volume(write(tmp_path / "b.nii", sform_code=0, qform_code=1, quatern_c=1.5))


def turned(affine: np.ndarray) -> np.ndarray:
    return affine @ nib.orientations.inv_ornt_aff(nib.orientations.io_orientation(affine), SHAPE)


def test_of_two_transforms_the_sform_is_used_and_the_other_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", qform_code=1, sform_code=1, pixdim=[1, 1, 2, 1, 1, 1, 1, 1])
    assert load_volume(path).spacing_mm == (1.0, 2.0, 3.0)
    (said,) = read_header(path).remarks
    assert said.startswith("sform and qform disagree: a corner of the qform (1x2x1 mm) is 10 mm away")
    assert said.endswith("the sform (1x2x3 mm) is used")


@pytest.mark.parametrize("z", [0.0, -3.0, 1.0, np.nan])
def test_voxel_sizes_that_contradict_the_sform_are_named(tmp_path: Path, z: float) -> None:
    pixdim = [1, 1, 2, z, 1, 1, 1, 1]
    path = write(tmp_path / "a.nii", sform_code=1, qform_code=0, pixdim=pixdim)
    assert load_volume(path).spacing_mm == (1.0, 2.0, 3.0)
    assert "sform and pixdim disagree" in read_header(path).remarks[0]
    if not z > 0:
        for codes in ({"sform_code": 0, "qform_code": 1}, {"sform_code": 0, "qform_code": 0}):
            with pytest.raises(DataError, match=r"its header is damaged .*(voxel sizes|pixdim)"):
                load_volume(write(tmp_path / "b.nii", **codes, pixdim=pixdim))


def test_without_a_transform_the_place_is_that_of_nibabel_and_this_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii", sform_code=0, qform_code=0)
    wanted = nib.as_closest_canonical(nib.load(path))
    np.testing.assert_array_equal(load_volume(path).affine, wanted.affine)
    np.testing.assert_array_equal(load_volume(path).array, wanted.get_fdata())
    assert "neither sform nor qform is coded" in read_header(path).remarks[0]


@pytest.mark.parametrize(
    ("slope", "inter", "wanted"),
    [(2, 3, (2, 3)), (0, 0, (1, 0)), (0, 5, (1, 0)), (np.nan, 0, (1, 0)), (np.nan, np.nan, (1, 0))],
)
def test_a_slope_of_zero_or_nan_means_no_scaling(tmp_path: Path, slope: float, inter: float, wanted: tuple) -> None:
    path = write(tmp_path / "a.nii", scl_slope=slope, scl_inter=inter)
    np.testing.assert_array_equal(load_volume(path).array, VOXELS * wanted[0] + wanted[1])


@pytest.mark.parametrize(("slope", "inter"), [(1, np.nan), (2, np.inf), (np.inf, 0), (-np.inf, 1)])
def test_a_scaling_that_is_no_number_has_a_sentence_of_its_own(tmp_path: Path, slope: float, inter: float) -> None:
    with pytest.raises(DataError, match=r"the scaling of its values is no number .*scl_slope .* Set scl_slope to 1"):
        load_volume(write(tmp_path / "a.nii", scl_slope=slope, scl_inter=inter))


@pytest.mark.parametrize("code", [32, 128, 1792, 2304, 1536])
@pytest.mark.parametrize("slope", [0, 2])
def test_colours_and_complex_values_are_refused_with_and_without_a_slope(
    tmp_path: Path, code: int, slope: float
) -> None:
    path = write(tmp_path / "a.nii", datatype=code, scl_slope=slope)
    for load in (load_volume, load_labels, load_mask):
        with pytest.raises(DataError, match=r"a\.nii holds voxels that are no plain numbers"):
            load(path)


def test_half_of_a_pair_of_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"half of a pair of files.*Convert the pair of \.hdr and \.img"):
        load_volume(write(tmp_path / "a.nii", magic=b"ni1"))


@pytest.mark.parametrize(
    "fields",
    [{"dim": [3, -1, 1, 1, 1, 1, 1, 1]}, {"dim": [3, 4, 0, 6, 1, 1, 1, 1]}, {"sform_code": 9}, {"magic": b"n+2"}],
)
def test_headers_that_readers_take_differently_are_refused(tmp_path: Path, fields: dict) -> None:
    with pytest.raises(DataError, match=r"its header is damaged|impossible"):
        load_volume(write(tmp_path / "a.nii", **fields))


CAUSES = {
    "empty.nii": (b"", "it is empty"),
    "text.nii": (b"hello there, not an image", "it is no NIfTI file .*hello"),
    "pointer.nii.gz": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "a pointer of Git LFS.*git lfs pull",
    ),
    "zipped.nii": (gzip.compress(bytes(400)), r"it is no NIfTI file .*a gzip file.*end in \.nii\.gz"),
    "cut.nii": (b"\x5c\x01\0\0" + bytes(60), "it is truncated .*64 bytes, less than a header"),
    "page.nii.gz": (b"<!DOCTYPE html><html>", "a web page.*Download the file itself"),
    "scan.nii": (bytes(128) + b"DICM" + bytes(600), "a DICOM file.*dcm2niix"),
    "volume.nii": (b"NRRD0004\n", r"an NRRD file.*end in \.nrrd"),
    "volume.mha": (b"NRRD0004\n", "it is no MetaImage file .*an NRRD file"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_each_cause_has_its_own_sentence(tmp_path: Path, name: str) -> None:
    content, said = CAUSES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} cannot be read as an image: .*{said}".replace(": .*it", ": it")):
        load_volume(tmp_path / name)


def test_a_plain_file_named_gz_is_to_be_renamed(tmp_path: Path) -> None:
    write(tmp_path / "a.nii").rename(tmp_path / "a.nii.gz")
    with pytest.raises(DataError, match=r"it is no gzip file .*a NIfTI file as it is.*end in \.nii\."):
        load_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_file_without_its_last_voxels_is_truncated_for_header_check_and_reader(tmp_path: Path, suffix: str) -> None:
    whole = write(tmp_path / "whole.nii").read_bytes()[:-10]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(whole) if suffix == ".nii.gz" else whole)
    for read in (load_volume, lambda path: check_length(path, read_header(path))):
        with pytest.raises(DataError, match=r"it is truncated \(received: 230 of 240 bytes of voxels\)"):
            read(path)


def test_nothing_is_said_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where nibabel remarks on what it mends: a qfac of 0, odd offsets, a zero pixdim, an extension of no length."""
    path = write(tmp_path / "a.nii", pixdim=[0, 1, 2, 0, 1, 1, 1, 1], sform_code=1, qform_code=0, vox_offset=356)
    data = bytearray(path.read_bytes()) + bytes(4)
    struct.pack_into("<4bi", data, 348, 1, 0, 0, 0, 0)
    path.write_bytes(data)
    load_volume(path)
    assert capfd.readouterr() == ("", "")
