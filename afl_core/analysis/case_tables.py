"""Tables of a comparison: its cases, and the metrics and lesions of one of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from afl_core.analysis.breakdown.bins import MIN_VALUES, Binning, has_value, tertiles
from afl_core.analysis.breakdown.options import list_sources
from afl_core.analysis.breakdown.seeds import pool_seeds
from afl_core.analysis.statistics.paired import wide
from afl_core.base.numbers import number
from afl_core.evaluation.comparison import Comparison
from afl_core.metrics import METRICS

FALSE_POSITIVE = "false positive, "
"""Text before the name of the source, in place of the number of a lesion."""


WORST, BEST, SMALLEST, LARGEST, BY_NAME = ORDERS = (
    "Worst first",
    "Best first",
    "Smallest first",
    "Largest first",
    "By name",
)
"""Orders of cases: by the gain of the second source over the first, by tumour volume, by name."""

ALL, NOT_EVALUATED = "All cases", "Not evaluated"
ALL_SIZES = "All sizes"


def case_table(opened: Comparison, metric: str) -> pd.DataFrame:
    """One row a case: volume, lesions, roughness, the metric of each source and the difference of the first two.

    Seeds of one configuration are averaged: its columns are those of `compared_sources`. A metric that is best at zero
    compares by its distance from it, as on Breakdown: so do the difference, and means of seeds and what stands beside.

    Args:
        opened: The results; cases that were not evaluated yet have NaN.
        metric: Key of the metric in `METRICS`.
    """
    ids = [case.case_id for case in opened.cohort.cases] if opened.cohort else []
    if opened.rows.empty:
        return pd.DataFrame(index=pd.Index(ids, name="case"))
    facts = opened.rows.drop_duplicates("case_id").set_index("case_id")
    facts = facts[["reference_volume_ml", "reference_lesions", "roughness"]]
    facts.columns = pd.Index(["volume (ml)", "lesions", "roughness"])
    signed = wide(opened.rows, metric, opened.sources).astype(float)
    values, difference = _pooled(signed, _distances(signed, [metric] * len(signed)), compared_sources(opened))
    table = facts.join(values)
    if difference is not None:
        table["difference"] = difference
    table = table.reindex(sorted({*ids, *table.index}))
    table.index.name = "case"
    return table


def _distances(values: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Values without their sign where their metric, one a row, is best at zero."""
    signed = pd.Series([METRICS[key].better == "zero" for key in metrics], index=values.index, dtype=bool)
    return values.mask(signed, values.abs(), axis=0)


def _pooled(
    values: pd.DataFrame, distances: pd.DataFrame, sources: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, pd.Series | None]:
    """One column a configuration, and the difference of the first two, by distance; with seeds the columns are too."""
    means = pool_seeds(distances, sources)
    difference = means.iloc[:, 1] - means.iloc[:, 0] if len(means.columns) > 1 else None
    seeds = any(len(members) > 1 for members in sources.values())
    return means if seeds else pool_seeds(values, sources), difference


def compared_sources(opened: Comparison) -> dict[str, tuple[str, ...]]:
    """What the cases are compared by, in order: each source, seeds of one configuration as one, to its seeds."""
    names, seeds = list_sources(opened.manifest, pool_seeds=True)
    return {name: seeds.get(name, (name,)) for name in names}


def drawn_sources(opened: Comparison) -> list[str]:
    """The sources whose masks are drawn: of each configuration the first seed, in its place, and so in its colour."""
    return [seeds[0] for seeds in compared_sources(opened).values()]


def gains(table: pd.DataFrame, metric: str, sources: Sequence[str]) -> pd.Series:
    """By how much the second source is better than the first on each case; with one source, how good that is.

    A metric of which less is better, or of which 0 is best, counts so: a larger number is always better.
    """
    better = [_goodness(table, metric, source) for source in sources[:2]]
    if not better:
        return pd.Series(np.nan, index=table.index)
    return better[0] if len(better) == 1 else better[1] - better[0]


def _goodness(table: pd.DataFrame, metric: str, source: str) -> pd.Series:
    values = table[source].astype(float) if source in table else pd.Series(np.nan, index=table.index)
    kind = METRICS[metric].better
    return values if kind == "higher" else -values if kind == "lower" else -values.abs()


def order_title(order: str, sources: Sequence[str]) -> str:
    """Name of an order of `ORDERS` for people: between two sources, worst is what the second loses most.

    >>> order_title("Worst first", ("FL",)), order_title("Worst first", ("FL", "A-FL"))
    ('Worst first', 'Largest loss first')
    """
    pair = {WORST: "Largest loss first", BEST: "Largest gain first"}
    return pair.get(order, order) if len(sources) > 1 else order


def order_by(source: str) -> str:
    """Name of the order of cases by the values of one source."""
    return f"{source}, worst first"


def shown_choices(sources: Sequence[str]) -> tuple[str, ...]:
    """What of the cases can be shown: all, those on which the second source is worse or better, or without a result."""
    pair = (f"{sources[1]} worse", f"{sources[1]} better") if len(sources) > 1 else ()
    return (ALL, *pair, NOT_EVALUATED)


def size_choices(table: pd.DataFrame) -> tuple[str, ...]:
    """All sizes, and the bins by size where there are any."""
    binning = size_bins(table)
    return (ALL_SIZES, *(name.capitalize() for name in binning.names)) if binning else (ALL_SIZES,)


