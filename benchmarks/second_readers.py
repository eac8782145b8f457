"""Files with meaningful changes of their headers, and what nibabel and ITK read in them, to compare with ours."""

import gzip
import random
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from nibabel.imageglobals import LoggingOutputSuppressor

from afl_core.data.formats.files import read_header
from afl_core.volume import Volume

NEAR = 1e-3
"""Of the shortest voxel edge: how far a corner may be off."""

Read = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
"""Voxels as stored, and their index to RAS+ mm."""

UNITS_MM = {1: 1000.0, 3: 0.001}


def sound_files(folder: Path) -> list[tuple[str, bytes]]:
    """Sound files of both versions, byte orders and many types, oblique ones too: suffix and content, not zipped."""
    rng = np.random.default_rng(1)
    made = list[tuple[str, bytes]]()
    for kind in (nib.Nifti1Image, nib.Nifti2Image):
        for order in "<>":
            for dtype in ("u1", "i2", "u2", "i4", "f4", "f8"):
                affine = np.eye(4)
                affine[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.4, 3, 3)
                affine[:3, 3] = rng.uniform(-90, 90, 3)
                header = kind.header_class(endianness=order)
                header.set_data_dtype(np.dtype(dtype))
                image = kind(rng.integers(0, 99, (4, 5, 6)).astype(dtype), affine, header)
                image.set_qform(affine, int(rng.integers(0, 3)))
                image.set_sform(affine, int(rng.integers(0, 3)))
                made.append((".nii", image.to_bytes()))
    for suffix, zipped in ((".mha", False), (".mha", True), (".nrrd", False), (".nrrd", True)):
        for dtype in (np.uint8, np.int16, np.float32):
            image = sitk.GetImageFromArray(rng.integers(0, 99, (6, 5, 4)).astype(dtype))
            image.SetDirection(np.linalg.qr(rng.normal(size=(3, 3)))[0].ravel())
            image.SetSpacing((0.5, 0.7, 3.0))
            image.SetOrigin((10.0, -20.0, 30.0))
            sitk.WriteImage(image, str(folder / f"sound{suffix}"), useCompression=zipped)
            made.append((suffix, (folder / f"sound{suffix}").read_bytes()))
    return made


