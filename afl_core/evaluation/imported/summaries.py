"""Rows of imported tables that sum up others, such as a mean, and are no case."""

import re
from collections.abc import Sequence
from pathlib import Path

from afl_core.base.words import named
from afl_core.errors import DataError
from afl_core.evaluation.imported.values import Entry

_SUMMARY = re.compile(
    "means?|averages?|avg|medians?|std|stdev|stddev|sd|sem|variance|deviation|iqr|quantiles?|percentiles?|quartiles?"
    "|min|minimum|max|maximum|sum|totals?|count|all|overall|aggregated?|summary"
)
_BESIDE = re.compile("standard|error|of|over|the|and|cases?|patients?|subjects?|ci")
"""Words that stand beside them, as in "Mean of all cases"; alone they say nothing."""

_QUANTILE = re.compile(
    r"(?<![^\W_])(?:\d+(?:\.\d+)?(?:st|nd|rd|th)?[ _-]?(?:%|(?:quantile|percentile|quartile)s?)"
    r"|(?:quantile|percentile|quartile)[ _-]?\d+(?:\.\d+)?|q[1-3]|[pq](?:05|25|50|75|95))(?![^\W_])"
)
"""Ways to write a quantile: 25quantile, 75th percentile, 95%, Q1, p05."""

_WHY = "It sums up other rows and is no case, so it is left out."


def is_summary(name: str) -> bool:
    """Whether a row of that name may sum up others.

    >>> [is_summary(name) for name in ("Mean (SD)", "25quantile", "95% CI", "q3", "Case_007", "P24", "subject")]
    [True, True, True, True, False, False, False]
    """
    rest, quantiles = _QUANTILE.subn(" ", name.casefold())
    words = re.findall(r"[^\W_]+", rest)
    sums = [word for word in words if _SUMMARY.fullmatch(word)]
    return bool(quantiles or sums) and all(word in sums or _BESIDE.fullmatch(word) for word in words)


def without_summaries(entries: Sequence[tuple[Entry, Path]]) -> tuple[list[tuple[Entry, Path]], dict[str, str]]:
    """The entries of cases; and the names of rows that sum up others, each with why it is left out.

    A row of such a name is left out where no other row has its kind of name: `mean` beside `P01`. With digits, one that
    has the kind of others is a case: `P25` beside `P01`.

    Raises:
        DataError: If it may be a case as well: `Max` beside `Anna`, or where no row has another name.
    """
    names = {entry.case_id for entry, _ in entries}
    like = {name for name in names if is_summary(name)}
    kinds = {_kind(name) for name in names - like}
    like -= {name for name in like if _kind(name) and _kind(name) in kinds}
    if like and (names == like or any(_kind(name) in kinds for name in like)):
        todo = "Delete the rows that sum up others; rename a case of such a name"
        raise DataError("Rows of these tables may be cases or sum up others", received=named(sorted(like)), todo=todo)
    kept = [(entry, path) for entry, path in entries if entry.case_id not in like]
    return kept, dict.fromkeys(sorted(like), _WHY)


def _kind(name: str) -> str:
    """A name without what tells it from others of its kind: its numbers; "" where it is a word."""
    kind = re.sub(r"\d+", "0", name.casefold())
    return kind if "0" in kind else ""
