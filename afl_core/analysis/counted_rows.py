"""Rows of counts of sources with probabilities: those that still belong to the results, on the cases that all have."""

from collections.abc import Mapping, Sequence

import pandas as pd

from afl_core.base.words import named
from afl_core.errors import DataError
from afl_core.evaluation.comparison import Comparison
from afl_core.evaluation.tables import distinct

_FROM_MASKS = (
    "They come with checkpoints and maps of probabilities, not with masks: keep the maps (nnU-Net's "
    "--save_probabilities), and evaluate into another folder, as for results of an earlier version"
)
_FROM_TABLES = "Imported tables hold none: measure maps of probabilities with afl evaluate, into another folder"


class NothingCountedError(DataError):
    """A source has no counts, as it gave masks alone: no fault of the results."""


def rows_by_source(
    opened: Comparison,
    table: pd.DataFrame,
    members: Mapping[str, Sequence[str]],
    sources: Sequence[str] = (),
    *,
    what: str,
) -> dict[str, list[pd.DataFrame]]:
    """Each source to a table a member, by `case_id`, of the cases that all sources have.

    Args:
        opened: The results.
        table: Counts of the region that is looked at.
        members: Name of each source to the sources behind it, itself or its seeds, in order.
        sources: Names of the sources; () is every one that has counts.
        what: What is counted, for the message.

    Raises:
        NothingCountedError: If a source has no counts: it has masks alone, or was measured by an earlier version.
        DataError: If there are no rows of cases, or the sources have no case in common.
    """
    if opened.rows.empty:
        raise DataError("These results hold no row of a case", received=opened.name, todo="Run afl evaluate")
    if not table.empty:
        rows = opened.rows[["case_id", "source", *(["key"] if "key" in opened.rows else [])]]
        if "key" not in rows:  # of parts it is read where it is needed
            keys = opened.results.cases(["key"], {"region": [opened.region]}, ordered=False)
            rows = rows.merge(keys[["case_id", "source", "key"]], on=["case_id", "source"])
        table = table.merge(rows, on=["case_id", "source", "key"])
    counted = distinct(table, "source")
    there = [name for name, group in members.items() if counted.issuperset(group)]
    wanted = list(sources or there)
    if not wanted or (absent := [name for name in wanted if name not in there]):
        raise NothingCountedError(
            f"There are no {what}",
            received=named(absent) if wanted else f"the results {opened.name}",
            todo=_FROM_TABLES if opened.manifest.imported else _FROM_MASKS,
        )
    by_source = {name: table[table["source"] == name].set_index("case_id") for name in counted}
    found = {name: [by_source[member] for member in members[name]] for name in wanted}
    common = sorted(set.intersection(*(set(of.index.tolist()) for tables in found.values() for of in tables)))
    if not common:
        todo = "Evaluate all on one data set"
        raise DataError("The sources have no case in common", received=named(wanted), todo=todo)
    return {name: [of.loc[common] for of in tables] for name, tables in found.items()}
