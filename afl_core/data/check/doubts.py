"""What looks wrong about the labels of a data set: the same for its check, results, X-ray and training."""

from afl_core.data.check.anatomy import doubt_labels
from afl_core.data.layouts import Cohort
from afl_core.data.layouts.labelling import with_regions
from afl_core.data.organs import doubt_segments, doubt_whole, lesion_regions
from afl_core.errors import UsageError


def doubt_organs(cohort: Cohort) -> str:
    """A warning where organs count as tumour, by the names of labels and segments; only headers are read."""
    references = [case.reference for case in cohort.cases if case.reference is not None]
    declared = doubt_whole(cohort.scheme, cohort.region)
    if declared or cohort.scheme.values:
        return declared
    return doubt_segments(references, cohort.region, of="The references")


def with_tumour(cohort: Cohort) -> Cohort:
    """The cohort where nobody named a region: its tumour is known, or the whole is meant.

    Raises:
        UsageError: If organ and lesion are labels of one set, and its layout does not say which is the tumour.
    """
    if not (doubt := doubt_organs(cohort)):
        return cohort
    if name := known_tumour(cohort):
        return with_regions(cohort, (name,))
    raise UsageError("It is not said which label is the tumour", todo=f"{doubt} To count all of it: --region whole")


def known_tumour(cohort: Cohort) -> str:
    """The region that is the tumour beside an organ, where the layout's labels say so; else ""."""
    regions = lesion_regions(cohort.scheme)
    return regions[0] if cohort.layout.names_tumour and len(regions) == 1 and doubt_organs(cohort) else ""


def doubt_cohort(cohort: Cohort) -> tuple[str, ...]:
    """Every warning about the labels; some references are read for it."""
    doubts = (doubt_organs(cohort), doubt_labels(cohort.cases, cohort.scheme))
    return tuple(doubt for doubt in doubts if doubt)
