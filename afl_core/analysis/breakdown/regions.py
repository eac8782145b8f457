"""Several regions of one results folder side by side: a breakdown each, with one correction for all their tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from afl_core.analysis.breakdown.options import Options, evaluated_sources
from afl_core.analysis.breakdown.records import Breakdown
from afl_core.analysis.breakdown.sentences import NOT_COUNTED, counted_sentence, opened_labels, opened_words
from afl_core.analysis.statistics.ranks import holm
from afl_core.base.words import number_of
from afl_core.data.labels import region_title
from afl_core.errors import AflError, DataError
from afl_core.evaluation.comparison import Comparison

EVERY_REGION = "all"
"""Names every measured region, where regions are named."""


@dataclass(frozen=True, eq=False)
class RegionBreakdown:
    """A region of a results folder, and its breakdown.

    Attributes:
        comparison: The results in this region.
        breakdown: Means and differences over everything and in the bins of the region's own reference.
        options: The choices behind it, with the sources that have a result in the region.
    """

    comparison: Comparison
    breakdown: Breakdown
    options: Options

    @property
    def title(self) -> str:
        """Name of the region, as it is shown."""
        return region_title(self.comparison.region)


def compare_regions(
    opened: Sequence[Comparison], options: Options, break_down: Callable[[Comparison, Options], Breakdown]
) -> tuple[tuple[RegionBreakdown, ...], dict[str, str]]:
    """The breakdown of each region, with Holm's correction over the p-values of all of them.

    Args:
        opened: The results, once a region.
        options: The choices; a source that has no result in a region is left out there.
        break_down: Makes the breakdown of one region.

    Returns:
        The regions that have a breakdown; and of every other one its title, to why it has none.

    Raises:
        AflError: If no region has a breakdown.
    """
    found, problems = list[RegionBreakdown](), dict[str, AflError]()
    for region in opened:
        try:
            there = evaluated_sources(region.rows, region.manifest, pool_seeds=options.pool_seeds)
            chosen = replace(options, sources=tuple(name for name in options.sources or there if name in there))
            if not chosen.sources:
                raise DataError("No source that is compared has a result in this region")
            found.append(RegionBreakdown(region, break_down(region, chosen), chosen))
        except AflError as error:
            problems[region_title(region.region)] = error
    if not found:
        raise next(iter(problems.values()))
    together = correct_together([of.breakdown for of in found])
    corrected = tuple(replace(of, breakdown=new) for of, new in zip(found, together, strict=True))
    return corrected, {title: str(error) for title, error in problems.items()}


def correct_together(breakdowns: Sequence[Breakdown]) -> list[Breakdown]:
    """The same breakdowns with Holm's correction over the p-values of all of them, not of each by itself."""
    p = [of.p_values for of in breakdowns]
    corrected = np.split(holm(np.concatenate(p)), np.cumsum([len(of) for of in p])[:-1])
    counts = [int(np.isfinite(of).sum()) for of in p]
    return [
        replace(of, records=of.records.assign(p_holm=new[: len(of.records)]), tests_elsewhere=sum(counts) - own)
        for of, new, own in zip(breakdowns, corrected, counts, strict=True)
    ]


def together_sentence(regions: Sequence[RegionBreakdown]) -> str:
    """How many tests Holm's correction counts, and in which regions."""
    counts = ((of.title, of.breakdown.n_tests - of.breakdown.tests_elsewhere) for of in regions)
    own = {title: count for title, count in counts if count}
    tests = sum(own.values())
    opened = tuple(dict.fromkeys(label for of in regions for label in opened_labels(of.breakdown)))
    if tests < 2 or len(own) < 2:
        return counted_sentence(tests, opened)
    each = set(own.values())
    parts = (
        f"{number_of(len(own), 'region')} x {number_of(each.pop(), 'comparison')}"
        if len(each) == 1
        else ", ".join(f"{count} of {title}" for title, count in own.items())
    )
    counted = f"all {number_of(tests, 'comparison')} together: {parts}{opened_words(opened)}"
    return f"Holm's correction counts {counted}. {NOT_COUNTED}"
