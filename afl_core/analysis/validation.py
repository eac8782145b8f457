"""Results on validation cases, from which something is chosen that is then judged on test cases."""

from collections.abc import Iterable

from afl_core.base.words import named
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison


def check_same_sources(opened: Comparison, validation: Comparison, sources: Iterable[str]) -> None:
    """Raise `DataError` where a source of that name is another checkpoint on the validation cases, or missing."""
    for name in sources:
        here, there = opened.manifest.sources[name], validation.manifest.sources.get(name)
        if there is None or (here.kind, here.fingerprint) != (there.kind, there.fingerprint):
            raise DataError(
                f"{validation.name} does not hold the same {name}",
                received="another checkpoint" if there else f"its sources are {named(validation.sources)}",
                todo="Evaluate the same sources on validation cases, with a folder of results of their own",
            )


def check_other_patients(test: Iterable[object], validation: Iterable[object]) -> None:
    """Raise `DataError` where a patient is in both: what was chosen on the test cases themselves proves nothing."""
    if both := sorted(str(patient) for patient in set(validation) & set(test)):
        raise DataError(
            "Patients of the validation cases are among those that are compared",
            received=named(both),
            todo="Give results of other patients, such as those of the validation split",
        )
