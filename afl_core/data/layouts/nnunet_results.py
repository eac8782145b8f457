"""Folders that nnU-Net writes: where their masks lie, what its labels mean, and which of its folds are missing.

A trained model is `nnUNet_results/DatasetNNN_NAME/TRAINER__PLANS__CONFIGURATION`; the masks of its own cases lie in
`fold_K/validation` there. Source: nnunetv2 2.8.1, `utilities/file_path_utilities.py` and `nnUNetTrainer.py`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from afl_core.base.storage import read_json
from afl_core.base.words import named
from afl_core.data.labels import Scheme
from afl_core.data.layouts.decathlon import DECLARATION, MAX_BYTES, declared_scheme
from afl_core.errors import DataError

VALIDATION, PLANS, SUMMARY = "validation", "plans.json", "summary.json"

FOLDS_FILE = "splits_final.json"
"""Name under which nnU-Net looks for folds, in the data set's folder of nnUNet_preprocessed."""

_FOLD = re.compile(r"fold_(\d{1,4}|all)")
_MODEL = re.compile(r"([^_].*?)__(.+?)__(.+)")
_ACCUMULATED = re.compile(r"crossval_results_fold(?:er|s)_(\d+(?:_\d+)*)")
_DATASET = re.compile(r"Dataset\d{3}_.+")
_NO_NAME = re.compile(r"[^A-Za-z0-9 ._+-]+|^[^A-Za-z0-9]+")

_REORIENTED = ("NibabelIOWithReorient", "SimpleITKIOWithReorient")
_AS_STORED = ("SimpleITKIO", "NibabelIO")
"""Readers of nnU-Net after which its arrays lie in RAS+ order, and in the order of the file."""

MOST = 200
"""Models that are looked for in one place."""


@dataclass(frozen=True)
class Declaration:
    """What the dataset.json of a model says of its masks and probabilities.

    Attributes:
        path: Path of the file.
        scheme: Labels and regions.
        channels: Labels of each channel of its probabilities, in order; () where that is not known.
        order: Label that each region's channel writes, one after the other; () where the classes are labels.
        reoriented: Whether the arrays of its probabilities are in RAS+ order; else they are as the mask is stored.
    """

    path: Path
    scheme: Scheme
    channels: tuple[frozenset[int], ...]
    order: tuple[int, ...] = ()
    reoriented: bool = False


def mask_folders(folder: Path) -> tuple[Path, ...]:
    """The folders that hold the masks of a source: of nnU-Net's model or fold those of validation, else itself.

    `fold_all` is taken only where there is no other: its masks are of cases that it was trained on.

    Raises:
        DataError: If it is a model of nnU-Net of which no fold was validated.
    """
    if _FOLD.fullmatch(folder.name) and (folder / VALIDATION).is_dir():
        return (folder / VALIDATION,)
    folds = _folds(folder)
    validated = {fold: path / VALIDATION for fold, path in folds.items() if (path / VALIDATION).is_dir()}
    if not validated and (folder / PLANS).is_file() and folds:
        raise DataError(
            f"No fold of nnU-Net's model {folder.name} was validated",
            received=named([path.name for path in folds.values()]),
            todo="Run nnUNetv2_train with --val, or give a folder that nnUNetv2_predict wrote",
        )
    numbered = {fold: path for fold, path in validated.items() if fold != "all"}
    return tuple((numbered or validated).values()) or (folder,)


def is_model(folder: Path) -> bool:
    """Whether a folder is a model of nnU-Net that has predicted its own cases."""
    return any((path / VALIDATION).is_dir() for path in _folds(folder).values())


def find_models(folder: Path) -> tuple[Path, ...]:
    """The models in a folder of nnU-Net's results, `DatasetNNN_NAME`, that have predicted their cases, by name."""
    if not folder.is_dir():
        return ()
    models = (path for path in sorted(folder.iterdir()) if _MODEL.fullmatch(path.name) and is_model(path))
    return tuple(islice(models, MOST))


