"""A folder of reference masks alone: which file is of which case."""

import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from afl_core.base.words import named, number_of
from afl_core.data.formats.files import SUFFIXES, strip_suffix
from afl_core.data.layouts.decathlon import DECLARATION
from afl_core.data.layouts.mask_folders import REFERENCES, find_mask_folders
from afl_core.data.scan import scan_folder
from afl_core.errors import DataError

_SEGMENTATION = re.compile(r"(?i)(?P<case>.*?)(?:^|[-_.])(?:seg(?:mentation)?|mask|labels?|gt)")
"""Name of a mask in a sub-folder of its case, whole or behind the case id."""

_IMAGES = re.compile(r"(?i)images?(?:tr|ts|va|val)?")
"""Name of a folder of images in a data set. Source: nnU-Net's and the Decathlon's `imagesTr` and `imagesTs`."""


def load_references(folder: Path) -> dict[str, Path]:
    """The masks that `find_references` finds; errors likewise."""
    return find_references(folder)[0]


def find_references(folder: Path) -> tuple[dict[str, Path], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Masks of a folder by case id, the file name without its suffix; image files that are none of them; and problems.

    Sub-folders are searched where the folder itself holds no mask. In a sub-folder that is named like a case, its mask
    is `CASE`, `CASE_seg`, `seg` or the like; other files there are passed over.

    Raises:
        DataError: If the folder is missing, a file or without masks, if it holds images beside the masks in a folder of
            their own, if two files have one case id, or if one is a link out of the folder.
    """
    scan = scan_folder(folder)
    if scan.refused:
        raise DataError("A mask is a link that leaves its folder", received=scan.refused[0], todo="Copy the file")
    if not scan.files:
        raise DataError("There are no masks in the folder", received=folder, todo=f"Accepted: {', '.join(SUFFIXES)}")
    beside = defaultdict[str, list[str]](list)
    top = tuple(relative for relative in scan.files if "/" not in relative)
    if not top:
        _refuse_images(folder, scan.files)
    for relative in top or scan.files:
        beside[PurePosixPath(relative).parent.name].append(relative)
    masks: dict[str, str] = {}
    for parent, files in beside.items():
        case_masks = [relative for relative in files if _of_folder(relative, parent)]
        for relative in case_masks or files:
            case_id = composed(parent if case_masks else _stem(relative))
            if case_id in masks:
                raise DataError(
                    f"Two masks have the case id {case_id}",
                    received=f"{masks[case_id]} and {relative} in {folder}",
                    todo=f"Give the folder of one set, such as {_sets(scan.files)}" if not top else "Keep one of them",
                )
            masks[case_id] = relative
    strays = tuple(sorted(set(scan.files) - set(masks.values())))
    problems = tuple((path, str(unprintable(path))) for path in scan.unprintable)
    return {case_id: folder / relative for case_id, relative in sorted(masks.items())}, strays, problems


def _refuse_images(folder: Path, files: Sequence[str]) -> None:
    """Raise if the files are of a data set with a folder of images: none of these is a reference."""
    folders = Counter(parent for relative in files for parent in PurePosixPath(relative).parents)
    for images in sorted(place for place in folders if _IMAGES.fullmatch(place.name)):
        masks = sorted(
            place.name for place in folders if place.parent == images.parent != place and REFERENCES.search(place.name)
        )
        root = folder / images.parent
        if masks or (root / DECLARATION).is_file():
            alone = f", or take the references alone, from {root / masks[0]}" if masks else ""
            raise DataError(
                "This is a data set with images, not a folder of references alone",
                received=f"{number_of(folders[images], 'image')} in {images} of {folder}",
                todo=f"Open it as a data set: --data {shlex.quote(str(root))}{alone}",
            )


def unprintable(path: str) -> DataError:
    """The problem of a file whose name cannot be written; `path` as `scan_folder` shows it."""
    what = "Left out: a name that is no UTF-8 text, or holds control characters"
    return DataError(what, received=path, todo="Rename the file")


def composed(name: str) -> str:
    """One spelling of accented letters: some systems store them as letter and accent."""
    return unicodedata.normalize("NFC", name)


def _sets(files: Sequence[str]) -> str:
    """The folders that can be opened in place of one with several masks of a case, those of models last."""
    folders = sorted(find_mask_folders(files), key=lambda folder: (folder.predicted, folder.path))
    return named([folder.path for folder in folders]) or "one of them"


def _stem(relative: str) -> str:
    return strip_suffix(PurePosixPath(relative).name)


def _of_folder(relative: str, parent: str) -> bool:
    """Whether a file is the mask of the case that its sub-folder is named after."""
    stem = _stem(relative)
    match = _SEGMENTATION.fullmatch(stem)
    return bool(parent) and (stem == parent or (match is not None and match["case"] in ("", parent)))
