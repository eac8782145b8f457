"""The losses of the study as results of the demo, one run of each: rows and masks, in an archive of their own.

It is put in place beside the demo. The checkpoints do not ship: the rows say what each loss is.
"""

import json
import logging
import shutil
from io import BytesIO
from lzma import LZMAError
from pathlib import Path
from zipfile import ZIP_LZMA, BadZipFile, ZipFile, ZipInfo

import numpy as np
import pandas as pd

from afl_core.base import paths
from afl_core.base.storage import write_atomically, write_table
from afl_core.cli.shipped_demo import move_aside, placed, portable, unpack_demo
from afl_core.data.formats.files import load_mask, save_mask
from afl_core.data.layouts import load_cohort
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import open_comparison
from afl_core.evaluation.manifest import MANIFEST
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import Results
from afl_core.evaluation.tables import CASES, CONFIDENCE, CURVES, LESIONS
from afl_core.figures.kept_thumbnails import FOLDER as THUMBNAILS
from afl_core.figures.kept_thumbnails import UNDRAWN
from afl_core.regions import BoolArray
from afl_core.study.arms import ARMS
from afl_core.volume import Mask

NAME = "demo-study"
"""Results folder of the study's losses."""

ARCHIVE = paths.SHIPPED_MODELS / "demo_study.zip"

_MASKS = "masks"
"""What the names of members that hold masks begin with, before the id of the case."""

_TABLES = (CASES, LESIONS, CURVES)

_BESIDE, _PUT = "demo", ".rest"
"""The results that it lies beside; and the empty file there which says that the rest was put in place, and when."""


def take_study(study: Path) -> None:
    """Make these results of those of `afl study`: the first run of every loss, at the common learning rate.

    Voxels by their probability, nine tenths of the rows' bytes, stay out.
    """
    results = Results(paths.RESULTS / NAME)
    shutil.rmtree(results.folder, ignore_errors=True)
    shutil.copytree(study, results.folder, ignore=shutil.ignore_patterns(CONFIDENCE, THUMBNAILS, ".lock"))
    results.keep_sources([f"{arm} seed0" for arm in ARMS])
    for arm in ARMS:
        results.rename_source(f"{arm} seed0", arm)


def pack_study(archive: Path = ARCHIVE) -> None:
    """Write the archive from the results as they are; the same files give the same bytes.

    The masks of a case are one member, a bit a voxel and a source: so they take a third of the bytes of their files.
    """
    opened = open_comparison(paths.RESULTS / NAME)
    with ZipFile(archive, "w") as packed:

        def add(name: str, content: bytes, how: int = ZIP_LZMA) -> None:
            packed.writestr(ZipInfo(name), content, how)

        for case in opened.needed_cohort().cases:
            masks = [load_mask(opened.mask(case.case_id, source)).array for source in opened.sources]
            add(f"{_MASKS}/{case.case_id}", np.packbits(np.stack(masks).ravel()).tobytes())
        for name in (name for name in _TABLES if (opened.results.folder / name).is_file()):
            plain = BytesIO()
            pd.read_parquet(opened.results.folder / name).to_parquet(plain, index=False, compression=None)
            add(name, plain.getvalue())
        add(MANIFEST, portable((opened.results.folder / MANIFEST).read_bytes()))


def unpack_study(archive: Path = ARCHIVE) -> None:
    """Put these results in place; those of other cases, as of an older edition, are moved aside.

    Raises:
        DataError: If the archive is missing or damaged.
    """
    folder = paths.RESULTS / NAME
    try:
        with ZipFile(archive) as packed:
            move_aside(packed, NAME, MANIFEST)
            if not (folder / MANIFEST).is_file():
                _put_results(packed, folder)
    except (OSError, ValueError, KeyError, BadZipFile, LZMAError) as error:
        raise DataError(
            "The archive of the study's results cannot be unpacked", received=error, todo="Install the workbench anew"
        ) from error
    for picture in (paths.RESULTS / _BESIDE / THUMBNAILS).glob(f"*/{UNDRAWN}"):
        target = folder / THUMBNAILS / picture.parent.name / UNDRAWN
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, target)
    (paths.RESULTS / _BESIDE / _PUT).touch()


def _put_results(packed: ZipFile, folder: Path) -> None:
    """Write masks, then the tables, which say what each mask's file is, and the manifest last, which makes it results.

    The bytes of a mask's file depend on the machine's gzip; its hash is that of what was written here.
    """
    manifest = placed(packed.read(MANIFEST))
    sources = list(json.loads(manifest)["sources"])
    written: dict[tuple[str, str], str] = {}
    for case in load_cohort(paths.DEMO).cases:
        if f"{_MASKS}/{case.case_id}" not in packed.namelist() or case.reference is None:
            continue
        reference = load_mask(case.reference)
        stack = _unpacked(packed.read(f"{_MASKS}/{case.case_id}"), (len(sources), *reference.array.shape))
        for source, array in zip(sources, stack, strict=True):
            path, mask = mask_path(folder, source, case.case_id), Mask(array, reference.affine)
            written[case.case_id, source] = save_mask(path, mask, like=case.reference)
    for name in sorted(set(_TABLES) & set(packed.namelist())):
        table = pd.read_parquet(BytesIO(packed.read(name)))
        if name == CASES:
            of = zip(table["case_id"], table["source"], strict=True)
            table["mask_sha256"] = [written[case_id, source] for case_id, source in of]
        write_table(folder / name, table)
    write_atomically(folder / MANIFEST, manifest)


def _unpacked(packed: bytes, shape: tuple[int, ...]) -> BoolArray:
    """Masks of one case, shape (sources, X, Y, Z), from a bit a voxel; each is ordered as a file of NIfTI is.

    Only bytes with a bit are looked at: to turn around a thousand volumes that are nearly empty took half a minute.
    """
    content = np.frombuffer(packed, np.uint8)
    filled = np.flatnonzero(content)
    byte, bit = np.nonzero(np.unpackbits(content[filled]).reshape(-1, 8))
    masks = np.zeros((shape[0], *shape[:0:-1]), np.bool_).transpose(0, 3, 2, 1)
    masks[np.unravel_index(filled[byte] * 8 + bit, shape)] = True
    return masks


def unpack_beside_demo() -> None:
    """Put these results, and the demo's of three regions, in place where the demo is, unless that was done before.

    A failure is logged.
    """
    put = paths.RESULTS / _BESIDE / _PUT
    try:
        if put.parent.is_dir() and not (put.is_file() and put.stat().st_mtime >= ARCHIVE.stat().st_mtime):
            unpack_demo()
            unpack_study(ARCHIVE)
    except (AflError, OSError) as error:
        logging.getLogger("afl.demo").warning("The study's results are not put in place: %s", error)
