"""Images on disk become RAS+ volumes, and everything that is not an image becomes one clear DataError."""

import gzip
import itertools
import tracemalloc
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from afl_core.data.formats.files import (
    load_labels,
    load_mask,
    load_volume,
    read_header,
    save_mask,
    save_volume,
    strip_suffix,
)
from afl_core.errors import DataError, GeometryError
from afl_core.volume import Mask, Volume, check_same_grid

SHAPE = (5, 6, 7)
AFFINE = np.array([[1.5, 0, 0, -10], [0, 2.0, 0, 20], [0, 0, 3.0, -30], [0, 0, 0, 1.0]])
AXES = list(itertools.product("RL", "AP", "SI"))
STORED = ["".join(order) for axes in AXES for order in itertools.permutations(axes)]


def phantom() -> np.ndarray:
    return np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)


def store(path: Path, axes: str, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    """Write a RAS+ array in another axis order, as nibabel defines it."""
    image = nib.Nifti1Image(array, affine)
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(axes))
    nib.save(image.as_reoriented(turn), path)
    assert nib.aff2axcodes(nib.load(path).affine) == tuple(axes)
    return path


@pytest.mark.parametrize("axes", STORED)
def test_every_storage_order_gives_the_same_ras_volume(tmp_path: Path, axes: str) -> None:
    volume = load_volume(store(tmp_path / "a.nii.gz", axes, phantom()))
    np.testing.assert_array_equal(volume.array, phantom())
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-5)
    assert volume.array.dtype == np.float32
    assert volume.spacing_mm == pytest.approx((1.5, 2.0, 3.0))


@pytest.mark.parametrize("axes", STORED)
def test_a_mask_goes_back_to_the_stored_order(tmp_path: Path, axes: str) -> None:
    like = store(tmp_path / "like.nii", axes, phantom())
    ras = phantom() % 3 == 0
    save_mask(tmp_path / "mask.nii.gz", Mask(ras, AFFINE), like=like)
    stored, wanted = nib.load(tmp_path / "mask.nii.gz"), nib.load(like)
    np.testing.assert_array_equal(stored.affine, wanted.affine)
    np.testing.assert_array_equal(np.asanyarray(stored.dataobj), np.asanyarray(wanted.dataobj) % 3 == 0)
    np.testing.assert_array_equal(load_mask(tmp_path / "mask.nii.gz").array, ras)


@pytest.mark.parametrize("dtype", [bool, np.int16])
@pytest.mark.parametrize("name", ["mask.nii", "mask.nii.gz"])
def test_a_mask_has_the_bytes_that_nibabel_writes(tmp_path: Path, name: str, dtype: type) -> None:
    like = store(tmp_path / "like.nii", "LPS", phantom())
    ras = (phantom() % 3).astype(dtype)
    save_mask(tmp_path / name, Volume(ras, AFFINE), like=like)
    image = nib.Nifti1Image(ras[::-1, ::-1].astype(np.uint8 if dtype is bool else dtype), nib.load(like).affine)
    image.header.set_xyzt_units("mm")
    data = (tmp_path / name).read_bytes()
    assert (gzip.decompress(data) if name.endswith("gz") else data) == image.to_bytes()


def test_a_header_is_read_anew_once_its_file_changed(tmp_path: Path) -> None:
    path = tmp_path / "image.nii"
    save_volume(path, phantom(), AFFINE)
    before = read_header(path).affine
    save_volume(path, phantom(), 2 * AFFINE)
    np.testing.assert_array_equal(read_header(path).affine[:3], 2 * before[:3])
    with pytest.raises(ValueError, match="read-only"):
        before[0, 0] = 1


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    like = store(tmp_path / "like.nii", "LPS", phantom())
    with pytest.raises(GeometryError, match=r"does not fit like\.nii"):
        save_mask(tmp_path / "mask.nii", Mask(np.zeros((6, 6, 7), dtype=bool), AFFINE), like=like)
    assert not (tmp_path / "mask.nii").exists()


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
def test_itk_files_agree_with_nifti_of_the_same_phantom(tmp_path: Path, suffix: str) -> None:
    import SimpleITK as sitk  # noqa: N813

    turn = np.deg2rad(20)  # an oblique grid, flipped in y, written by ITK itself in both formats
    direction = [np.cos(turn), np.sin(turn), 0, np.sin(turn), -np.cos(turn), 0, 0, 0, 1]
    image = sitk.GetImageFromArray(phantom())
    image.SetSpacing((0.5, 0.75, 3.0))
    image.SetOrigin((11.0, -22.0, 33.0))
    image.SetDirection(direction)
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    sitk.WriteImage(image, str(tmp_path / "a.nii.gz"))
    itk, nifti = load_volume(tmp_path / f"a{suffix}"), load_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(itk.array, nifti.array)
    np.testing.assert_allclose(itk.affine, nifti.affine, atol=1e-4)
    assert itk.array.shape == (7, 6, 5)
    assert itk.array.max() == phantom().max()
    voxel = np.argwhere(itk.array == phantom()[1, 2, 3])[0]  # SimpleITK index (3, 2, 1)
    x, y, z = image.TransformIndexToPhysicalPoint((3, 2, 1))
    np.testing.assert_allclose((itk.affine @ [*voxel, 1])[:3], (-x, -y, z), atol=1e-4)