def models_near(root: Path) -> tuple[Path, ...]:
    """Models of nnU-Net that may be of a data set: in its folder, and in nnUNet_results up to three folders above.

    Where the data set has a name of nnU-Net's, so has the folder of its models.
    """
    real = root.resolve()
    names = [place.name for place in (real, real.parent) if _DATASET.fullmatch(place.name)]
    found = dict.fromkeys(find_models(real))
    for above in (real, *list(real.parents)[:3]):
        for results in sorted(above.glob("nnUNet_results/Dataset*")):
            if not names or results.name[:10] == names[0][:10]:
                found |= dict.fromkeys(find_models(results))
    return tuple(islice(found, MOST))


def model_name(folder: Path) -> str:
    """A name for a model, of its trainer and configuration; "" for a folder that is none of nnU-Net's.

    >>> model_name(Path("Dataset501_A/nnUNetTrainerAFL_paper__nnUNetPlans__3d_fullres/fold_0"))
    'AFL_paper 3d_fullres fold_0'
    >>> model_name(Path("Dataset501_A/nnUNetTrainer__nnUNetResEncUNetLPlans__2d/crossval_results_folds_0_1"))
    'nnUNet 2d ResEncUNetL'
    >>> model_name(Path("nnUNetTrainerÉté__nnUNetPlans__2d"))  # as the name of a source may be
    't_ 2d'
    """
    if (place := _model_above(folder)) is None:
        return ""
    trainer, plans, configuration = _MODEL.fullmatch(place.name).groups()  # type: ignore[union-attr]  # it is a model's
    fold = [part for part in folder.relative_to(place).parts if _FOLD.fullmatch(part)]
    plans = plans.removeprefix("nnUNet").removesuffix("Plans")
    words = (trainer.removeprefix("nnUNetTrainer").strip("_") or "nnUNet", configuration, plans, *fold)
    return _NO_NAME.sub("_", " ".join(filter(None, words))).strip("_ ")[:40].strip()


def is_held_out(folder: Path) -> bool:
    """Whether a folder is, by its name, of nnU-Net's masks of cases that it was not trained on: cross-validation.

    >>> model = Path("Dataset501_A/nnUNetTrainer__nnUNetPlans__2d")
    >>> is_held_out(model), is_held_out(model / "fold_0"), is_held_out(model / "fold_all"), is_held_out(Path("masks"))
    (True, True, False, False)
    """
    if (place := _model_above(folder)) is None:
        return False
    inside = folder.relative_to(place).parts
    return not inside or bool(_ACCUMULATED.fullmatch(inside[0]) or re.fullmatch(r"fold_\d+", inside[0]))


def _model_above(folder: Path) -> Path | None:
    """The folder of a model of nnU-Net that a folder is, by its name, or lies in."""
    return next((place for place in (folder, *list(folder.parents)[:2]) if _MODEL.fullmatch(place.name)), None)


def results_doubts(folder: Path) -> Iterator[str]:
    """What is missing in a folder of nnU-Net's, a sentence each; nothing for any other folder.

    Raises:
        DataError: If the model has no validated fold.
    """
    masks = mask_folders(folder)
    if masks == (folder,):
        if accumulated := _ACCUMULATED.fullmatch(folder.name):
            there = {int(fold) for fold in accumulated[1].split("_")}
            yield from _missing(folder, there, _folds_due(folder.parent))
        return
    if find_declaration(folder) is None:
        yield f"{folder.name} has no {DECLARATION}: what its labels mean was told from the masks, and no .npz was read."
    unfinished = [path.parent.name for path in masks if not (path / SUMMARY).is_file()]
    if unfinished:
        have, whose = ("has", "its") if len(unfinished) == 1 else ("have", "their")
        maybe = f"perhaps {whose} validation did not end, and masks are missing"
        yield f"{named(unfinished)} of {folder.name} {have} no {SUMMARY}: {maybe}."
    if masks[0].parent.name == "fold_all":
        yield f"The masks of {folder.name} are of fold_all, which was trained on these cases: they score too well."
    if masks[0].parent == folder:
        return
    there = {int(path.parent.name[5:]) for path in masks if path.parent.name != "fold_all"}
    yield from _missing(folder, there, _folds_due(folder))
    if there and (folder / "fold_all" / VALIDATION).is_dir():
        yield f"fold_all of {folder.name} was left out: it was trained on the cases that it predicts."


