"""A folder of predictions from any tool: which file is of which case."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from afl_core.base.words import named, number_of
from afl_core.data.formats.files import strip_suffix
from afl_core.data.layouts.mask_folders import find_mask_folders, is_of_references
from afl_core.data.layouts.masks import composed
from afl_core.data.layouts.nnunet_results import find_models, mask_folders, model_name
from afl_core.data.scan import not_followed, scan_folder
from afl_core.errors import CheckpointError, DataError

_PREDICTED = r"pred(?:iction|icted)?"
_TAIL = re.compile(rf"(?:_t2w)?[-_.](?:(?P<predicted>{_PREDICTED})|seg(?:mentation)?|mask|labels?)", re.IGNORECASE)
"""What tools put behind a case id; the paper's code writes T2W-FILE-pred."""

_BARE = re.compile(rf"(?P<predicted>{_PREDICTED})|seg(?:mentation)?|mask|labels?", re.IGNORECASE)
"""The whole name of a file in a sub-folder that is named like its case."""

_NO_NAME = re.compile(r"[^A-Za-z0-9._+-]+|^[^A-Za-z0-9]+")
"""Signs of a folder's name that the name of a source cannot have."""


class MissingPredictionError(DataError):
    """A source has no prediction of a case."""


def find_prediction(folder: Path, case_id: str) -> Path:
    """The file that holds the prediction of a case.

    It is named `CASE`, `CASE-pred`, `CASE_pred` or the like, with any image suffix, or lies in a sub-folder `CASE`.

    Raises:
        MissingPredictionError: If there is none; names what the files are called.
        DataError: If `list_predictions` has or raises it.
    """
    for fresh in (
        False,
        True,
    ):  # a file that came lately may lie in a sub-folder, which the folder's time does not show
        predictions = list_predictions(folder) if fresh else _kept(folder, folder.stat().st_mtime_ns)
        found = _of_case(predictions, case_id)
        if isinstance(found, Path) and found.is_file():
            return found
    if isinstance(found, DataError):
        raise found
    paths = [path.relative_to(folder).as_posix() for path in predictions.values() if isinstance(path, Path)]
    raise MissingPredictionError(
        f"no mask of {case_id}",
        received=folder.name
        + (f" with {number_of(len(paths), 'prediction')}, such as {', '.join(paths[:2])}" if paths else ""),
        todo="Name the files by case id, or predict the case",
    )


def list_predictions(folder: Path) -> dict[str, Path | DataError]:
    """The predictions of a folder and of its sub-folders, by case id; of a model of nnU-Net those of all its folds.

    A file that calls itself a prediction (`_pred`) goes first, then one that is named as its case alone. A case of
    which two files may be the prediction, or of which it is a link out of the folder, has what is wrong instead.

    Raises:
        DataError: If `mask_folders` raises it.
    """
    joined = defaultdict[str, list[Path | DataError]](list)
    for part in mask_folders(folder):
        for case_id, found in _list_one(part).items():
            joined[case_id].append(found)
    return {case_id: _of_folds(case_id, found, folder) for case_id, found in joined.items()}


def _of_folds(case_id: str, found: list[Path | DataError], folder: Path) -> Path | DataError:
    """The prediction of a case among those of all folds; an error where it is in two."""
    if len(found) == 1:
        return found[0]
    paths = [path.relative_to(folder) for path in found if isinstance(path, Path)]
    if len(paths) < len(found):
        return next(error for error in found if isinstance(error, DataError))
    return DataError(
        f"Two folds of {folder.name} hold a mask of {case_id}",
        received=" and ".join(map(str, paths[:2])),
        todo=f"Remove the fold of another split, or give one fold, such as {folder / paths[0].parts[0]}",
    )


def _list_one(folder: Path) -> dict[str, Path | DataError]:
    scan = scan_folder(folder, depth=1)
    beside = defaultdict[str, list[str]](list)
    for relative in (*scan.files, *scan.refused):
        beside[str(PurePosixPath(relative).parent)].append(relative)
    files = defaultdict[str, list[str]](list)
    for parent, names in beside.items():
        for relative in names:
            case_id = _case_in(relative, parent, alone=len(names) == 1)
            if case_id:
                files[case_id].append(relative)
    chosen = {case_id: _only(case_id, names, folder) for case_id, names in files.items()}
    stems = Counter(_stem(relative) for names in files.values() for relative in names)
    whole = {_stem(relative): relative for names in files.values() for relative in names}  # an id may end in _seg
    whole = {stem: relative for stem, relative in whole.items() if stems[stem] == 1}  # of several models, none is it
    refused = {relative: not_followed(folder, relative) for relative in scan.refused}
    return {
        composed(case_id): found if isinstance(found, DataError) else refused.get(found, folder / found)
        for case_id, found in (whole | chosen).items()
    }


def _of_case(predictions: Mapping[str, Path | DataError], case_id: str) -> Path | DataError | None:
    return predictions.get(composed(case_id)) or predictions.get(composed(_case_of(case_id)))