def test_a_mask_goes_back_to_the_grid_of_an_mha_file(tmp_path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray((phantom() % 2).astype(np.uint8))
    image.SetSpacing((0.5, 0.75, 3.0))
    image.SetOrigin((1.0, 2.0, 3.0))
    sitk.WriteImage(image, str(tmp_path / "like.mha"))
    save_mask(tmp_path / "back.nii.gz", load_mask(tmp_path / "like.mha"), like=tmp_path / "like.mha")
    back = sitk.ReadImage(str(tmp_path / "back.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    assert back.GetSpacing() == pytest.approx(image.GetSpacing())
    assert back.GetOrigin() == pytest.approx(image.GetOrigin())
    assert back.GetDirection() == pytest.approx(image.GetDirection())


@pytest.mark.parametrize("name", ["A.NII", "A.NII.GZ"])
def test_upper_case_extensions(tmp_path: Path, name: str) -> None:
    plain = store(tmp_path / ("a.nii.gz" if name.lower().endswith("gz") else "a.nii"), "RAS", phantom())
    plain.rename(tmp_path / name)
    np.testing.assert_array_equal(load_volume(tmp_path / name).array, phantom())
    assert strip_suffix(name) == "A"


def test_scaling_of_the_header_is_applied(tmp_path: Path) -> None:
    image = nib.Nifti1Image(phantom(), AFFINE)
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(load_volume(tmp_path / "a.nii").array, phantom() * 0.5 + 10)


def test_a_fourth_axis_of_one_is_dropped_and_of_two_is_refused(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(phantom()[..., None], AFFINE), tmp_path / "one.nii")
    nib.save(nib.Nifti1Image(np.stack([phantom()] * 2, axis=-1), AFFINE), tmp_path / "two.nii")
    np.testing.assert_array_equal(load_volume(tmp_path / "one.nii").array, phantom())
    assert read_header(tmp_path / "one.nii").shape == SHAPE
    with pytest.raises(DataError, match=r"two\.nii has 4 dimensions where 3 are due .*\(5, 6, 7, 2\)"):
        load_volume(tmp_path / "two.nii")


def test_vector_images_are_refused(tmp_path: Path) -> None:
    import SimpleITK as sitk  # noqa: N813

    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.float32), isVector=True), tmp_path / "v.mha")
    with pytest.raises(DataError, match=r"v\.mha has 4 dimensions"):
        load_volume(tmp_path / "v.mha")


@pytest.mark.parametrize("dtype", [np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]), np.dtype(np.complex64)])
def test_colour_and_complex_images_are_refused(tmp_path: Path, dtype: np.dtype) -> None:
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, dtype), AFFINE), tmp_path / "c.nii")
    with pytest.raises(DataError, match=r"c\.nii holds voxels that are no plain numbers"):
        load_volume(tmp_path / "c.nii")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_voxels_that_are_not_finite_are_counted(tmp_path: Path, bad: float) -> None:
    array = phantom().astype(np.float64)
    array[0, 0, :2] = bad
    nib.save(nib.Nifti1Image(array, AFFINE), tmp_path / "n.nii.gz")
    with pytest.raises(DataError, match=r"n\.nii\.gz holds NaN or infinite voxels \(received: 2 of 210\)"):
        load_volume(tmp_path / "n.nii.gz")


@pytest.mark.parametrize("kept", [0, 40, 0.3, 0.9])
def test_truncated_gzip(tmp_path: Path, kept: float) -> None:
    rng = np.random.default_rng(0)
    nib.save(nib.Nifti1Image(rng.normal(size=(16, 16, 16)), AFFINE), tmp_path / "a.nii.gz")
    whole = (tmp_path / "a.nii.gz").read_bytes()
    (tmp_path / "t.nii.gz").write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    with pytest.raises(DataError, match=r"t\.nii\.gz cannot be read as an image"):
        load_volume(tmp_path / "t.nii.gz")


