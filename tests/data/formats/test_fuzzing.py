"""Damaged and hostile files: a volume or an `AflError`, whatever they say; and nothing outside is read."""

import gzip
import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.formats.files import load_mask, load_volume
from afl_core.errors import DataError

ROOT = Path(__file__).parents[3]
HEADER = "ObjectType = Image\nNDims = 3\nDimSize = 4 5 6\nElementType = MET_SHORT\n"
VOXELS = np.arange(4 * 5 * 6, dtype="<i2").tobytes()


def test_five_thousand_damaged_files_are_a_volume_or_an_error_within_two_gib(tmp_path):
    """In a process of its own, which may take 2 GiB more address space than it starts with, and must not crash."""
    command = [sys.executable, "benchmarks/fuzz.py", "--files", "5000", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["failures"] == []
    assert found["volume"] > 500
    assert found["error"] > 500
    assert found["peak_mib"] < 2048


def refused_before_allocation(path: Path, match: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=match):
            load_volume(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["within the limit, not there", "more bytes than are read"])
def test_voxels_that_the_file_cannot_hold_are_not_made_room_for(tmp_path, suffix, kind):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float64 if kind.startswith("more") else np.uint8)
    header.set_data_shape((640, 640, 640))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    content = header.binaryblock + bytes(100)

    (tmp_path / f"a{suffix}").write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    refused_before_allocation(tmp_path / f"a{suffix}", r"cannot be read as an image.*bytes of voxels|buffer is smaller")


@pytest.mark.parametrize("zipped", [True, False])
def test_an_mha_header_without_its_voxels_is_refused_before_allocation(tmp_path, zipped):
    text = HEADER.replace("4 5 6", "600 600 700") + f"CompressedData = {zipped}\nElementDataFile = LOCAL\n"
    (tmp_path / "a.mha").write_bytes(text.encode() + (zlib.compress(VOXELS) if zipped else VOXELS))
    refused_before_allocation(tmp_path / "a.mha", r"a\.mha cannot be read as an image.*of 504000000 bytes of voxels")


def test_a_zlib_bomb_in_an_mha_file_is_stopped_at_the_declared_size(tmp_path):
    bomb = zlib.compress(VOXELS + bytes(2**27), 1)
    (tmp_path / "a.mha").write_bytes(HEADER.encode() + b"CompressedData = True\nElementDataFile = LOCAL\n" + bomb)
    tracemalloc.start()
    try:
        assert load_volume(tmp_path / "a.mha").array.sum() == np.arange(120).sum()
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "place", ["{outside}", "../secret.raw", "LIST", "slice_%03d.raw 1 6 1", "sub/x.raw", "linked.raw"]
)
def test_an_mha_header_cannot_point_at_a_file_elsewhere(tmp_path, place):
    (tmp_path / "secret.raw").write_bytes(VOXELS)
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "x.raw").write_bytes(VOXELS)
    (folder / "linked.raw").symlink_to(tmp_path / "secret.raw")
    place = place.format(outside=tmp_path / "secret.raw")
    (folder / "a.mhd").write_text(HEADER + f"ElementDataFile = {place}\n")
    with pytest.raises(DataError, match=r"a\.mhd cannot be read as an image.*(same folder|no file)"):
        load_volume(folder / "a.mhd")
    (folder / "beside.raw").write_bytes(VOXELS)
    (folder / "a.mhd").write_text(HEADER + "ElementDataFile = beside.raw\n")
    assert load_volume(folder / "a.mhd").array.sum() == np.arange(120).sum()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("name", "dtype"), [("MET_UCHAR", "u1"), ("MET_LONG", "i4"), ("MET_DOUBLE", "f8")])
def test_mha_files_agree_with_itk_in_type_byte_order_and_header_size(tmp_path, big, name, dtype):
    import SimpleITK as sitk  # noqa: N813

    voxels = np.random.default_rng(0).integers(0, 100, 120).astype(np.dtype(dtype).newbyteorder(">" if big else "<"))
    text = f"ObjectType = Image\nNDims = 3\nBinaryDataByteOrderMSB = {big}\nDimSize = 4 5 6\n"
    text += (
        f"ElementSpacing = 0.5 1 3\nOffset = 1 2 3\nHeaderSize = -1\nElementType = {name}\nElementDataFile = a.raw\n"
    )
    (tmp_path / "a.raw").write_bytes(b"skipped" + voxels.tobytes())
    (tmp_path / "a.mhd").write_text(text)
    image = sitk.ReadImage(str(tmp_path / "a.mhd"))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    ours, theirs = load_volume(tmp_path / "a.mhd"), load_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(ours.array, theirs.array)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)


def test_labels_scaled_in_pieces_are_those_of_nibabel(tmp_path, monkeypatch):
    from afl_core.data.formats import nifti

    image = nib.Nifti1Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), np.eye(4))
    data = bytearray(image.to_bytes())
    struct.pack_into("<ff", data, 112, 0.1, -3)
    (tmp_path / "a.nii").write_bytes(data)
    monkeypatch.setattr(nifti, "_PIECE", 7)
    wanted = np.asanyarray(nib.load(tmp_path / "a.nii").dataobj).astype(np.float32)
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii").array, wanted)
    with pytest.raises(DataError, match="label image"):
        load_mask(tmp_path / "a.nii")