def _missing(folder: Path, there: set[int], due: int) -> Iterator[str]:
    """The folds that are missing, by their numbers and by how many are due, in a sentence."""
    every = range(max(due, max(there) + 1) if there else 0)
    if missing := [f"fold_{fold}" for fold in every if fold not in there]:
        are, whose = ("fold is", "its") if len(missing) == 1 else ("folds are", "their")
        yield f"{len(missing)} {are} missing in {folder.name} ({named(missing)}): {whose} cases have no prediction."


def find_declaration(folder: Path) -> Path | None:
    """The dataset.json of the model whose masks a folder holds: in it, or above a fold; None where there is none."""
    above = [folder]
    if folder.name == VALIDATION and _FOLD.fullmatch(folder.parent.name):
        above += [folder.parent, folder.parent.parent]
    elif _FOLD.fullmatch(folder.name):
        above.append(folder.parent)
    return next((place / DECLARATION for place in above if (place / DECLARATION).is_file()), None)


def load_declaration(folder: Path) -> Declaration | None:
    """What the dataset.json of a folder of masks declares; None where there is none.

    Raises:
        DataError: If it cannot be read, or declares no labels.
    """
    path = find_declaration(folder)
    return None if path is None else _declaration(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _declaration(path: Path, _changed_ns: int) -> Declaration:
    said = read_json(path, largest=MAX_BYTES, todo=f"It is nnU-Net's: copy {path} again from the data set")
    if not isinstance(said, dict):
        raise DataError(f"{path} is no {DECLARATION} of nnU-Net", received=type(said).__name__)
    scheme = declared_scheme(said, path)
    labels = {name: of for name, of in said["labels"].items() if name != "ignore"}
    reader = _reader(path.with_name(PLANS))
    if reader not in (*_REORIENTED, *_AS_STORED) or "background" not in labels:
        return Declaration(path, scheme, ())
    named_labels = {name: frozenset(of if isinstance(of, list) else [of]) for name, of in labels.items()}
    if all(len(of) == 1 for of in named_labels.values()):
        channels = tuple(sorted(named_labels.values(), key=min))
        consecutive = channels == tuple(frozenset({n}) for n in range(len(channels)))
        return Declaration(path, scheme, channels if consecutive else (), (), reader in _REORIENTED)
    channels = tuple(of for of in named_labels.values() if of != {0})
    order = said.get("regions_class_order")
    if not isinstance(order, list) or len(order) != len(channels) or not all(isinstance(n, int) for n in order):
        return Declaration(path, scheme, ())
    return Declaration(path, scheme, channels, tuple(order), reader in _REORIENTED)


def _reader(plans: Path) -> str:
    """Name of nnU-Net's class that reads images, by the plans of a model; its usual one where they are not there."""
    if not plans.is_file():
        return _AS_STORED[0]
    said = read_json(plans, largest=MAX_BYTES, todo=f"It is nnU-Net's: copy {plans} again, or remove it")
    content: Mapping[str, Any] = said if isinstance(said, dict) else {}
    return str(content.get("image_reader_writer", _AS_STORED[0]))


def _folds(folder: Path) -> dict[str, Path]:
    """Number, or `all`, of the folds in a folder, to their folders; by number."""
    if not folder.is_dir():
        return {}
    matches = ((_FOLD.fullmatch(path.name), path) for path in folder.iterdir())
    found = {match[1]: path for match, path in matches if match}
    return dict(sorted(found.items(), key=lambda item: (item[0] == "all", item[0].zfill(4))))


def _folds_due(folder: Path) -> int:
    """Number of folds by the splits_final.json of the model's data set, beside nnUNet_results; 0 if it is not there."""
    base, dataset = folder.resolve().parent.parent.parent, folder.resolve().parent.name
    for place in ("nnUNet_preprocessed", "nnUNet_raw"):
        path = base / place / dataset / FOLDS_FILE
        if path.is_file():
            try:
                said = read_json(path, largest=MAX_BYTES)
            except DataError:
                return 0
            return len(said) if isinstance(said, list) else 0
    return 0
