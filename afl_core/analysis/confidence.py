"""How sure sources are against how often they are right: reliability curves, and errors of calibration in pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.bins import Binning
from afl_core.analysis.breakdown.measures import Measure
from afl_core.analysis.breakdown.options import Options, choose_binnings, choose_units, list_sources
from afl_core.analysis.breakdown.records import Breakdown, compute_breakdown
from afl_core.analysis.breakdown.regions import correct_together
from afl_core.analysis.breakdown.sentences import pair_sentence, shows_difference
from afl_core.analysis.breakdown.units import select_each
from afl_core.analysis.counted_rows import rows_by_source
from afl_core.analysis.statistics.bootstrap import times_drawn
from afl_core.base.numbers import interval, p_number
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import CHANNELS, PARTS
from afl_core.metrics.calibration import ERRORS
from afl_core.metrics.probability_counts import LOGIT_BINS, ProbabilityCounts, mirrored
from afl_core.metrics.reliability import Reals, Reliability, in_bins, reliability

RESAMPLES, DIGITS = 999, 4

_EMPTY = {"near": "none where the reference is empty: nothing is near it", "grid": "as computed"}

MEASURES: Mapping[str, Mapping[str, Measure]] = MappingProxyType(
    {
        part: MappingProxyType(
            {
                key: Measure(
                    *(f"{key}_{part}", f"{error.label} {words}", "", "lower", error.definition, _EMPTY[part], DIGITS)
                )
                for key, error in ERRORS.items()
            }
        )
        for part, words in PARTS.items()
    }
)
"""Part of the voxels to each error of calibration over it."""


@dataclass(frozen=True, eq=False)
class Confidence:
    """Voxels of a source by their probability; a row a case.

    Attributes:
        patients: Patient of each case.
        case_ids: Id of each case.
        parts: Key of `PARTS` to the counts there, with the cases along the first axis.
        channels: Voxels outside and inside the reference by the logit of the background's and of the tumour's channel,
            shape (cases, 2, 2, LOGIT_BINS); without cases where logits were not read.
        own_channels: Whether these are two outputs of a network, and not 1 - p and p.
    """

    patients: NDArray[np.object_]
    case_ids: tuple[str, ...]
    parts: Mapping[str, ProbabilityCounts]
    channels: Reals
    own_channels: bool = False

    @cached_property
    def map_channels(self) -> Reals:
        """`channels` of 1 - p and p, where p is the probability of the tumour."""
        tumour = self.parts["grid"].logits
        return np.stack([mirrored(tumour), tumour], axis=1)

    def curve(self, part: str) -> Reliability:
        """The reliability curve of all voxels together, whatever their case."""
        of = self.parts[part]
        return reliability(of.voxels.sum(axis=0), of.reference.sum(axis=0), of.probability.sum(axis=0))

    def curve_interval(self, part: str) -> tuple[Reals, Reals]:
        """95 % percentile interval of the curve's frequency over patients, whose cases go together."""
        of = self.parts[part]
        sums = pd.DataFrame(np.hstack([in_bins(of.voxels), in_bins(of.reference)])).groupby(self.patients, sort=False)
        drawn = times_drawn(sums.ngroups, RESAMPLES) @ sums.sum().to_numpy()
        voxels, reference = np.hsplit(drawn, 2)
        frequency = reliability(voxels, reference, voxels).frequency
        low, high = np.full((2, frequency.shape[1]), np.nan)
        some = np.isfinite(frequency).any(axis=0)
        low[some], high[some] = np.nanquantile(frequency[:, some], (0.025, 0.975), axis=0)
        return low, high


def load_confidence(opened: Comparison, sources: Sequence[str] = (), *, logits: bool = False) -> dict[str, Confidence]:
    """The counts of sources on the cases that all of them have.

    Args:
        opened: The results.
        sources: Names of the sources; () is every one that has counts.
        logits: Whether the bins of the logit are read too, which temperature scaling needs: most of the table.

    Raises:
        DataError: If a source has no counts: it has masks alone, or was measured by an earlier version.
    """
    names = ["voxels", "reference", "probability", "squared_error", *(["logits"] if logits else [])]
    columns = [f"{part}_{name}" for part in PARTS for name in names]
    where = {"region": [opened.region]} | ({"source": sources} if sources else {})
    table = opened.results.confidence(["key", *columns, *([CHANNELS] if logits else [])], where)
    members = {name: (name,) for name in opened.sources}
    found = rows_by_source(opened, table, members, sources, what="voxels counted by their probability")
    return {name: _confidence(of, logits) for name, (of,) in found.items()}


def _confidence(table: pd.DataFrame, logits: bool) -> Confidence:
    def stacked(column: str) -> Reals:
        return np.stack(table[column].to_list()).astype(np.float64)

    def counts(part: str) -> ProbabilityCounts:
        voxels, reference, probability = (stacked(f"{part}_{name}") for name in ("voxels", "reference", "probability"))
        squared = table[f"{part}_squared_error"].to_numpy(dtype=np.float64)
        of_logits = stacked(f"{part}_logits").reshape(len(table), 2, LOGIT_BINS) if logits else np.zeros(0)
        return ProbabilityCounts(voxels, reference, probability, squared, of_logits)

    found = Confidence(
        table["patient"].to_numpy(dtype=object),
        tuple(table.index),
        {part: counts(part) for part in PARTS},
        np.zeros((0, 2, 2, LOGIT_BINS)),
    )
    if not logits:
        return found
    stored = [np.asarray(of, np.float64).reshape(-1, 2, 2, LOGIT_BINS) for of in table[CHANNELS]]
    both = [own[0] if len(own) else derived for own, derived in zip(stored, found.map_channels, strict=True)]
    return replace(found, channels=np.stack(both), own_channels=any(len(own) for own in stored))


