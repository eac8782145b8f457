"""Folders of masks by case below a folder: references of a set, and predictions of one model or several."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from afl_core.data.formats.files import strip_suffix

_TAIL = re.compile(
    r"(?i)(?P<case>.*?)(?:^|[-_.])(?:(?P<predicted>pred(?:iction|icted)?)|seg(?:mentation)?|mask|labels?|gt)"
)
_IMAGE = re.compile(r"(?i).*[-_.](?:flair|t1|t1ce|t1c|t1n|t1gd|t1w|t2|t2w|t2f|adc|hbv|dwi|pd|ct|cor|sag|\d{4})")
_PREDICTED = re.compile(r"(?i)pred|model|output|infer|(?<![a-z])ai(?![a-z])")
"""Names of a folder of predictions, or of one above it."""

REFERENCES = re.compile(r"(?i)label|mask|ref|truth|manual|expert|(?<![a-z])(?:gt|gold)(?![a-z])")
"""Names of a folder of references."""


@dataclass(frozen=True)
class MaskFolder:
    """A folder that holds one mask a case, in files or in folders of cases.

    Attributes:
        path: Below the root; "." is the root itself.
        cases: Number of its cases.
        predicted: Whether they are a model's, by what files or folders are called, or as other folders beside it hold
            masks of the same cases and nothing calls it references.
    """

    path: str
    cases: int
    predicted: bool


def find_mask_folders(files: Iterable[str]) -> tuple[MaskFolder, ...]:
    """The folders of masks among image files, given by their paths below a root; by path."""
    cases_of: dict[str, set[str]] = defaultdict(set)
    with_predictions, images = set[str](), set[str]()
    for relative in files:
        folder, case_id, kind = _place(PurePosixPath(relative))
        if kind == "image":
            images.add(folder)
        else:
            cases_of[folder].add(case_id)
            with_predictions |= {folder} if kind == "prediction" else set()
    usable = {folder: cases for folder, cases in cases_of.items() if folder not in images}
    told = {folder for folder in usable if folder in with_predictions or _PREDICTED.search(folder)}
    models = told | _models_beside({folder: cases for folder, cases in usable.items() if folder not in told})
    return tuple(MaskFolder(folder, len(cases), folder in models) for folder, cases in sorted(usable.items()))


def is_of_references(folder: str) -> bool:
    """Whether a folder, given by its path below a root, is called references, and nothing calls it predictions.

    >>> is_of_references("study/labelsTs"), is_of_references("out/pred_masks"), is_of_references("FL")
    (True, False, False)
    """
    return bool(REFERENCES.search(PurePosixPath(folder).name)) and not _PREDICTED.search(folder)


def _models_beside(usable: Mapping[str, set[str]]) -> set[str]:
    """Folders that hold masks of the cases of another one beside them, where no name tells which are the references."""
    beside = Counter((PurePosixPath(folder).parent, case_id) for folder, cases in usable.items() for case_id in cases)
    twice = {
        folder
        for folder, cases in usable.items()
        if all(beside[PurePosixPath(folder).parent, case_id] > 1 for case_id in cases)
    }
    return {folder for folder in twice if not is_of_references(folder)}


def _place(path: PurePosixPath) -> tuple[str, str, str]:
    """Folder of the set, case, and kind of one file: `image`, `prediction`, or "" for any other mask."""
    stem, parent = strip_suffix(path.name), path.parent.name
    tail = _TAIL.fullmatch(stem)
    bare = tail["case"] if tail else stem
    kind = "prediction" if tail and tail["predicted"] else ""
    if parent and (bare in ("", parent)):
        return path.parent.parent.as_posix(), parent, kind
    if not tail and (_IMAGE.fullmatch(stem) or (parent and stem.startswith(parent))):
        return (path.parent.parent if parent and stem.startswith(parent) else path.parent).as_posix(), stem, "image"
    return path.parent.as_posix(), bare, kind