@pytest.mark.parametrize("damage", ["last byte", "length", "checksum", "checksum byte"])
def test_a_gzip_file_whose_checksum_is_missing_or_wrong(tmp_path: Path, damage: str) -> None:
    path = store(tmp_path / "a.nii.gz", "RAS", phantom())
    data = bytearray(path.read_bytes())
    match damage:
        case "last byte":
            del data[-1]
        case "length":
            del data[-4:]
        case "checksum":
            del data[-8:]
        case "checksum byte":
            data[-8] ^= 1
    path.write_bytes(data)
    cause = "its compressed voxels are damaged" if damage == "checksum byte" else "it is truncated"
    with pytest.raises(DataError, match=rf"a\.nii\.gz cannot be read as an image: {cause}") as caught:
        load_volume(path)
    assert "\n" not in str(caught.value)


def test_gzip_members_are_one_stream_and_what_follows_the_last_is_ignored(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 2**15, (64, 64, 40), np.int16)  # 160 KiB that do not shrink
    plain = store(tmp_path / "a.nii", "RAS", array).read_bytes()
    cuts = [0, 100, 500, 70_000, 70_000, 150_000, len(plain)]
    members = b"".join(gzip.compress(plain[a:b]) for a, b in itertools.pairwise(cuts))
    for tail in (b"", b"\x1f", bytes(600), b"not gzip", gzip.compress(b"more")):
        (tmp_path / "a.nii.gz").write_bytes(members + tail)
        np.testing.assert_array_equal(load_volume(tmp_path / "a.nii.gz").array, array)


@pytest.mark.parametrize("length", [2**16 - 1, 2**16, 2**16 + 1])
def test_a_gzip_member_may_end_where_a_piece_that_is_read_ends(tmp_path: Path, length: int) -> None:
    array = np.random.default_rng(0).integers(0, 2**15, (64, 64, 40), np.int16)
    plain = store(tmp_path / "a.nii", "RAS", array).read_bytes()
    cut = next(n for n in range(length - 100, length) if len(gzip.compress(plain[:n], 0)) == length)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(plain[:cut], 0) + gzip.compress(plain[cut:]))
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii.gz").array, array)


def stored_dtypes() -> list[str]:
    return [f"{order}{kind}" for order in "<>" for kind in ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")]


@pytest.mark.parametrize("dtype", stored_dtypes())
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_and_affine_are_those_that_nibabel_reads(tmp_path: Path, dtype: str, kind: type) -> None:
    rng = np.random.default_rng(sum(dtype.encode()))
    for suffix, scaled, extended in itertools.product((".nii", ".nii.gz"), (False, True), (False, True)):
        affine = np.eye(4)
        affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.3, 4, 3)
        affine[:3, 3] = rng.uniform(-100, 100, 3)
        header = kind.header_class(endianness=dtype[0])
        header.set_data_dtype(np.dtype(dtype))
        if extended:
            header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * int(rng.integers(1, 3000))))
        shape = tuple(rng.integers(1, 40, 3))
        voxels = rng.integers(0, 100, shape).astype(dtype)
        image = kind(voxels, affine, header)
        path = tmp_path / f"a{suffix}"
        nib.save(image, path)
        if scaled:
            rewrite_scaling(path, kind, rng.normal(), 10 * rng.normal())
        wanted = nib.as_closest_canonical(nib.load(path))
        volume = load_volume(path)
        np.testing.assert_array_equal(volume.array, np.asanyarray(wanted.dataobj).astype(np.float32))
        np.testing.assert_array_equal(volume.affine, wanted.affine)
        assert volume.array.flags.writeable


