"""DICOM segmentations of made labels, on the grid of slices that are made too."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (5, 4, 6)
"""Slices, rows and columns."""

SPACING_MM = (3.0, 1.0, 2.0)
FIRST_MM = (10.0, 20.0, 30.0)
"""Middle of the first voxel of the first slice, to the patient's left, back and head."""


def labels() -> np.ndarray:
    """Two organs' voxels in the three middle slices, and one voxel of a second label."""
    array = np.zeros(SHAPE, np.uint8)
    array[1:4, 1:3, 1:3] = 1
    array[2, 1, 4] = 2
    return array


def slices(*, turned: bool = False) -> list[Any]:
    """An MR series of empty slices; turned, with rows to the patient's right."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

    shared = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    shared |= {"PatientID": "p", "PatientName": "p^", "PatientBirthDate": "", "PatientSex": "O", "StudyID": "1"}
    shared |= {"StudyDate": "20200101", "StudyTime": "000000", "AccessionNumber": "", "ReferringPhysicianName": ""}
    shared |= {"Modality": "MR", "Manufacturer": "made", "SeriesNumber": 1, "PositionReferenceIndicator": ""}
    shared |= {
        "Rows": SHAPE[1],
        "Columns": SHAPE[2],
        "PixelSpacing": [*SPACING_MM[1:]],
        "SliceThickness": SPACING_MM[0],
    }
    shared |= {"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0] if turned else [1, 0, 0, 0, 1, 0]}
    shared |= {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 0, "SamplesPerPixel": 1}
    shared |= {"PhotometricInterpretation": "MONOCHROME2", "PixelData": np.zeros(SHAPE[1:], np.uint16).tobytes()}
    made = []
    for k in range(SHAPE[0]):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID = MRImageStorage
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID = generate_uid()
        for name, value in shared.items():
            setattr(one, name, value)
        one.InstanceNumber = k + 1
        one.ImagePositionPatient = [*FIRST_MM[:2], FIRST_MM[2] + k * SPACING_MM[0]]
        made.append(one)
    return made


def write_seg(
    path: Path, array: np.ndarray, names: Sequence[str] = ("liver", "tumor"), *, turned: bool = False, **options: Any
) -> Path:
    """A segmentation of labels (slices, rows, columns), or of segments (slices, rows, columns, segments)."""
    from highdicom import seg
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    kind = options.pop("kind", seg.SegmentationTypeValues.BINARY)
    described = [
        seg.SegmentDescription(n, name, codes.SCT.Organ, codes.SCT.Liver, seg.SegmentAlgorithmTypeValues.MANUAL)
        for n, name in enumerate(names, start=1)
    ]
    about: Mapping[str, Any] = {
        "series_instance_uid": generate_uid(),
        "series_number": 2,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": "made",
        "manufacturer_model_name": "made",
        "software_versions": "1",
        "device_serial_number": "1",
    }
    options = {"omit_empty_frames": False, **options}
    made = seg.Segmentation(slices(turned=turned), array, kind, described, **about, **options)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path)
    return path
