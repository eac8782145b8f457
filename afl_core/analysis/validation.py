"""Results on validation cases, from which something is chosen that is then judged on test cases."""

from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from pathlib import Path

import numpy as np

from afl_core.base.words import named, number_of
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.manifest import Manifest

SHAPE = ["reference_volume_ml", "roughness", "sphericity", "elongation"]
"""Columns that are the same in two cases where their references are."""

LEAST_ALIKE = 2
"""Equal references of two results from which on they are taken for those of the same patients; one may be chance."""

_OTHER_KINDS = {"checkpoint": "another checkpoint", "masks": "files of a folder", "table": "a table"}

_OTHERS = "Give results of other patients, such as those of the validation split"


def fits(opened: Manifest, other: Manifest, sources: Iterable[str]) -> bool:
    """Whether other results are of other cases of the same data set, with the same checkpoints, by the manifests alone.

    Args:
        opened: Manifest of the results that are compared, in the region that is looked at.
        other: Manifest of results that may serve as validation.
        sources: Names of the sources; files of masks, which have no fingerprint, are never the same.
    """
    here, there = opened.data, other.data
    if (here.path, here.kind) != (there.path, there.kind) or not here.cases or not there.cases:
        return False
    if set(here.cases) & set(there.cases) or opened.settings.region not in other.settings.choice().regions:
        return False
    pairs = [(opened.sources.get(name), other.sources.get(name)) for name in sources]
    return all(a and b and a.fingerprint and (a.kind, a.fingerprint) == (b.kind, b.fingerprint) for a, b in pairs)


def check_validation(opened: Comparison, validation: Comparison, sources: Sequence[str]) -> None:
    """Raise `DataError` where something that is chosen on the validation cases would prove nothing.

    That is where a source is another checkpoint there, or missing, or has the maps of another source, by their place
    or the names of the folders; and where a patient is in both, or references are the same under other names. Other
    scans of the same patients under other names cannot be told.
    """
    check_other_patients(opened.rows["patient"], validation.rows["patient"])
    check_same_sources(opened, validation, sources)
    _check_own_files(opened, validation, sources)
    _check_folders(opened, validation, sources)
    _check_other_references(opened, validation)


def check_same_sources(opened: Comparison, validation: Comparison, sources: Iterable[str]) -> None:
    """Raise `DataError` where a source of that name is another on the validation cases, or missing."""
    for name in sources:
        here, there = opened.manifest.sources[name], validation.manifest.sources.get(name)
        if there is None or (here.kind, here.fingerprint) != (there.kind, there.fingerprint):
            raise DataError(
                f"{validation.name} does not hold the same {name}",
                received=_OTHER_KINDS[there.kind] if there else f"its sources are {named(validation.sources)}",
                todo="Evaluate the same sources on validation cases, with a folder of results of their own",
            )


def check_other_patients(test: Iterable[object], validation: Iterable[object]) -> None:
    """Raise `DataError` where a patient is in both: what was chosen on the test cases themselves proves nothing."""
    if both := sorted(str(patient) for patient in set(validation) & set(test)):
        raise DataError(
            "Patients of the validation cases are among those that are compared", received=named(both), todo=_OTHERS
        )


def _check_own_files(opened: Comparison, validation: Comparison, sources: Sequence[str]) -> None:
    """Raise where two sources that differ are the same files on the validation cases."""

    def path(of: Comparison, name: str) -> str:
        return of.manifest.sources[name].path

    for name, other in combinations(sources, 2):
        same = path(validation, name) == path(validation, other)
        if same and path(validation, name) and path(opened, name) != path(opened, other):
            raise DataError(
                f"{name} and {other} are the same files in {validation.name}",
                received=path(validation, name),
                todo="Measure each source on validation cases by its own maps",
            )


def _check_folders(opened: Comparison, validation: Comparison, sources: Sequence[str]) -> None:
    """Raise where the maps of a source lie, on the validation cases, in a folder with the name of another source's."""

    def words(of: Comparison, name: str) -> set[str]:
        source = of.manifest.sources[name]
        return {part.casefold() for part in Path(source.path).parts} if source.kind == "masks" else set()

    for name, other in permutations(sources, 2):
        own, others = (words(opened, of) | {of.casefold()} for of in (name, other))
        there = words(validation, name) - words(validation, other)
        if there & (others - own) and not there & (own - others):
            raise DataError(
                f"{name} of {validation.name} has a folder that is named as that of {other}",
                received=validation.manifest.sources[name].path,
                todo="Measure each source under the name that it has here; name the folders of one source alike",
            )


def _check_other_references(opened: Comparison, validation: Comparison) -> None:
    """Raise where references of validation cases are those of compared cases, by volume and shape to the last digit."""
    tables = []
    for of in (opened, validation):
        cases = of.rows.drop_duplicates("case_id")[["case_id", *SHAPE]].dropna()
        tables.append(cases.assign(**{column: cases[column].astype(np.float32) for column in SHAPE}))
    both = tables[0].merge(tables[1], on=SHAPE, suffixes=("", "_there"))
    if both["case_id_there"].nunique() >= LEAST_ALIKE:
        pairs = [f"{row.case_id} and {row.case_id_there}" for row in both.itertuples()]
        many = number_of(both["case_id_there"].nunique(), "validation case")
        raise DataError(
            f"The references of {many} are those of cases that are compared",
            received=named(pairs, shown=3),
            todo=_OTHERS,
        )
