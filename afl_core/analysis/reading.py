"""What a blinded reading found: the share of patients in which a source was preferred, by size."""

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from afl_core.analysis.breakdown.bins import tertiles
from afl_core.base.numbers import interval, number
from afl_core.base.words import number_of
from afl_core.errors import UsageError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.reading import SIDES, Reading

ALL = "all"


def cases_to_read(opened: Comparison, pair: tuple[str, str]) -> list[str]:
    """The cases on which both sources have a mask, those first on which their Dice differs most.

    Args:
        opened: The results in a region.
        pair: The two sources.
    """
    if opened.rows.empty:
        return []
    dice = opened.rows.pivot_table(index="case_id", columns="source", values="dsc")
    both = dice.reindex(columns=list(pair)).dropna()
    apart = (both[pair[1]] - both[pair[0]]).abs()
    return [str(case_id) for case_id in apart.sort_values(ascending=False, kind="stable").index]


def choices_table(opened: Comparison, reading: Reading) -> pd.DataFrame:
    """A row a case that was read: patient, volume in ml, the source on each side, the choice and what was preferred."""
    facts = opened.rows.drop_duplicates("case_id").set_index("case_id")
    rows = [
        {
            "case_id": case_id,
            "patient": facts.loc[case_id, "patient"],
            "volume_ml": facts.loc[case_id, "reference_volume_ml"],
            **dict(zip(SIDES, reading.sides(case_id), strict=True)),
            "choice": choice,
            "preferred": reading.preferred(case_id),
        }
        for case_id, choice in reading.choices.items()
        if case_id in facts.index
    ]
    columns = ["case_id", "patient", "volume_ml", *SIDES, "choice", "preferred"]
    return pd.DataFrame(rows, columns=columns)


def preferences(table: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    """How many patients prefer each source, over all and by tumour volume.

    A patient with several cases prefers what most of them do. The share is that of the second source among patients
    with a preference, with Wilson's 95 % interval.

    Args:
        table: From `choices_table`.
        pair: The two sources.

    Returns:
        A row over all and one a third of the volumes; without thirds where fewer than three cases have a volume.
    """
    groups = {ALL: np.ones(len(table), bool)}
    try:
        binning = tertiles("size", table["volume_ml"].to_numpy(float), of="the cases that were read")
        numbers = binning.assign(table["volume_ml"].to_numpy(float))
        groups |= {name: numbers == k for k, name in enumerate(binning.names)}
    except UsageError:  # too few to be divided
        pass
    return pd.DataFrame([{"bin": name, **_share(table[of], pair)} for name, of in groups.items() if of.any()])


def _share(table: pd.DataFrame, pair: tuple[str, str]) -> dict[str, float]:
    score = table["preferred"].map({pair[0]: -1, pair[1]: 1, "": 0}).groupby(table["patient"]).sum()
    first, second = int((score < 0).sum()), int((score > 0).sum())
    found: dict[str, float] = {"first": first, "second": second, "none": int((score == 0).sum())}
    if not first + second:
        return {**found, "share": np.nan, "low": np.nan, "high": np.nan}
    result = binomtest(second, first + second)
    interval = result.proportion_ci(method="wilson")
    return {**found, "share": result.statistic, "low": interval.low, "high": interval.high}


def preference_sentence(table: pd.DataFrame, pair: tuple[str, str], *, unread: int = 0) -> str:
    """What the reading found over all, and no more; `unread` is the number of cases that it left out."""
    over = preferences(table, pair).iloc[0]
    n, decided = int(over["first"] + over["second"] + over["none"]), int(over["first"] + over["second"])
    left = (
        f" {number_of(unread, 'case was', 'cases were')} not read, those that differ least in Dice." if unread else ""
    )
    if not decided:
        return f"No preference in {number_of(n, 'patient')}.{left}"
    share, low, high = (f"{100 * over[name]:.0f}" for name in ("share", "low", "high"))
    sentence = (
        f"{pair[1]} was preferred in {int(over['second'])} of {number_of(decided, 'patient')} with a preference: "
        f"{share} % (95 % interval {low} to {high} %), of {number_of(n, 'patient')} read."
    )
    open_ = over["low"] <= 0.5 <= over["high"]
    return f"{sentence}{' The interval holds 50 %: no preference is shown.' if open_ else ''}{left}"


def shown_table(table: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    """`preferences` as text."""
    rows = preferences(table, pair).to_dict("records")
    return pd.DataFrame(
        {
            "Tumour volume": row["bin"],
            f"{pair[0]} preferred": int(row["first"]),
            f"{pair[1]} preferred": int(row["second"]),
            "no preference": int(row["none"]),
            f"share of {pair[1]}": number(row["share"], 2),
            "95 % interval": interval(row["low"], row["high"], 2),
        }
        for row in rows
    )