def predictions_of(folder: Path, case_ids: Iterable[str]) -> tuple[Path, ...]:
    """The predictions of these cases that are there, in the order of the cases; errors as `list_predictions`."""
    predictions = list_predictions(folder)
    found = (_of_case(predictions, case_id) for case_id in case_ids)
    return tuple(dict.fromkeys(path for path in found if isinstance(path, Path)))


def source_name(folder: Path) -> str:
    """A name for the source that a folder holds; of nnU-Net's, by trainer and configuration.

    >>> source_name(Path("out/(best) model")), source_name(Path("nnUNetTrainerAFL__nnUNetPlans__2d"))
    ('best_model', 'AFL 2d')
    """
    return (model_name(folder) or _NO_NAME.sub("_", folder.name).strip("_"))[:70] or "predictions"


def free_name(name: str, taken: Iterable[str]) -> str:
    """The name, or the name with the first number that makes it another, in capitals or not.

    >>> free_name("FL", ["fl", "FL 2"])
    'FL 3'
    """
    lower = {other.lower() for other in taken}
    names = (name, *(f"{name[:70]} {k}" for k in range(2, len(lower) + 3)))
    return next(other for other in names if other.lower() not in lower)


def named_folders(folders: Iterable[Path], taken: Mapping[str, Path] = MappingProxyType({})) -> dict[str, Path]:
    """Folders by names for sources of which no two are the same, nor one of those taken by another folder.

    >>> named_folders([Path("new/FL"), Path("old/FL")], {"fl": Path("old/FL")})
    {'FL 2': PosixPath('new/FL'), 'fl': PosixPath('old/FL')}
    """
    had = {path.resolve(): name for name, path in taken.items()}
    names = dict[str, Path]()
    for folder in folders:
        whole = folder.resolve()
        names[had.get(whole) or free_name(source_name(whole), [*names, *taken])] = folder
    return names


def check_no_models(folder: Path) -> None:
    """Raise if a folder holds folders of predictions, or models of nnU-Net, of which each is a source of its own.

    Raises:
        CheckpointError: Names them, as the command takes them.
    """
    if models := find_models(folder):
        raise CheckpointError(
            f"{folder.name} holds several models of nnU-Net" if len(models) > 1 else f"{folder.name} holds a model",
            received=named([model.name for model in models]),
            todo=f"Give it without a name to compare all of them: --source {shlex.quote(str(folder))}",
        )
    results = (*folder.glob("Dataset*"), *folder.glob("nnUNet_results/Dataset*"))
    if sets := [path for path in sorted(results) if find_models(path)]:
        raise CheckpointError(
            f"{folder.name} holds models of nnU-Net by data set",
            received=named([path.name for path in sets]),
            todo=f"Give the folder of one: --source {shlex.quote(str(sets[0]))}",
        )
    below = [masks for masks in find_mask_folders(scan_folder(folder).files) if masks.path != "."]
    paths = [masks.path for masks in below]
    if paths:
        predicted = [m.path for m in below if m.predicted or not is_of_references(m.path)] or paths
        texts = [f"{source_name(folder / path)}={folder / path}" for path in predicted]
        raise CheckpointError(
            f"{folder.name} is neither a checkpoint nor a folder of predicted masks, but holds such folders",
            received=named(paths),
            todo=f"Give each as a source: {' '.join(f'--source {shlex.quote(text)}' for text in texts[:3])}",
        )


@lru_cache(maxsize=32)
def _kept(folder: Path, _changed_ns: int) -> Mapping[str, Path | DataError]:
    return list_predictions(folder)  # needed once a case: kept until a file comes or goes


def _stem(relative: str) -> str:
    return strip_suffix(PurePosixPath(relative).name)


def _tail(stem: str) -> re.Match[str] | None:
    matches = [match for match in _TAIL.finditer(stem) if match.end() == len(stem) and match.start() > 0]
    return matches[0] if matches else None


def _case_of(stem: str) -> str:
    tail = _tail(stem)
    return stem[: tail.start()] if tail else stem


def _case_in(relative: str, parent: str, *, alone: bool) -> str:
    """Case id of a file, or "" for one in a sub-folder that is named otherwise and not the only one there."""
    stem = _stem(relative)
    if parent == ".":
        return _case_of(stem)
    fits = alone or _BARE.fullmatch(stem) or _case_of(stem) == parent
    return parent if fits else ""


def _only(case_id: str, names: list[str], folder: Path) -> str | DataError:
    """The prediction among files of one case; an error where two may be it."""
    predicted = [name for name in names if _is_named_prediction(_stem(name))]
    left = predicted or [name for name in names if _stem(name) == case_id] or names
    if len(left) > 1:
        received = f"{' and '.join(left[:2])} in {folder}"
        return DataError(f"Two masks have the case id {case_id}", received=received, todo="Keep one")
    return left[0]


def _is_named_prediction(stem: str) -> bool:
    match = _tail(stem) or _BARE.fullmatch(stem)
    return bool(match and match["predicted"])
