"""NRRD files: values by hand, what ITK reads in what it wrote, and what is refused."""

import gzip
import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from afl_core.data.formats.files import check_length, load_channels, load_labels, load_mask, load_volume, read_header
from afl_core.errors import DataError

_PATH = Path(__file__).parents[3] / "benchmarks" / "second_readers.py"
_SPEC = importlib.util.spec_from_file_location("second_readers", _PATH)
second = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(second)
change, difference, sound_files = second.change, second.difference, second.sound_files

SIZES = "sizes: 4 5 6"
HEADER = ("type: short", "dimension: 3", SIZES, "endian: little", "encoding: raw")
LPS = ("space: left-posterior-superior", "space directions: (2,0,0) (0,3,0) (0,0,4)", "space origin: (10,20,30)")
VOXELS = np.arange(120, dtype="<i2")


def write(path: Path, *lines: str, fields: tuple[str, ...] = HEADER + LPS, voxels: bytes = VOXELS.tobytes()) -> Path:
    """An image of 4x5x6 shorts; a line replaces the field of that name, and `name:` alone removes it."""
    said = {line.split(":")[0]: line for line in (*fields, *lines)}
    text = "\n".join(["NRRD0004", *(line for line in said.values() if not line.endswith(":")), "", ""])
    path.write_bytes(text.encode() + voxels)
    return path


def placed(path: Path) -> np.ndarray:
    """Affine of the stored axes, RAS+."""
    return read_header(path).affine


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("LPS", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
        ("las", (-1, 1, 1)),
    ],
)
def test_a_space_says_where_the_axes_point(tmp_path: Path, space: str, signs: tuple[int, int, int]) -> None:
    path = write(tmp_path / "a.nrrd", f"space: {space}")
    expected = np.diag([2.0 * signs[0], 3.0 * signs[1], 4.0 * signs[2], 1.0])
    expected[:3, 3] = np.multiply(signs, (10, 20, 30))
    np.testing.assert_array_equal(placed(path), expected)
    assert load_volume(path).spacing_mm == (2, 3, 4)
    # The voxel that is stored first lies at the low end of an axis that points right, front or up, else at the high.
    first = tuple(0 if sign > 0 else size - 1 for sign, size in zip(signs, (4, 5, 6), strict=True))
    assert load_volume(path).array[first] == 0
    assert difference(path, load_volume(path)) == ""


def test_a_vector_is_the_step_of_one_stored_axis(tmp_path: Path) -> None:
    """The first axis runs up, the second right, the third forwards; 0, 1, 2, ... runs along the first."""
    vectors = "space directions: (0,0,1) (2,0,0) (0,3,0)"
    volume = load_volume(write(tmp_path / "a.nrrd", "space: RAS", vectors))
    assert volume.array.shape == (5, 6, 4)
    assert volume.spacing_mm == (2, 3, 1)
    assert volume.array[0, 0].tolist() == [0, 1, 2, 3]
    assert volume.array[:, 0, 0].tolist() == [0, 4, 8, 12, 16]
    assert volume.array[0, :, 0].tolist() == [0, 20, 40, 60, 80, 100]


NAMES = {
    "i1": "signed char|int8|int8_t",
    "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t",
    "u4": "uint|unsigned int|uint32|uint32_t",
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "f4": "float",
    "f8": "double",
}


@pytest.mark.parametrize("code", NAMES)
@pytest.mark.parametrize(("endian", "order"), [("little", "<"), ("big", ">")])
def test_every_name_of_a_type_in_both_byte_orders(tmp_path: Path, code: str, endian: str, order: str) -> None:
    for i, name in enumerate(NAMES[code].split("|")):
        voxels = VOXELS.astype(order + code).tobytes()
        path = write(tmp_path / f"{i}.nrrd", f"type: {name}", f"endian: {endian}", voxels=voxels)
        np.testing.assert_array_equal(np.sort(load_volume(path).array.ravel()), VOXELS)
        assert read_header(path).dtype == np.dtype(order + code)


