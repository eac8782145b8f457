"""What the labels of a data set mean, and the region that is taken of them."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from afl_core.data.boxed_labels import load_boxed_labels
from afl_core.data.label_codes import find_scheme
from afl_core.data.labels import SYNONYMS, WHOLE, scheme_for
from afl_core.data.organs import doubt_whole
from afl_core.errors import DataError
from afl_core.volume import Case

if TYPE_CHECKING:
    from afl_core.data.layouts.cohort import Cohort


def label_values(cases: Iterable[Case]) -> set[int]:
    """Every label that the references of cases hold, 0 among them; reads all that can be read."""
    values = {0}
    for case in cases:
        with suppress(DataError):  # the case reports it where it is used
            if case.reference is None:
                continue
            values |= set(load_boxed_labels(case.reference).present)
    return values


def with_regions(cohort: "Cohort", names: Sequence[str]) -> "Cohort":
    """The cohort with several regions, of which the first one is opened first.

    Args:
        cohort: A cohort, read with any region.
        names: Names of the regions; () is the cohort's own, then all others that its labels name, but a whole of organs
            and lesions only where it is the cohort's own.

    Raises:
        UsageError: If the labels have no such region, or do not tell which labels make it.
    """
    scheme = cohort.scheme
    mixed = bool(doubt_whole(scheme, scheme.region(WHOLE)))
    every = [name for name in scheme.regions if not (mixed and name == WHOLE)]
    names = names or (cohort.region.name, *every, *sorted(scheme.unclear - {WHOLE}))
    untold = [
        name for name in names if "=" not in name and SYNONYMS.get(name.lower(), name.lower()) not in scheme.regions
    ]
    if untold and not scheme.values:
        scheme = scheme_for(label_values(cohort.cases), untold[0])
    first, *more = dict.fromkeys(scheme.region(name) for name in names)
    cases = (replace(case, region=first, more_regions=tuple(more)) for case in cohort.cases)
    return replace(cohort, cases=tuple(cases), scheme=scheme, region=first, more_regions=tuple(more))


def with_region(cohort: "Cohort", labels: str | None, region: str) -> "Cohort":
    """The cohort with the labels and the region of the options."""
    layout_scheme = cohort.layout.scheme
    if labels and labels != layout_scheme.name:
        scheme = find_scheme(labels)
    elif not (
        labels
        or layout_scheme.values
        or "=" in region
        or SYNONYMS.get(region.lower(), region.lower()) in layout_scheme.regions
    ):
        scheme = scheme_for(label_values(cohort.cases), region)
    else:
        scheme = layout_scheme
    chosen = scheme.region(region)
    cases = (replace(case, region=chosen, trust_voxel_order=cohort.trust_voxel_order) for case in cohort.cases)
    return replace(cohort, cases=tuple(cases), scheme=scheme, region=chosen)
