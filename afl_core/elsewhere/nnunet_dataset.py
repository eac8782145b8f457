"""A data set as nnU-Net's raw data: images, references, dataset.json and the folds, from a cohort of any layout."""

import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afl_core.base.catalogue import pick
from afl_core.base.remote import bring
from afl_core.base.storage import json_text, replacing, write_atomically
from afl_core.base.workers import finished
from afl_core.data.check.index import Progress
from afl_core.data.formats.files import read_header, save_mask, save_volume
from afl_core.data.layouts import Cohort, LoadedCase, load_case
from afl_core.data.layouts.decathlon import DECLARATION, REGIONS
from afl_core.data.layouts.labelling import label_values
from afl_core.data.loading import load_reference_labels
from afl_core.data.splits import SPLITS_FILE, save_splits
from afl_core.elsewhere.nnunet_classes import CLASSES, Classes
from afl_core.elsewhere.nnunet_folds import cases_by_part, check_patients, has_split, make_folds, save_folds
from afl_core.errors import AflError, DataError, UsageError
from afl_core.volume import Case, Volume

ENDING = ".nii.gz"

_NAME = re.compile(r"Dataset(\d{3})_[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Request:
    """How a data set is written.

    Attributes:
        out: The folder to write, `DatasetNNN_Name`.
        classes: Name in `CLASSES`.
        folds: Number of folds, of whole patients; 0 takes the validation part of the split as the one fold.
        splits: Split file; None for the data set's own.
        link: Whether images that stay as they are become hard links instead of copies.
    """

    out: Path
    classes: str = "labels"
    folds: int = 0
    splits: Path | None = None
    link: bool = False


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        cases: Part (`train`, `validation`, `test`) to the cases that were written.
        folds: Every fold's training and validation cases.
        classes: The labels, by name and number.
        channels: The sequences, in the order of their numbers.
        problems: Case to why it was left out.
    """

    cases: Mapping[str, tuple[str, ...]]
    folds: tuple[Mapping[str, list[str]], ...]
    classes: Classes
    channels: tuple[str, ...]
    problems: Mapping[str, str]


def export_nnunet(
    cohort: Cohort,
    request: Request,
    *,
    executor: Executor | None = None,
    progress: Progress = lambda done, total, note: None,
) -> Exported:
    """Write a cohort as a raw data set of nnU-Net; a case that cannot be written is left out and named.

    Test cases go to imagesTs and labelsTs, all others to imagesTr and labelsTr. Images are copied where nnU-Net reads
    them as they are; else, and references always, they are written in RAS+ order on the case's own grid.

    Raises:
        UsageError: If the folder has no name of nnU-Net's, or is there; or if the labels make no classes of that kind.
        DataError: If there is too little to train on, or the split file cannot be used.
    """
    _check_folder(request.out)
    if request.folds == 1:
        raise UsageError("One fold leaves nothing to train on", received=1, todo="Give 2 or more, or 0 for the split's")
    classes = pick(CLASSES, request.classes, kind="kind of classes")(cohort.scheme, cohort.region, _values(cohort))
    if not (channels := cohort.sequences):
        raise DataError("nnU-Net trains on images, and this data set has none", received=cohort.root)
    parts, problems = cases_by_part(cohort, request.splits)
    part_of = {case_id: part for part, ids in parts.items() for case_id in ids}
    cases = [case for case in cohort.cases if case.case_id in part_of]
    patients = {case.case_id: case.patient for case in cases if part_of[case.case_id] != "test"}
    check_patients(len(set(patients.values())), max(1, request.folds))
    writer = _Writer(request, channels, dict(classes.numbers), frozenset(parts["test"]))
    for done, (case, outcome) in enumerate(
        finished(writer.write, cases, of=lambda case: f"exporting {case.case_id}", executor=executor), start=1
    ):
        if isinstance(outcome, AflError):
            problems[case.case_id] = str(outcome)
        progress(done, len(cases), case.case_id)
    written = {part: tuple(case_id for case_id in ids if case_id not in problems) for part, ids in parts.items()}
    if not written["train"] and not written["validation"]:
        shutil.rmtree(request.out, ignore_errors=True)  # it was empty or not there
        raise DataError(
            "No case to train on could be written", received=_usual(problems), todo="Look at afl data check"
        )
    exported = Exported(written, make_folds(written, patients, request.folds), classes, channels, problems)
    if has_split(cohort, request.splits):  # else the copy has none either: what trains it draws its own
        save_splits(request.out / SPLITS_FILE, {part: ids for part, ids in written.items() if ids})
    _declare(exported, request.out)
    return exported


def _usual(problems: Mapping[str, str]) -> str:
    """The first of the problems that most cases have."""
    kinds = {case_id: text.replace(case_id, "") for case_id, text in problems.items()}
    most = Counter(kinds.values()).most_common(1)[0][0]
    return next(problems[case_id] for case_id, kind in kinds.items() if kind == most)


@dataclass(frozen=True)
class _Writer:
    """Writes single cases, in processes too."""

    request: Request
    channels: tuple[str, ...]
    numbers: Mapping[int, int]
    tests: frozenset[str]

    def write(self, case: Case) -> None:
        """Write images and reference of a case, or nothing of it."""
        part = "Ts" if case.case_id in self.tests else "Tr"
        loaded = load_case(case, sequences=self.channels)
        labels = self._numbered(load_reference_labels(case)) if case.reference else None
        out, name = self.request.out, case.case_id
        images = [out / f"images{part}" / f"{name}_{number:04d}{ENDING}" for number in range(len(self.channels))]
        reference = out / f"labels{part}" / f"{name}{ENDING}"
        try:
            self._write_images(loaded, images)
            if labels is not None:
                save_mask(reference, labels, like=images[0])
        except BaseException:
            for path in (*images, reference):
                path.unlink(missing_ok=True)
            raise

    def _write_images(self, loaded: LoadedCase, targets: Sequence[Path]) -> None:
        files = [loaded.case.sequences[name] for name in self.channels]
        as_they_are = _are_nnunets(loaded.case, files)
        grid = loaded.images[self.channels[0]].affine
        for name, file, target in zip(self.channels, files, targets, strict=True):
            if not as_they_are:
                save_volume(target, loaded.images[name].array, grid)
            elif self.request.link:
                _link(file, target)
            else:
                bring(file)
                with replacing(target) as temporary:
                    shutil.copyfile(file, temporary)

    def _numbered(self, labels: Volume) -> Volume:
        table = np.zeros(max([int(labels.array.max()), *self.numbers]) + 1, np.uint16)
        for value, number in self.numbers.items():
            table[value] = number
        array = table[labels.array]
        return Volume(array.astype(np.uint8) if table.max() < 255 else array, labels.affine, labels.stored)


def _are_nnunets(case: Case, files: Sequence[Path]) -> bool:
    """Whether nnU-Net reads the images as they are: each a 3-D file of its ending, all with the same grid stored."""
    if case.channels or case.trust_voxel_order or not all(file.name.lower().endswith(ENDING) for file in files):
        return False
    first, *others = (read_header(file, any_axes=True) for file in files)
    same = all(h.shape == first.shape and np.allclose(h.affine, first.affine, atol=1e-4) for h in others)
    return len(first.shape) == 3 and same


def _link(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file.resolve(), target)
    except OSError as error:
        todo = "Leave --link out: the images are then copied"
        raise DataError("The image cannot be linked", received=error.strerror or error, todo=todo) from error


def _values(cohort: Cohort) -> list[int]:
    """The labels of the references, where the data set does not say which there are.

    Raises:
        DataError: If there is none.
    """
    if cohort.scheme.values:
        return []
    values = sorted(label_values(cohort.cases) - {0})
    if not values:
        raise DataError("No reference holds a tumour: there is nothing to train on", received=cohort.root)
    return values


def _check_folder(out: Path) -> None:
    name = _NAME.fullmatch(out.name)
    if name is None:
        raise UsageError(
            "nnU-Net knows a data set by its folder: Dataset, three digits, _ and letters, digits, _ and -",
            received=out.name,
            todo="For example --out nnUNet_raw/Dataset501_Prostate",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("The folder is there already", received=out, todo="Give another, or remove it")
    others = (
        [p.name for p in out.parent.glob(f"Dataset{name[1]}_*") if p.name != out.name] if out.parent.is_dir() else []
    )
    if others:
        what = "nnU-Net takes each number once, and the folder has a data set of this one"
        raise UsageError(what, received=others[0], todo="Give another number")


def _declare(exported: Exported, out: Path) -> None:
    """Write dataset.json last: without it the folder is no data set."""
    cases, classes = exported.cases, exported.classes
    if exported.folds:
        save_folds(exported.folds, out)
    declaration: dict[str, Any] = {
        "channel_names": {str(number): name for number, name in enumerate(exported.channels)},
        "labels": {"background": 0, **classes.labels},
        **({"regions_class_order": classes.order} if classes.order else {}),
        "numTraining": len(cases["train"]) + len(cases["validation"]),
        "file_ending": ENDING,
        REGIONS: classes.regions,
    }
    write_atomically(out / DECLARATION, json_text(declaration).encode())