def test_one_byte_needs_no_byte_order(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", "type: uint8", "endian:", voxels=VOXELS.astype("u1").tobytes())
    assert load_volume(path).array.max() == 119


@pytest.mark.parametrize("encoding", ["gzip", "gz", "GZIP"])
def test_zipped_voxels(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.nrrd", f"encoding: {encoding}", voxels=gzip.compress(VOXELS.tobytes()))
    np.testing.assert_array_equal(np.sort(load_volume(path).array.ravel()), VOXELS)
    check_length(path, read_header(path))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
@pytest.mark.parametrize("turn", ["as it is", "LPS to RAS", "oblique", "permuted"])
def test_what_itk_writes_is_what_itk_reads(tmp_path: Path, *, zipped: bool, dtype: str, turn: str) -> None:
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.integers(0, 99, (6, 5, 4)).astype(dtype))
    directions = {
        "as it is": np.eye(3),
        "LPS to RAS": np.diag([-1.0, -1.0, 1.0]),
        "oblique": np.linalg.qr(rng.normal(size=(3, 3)))[0],
        "permuted": np.eye(3)[[2, 0, 1]],
    }
    image.SetDirection(directions[turn].ravel())
    image.SetSpacing((0.5, 0.7, 3.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    for suffix in (".nrrd", ".mha"):
        sitk.WriteImage(image, str(tmp_path / f"a{suffix}"), useCompression=zipped)
    ours, like = load_volume(tmp_path / "a.nrrd"), load_volume(tmp_path / "a.mha")
    assert difference(tmp_path / "a.nrrd", ours) == ""
    np.testing.assert_allclose(ours.affine, like.affine, atol=1e-9)
    np.testing.assert_array_equal(ours.array, like.array)
    assert ours.stored == like.stored


def test_six_hundred_files_with_changed_headers_are_read_as_itk_does_or_refused(tmp_path: Path) -> None:
    rng = random.Random(7)
    sound = [file for file in sound_files(tmp_path) if file[0] == ".nrrd"]
    read = 0
    for _ in range(600):
        suffix, data = change(*rng.choice(sound), rng)
        path = tmp_path / f"changed{suffix}"
        path.write_bytes(data)
        try:
            ours = load_volume(path)
        except DataError:
            continue
        assert difference(path, ours) == "", data[:900]
        read += 1
    assert read > 50


def test_spacings_without_a_space_are_placed_as_itk_does_and_it_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", "spacings: 1 2 3", fields=HEADER)
    np.testing.assert_array_equal(placed(path), np.diag([-1.0, -2.0, 3.0, 1.0]))
    assert difference(path, load_volume(path)) == ""
    (remark,) = read_header(path).remarks
    assert "names no space, so where it lies is not known: taken as ITK does" in remark


def test_a_space_without_an_origin_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", "space origin:")
    assert placed(path)[:3, 3].tolist() == [0, 0, 0]
    assert "no space origin, so where it lies is not known" in read_header(path).remarks[0]
    assert read_header(write(tmp_path / "b.nrrd")).remarks == ()


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (("space: scanner-xyz",), "space does not say where the patient's left is.*scanner-xyz"),
        (("space: 3D-right-handed",), "space does not say where the patient's left is"),
        (("space: left-posterior-superior-time",), "space does not say where the patient's left is"),
        (("space:", "space dimension: 3"), "space does not say where the patient's left is.*spacedimension: 3"),
        (("space dimension: 4",), "space does not say where the patient's left is"),
        (("space:", "space directions:", "space origin:"), "neither space directions nor spacings"),
        (("space:", "space directions:", "space origin:", "spacings: 1 -1 1"), "neither .* spacings 1 -1 1"),
        (("space:", "space directions:", "space origin:", "spacings: nan 1 1"), "spacings nan 1 1"),
        (("space directions:", "spacings: 1 1 1"), "space directions are due"),
        (("spacings: 1 1 1",), "space directions are due, and no spacings"),
        (("Space: RAS",), "it says Space twice"),
        (("axis mins: 1 1 1",), "axis mins or maxs"),
        (("space directions: none (0,1,0) (0,0,1)",), "three axes of space"),
        (("space directions: (1,0,0) (0,1,0)",), "3 vectors are due"),
        (("space directions: (1,0,0) (0,1,0) (0,0,1) x",), "3 vectors are due"),
        (("space directions: (1,0) (0,1,0) (0,0,1)",), "three numbers to a vector"),
        (("space directions: (1,0,0) (0,1,0) (0,0,1_0)",), "three numbers to a vector"),
        (("space directions: (1,0,0) (1,0,0) (0,0,1)",), "does not map to space"),
        (("space origin: (0,0,1e300)",), "three numbers to a vector"),
        (('space units: "m" "m" "m"',), 'unit of its lengths is not mm.*"m" "m" "m"'),
        (('space units: "mm" "um" "mm"',), "unit of its lengths is not mm"),
        (("space units: mm",), "unit of its lengths is not mm"),
        (("endian:",), "endian: not given, where little or big is due"),
        (("endian: middle",), "endian: middle"),
        (("type: block",), "type block are not read"),
        (("type: char",), "type char are not read"),
        (("type:",), "it has no field type"),
        (("encoding: ascii",), "encoding of its voxels is not read.*ascii"),
        (("encoding: hex",), "encoding of its voxels is not read"),
        (("encoding: bzip2",), "encoding of its voxels is not read.*bzip2.*raw or gzip"),
        (("data file: a.raw",), "voxels lie in another file.*one .nrrd file"),
        (("datafile: LIST",), "voxels lie in another file"),
        (("byte skip: 4",), "bytes before its voxels to be skipped"),
        (("byteskip: -1",), "bytes before its voxels to be skipped"),
        (("line skip: 1",), "lines or bytes"),
        (("old min: 3",), "values to be scaled"),
        (("dimension: 4",), "4 dimensions of 4 5 6 voxels"),
        (("sizes: 4 5 6.0",), "3 dimensions of 4 5 6.0"),
        (("sizes: 4 5 -6",), "3 dimensions of 4 5 -6"),
        (("sizes: 0 5 6",), "impossible or too large grid"),
        (("sizes: 40000 40000 40000",), "impossible or too large grid"),
        (("sizes: 640 640 640",), "truncated.*240 of 524288000 bytes"),
        (("dimension: 2", "sizes: 20 6"), "three axes of space"),
        (("kinds: vector domain domain",), "three axes of space.*vector domain domain"),
        (("kinds: domain domain time",), "three axes of space"),
        (("kinds: domain domain",), "2 kinds of 3 axes"),
        (("a field: that nobody knows",), "the line 'a field"),
        (("no colon",), "the line 'no colon'"),
    ],
)
def test_what_is_contradictory_or_not_read_is_refused(tmp_path: Path, lines: tuple[str, ...], match: str) -> None:
    path = write(tmp_path / "a.nrrd", *lines)
    with pytest.raises(DataError, match=match) as raised:
        load_volume(path)
    assert str(raised.value).startswith("a.nrrd ")
    assert raised.value.todo


def test_a_field_said_twice_is_refused_and_other_lines_do_not_matter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", "key:=type: float", "# a comment: yes", "sizes of it:=3")
    assert load_volume(path).array.max() == 119
    text = path.read_bytes().replace(b"encoding: raw\n", b"encoding: raw\r\nEncoding: raw\r\n")
    path.write_bytes(text)
    with pytest.raises(DataError, match="it says Encoding twice"):
        load_volume(path)
    path.write_bytes(text.replace(b"Encoding: raw\r\n", b""))
    assert load_volume(path).array.max() == 119


@pytest.mark.parametrize("kind", ["raw", "gzip", "damaged"])
def test_voxels_that_are_not_all_there(tmp_path: Path, kind: str) -> None:
    voxels = VOXELS.tobytes()[:-2] if kind == "raw" else gzip.compress(VOXELS.tobytes())[:-20]
    voxels = gzip.compress(VOXELS.tobytes()[:-2]) if kind == "damaged" else voxels
    path = write(tmp_path / "a.nrrd", f"encoding: {'raw' if kind == 'raw' else 'gzip'}", voxels=voxels)
    for read in (load_volume, lambda path: check_length(path, read_header(path))):
        with pytest.raises(DataError, match=r"a\.nrrd cannot be read as an image: it is truncated"):
            read(path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "it is empty"),
        (b"NRRD0009\ntype: short\n\n", "the magic word"),
        (b"NRRD0004\ntype: short\n", "no empty line ends it"),
        (b"NRRD0004\n" + b"#" * 2**21, "no empty line ends it within 1048576 bytes"),
        (b"\x1f\x8b" + bytes(20), "it is no NRRD file.*a gzip file"),
        (b"ObjectType = Image\n", "it is no NRRD file.*a MetaImage"),
    ],
)
def test_files_that_are_none(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(content)
    with pytest.raises(DataError, match=match):
        load_volume(tmp_path / "a.nrrd")


SEGMENTS = ("Segment0_ID:=Segment_1", "Segment0_LabelValue:=1", "Segment0_Name:=tumour: core", "Segment1_LabelValue:=2")


def test_a_segmentation_of_one_layer_is_read_as_labels(tmp_path: Path) -> None:
    """As 3D Slicer writes segments that do not overlap."""
    labels = np.zeros(120, np.uint8)
    labels[:7], labels[7:10] = 1, 2
    path = write(
        tmp_path / "case_1.seg.nrrd",
        *("type: unsigned char", "encoding: gzip", "kinds: domain domain domain", *SEGMENTS),
        voxels=gzip.compress(labels.tobytes()),
    )
    assert np.bincount(load_labels(path).array.ravel()).tolist() == [110, 7, 3]
    assert load_mask(path).array.sum() == 10


def test_a_segmentation_in_layers_is_refused_with_advice(tmp_path: Path) -> None:
    lines = ("dimension: 4", "sizes: 2 4 5 6", "kinds: list domain domain domain", *SEGMENTS)
    path = write(tmp_path / "a.seg.nrrd", *lines, "space directions: none (2,0,0) (0,3,0) (0,0,4)")
    for read in (load_mask, lambda path: load_channels(path, axis=0)):
        with pytest.raises(DataError, match=r"three axes of space alone.*sizes 2 4 5 6, kinds list.*binary labelmap"):
            read(path)