def change(suffix: str, data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """One to three changes of the header, each a value that some file has; the new suffix and content."""
    kind = nib.Nifti1Header if data[:4] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c") else nib.Nifti2Header
    fields = kind.template_dtype.newbyteorder("<" if data[0] in (0x5C, 0x1C) else ">")
    for _ in range(rng.randint(1, 3)):
        data = _change_text(data, rng, *_TEXTS[suffix]) if suffix in _TEXTS else _change_field(data, fields, rng)
    zipped = suffix == ".nii" and rng.random() < 0.3
    return (".nii.gz", gzip.compress(data, 1, mtime=0)) if zipped else (suffix, data)


def _change_field(data: bytes, kind: np.dtype[Any], rng: random.Random) -> bytes:
    """A field of a NIfTI header set to one of the values that it has in the wild."""
    fields = np.frombuffer(data, kind, 1).copy()
    name, value = rng.choice(list(_values(rng)))
    at = rng.randrange(fields[name][0].size)
    if fields[name].ndim > 1 and isinstance(value, float):
        fields[name][0, at] = value
    else:
        fields[name] = value
    return fields.tobytes() + data[fields.nbytes :]


def _values(rng: random.Random) -> Iterator[tuple[str, Any]]:
    for name in ("sform_code", "qform_code"):
        yield name, rng.choice((0, 1, 2, 4, 7, -1))
    yield "xyzt_units", rng.choice((0, 1, 2, 3, 10, 11, 5, 17))
    yield "pixdim", rng.choice((0.0, -1.0, 1.0, 2.5, 1e-3, 1e3, float("nan")))
    yield "dim", [rng.choice((2, 3, 4)), 4, 5, 6, *rng.choice(((1, 1, 1, 1), (0, 0, 0, 0), (2, 1, 1, 1)))]
    yield "dim", [3, *rng.choice(((4, 5, 3), (6, 5, 4), (2, 2, 2), (-1, 1, 1), (4, 5, 7))), 1, 1, 1, 1]
    yield "datatype", rng.choice((2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 2304, 0, 255))
    yield "vox_offset", rng.choice((0, 348, 352, 356, 368, 352.5, 540, 544, 560, 100))
    yield "scl_slope", rng.choice((0.0, 1.0, 2.0, -1.5, 0.1, float("nan"), float("inf")))
    yield "scl_inter", rng.choice((0.0, 1.0, -3.0, 0.25, float("nan"), float("-inf")))
    yield "magic", rng.choice((b"n+1", b"ni1", b"n+2", b"ni2", b""))
    for name in ("quatern_b", "quatern_c", "quatern_d"):
        yield name, rng.choice((0.0, 1.0, 1.0000004, -0.5, 0.7071068, 2.0, float("nan")))
    for name in ("qoffset_x", "qoffset_z"):
        yield name, rng.choice((0.0, 12.5, -1e4, float("nan")))
    for name in ("srow_x", "srow_y", "srow_z"):
        yield name, rng.choice((0.0, 1.0, -2.0, 0.3, float("inf")))
    yield "sizeof_hdr", rng.choice((348, 540, 0))
    yield "bitpix", rng.choice((8, 16, 32, 0))
    yield "intent_code", rng.choice((0, 1007, 1002))


_MHA_LINES = (
    *("BinaryData = true", "BinaryData = T", "BinaryData = 1", "BinaryData = False", "BinaryData = yes"),
    *("BinaryDataByteOrderMSB = true", "BinaryDataByteOrderMSB = 1", "ElementByteOrderMSB = True"),
    *("ElementByteOrderMSB = False", "BinaryDataByteOrderMSB = T", "CompressedData = true", "CompressedData = 0"),
    *("CompressedData = F", "CompressedDataSize = 20", "CompressedDataSize = 0", "CompressedDataSize = 99999"),
    *("ElementSpacing = 1 2 3", "ElementSize = 1 2 3", "elementspacing = 4 4 4", "ElementSpacing = 1e0 2. .5"),
    *("ElementSpacing = 1 2", "ElementSpacing = 1 -2 3", "ElementSpacing = 0 1 1", "ElementSpacing = nan 1 1"),
    *("Offset = 1 2 3", "Position = 4 5 6", "Origin = 7 8 9", "ORIGIN = 7 8 9", "Offset: 3 3 3", "Offset : 3 = 3 3"),
    *("TransformMatrix = 0 1 0 1 0 0 0 0 1", "Rotation = 1 0 0 0 0 1 0 1 0", "Orientation = -1 0 0 0 1 0 0 0 1"),
    *("TransformMatrix = 1 0 0 1 0 0 0 0 1", "CenterOfRotation = 5 5 5", "AnatomicalOrientation = LPI"),
    *("HeaderSize = 0", "HeaderSize = -1", "HeaderSize = 100", "HeaderSize = 5", "NDims = 2", "NDims = 4"),
    *("DimSize = 6 5 4", "DimSize = 4 5 3", "DimSize = 4 5", "DimSize = 4 5 6 1", "DimSize = 4_0 5 6"),
    *("ElementNumberOfChannels = 1", "ElementNumberOfChannels = 2", "ElementType = MET_CHAR", "Comment = a = b"),
    *("ElementType = MET_USHORT", "ElementType = MET_FLOAT", "ElementType = MET_LONG", "ElementType = met_short"),
    *("ElementToIntensityFunctionSlope = 2", "ElementToIntensityFunctionOffset = 5", "a line without a sign", ""),
    *("ElementMin = 3", "Modality = MET_MOD_MR", " Offset = 9 9 9", "Offset  =  1  1  1 ", "\tOffset = 2 2 2"),
    *("ElementDataFile = Local", "ElementDataFile = LoCaL", "ElementDataFile = local", "ObjectType = Scene"),
    *("TransformMatrix = 1 0 0 0 1 0 0 0 1 5", "ID = 3", "ParentID = 1", "Name = a", "Color = 1 0 0 1", "x" * 300),
)


_NRRD_LINES = (
    *("type: uchar", "type: uint8", "type: int8_t", "type: signed char", "type: SHORT", "type: unsigned short int"),
    *("type: float", "type: int", "type: block", "type: char", "type:short", "type:=short", "type: int16 "),
    *("dimension: 4", "dimension: 2", "dimension: 3", "sizes: 6 5 4", "sizes: 4 5 3", "sizes: 4 5", "sizes: 4 5 6 1"),
    *("sizes: 2 2 2", "sizes: 4 5 7", "sizes: -1 5 6", "sizes: 4.0 5 6", "encoding: raw", "encoding: RAW"),
    *("encoding: gz", "encoding: gzip", "encoding: ascii", "encoding: hex", "encoding: bzip2", "endian: big"),
    *("endian: little", "endian: Big", "endian: middle", "space: RAS", "space: LAS", "space: lps", "space: LPST"),
    *("space: right-anterior-superior", "space: left-anterior-superior", "space: Left-Posterior-Superior"),
    *("space: right anterior superior", "space: scanner-xyz", "space: 3D-right-handed", "space dimension: 3"),
    *("space: 3D-left-handed", "space: right-up", "space dimension: 2", 'space units: "mm" "mm" "mm"'),
    *('space units: "m" "m" "m"', 'space units: "um" "mm" "mm"', 'units: "mm" "mm" "mm"'),
    *("space directions: (0,1,0) (1,0,0) (0,0,1)", "space directions: (1,0,0) (0.5,2,0) (0,0,3)"),
    *("space directions: none (0,1,0) (0,0,1)", "space directions: (1,0,0)(0,2,0)(0,0,3)", "space directions: (1,0,0)"),
    *("space directions: ( -1 , 0, 0 )  (0,1e0,0) ( 0,0,.5)", "space directions: (1,0,0) (1,0,0) (0,0,1)"),
    *("space directions: (nan,0,0) (0,1,0) (0,0,1)", "space origin: (1,2,3)", "space origin: (0x10,0,0)"),
    *("space origin: (1,2)", "space origin: (1,2,3) (4,5,6)", "space origin: (inf,0,0)", "space origin: none"),
    *("spacings: 1 2 3", "spacings: 1 -2 3", "spacings: nan 1 1", "spacings: 1 2", "thicknesses: 1 2 3"),
    *("axis mins: 5 6 7", "axismaxs: 9 9 9", "centers: cell cell cell", "centerings: node node node", "byte skip: 0"),
    *("byte skip: 4", "byte skip: -1", "byteskip: 2", "line skip: 1", "lineskip: 0", "kinds: space space space"),
    *("kinds: vector domain domain", "kinds: domain domain list", "kinds: domain domain domain", "kinds: domain"),
    *("measurement frame: (0,1,0) (1,0,0) (0,0,1)", "old min: 3", "oldmax: 9", "min: 1", "number: 7", "content: a: b"),
    *("data file: other.raw", "datafile: LIST", "foo: bar", "foo:=bar: b", "a: b:=c", "# type: float", " type: int"),
    *('labels: "a" "b" "c"', "sample units: HU", "block size: 4", "Space Origin: (9,9,9)", "", "x" * 300),
)

_TEXTS: Mapping[str, tuple[tuple[str, ...], bytes, bytes]] = MappingProxyType(
    {
        ".mha": (_MHA_LINES, b"=", b"ElementDataFile = LOCAL\n"),
        ".nrrd": (_NRRD_LINES, b":", b"\n"),
    }
)
"""Lines of the formats with a header of text, what stands behind a name in them, and the line that ends it."""


def _change_text(data: bytes, rng: random.Random, choices: tuple[str, ...], sign: bytes, last: bytes) -> bytes:
    """A line of a header put in, in place of the line of that name, or before or after it, or one taken out."""
    head, mark, voxels = data.partition(b"\n" + last)
    lines = head.split(b"\n")
    if rng.random() < 0.1:
        del lines[rng.randrange(len(lines))]
    line = rng.choice(choices).encode()
    name = line.split(sign)[0].strip()
    if name == b"ElementDataFile":
        return head + b"\n" + line + b"\n" + voxels
    old = [i for i, other in enumerate(lines) if other.split(sign)[0].strip() == name]
    if old and rng.random() < 0.7:
        lines[old[0]] = line
    else:
        lines.insert(rng.randint(0, len(lines)), line)
    if rng.random() < 0.1:
        lines = [other + b"\r" for other in lines]
    return b"\n".join(lines) + mark + voxels


def difference(path: Path, ours: Volume) -> str:
    """What a second reader reads otherwise in a file that we read; "" if nothing.

    Of a NIfTI file ITK is asked only where one transform alone is coded, or both agree: it has rules of its own for the
    rest, where ours are nibabel's, and it adds an intercept without a slope. What a second reader does not read is not
    compared.
    """
    clear = not any(re.search("coded|disagree|scl_inter", said) for said in read_header(path).remarks)
    text = path.suffix in _TEXTS
    readers = {"ITK": _read_itk} if clear or text else {}
    readers |= {} if text else {"nibabel": _read_nibabel}
    for name, read in readers.items():
        try:
            array, affine = read(path)
        except Exception:  # noqa: BLE001 - what it refuses cannot be compared
            continue
        # Of an sform and a qform that are one but for rounding, ITK takes the qform.
        said = _compare(ours, array, affine, near=1.0 if name == "ITK" and not text else NEAR)
        if said:
            return f"{name}: {said}"
    return ""


def _compare(ours: Volume, array: Any, affine: Any, *, near: float) -> str:
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    turn = nib.orientations.io_orientation(affine)
    if np.isnan(turn).any():
        return f"the affine {affine.tolist()}"
    turned = nib.orientations.apply_orientation(array, turn)
    affine = affine @ nib.orientations.inv_ornt_aff(turn, array.shape)
    if turned.shape != ours.array.shape:
        return f"{turned.shape} voxels, ours {ours.array.shape}"
    corner = np.array([*turned.shape, 1])
    apart = max(np.abs((affine - ours.affine) @ corner).max(), np.abs(affine - ours.affine).max())
    if not apart <= near * min(ours.spacing_mm) + 1e-6 * np.abs(affine).max():
        return f"the affine {affine.tolist()}, ours {ours.affine.tolist()}"
    if not np.allclose(turned.astype(np.float32), ours.array, rtol=1e-5, equal_nan=True):
        return "the voxels"
    return ""


def _read_nibabel(path: Path) -> Read:
    with LoggingOutputSuppressor(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        image = nib.load(path)
        factor = UNITS_MM.get(int(image.header["xyzt_units"]) & 7, 1.0)
        affine = np.diag([factor, factor, factor, 1.0]) @ image.affine
        return np.asanyarray(image.dataobj), affine


def _read_itk(path: Path) -> Read:
    image = sitk.ReadImage(str(path))
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError("no 3-D image")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(), np.diag([-1, -1, 1, 1]) @ affine
