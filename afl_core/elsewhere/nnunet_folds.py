"""Which cases of a data set nnU-Net trains on, and its folds: of whole patients, as nnU-Net's own are not."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from afl_core.base.storage import write_atomically
from afl_core.base.words import number_of
from afl_core.data.layouts import Cohort
from afl_core.data.layouts.nnunet_results import FOLDS_FILE
from afl_core.data.splits import SPLITS_FILE, load_splits
from afl_core.errors import DataError, UsageError

FOLDS = 5
"""Folds where the data set has no validation part; nnU-Net's own number."""


def save_folds(folds: Sequence[Mapping[str, list[str]]], folder: Path) -> None:
    """Write `FOLDS_FILE` into a folder, such as the data set's of nnUNet_preprocessed.

    Raises:
        UsageError: If another one is there.
    """
    path, data = folder / FOLDS_FILE, (json.dumps(folds, indent=1) + "\n").encode()
    if path.exists() and path.read_bytes() != data:
        raise UsageError("There are other folds already", received=path, todo="Remove the file to have these")
    write_atomically(path, data)


def has_split(cohort: Cohort, splits: Path | None) -> bool:
    """Whether a split file is given, or the data set has one."""
    return splits is not None or (cohort.root / SPLITS_FILE).is_file()


def cases_by_part(cohort: Cohort, splits: Path | None) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Part to cases, and the cases of none; without a split file, those of a folder Ts or without a reference test."""
    problems, parts = dict(cohort.problems), dict[str, list[str]](train=[], validation=[], test=[])
    file = splits or cohort.root / SPLITS_FILE
    split = load_splits(file) if has_split(cohort, splits) else {}
    part_of = {case_id: part for part, ids in split.items() for case_id in ids}
    for case in cohort.cases:
        alone = "test" if case.reference is None or case.group == "Ts" else "train"
        part = part_of.get(case.case_id, "") if split else alone
        if part not in parts:
            where = f"it is in the part {part}, which is neither {', '.join(parts)}" if part else "it is in no part"
            problems[case.case_id] = f"{case.case_id} is left out: by {file.name} {where}."
        elif part != "test" and case.reference is None:
            problems[case.case_id] = f"{case.case_id} is left out: it has no reference to train on."
        else:
            parts[part].append(case.case_id)
    return parts, problems


def make_folds(
    written: Mapping[str, Sequence[str]], patients: Mapping[str, str], number: int
) -> tuple[dict[str, list[str]], ...]:
    """The folds of the training cases, whole patients each; () where one patient cannot be divided."""
    if written["validation"] and written["train"] and not number:
        return ({"train": list(written["train"]), "val": list(written["validation"])},)
    cases = [*written["train"], *written["validation"]]
    owners = sorted({patients[case_id] for case_id in cases})
    number = min(number or FOLDS, len(owners))
    if number < 2:
        return ()
    random.Random(0).shuffle(owners)
    fold_of = {owner: place % number for place, owner in enumerate(owners)}
    places = {case_id: fold_of[patients[case_id]] for case_id in cases}
    return tuple(
        {
            "train": [case_id for case_id in cases if places[case_id] != fold],
            "val": [case_id for case_id in cases if places[case_id] == fold],
        }
        for fold in range(number)
    )


def check_patients(number: int, folds: int) -> None:
    """Raise `DataError` where there are fewer patients to train on than folds."""
    if number < folds:
        raise DataError(
            "There are too few patients to train on",
            received=f"{number_of(number, 'patient')} for {number_of(folds, 'fold')}",
            todo=f"Put more cases into train in {SPLITS_FILE}, or give --splits",
        )
