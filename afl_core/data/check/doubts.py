"""What looks wrong about the labels of a data set: the same for its check, results, X-ray and training."""

from afl_core.data.check.anatomy import doubt_labels
from afl_core.data.layouts import Cohort
from afl_core.data.organs import doubt_segments, doubt_whole


def doubt_organs(cohort: Cohort) -> str:
    """A warning where organs count as tumour, by the names of labels and segments; only headers are read."""
    references = [case.reference for case in cohort.cases if case.reference is not None]
    declared = doubt_whole(cohort.scheme, cohort.region)
    if declared or cohort.scheme.values:
        return declared
    return doubt_segments(references, cohort.region, of="The references")


def doubt_cohort(cohort: Cohort) -> tuple[str, ...]:
    """Every warning about the labels; some references are read for it."""
    doubts = (doubt_organs(cohort), doubt_labels(cohort.cases, cohort.scheme))
    return tuple(doubt for doubt in doubts if doubt)