def error_rows(found: Mapping[str, Confidence]) -> pd.DataFrame:
    """Every error of calibration of every case: columns case_id, source and the keys of `MEASURES`."""
    tables = [
        pd.DataFrame(
            {"case_id": of.case_ids, "source": name}
            | {
                measure.key: ERRORS[key].function(of.parts[part])
                for part, measures in MEASURES.items()
                for key, measure in measures.items()
            }
        )
        for name, of in found.items()
    ]
    return pd.concat(tables, ignore_index=True)


def compare_errors(
    cases: pd.DataFrame, errors: pd.DataFrame, members: Mapping[str, Sequence[str]], binnings: Sequence[Binning]
) -> dict[str, dict[str, Breakdown]]:
    """The paired breakdown of every error of calibration, with one Holm's correction for all of them.

    Args:
        cases: Case rows, for patients and sizes.
        errors: `error_rows`.
        members: Name of each compared source to the sources whose mean it is, or to itself alone.
        binnings: Bins of cases, such as those of size.

    Returns:
        Part of the voxels to key in `ERRORS` to the breakdown.
    """
    rows = cases.merge(errors, on=["case_id", "source"])
    seeds = {name: tuple(group) for name, group in members.items() if len(group) > 1}
    places = [(part, key) for part, measures in MEASURES.items() for key in measures]
    measures = [MEASURES[part][key] for part, key in places]
    paired = select_each(rows, pd.DataFrame(), measures=measures, sources=tuple(members), level="case", seeds=seeds)
    breakdowns = [compute_breakdown(units, binnings) for units in paired]
    found: dict[str, dict[str, Breakdown]] = {part: {} for part in MEASURES}
    for (part, key), corrected in zip(places, correct_together(breakdowns), strict=True):
        found[part][key] = corrected
    return found


def size_bins(opened: Comparison) -> Sequence[Binning]:
    """Bins of the cases by size, whose tests Holm's correction counts wherever errors are compared."""
    options = Options(by=("size",))
    return choose_binnings(choose_units(opened.rows, opened.lesions, opened.manifest, options), options)


def compared_members(
    opened: Comparison, pair: Sequence[str] | None, found: Mapping[str, Confidence], *, pool_seeds: bool
) -> dict[str, tuple[str, ...]]:
    """The pair, each with the sources behind it, where all of these have counts; {} otherwise."""
    _, seeds = list_sources(opened.manifest, pool_seeds=pool_seeds)
    members = {name: seeds.get(name, (name,)) for name in pair or ()}
    return members if all(set(group) <= set(found) for group in members.values()) else {}


def errors_table(
    errors: Mapping[str, Mapping[str, Breakdown]], members: Mapping[str, Sequence[str]], *, bins: bool = False
) -> pd.DataFrame:
    """A row an error and part of the voxels over all cases, or an error and bin: means, difference, interval and test.

    Args:
        errors: From `compare_errors`.
        members: The pair, as there.
        bins: Whether the rows are those of the bins.
    """
    first, second = members
    rows = []
    for part, breakdowns in errors.items():
        for key, breakdown in breakdowns.items():
            records = breakdown.pair(first, second)
            for record in records[(records["axis"] != "all") == bins].to_dict("records"):
                of = {"bin": record["bin"]} if bins else {"over": PARTS[part]}
                rows.append(
                    {
                        "error": ERRORS[key].label,
                        **of,
                        "n": record["n"],
                        first: record["mean"] - record["mean_difference"],
                        second: record["mean"],
                        "difference": record["mean_difference"],
                        "interval": interval(record["ci_low"], record["ci_high"], DIGITS, sign=True),
                        "p (Holm)": p_number(record["p_holm"]),
                    }
                )
    return pd.DataFrame(rows)


def error_sentences(errors: Mapping[str, Mapping[str, Breakdown]], members: Mapping[str, Sequence[str]]) -> list[str]:
    """The pair's difference over all cases: ECE of both parts, and every other error whose difference is shown.

    What lies near the tumour comes first: the whole grid is background for the most part.
    """
    first, second = members
    found = [
        (key, breakdown.pair(first, second).iloc[0].to_dict(), breakdown.units)
        for part in PARTS
        for key, breakdown in errors[part].items()
    ]
    return [pair_sentence(record, units) for key, record, units in found if key == "ece" or shows_difference(record)]


def reliability_table(found: Mapping[str, Confidence]) -> pd.DataFrame:
    """A row a source, part and bin: number of voxels, mean probability and share in the reference with its interval."""
    tables = []
    for name, of in found.items():
        for part in PARTS:
            curve, (low, high) = of.curve(part), of.curve_interval(part)
            columns = {"voxels": curve.voxels.astype(np.int64), "probability": curve.probability}
            columns |= {"frequency": curve.frequency, "frequency_low": low, "frequency_high": high}
            ends = np.linspace(0, 1, len(low) + 1).round(2)
            tables.append(pd.DataFrame({"source": name, "part": part, "above": ends[:-1], "up_to": ends[1:]} | columns))
    return pd.concat(tables, ignore_index=True)


NOTE = (
    "The probability is that of the tumour against all else. Curves pool the voxels of all cases; errors are a mean "
    "over patients of what each case has. Intervals take the training runs as given."
)
"""What to know of these numbers."""
