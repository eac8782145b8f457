"""A data set to train on: its sequences, and which of its cases train, validate and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from afl_core.base import paths
from afl_core.base.words import number_in_parts
from afl_core.data.demo.design import SPLITS, DemoSpec
from afl_core.data.layouts import AS_RECOGNISED, Cohort, DataOptions
from afl_core.data.patients import by_names, parted_sentence
from afl_core.data.splits import SPLITS_FILE, load_splits, random_splits, unknown_sentence
from afl_core.errors import DataError

DEMO_SEQUENCES = ("flair", "t1", "t1ce", "t2")


@dataclass(frozen=True)
class TrainingData:
    """A data set to train on.

    Attributes:
        root: Folder of the data set.
        options: Options by which the data set is read.
        sequences: Names of the sequences that every case has.
        splits: Case ids of each split; of a random one as they would be if every case were sound.
        note: Remark that is worth reading before a start, or "".
        random: True if the split is drawn at random, when the first run starts.
        warnings: Warnings about the patients, whose scans a split is to keep together, and about the split.
        split_problem: Why its split file cannot be used, or "".
    """

    root: Path
    options: DataOptions
    sequences: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]
    note: str = ""
    random: bool = False
    warnings: tuple[str, ...] = ()
    split_problem: str = ""


def training_data(root: Path, options: DataOptions, cohort: Cohort) -> TrainingData:
    """A data set to train on, with the splits of its own that it has.

    Args:
        root: Folder of the data set.
        options: Options by which the data set was read.
        cohort: The cohort that was read.

    Raises:
        DataError: If no case has a reference, or they have no sequence in common.
    """
    ids = set(_ids(cohort))
    if not ids:
        raise DataError("No case of this folder has a reference to train on", received=root)
    common = replace(cohort, cases=tuple(case for case in cohort.cases if case.case_id in ids)).sequences
    if not common:
        raise DataError("The cases have no sequence in common", received=root, todo="Give images, not masks alone")
    given, problem = dict[str, tuple[str, ...]](), ""
    try:
        given = load_splits(root / SPLITS_FILE) if (root / SPLITS_FILE).is_file() else {}
    except DataError as error:  # a random split can be taken
        problem = str(error)
    splits = {name: tuple(case for case in case_ids if case in ids) for name, case_ids in given.items()}
    warnings = (*cohort.patients.warnings, *split_warnings(given, cohort))
    return TrainingData(root, options, common, splits, _note(cohort), warnings=warnings, split_problem=problem)


def split_warnings(splits: Mapping[str, Sequence[str]], cohort: Cohort) -> tuple[str, ...]:
    """What a split names that the data set does not have, and that it parts patients; () where it is sound."""
    named = (case for case_ids in splits.values() for case in case_ids)
    found = unknown_sentence(named, cohort.known), parted_sentence(splits, cohort.patients.of)
    return tuple(filter(None, found))


def demo_to_be_drawn() -> TrainingData | None:
    """The demo cohort before its training cases were drawn; None once they are there."""
    if (paths.DEMO / SPLITS_FILE).is_file() and "train" in load_splits(paths.DEMO / SPLITS_FILE):
        return None
    spec = DemoSpec()
    note = (
        "The cases of the demo that are not there yet are drawn by the first run: on a slow machine this takes minutes "
        "more, which the estimate leaves out."
    )
    return TrainingData(
        paths.DEMO, AS_RECOGNISED, DEMO_SEQUENCES, {split: spec.case_ids(split) for split in SPLITS}, note
    )


def with_random_split(data: TrainingData, cohort: Cohort | None) -> TrainingData:
    """The same with a random split, by patient and always the same; a demo that is not drawn yet has no cohort."""
    ids = _ids(cohort) if cohort else [case_id for case_ids in data.splits.values() for case_id in case_ids]
    patients = cohort.patients.of if cohort else by_names(ids).of
    note = f"{data.note} Cases that the check finds something against are left out of the random split.".strip()
    warnings = cohort.patients.warnings if cohort else ()
    splits = random_splits(ids, patients=patients)
    return replace(data, splits=splits, random=True, note=note, warnings=warnings, split_problem="")


def check_splits(data: TrainingData) -> None:
    """Raise `DataError` unless there are training and validation cases."""
    if data.split_problem:
        raise DataError(f"{data.split_problem} Or take a random split")
    for name in ("train", "validation"):
        if not data.splits.get(name):
            todo = f"List some in its {SPLITS_FILE}, or take a random split"
            raise DataError(
                f"The split has no {name} cases",
                received=number_in_parts({part: len(ids) for part, ids in data.splits.items()}, "case"),
                todo=todo,
            )


def _note(cohort: Cohort) -> str:
    """The labels that count as tumour, where these are not all, in words."""
    return f"Tumour is {cohort.scheme.title_of(cohort.region.name)}." if cohort.region.inside else ""


def _ids(cohort: Cohort) -> list[str]:
    return [case.case_id for case in cohort.cases if case.reference]
