"""MetaImage headers in every spelling: what ITK reads in them, or refused."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from afl_core.data.formats.files import load_volume
from afl_core.errors import DataError

HEADER = ("ObjectType = Image", "NDims = 3", "DimSize = 4 5 6", "ElementType = MET_SHORT")
VOXELS = np.arange(120, dtype="<i2")


def write(path: Path, *lines: str, voxels: bytes = VOXELS.tobytes()) -> Path:
    """An image of 4x5x6 shorts with more lines in its header."""
    path.write_bytes("\n".join([*HEADER, *lines, "ElementDataFile = LOCAL\n"]).encode() + voxels)
    return path


def test_every_spelling_of_yes_and_no_is_that_of_itk(tmp_path: Path) -> None:
    for i, word in enumerate(("True", "true", "T", "t", "1", "TRUE", "False", "false", "F", "0")):
        big = i < 6
        voxels = VOXELS.astype(">i2" if big else "<i2").tobytes()
        path = write(tmp_path / f"order{i}.mha", f"BinaryDataByteOrderMSB = {word}", voxels=voxels)
        itk = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        np.testing.assert_array_equal(np.sort(itk.ravel()), VOXELS)
        np.testing.assert_array_equal(np.sort(load_volume(path).array.ravel()), VOXELS)
        zipped = big
        voxels = zlib.compress(VOXELS.tobytes()) if zipped else VOXELS.tobytes()
        path = write(tmp_path / f"zip{i}.mha", f"CompressedData = {word}", voxels=voxels)
        np.testing.assert_array_equal(np.sort(load_volume(path).array.ravel()), VOXELS)
    with pytest.raises(DataError, match="neither True nor False"):
        load_volume(write(tmp_path / "b.mha", "BinaryDataByteOrderMSB = yes"))


@pytest.mark.parametrize(
    "lines",
    [
        ("ElementSpacing = 1 1 1", "ElementSize = 1 1 2"),
        ("Offset = 1 2 3", "Origin = 1 2 4"),
        ("Offset = 1 2 3", "Offset = 1 2 4"),
        ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "Rotation = 0 1 0 1 0 0 0 0 1"),
        ("BinaryDataByteOrderMSB = True", "ElementByteOrderMSB = False"),
        ("elementspacing = 2 2 2",),
        ("Offset : 1 2 3",),
        ("HeaderSize = 10",),
        ("HeaderSize = -1",),
        ("ElementToIntensityFunctionSlope = 2",),
        ("CompressedData = True", "CompressedDataSize = 0"),
        ("ElementSpacing = 1_0 1 1",),
        ("ElementSpacing = 1 1",),
        ("a line that says nothing",),
    ],
)
def test_what_is_contradictory_or_passed_over_by_itk_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"a\.mha cannot be read as an image: its header is damaged"):
        load_volume(write(tmp_path / "a.mha", *lines))


@pytest.mark.parametrize("word", ["1" * 60_000 + "x", "." + "1" * 60_000 + "x", "1" * 60_000])
def test_a_number_of_any_length_is_looked_at_once(tmp_path: Path, word: str) -> None:
    """With backtracking, each of these takes minutes."""
    with pytest.raises(DataError, match="it declares ElementSpacing = "):
        load_volume(write(tmp_path / "a.mha", f"ElementSpacing = 1 1 {word}"))


def test_the_same_said_twice_is_read(tmp_path: Path) -> None:
    lines = ("ElementSpacing = 1 2 3", "ElementSize = 1.0 2.0 3.0", "Offset = 4 5 6", "Position = 4 5 6")
    path = write(tmp_path / "a.mha", *lines)
    assert load_volume(path).spacing_mm == sitk.ReadImage(str(path)).GetSpacing() == (1.0, 2.0, 3.0)


def test_compressed_voxels_end_where_the_header_says(tmp_path: Path) -> None:
    stream = zlib.compress(VOXELS.tobytes())
    lines = ("CompressedData = True", f"CompressedDataSize = {len(stream)}")
    path = write(tmp_path / "a.mha", *lines, voxels=stream + b"and more")
    np.testing.assert_array_equal(np.sort(load_volume(path).array.ravel()), VOXELS)
    for size, said in ((len(stream) - 4, "truncated"), (len(stream) + 100, "truncated")):
        lines = ("CompressedData = True", f"CompressedDataSize = {size}")
        with pytest.raises(DataError, match=said):
            load_volume(write(tmp_path / "b.mha", *lines, voxels=stream))