def in_order(table: pd.DataFrame, metric: str, sources: Sequence[str], *, order: str) -> pd.DataFrame:
    """The case table in an order of `ORDERS` or of `order_by`; equal cases stay by name, those without a value last."""
    if order == BY_NAME:
        return table
    if order in {SMALLEST, LARGEST}:
        volumes = table["volume (ml)"] if "volume (ml)" in table else pd.Series(np.nan, index=table.index)
        by = volumes if order == SMALLEST else -volumes
    elif order in {WORST, BEST}:
        by = gains(table, metric, sources) * (1 if order == WORST else -1)
    else:
        by = _goodness(table, metric, next(source for source in sources if order == order_by(source)))
    return table.loc[by.sort_values(kind="stable").index]


def narrowed(
    table: pd.DataFrame, metric: str, sources: Sequence[str], *, shown: str = ALL, size: str = ALL_SIZES, find: str = ""
) -> pd.DataFrame:
    """The rows of a case table that a reader wants to see.

    Args:
        table: A table of `case_table`.
        metric: Key of its metric.
        sources: Names of the sources.
        shown: One of `shown_choices`.
        size: One of `size_choices`.
        find: Part of the case's name, in any case.
    """
    keep = table.index.str.contains(find.strip(), case=False, regex=False)
    gain = gains(table, metric, sources)
    if shown != ALL:
        kinds = [gain < 0, gain > 0, gain.isna()] if len(sources) > 1 else [gain.isna()]
        keep &= kinds[shown_choices(sources).index(shown) - 1].to_numpy()
    if size != ALL_SIZES and (binning := size_bins(table)):
        keep &= binning.assign(table["volume (ml)"].to_numpy(float)) == size_choices(table).index(size) - 1
    return table[keep]


def size_bins(table: pd.DataFrame) -> Binning | None:
    """Thirds of the cases by tumour volume; None where there are too few volumes."""
    volumes = table["volume (ml)"].to_numpy(float) if "volume (ml)" in table else np.empty(0)
    return tertiles("size", volumes) if has_value("size", volumes).sum() >= MIN_VALUES else None


def rows_of(opened: Comparison, case_id: str) -> pd.DataFrame:
    """The rows of one case, by source."""
    rows = opened.rows
    return rows[rows["case_id"] == case_id].set_index("source") if not rows.empty else rows


FROM_ZERO = "*"
"""Mark of a metric whose difference is one of distances from 0, beside values that have a sign."""


def metric_table(rows: pd.DataFrame, sources: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row a metric: the value of each source, and the difference of the first two.

    A metric that is best at 0 is marked by `FROM_ZERO` where the difference is not that of the two values shown.

    Args:
        rows: The rows of `rows_of`.
        sources: Name to its seeds, as `compared_sources` gives them; one that lacks a row is left out.
    """
    have = {name: seeds for name, seeds in sources.items() if set(seeds) <= set(rows.index)}
    keys = [key for key in METRICS if key in rows]
    signed = rows[keys].astype(float).T
    values, difference = _pooled(signed, _distances(signed, keys), have)
    whole = all(len(seeds) == 1 for seeds in have.values())
    apart = f" {FROM_ZERO}" if difference is not None else ""
    of_zero = apart if whole else ", absolute"
    marks = [of_zero if METRICS[key].better == "zero" else "" for key in keys]
    table = pd.DataFrame(
        {"metric": [f"{METRICS[key].titled_direction}{text}" for key, text in zip(keys, marks, strict=True)]}
    )
    digits = [digits_of(rows, key) if whole else METRICS[key].digits for key in keys]
    for source in have:
        table[source] = list(map(number, values[source], digits))
    if difference is not None:
        table["difference"] = [
            number(change, places, sign=True) for change, places in zip(difference, digits, strict=True)
        ]
    return table


def digits_of(rows: pd.DataFrame, metric: str) -> int:
    """Decimals of a metric of one case: those of the metric, or none where the rows hold whole numbers, as counts."""
    return 0 if metric in rows and rows[metric].dtype.kind in "iu" else METRICS[metric].digits


def lesion_table(opened: Comparison, case_id: str) -> pd.DataFrame:
    """Reference lesions with the Dice of each source, then each source's false positives; with their voxel."""
    rows = opened.lesions
    rows = rows[rows["case_id"] == case_id] if not rows.empty else rows
    if rows.empty:
        return pd.DataFrame(columns=["lesion", "volume (ml)", "x", "y", "z"])
    lesions = rows[rows["kind"] != "false_positive"]
    facts = lesions.drop_duplicates("lesion_id").set_index("lesion_id")[["volume_ml", "roughness", "x", "y", "z"]]
    dice = lesions.pivot(index="lesion_id", columns="source", values="dsc").reindex(columns=list(opened.sources))
    table = facts.join(dice).reset_index(names="lesion").astype({"lesion": str})
    ignored = set(lesions.loc[lesions["kind"] == "ignored", "lesion_id"].astype(str))
    table["lesion"] = [f"{lesion}, ignored" if lesion in ignored else lesion for lesion in table["lesion"]]
    false = rows[rows["kind"] == "false_positive"]
    extra = false[["volume_ml", "x", "y", "z"]].assign(lesion=FALSE_POSITIVE + false["source"])
    columns = ["lesion", "volume_ml", *dice.columns, "roughness", "x", "y", "z"]
    return pd.concat([table, extra], ignore_index=True)[columns].rename(columns={"volume_ml": "volume (ml)"}).round(3)
