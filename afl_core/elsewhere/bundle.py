"""One ZIP of a case for 3D Slicer and ITK-SNAP: images, reference, the mask of every source, and what opens them."""

import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TypeVar
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from afl_core.analysis.case_tables import compared_sources
from afl_core.base.isolation import attempt
from afl_core.base.remote import bring
from afl_core.data.formats.files import load_mask, save_volume, strip_suffix
from afl_core.data.layouts import load_reference, load_sequence
from afl_core.elsewhere.scenes import (
    LABELS,
    LOADER,
    README,
    SCENE,
    Layer,
    itksnap_labels,
    mrml_scene,
    readme,
    slicer_loader,
)
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.figures.palette import REFERENCE_COLOUR, rgb, source_style
from afl_core.volume import Case, Mask

MAX_BYTES = 2**29
"""Most bytes of files that are copied as they are; what does not fit is named in the README instead."""

_CHUNK = 2**20

T = TypeVar("T")


def safe(name: str) -> str:
    """A name for a file on every system: ASCII letters, digits, dot, dash and underscore, not long, never hidden.

    >>> safe("../../etc/A b&<c>"), safe("..."), safe("con.nii")
    ('etc_A_b_c', 'case', 'con.nii')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:80] or "case"


def write_bundle(opened: Comparison, case_id: str, file: IO[bytes]) -> tuple[str, ...]:
    """Write the ZIP of a case; what cannot be had is left out.

    Args:
        opened: The results.
        case_id: The case.
        file: Where the ZIP goes, part by part; no file of the case is held in memory whole but the mask at hand.

    Returns:
        What is missing or not as in the data set, a sentence each; the README says the same.

    Raises:
        DataError: If there is no mask of the case at all.
    """
    cases = opened.cohort.cases if opened.cohort else ()
    case = next((case for case in cases if case.case_id == case_id), None)
    with ZipFile(file, "w") as archive, TemporaryDirectory() as scratch:
        bundle = _Bundle(archive, safe(case_id), Path(scratch))
        if case is None:
            bundle.notes.append(opened.problem or f"{case_id} is no longer in the data set: no image, no reference.")
        else:
            _add_images(bundle, case)
            _add_reference(bundle, case)
        _add_sources(bundle, opened, case_id)
        if not bundle.layers:
            raise DataError(
                f"There is no mask of {case_id}", received="; ".join(bundle.notes), todo="Evaluate the case"
            )
        bundle.text(SCENE, mrml_scene(bundle.images, bundle.layers))
        bundle.text(LOADER, slicer_loader(bundle.images, bundle.layers))
        bundle.text(LABELS, itksnap_labels(bundle.layers))
        bundle.text(README, readme(case_id, bundle.images, bundle.layers, bundle.notes))
    return tuple(bundle.notes)


@dataclass(eq=False)
class _Bundle:
    """A ZIP that is being written, and what it holds so far."""

    archive: ZipFile
    folder: str
    scratch: Path
    images: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    copied: int = 0

    def text(self, name: str, text: str) -> None:
        self.archive.writestr(self._entry(name, ZIP_DEFLATED), text)

    def copy(self, path: Path, name: str) -> bool:
        """Copy a file as it is; False, with a note, where it is too large or cannot be read."""
        try:
            bring(path)
            size = path.stat().st_size
            if self.copied + size > MAX_BYTES:
                self.notes.append(
                    f"{name} would make this file larger than {MAX_BYTES >> 20} MiB: it is the file {path.name}"
                )
                return False
            with path.open("rb") as source, self.archive.open(self._entry(name), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _CHUNK)
        except (OSError, AflError) as error:
            self.notes.append(f"{name} could not be read: {error}")
            return False
        self.copied += size
        return True

    def mask(self, mask: Mask, name: str, colour: str) -> None:
        """Add a mask in the file of each viewer."""
        label = len(self.layers) + 1
        layer = Layer(label, " ".join(name.replace('"', " ").split()), colour, f"{label}_{safe(name)}")
        self.layers.append(layer)
        stored = self.scratch / "mask.nii.gz"
        save_volume(stored, mask.array * np.uint8(label), mask.affine)
        with stored.open("rb") as source, self.archive.open(self._entry(layer.itksnap), "w") as target:
            shutil.copyfileobj(source, target, _CHUNK)
        with self.archive.open(self._entry(layer.slicer), "w", force_zip64=True) as target:
            target.write(_nrrd_header(mask, layer))
            with gzip.GzipFile("", fileobj=target, mode="wb", compresslevel=6, mtime=0) as zipped:
                for plane in np.moveaxis(mask.array, 2, 0):
                    zipped.write(plane.astype(np.uint8).tobytes(order="F"))

    def _entry(self, name: str, kind: int = ZIP_STORED) -> ZipInfo:
        entry = ZipInfo(f"{self.folder}/{name}")
        entry.compress_type = kind
        return entry


def _add_images(bundle: _Bundle, case: Case) -> None:
    """Every sequence as its file is; where the data set reads the file otherwise than its header says, as read."""
    for k, (name, path) in enumerate(case.sequences.items(), start=1):
        stem, suffix = f"images/{k}_{safe(name)}", path.name[len(strip_suffix(path.name)) :]
        as_read = name in case.channels or case.trust_voxel_order or suffix.lower() == ".mhd"
        if not as_read:
            target, file = f"{stem}{suffix}", path
        else:
            made = _made(bundle, f"the {name} image", partial(_as_read, bundle, case, name))
            if made is None:
                continue
            target, file = f"{stem}.nii.gz", made
            bundle.notes.append(f"{target} is not a file of the data set: it is the {name} image as it is read.")
        if bundle.copy(file, target):
            bundle.images.append(target)


def _as_read(bundle: _Bundle, case: Case, name: str) -> Path:
    volume = load_sequence(case, name)
    path = bundle.scratch / "image.nii.gz"
    save_volume(path, volume.array, volume.affine)
    return path


def _add_reference(bundle: _Bundle, case: Case) -> None:
    """The region that was measured, and the file as the data set has it."""
    if case.reference is None:
        return
    path = case.reference
    bundle.copy(path, f"reference/{safe(strip_suffix(path.name))}{path.name[len(strip_suffix(path.name)) :]}")
    if mask := _made(bundle, "the reference", partial(load_reference, case)):
        bundle.mask(mask, "Reference", REFERENCE_COLOUR)


def _add_sources(bundle: _Bundle, opened: Comparison, case_id: str) -> None:
    """The mask of every source in the colour that it has on Compare; seeds of one configuration share theirs."""
    for name, colour in _coloured(opened):
        path = _made(bundle, f"the mask of {name}", partial(opened.mask, case_id, name))
        mask = _made(bundle, f"the mask of {name}", partial(load_mask, path)) if path else None
        if path and mask and bundle.copy(path, f"masks/{len(bundle.layers) + 1}_{safe(name)}.nii.gz"):
            bundle.mask(mask, name, colour)


def _coloured(opened: Comparison) -> Iterator[tuple[str, str]]:
    for place, members in enumerate(compared_sources(opened).values()):
        for name in members:
            yield name, source_style(place)[0]


def _made(bundle: _Bundle, what: str, work: Callable[[], T]) -> T | None:
    """What some work gives; None, with a note, where it fails."""
    made = attempt(work, of=f"adding {what} to a ZIP")
    if isinstance(made, AflError):
        bundle.notes.append(str(made))
        return None
    return made


def _nrrd_header(mask: Mask, layer: Layer) -> bytes:
    """The header of a `.seg.nrrd` file of one segment, as 3D Slicer writes it; NRRD's space here is LPS+."""
    to_lps = np.diag([-1.0, -1.0, 1.0])
    axes, origin = (to_lps @ mask.affine[:3, :3]).T, to_lps @ mask.affine[:3, 3]
    vectors = ["(" + ",".join(repr(float(v) + 0.0) for v in vector) + ")" for vector in (*axes, origin)]
    nx, ny, nz = mask.array.shape
    red, green, blue = (f"{c / 255:.6f}" for c in rgb(layer.colour))
    lines = (
        "NRRD0004",
        "type: uint8",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {nx} {ny} {nz}",
        f"space directions: {' '.join(vectors[:3])}",
        "kinds: domain domain domain",
        "encoding: gzip",
        f"space origin: {vectors[3]}",
        "Segment0_ID:=Segment_1",
        f"Segment0_Name:={layer.name}",
        f"Segment0_Color:={red} {green} {blue}",
        "Segment0_ColorAutoGenerated:=0",
        "Segment0_NameAutoGenerated:=0",
        "Segment0_LabelValue:=1",
        "Segment0_Layer:=0",
        f"Segment0_Extent:=0 {nx - 1} 0 {ny - 1} 0 {nz - 1}",
        "Segmentation_MasterRepresentation:=Binary labelmap",
    )
    return ("\n".join(lines) + "\n\n").encode()
