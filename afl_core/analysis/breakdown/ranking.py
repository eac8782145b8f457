"""The sources in order: over everything or in a bin, how sure it is, and whether other metrics agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from afl_core.analysis.breakdown.options import Options, choose_each
from afl_core.analysis.breakdown.overall import headline_keys
from afl_core.analysis.breakdown.records import Breakdown, patient_means, patient_medians
from afl_core.analysis.breakdown.runs import alone_sentence
from afl_core.analysis.breakdown.sentences import capital, in_sentence, place
from afl_core.analysis.breakdown.units import Units
from afl_core.analysis.statistics.power import ALPHA
from afl_core.analysis.statistics.ranking import (
    METHODS,
    RESAMPLES,
    Floats,
    Ranking,
    kendall_tau,
    rank_sources,
    rank_stability,
    shown_better,
)
from afl_core.analysis.statistics.ranks import MIN_PATIENTS
from afl_core.base.words import named, number_of
from afl_core.evaluation.manifest import Manifest

LEAST_SOURCES = 3
"""Sources from which on there is something to rank that a difference does not say."""

_BY: Mapping[str, str] = MappingProxyType(
    {"mean": "by mean {}", "median": "by median {}", "rank": "by mean rank in {}", "test": "by tests on {}"}
)


@dataclass(frozen=True, eq=False)
class SourceRanking:
    """The ranking of the sources in a bin, or over everything.

    Attributes:
        units: The cases or lesions that were compared.
        record: The record of the bin in `Breakdown.records`.
        method: Key of METHODS.
        ranking: The ranking by that method, and how it moves with the patients.
        table: A row a source, in the order of the ranking: source, n (patients), mean, median, the rank by each method
            (`rank_mean` and so on), low and high (range of the rank by the chosen method in 95 % of the resamples), and
            first (share of the resamples in which it ranks first). NaN where there is none.
        p: One-sided p-values after Holm that the source of a row is better than that of a column, shape (sources,
            sources), both in the order of `units.sources`.
    """

    units: Units
    record: Mapping[Any, Any]
    method: str
    ranking: Ranking
    table: pd.DataFrame
    p: Floats

    @property
    def order(self) -> list[int]:
        """Places of the sources in `units.sources`, the best one first."""
        return list(np.argsort(self.ranking.ranks, kind="stable"))


def bins_to_rank(breakdown: Breakdown) -> dict[str, Mapping[Any, Any]]:
    """What can be ranked, everything first: its name in a sentence to its record."""
    records = breakdown.records.drop_duplicates(["axis", "bin"]).to_dict("records")
    return {capital(place(record, breakdown.units)): record for record in records}


def rank_bin(breakdown: Breakdown, record: Mapping[Any, Any], method: str = "mean") -> SourceRanking:
    """The ranking in a bin: a patient counts once, and a metric that is better low is turned.

    Args:
        breakdown: The comparison.
        record: The record of the bin, as `bins_to_rank` gives it.
        method: Key of METHODS.
    """
    units = breakdown.units
    means = patient_means(units, breakdown.inside(record["axis"], record["bin"]))
    scores = _scores(units, means)
    ranking = rank_stability(scores, method)
    table = pd.DataFrame(
        {
            "source": list(units.sources),
            "n": len(means),
            "mean": means.mean().to_numpy(),
            "median": patient_medians(means).to_numpy(),
            **{f"rank_{key}": rank_sources(scores, key) for key in METHODS},
            "low": ranking.low,
            "high": ranking.high,
            "first": ranking.frequencies[:, 0],
        }
    )
    table = table.sort_values(f"rank_{method}", kind="stable", ignore_index=True)
    return SourceRanking(units, record, method, ranking, table, shown_better(scores))


def _scores(units: Units, means: pd.DataFrame) -> NDArray[np.float64]:
    """Values of the patients, higher for better."""
    return means.to_numpy() * (1 if units.measure.better == "higher" else -1)


def metric_agreement(
    tables: tuple[pd.DataFrame, pd.DataFrame], manifest: Manifest, options: Options, method: str = "mean"
) -> pd.DataFrame:
    """The ranking over everything by each headline metric, and whether it agrees with that of the chosen one.

    Args:
        tables: Case rows and lesion rows.
        manifest: Manifest of the results.
        options: Metric, level and sources.
        method: Key of METHODS.

    Returns:
        Columns metric, n, order and tau: Kendall's tau of this ranking and that of the chosen metric.
    """
    rows = tables[0] if options.level == "case" else tables[1]
    keys = dict.fromkeys((options.metric, *headline_keys(manifest, options.level)))
    found: list[dict[str, Any]] = []
    chosen: Floats | None = None
    for units in choose_each(tables, manifest, options, [key for key in keys if key in rows]):
        means = patient_means(units, np.ones(len(units.table), dtype=bool))
        ranks = rank_sources(_scores(units, means), method)
        chosen = ranks if chosen is None else chosen
        if not np.isnan(ranks).any():
            row = {"metric": units.measure.title, "n": len(means), "order": _order(units.sources, ranks)}
            found.append(row | {"tau": kendall_tau(chosen, ranks)})
    return pd.DataFrame(found, columns=["metric", "n", "order", "tau"])


def _order(sources: tuple[str, ...], ranks: Floats) -> str:
    """The sources from the best to the last; equal ones with an equals sign between them."""
    groups = (" = ".join(name for name, of in zip(sources, ranks, strict=True) if of == r) for r in np.unique(ranks))
    return " > ".join(groups)


def ranking_sentence(found: SourceRanking) -> str:
    """Who ranks first, in how many resamples, and whom it is shown better than."""
    units, ranks = found.units, found.ranking.ranks
    where, n = capital(place(found.record, units)), int(found.table["n"].iloc[0])
    by = _BY[found.method].format(in_sentence(units.measure.label))
    if np.isnan(ranks).any():
        too_few = f"{number_of(n, 'patient')}, too few to rank {by}: it takes {MIN_PATIENTS}"
        return f"{where}: {too_few if n else 'nothing to rank'}."
    firsts = [name for name, rank in zip(units.sources, ranks, strict=True) if rank == 1]
    if len(firsts) == len(ranks) and found.method == "test":
        of = in_sentence(units.measure.label)
        return f"{where}: no test shows one source better than another in {of}, so all share the first rank."
    if len(firsts) == len(ranks):
        return f"{where}: all {number_of(len(ranks), 'source')} share the first rank {by}{_few(n)}."
    if len(firsts) > 1:
        return f"{where}: {', '.join(firsts[:-1])} and {firsts[-1]} share the first rank {by}{_few(n)}."
    best = int(np.argmin(ranks))
    if n < MIN_PATIENTS:
        return f"{where}: {firsts[0]} ranks first {by}{_few(n)}."
    share = found.ranking.frequencies[:, 0]
    more = int(np.argmax(share))
    oftener = f" ({units.sources[more]} in {of_hundred(share[more])})" if share[more] > share[best] else ""
    often = f"in {of_hundred(share[best])} resamples of the patients{oftener}"
    return f"{where}: {firsts[0]} ranks first {by}, {often}. {_shown(found, best)}"


def _few(n: int) -> str:
    return f"; {number_of(n, 'patient')}, too few for resamples or a test" if n < MIN_PATIENTS else ""


def _shown(found: SourceRanking, best: int) -> str:
    """Which sources the best one is shown better than, and which are shown better than it."""
    sources, p = found.units.sources, found.p
    others = [k for k in range(len(sources)) if k != best]
    beaten = [sources[k] for k in others if p[best, k] < ALPHA]
    rest = [sources[k] for k in others if not p[best, k] < ALPHA]
    above = [sources[k] for k in others if p[k, best] < ALPHA]
    clash = f" By the ranks of the differences, {named(above)} is shown better than it." if above else ""
    if not beaten:
        return f"It is not shown better than any other source.{clash}"
    return f"It is shown better than {named(beaten)}{f'; not than {named(rest)}' if rest else ''}.{clash}"


def of_hundred(share: float) -> str:
    """A share of the resamples in words; one that is not all of them is never called so.

    >>> of_hundred(0.617), of_hundred(1.0), of_hundred(0.998), of_hundred(0.002), of_hundred(0.0)
    ('62 of 100', '100 of 100', 'over 99 of 100', 'under 1 of 100', '0 of 100')
    """
    if 0.995 <= share < 1:
        return "over 99 of 100"
    return "under 1 of 100" if 0 < share < 0.005 else f"{100 * share:.0f} of 100"


def rank_text(low: float, high: float) -> str:
    """A range of ranks.

    >>> rank_text(1, 3), rank_text(2, 2), rank_text(float("nan"), float("nan"))
    ('1 to 3', '2', '–')
    """
    if np.isnan(low):
        return "–"
    return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"


def about_ranking(found: SourceRanking) -> str:
    """How the ranks, their ranges and the tests come about."""
    tests, n = int(np.isfinite(found.p).sum()), int(found.table["n"].iloc[0])
    weak = f" (with {number_of(n, 'patient')} none could be below {ALPHA})" if tests / 2**n >= ALPHA else ""
    holm = (
        f"Holm's correction counts the {tests} tests of these patients alone{weak}; of many bins, one can look better"
    )
    alone = alone_sentence(found.units, found.units.sources)
    single = f"{alone} A ranking of single runs ranks these runs, not the losses. " if alone else ""
    return (
        f"{single}Methods of Wiesenfarth et al. (2021); equal sources share the best rank. Resamples: "
        f"{RESAMPLES:,} draws of as many patients, with replacement. Shown better: one-sided Wilcoxon signed-rank test "
        f"of each ordered pair, p below {ALPHA} after correction. "
        + (f"{holm} by chance." if tests else f"Below {MIN_PATIENTS} patients there is neither.")
    )
