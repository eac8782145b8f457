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
from afl_core.data.layouts.hints import results_hint
from afl_core.data.layouts.mask_folders import REFERENCES, find_mask_folders
from afl_core.data.scan import not_followed, scan_folder, special_file
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
    is `CASE`, `CASE_seg`, `seg` or the like; other files there are passed over. A case with two masks, or whose mask is
    a link out of the folder, is a problem, and the others are given.

    Raises:
        DataError: If the folder is missing, a file or without a mask that can be used, or if it holds images beside the
            masks in a folder of their own, or results, whose masks are predicted.
    """
    scan = scan_folder(folder)
    if hint := results_hint(folder):
        raise DataError("There are no references in this folder", received=f"{hint[0]}, {folder}", todo=hint[1])
    files = (*scan.files, *(path for path in scan.refused if path.lower().endswith(SUFFIXES)))
    if not (files or scan.refused):
        raise DataError("There are no masks in the folder", received=folder, todo=f"Accepted: {', '.join(SUFFIXES)}")
    top = tuple(relative for relative in files if "/" not in relative)
    if not top:
        _refuse_images(folder, files)
    cases = _by_case(top or files)
    refused = {path: not_followed(folder, path) for path in scan.refused if path in files or not top}
    wrong = {path: error for path, error in refused.items() if path not in files}
    for case_id, (first, *others) in cases.items():
        if others:
            todo = "Keep one of them" if top else f"Give the folder of one set, such as {_sets(scan.files)}"
            received = f"{first} and {others[0]} in {folder}"
            wrong[case_id] = DataError(f"Two masks have the case id {case_id}", received=received, todo=todo)
        elif first in refused:
            wrong[case_id] = refused[first]
    masks = {case_id: folder / paths[0] for case_id, paths in sorted(cases.items()) if case_id not in wrong}
    if not masks:
        raise next(iter(wrong.values()))
    strays = tuple(sorted(set(scan.files).difference(*cases.values())))
    problems = {path: special_file(path) for path in scan.special if "/" not in path or not top}
    problems |= {path: unprintable(path) for path in scan.unprintable} | wrong
    return masks, strays, tuple((path, str(error)) for path, error in problems.items())


def _by_case(files: Sequence[str]) -> dict[str, list[str]]:
    """Case id to the files that may be its mask."""
    beside = defaultdict[str, list[str]](list)
    for relative in files:
        beside[PurePosixPath(relative).parent.name].append(relative)
    cases = defaultdict[str, list[str]](list)
    for parent, paths in beside.items():
        case_masks = [relative for relative in paths if _of_folder(relative, parent)]
        for relative in case_masks or paths:
            cases[composed(parent if case_masks else _stem(relative))].append(relative)
    return cases


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