def rewrite_scaling(path: Path, kind: type, slope: float, inter: float) -> None:
    """Set slope and intercept in the header alone: nibabel would scale the voxels when it saves."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    size = kind.header_class.sizeof_hdr
    header = kind.header_class(data[:size])
    header["scl_slope"], header["scl_inter"] = slope, inter
    data = header.binaryblock + data[size:]
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    assert nib.load(path).dataobj.slope == pytest.approx(slope)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.png"])
@pytest.mark.parametrize("content", [b"", b"this is no image\n" * 100])
def test_not_an_image(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} cannot be read as an image"):
        load_volume(tmp_path / name)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.nii").mkdir()
    for name in ("none.nii.gz", "folder.nii"):
        with pytest.raises(DataError, match=f"There is no file {name}"):
            load_volume(tmp_path / name)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_header_of_100_terabytes_is_refused_before_allocation(tmp_path: Path, zipped: bool) -> None:
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((30000, 30000, 30000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = tmp_path / ("huge.nii.gz" if zipped else "huge.nii")
    content = header.binaryblock + bytes(100)
    path.write_bytes(gzip.compress(content) if zipped else content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="impossible or too large grid"):
            load_volume(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def small_image_in_a_bomb(path: Path, *, offset: int) -> None:
    """A header of 5 x 6 x 7 voxels that start at `offset`, and 128 MiB of zeros in a few hundred KiB."""
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape(SHAPE)
    header["pixdim"][1:4] = 1
    header["vox_offset"], header["magic"] = offset, b"n+1"
    extension = np.array([1, offset - 352, 6], "<i4").tobytes()  # one that fills what lies before the voxels
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header.binaryblock + extension)
        for _ in range(128):
            file.write(bytes(2**20))


@pytest.mark.parametrize("offset", [352, 2**20])
def test_a_gzip_bomb_is_not_unzipped_past_the_last_voxel(tmp_path: Path, offset: int) -> None:
    small_image_in_a_bomb(tmp_path / "bomb.nii.gz", offset=offset)
    tracemalloc.start()
    try:
        assert read_header(tmp_path / "bomb.nii.gz").shape == SHAPE
        assert tracemalloc.get_traced_memory()[1] < 2**20
        assert load_volume(tmp_path / "bomb.nii.gz").array.shape == SHAPE
        assert tracemalloc.get_traced_memory()[1] < 2**20 + offset
    finally:
        tracemalloc.stop()


def test_voxels_that_start_far_off_are_refused_before_they_are_looked_for(tmp_path: Path) -> None:
    small_image_in_a_bomb(tmp_path / "bomb.nii.gz", offset=2**26)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"bomb\.nii\.gz cannot be read .*its voxels start at byte 67108864"):
            load_volume(tmp_path / "bomb.nii.gz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_huge_mha_header_is_refused(tmp_path: Path) -> None:
    text = (
        "ObjectType = Image\nNDims = 3\nDimSize = 30000 30000 30000\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
    )
    (tmp_path / "huge.mha").write_text(text)
    with pytest.raises(DataError, match="impossible or too large grid"):
        load_volume(tmp_path / "huge.mha")


def test_labels_and_masks(tmp_path: Path) -> None:
    labels = np.zeros(SHAPE, np.float32)
    labels[1:3], labels[3] = 1, 4
    nib.save(nib.Nifti1Image(labels, AFFINE), tmp_path / "l.nii")
    np.testing.assert_array_equal(load_labels(tmp_path / "l.nii").array, labels)
    mask = load_mask(tmp_path / "l.nii")
    np.testing.assert_array_equal(mask.array, labels > 0)
    assert mask.volume_ml == pytest.approx(3 * 6 * 7 * 9 / 1000)


def test_a_label_image_off_by_rounding_is_rounded(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full(SHAPE, 0.99999997), AFFINE), tmp_path / "l.nii")
    assert np.unique(load_labels(tmp_path / "l.nii").array).tolist() == [1]


@pytest.mark.parametrize(("value", "message"), [(0.5, "holds fractions"), (-1, "not a label"), (1e6, "not a label")])
def test_fractional_negative_and_huge_labels_are_refused(tmp_path: Path, value: float, message: str) -> None:
    array = np.zeros(SHAPE, np.float32)
    array[2, 2, 2] = value
    nib.save(nib.Nifti1Image(array, AFFINE), tmp_path / "l.nii")
    with pytest.raises(DataError, match=message):
        load_labels(tmp_path / "l.nii")


def test_an_empty_reference_is_a_mask_of_no_volume(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE), tmp_path / "empty.nii.gz")
    assert load_mask(tmp_path / "empty.nii.gz").volume_ml == 0


def test_another_grid_is_refused_and_rounding_is_not(tmp_path: Path) -> None:
    first = load_volume(store(tmp_path / "a.nii", "RAS", phantom()))
    rounded, moved = AFFINE.copy(), AFFINE.copy()
    rounded[0, 3] += 0.01
    moved[0, 3] += 1.0
    names = ("a", "b")
    check_same_grid(first, load_volume(store(tmp_path / "r.nii", "LPS", phantom(), rounded)), names=names)
    with pytest.raises(GeometryError, match=r"b has another affine than a .*1\.00 mm away"):
        check_same_grid(first, load_volume(store(tmp_path / "m.nii", "LPS", phantom(), moved)), names=names)
    with pytest.raises(GeometryError, match="b lies on another grid than a"):
        check_same_grid(first, load_volume(store(tmp_path / "s.nii", "RAS", phantom()[1:])), names=names)


def test_the_same_array_gives_the_same_bytes_and_no_stray_file(tmp_path: Path) -> None:
    for name in ("a.nii.gz", "b.nii.gz"):
        save_volume(tmp_path / name, phantom(), AFFINE)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nii.gz").array, phantom())


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    save_volume(tmp_path / "a.nii.gz", phantom(), AFFINE)
    before = (tmp_path / "a.nii.gz").read_bytes()
    with pytest.raises(Exception, match=r"dtype|object|type"):
        save_volume(tmp_path / "a.nii.gz", np.full(SHAPE, None, dtype=object), AFFINE)
    assert (tmp_path / "a.nii.gz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]
