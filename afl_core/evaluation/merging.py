"""How new results of cases replace what a results folder holds of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from afl_core.base.remote import address
from afl_core.errors import DataError
from afl_core.evaluation.manifest import Manifest, link_todo
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.rows import Settings
from afl_core.evaluation.tables import TEXTS, in_order
from afl_core.metrics.matchers import find_matcher

Done = tuple[str, str, str]
"""Case, source and region; the source "" stands for all sources of the case."""


def redone(results: Sequence[CaseResult], regions: Sequence[str]) -> set[Done]:
    """What new results settle: the rows that were measured before are no longer those of the files."""
    done = {(row["case_id"], row["source"], row.get("region", regions[0])) for result in results for row in result.rows}
    for result in results:
        done |= {(result.case_id, source, region) for source in result.problems or {} for region in regions}
        for region, problems in (result.region_problems or {}).items():
            done |= {(result.case_id, source, region) for source in problems}
    return done


def merged(old: pd.DataFrame, rows: list[dict[str, Any]], done: set[Done]) -> pd.DataFrame:
    """Rows of other cases, sources and regions, then the new ones, in a fixed order."""
    if not old.empty:
        places = zip(old["case_id"], old["source"], old["region"], strict=True)
        kept = [
            (case, source, region) not in done and (case, "", region) not in done for case, source, region in places
        ]
        old = old[kept]
    tables = [table for table in (old, pd.DataFrame(rows)) if not table.empty]
    if not tables:
        return pd.DataFrame()
    table = pd.concat(tables, ignore_index=True)
    texts = sorted(TEXTS & set(table))
    table[texts] = table[texts].fillna("")  # rows of an earlier version lack some
    return in_order(table)


def of_region(table: pd.DataFrame, region: str) -> pd.DataFrame:
    """The rows of a region."""
    return table if table.empty else table[table["region"] == region]


Problems = Mapping[str, Mapping[str, str]]
"""Case to source, or "" for the case as a whole, to what went wrong."""


def with_problems(before: Problems, results: Sequence[CaseResult], region: str = "") -> Problems:
    """The problems after new results; of a region besides the first where one is named."""
    problems = dict(before)
    for result in results:
        new = (result.region_problems or {}).get(region, {}) if region else result.problems or {}
        kept = {k: v for k, v in problems.get(result.case_id, {}).items() if not is_redone(k, result)}
        problems[result.case_id] = kept | dict(new)
    return {case: texts for case, texts in sorted(problems.items()) if texts}


def without_source(problems: Problems, source: str) -> Problems:
    """The problems of the other sources."""
    others = {case: {name: text for name, text in texts.items() if name != source} for case, texts in problems.items()}
    return {case: texts for case, texts in others.items() if texts}


def with_source_renamed(table: pd.DataFrame, name: str, to: str) -> pd.DataFrame:
    """The rows in which a source has another name, in the fixed order."""
    return in_order(table.assign(source=table["source"].replace(name, to)))


def is_redone(source: str, result: CaseResult) -> bool:
    """Whether a problem of this source, or of the case as a whole (""), is settled by a new result of the case."""
    return (
        source == ""
        or "" in (result.problems or {})
        or source in result.unchanged
        or any(row["source"] == source for row in result.rows)
    )


def still_missing(before: Mapping[str, Sequence[str]], results: Sequence[CaseResult]) -> dict[str, tuple[str, ...]]:
    """Per source, the cases of which it has no prediction."""
    missing = {source: set(cases) for source, cases in before.items()}
    for result in results:
        for source in (*result.unchanged, *(row["source"] for row in result.rows), *(result.problems or {})):
            missing.setdefault(source, set()).discard(result.case_id)
        for source in result.missing:
            missing[source].add(result.case_id)
    return {source: tuple(sorted(cases)) for source, cases in sorted(missing.items()) if cases}


def empty_counts(cases: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Per source, how many cases each empty-mask rule touched."""
    if cases.empty:
        return {}
    touched = cases[cases["empty"] != ""]
    counts = touched.groupby("source")["empty"].value_counts()
    return {
        source: {rule: int(counts[source, rule]) for rule in counts[source].index}
        for source in touched["source"].unique()
    }


def check_fits(name: str, manifest: Manifest, place: tuple[str, str], settings: Settings) -> None:
    """Raise unless a results folder is of this data set (path, layout), and measured in this way."""
    if manifest.imported:
        what = f"The results folder {name} holds imported tables, which are never mixed with what is measured here"
        raise DataError(what, todo="Give another --out folder")
    held = (manifest.data.path, manifest.data.kind)
    faults = ("belongs to another data set", "was made with another layout")
    folder, todo = manifest.data.folder, "Give another --out folder"
    if manifest.data.path and "://" not in address(manifest.data.path):
        held = (str(folder.resolve()), held[1])  # a data set that was moved is the same where a link at its place leads
        todo += "" if folder.exists() else f". If that data set was moved, {link_todo(folder, place[0])}"
    for had, now, what in zip(held, place, faults, strict=True):
        if had not in ("", now):
            raise DataError(
                f"The results folder {name} {what}",
                received=f"{now} where it holds {had}",
                todo=todo,
            )
    if not manifest.measured:
        return
    recorded = manifest.settings.choice()
    find_matcher(recorded.matcher)  # one of an earlier version says so
    if not recorded.is_like(settings):
        raise DataError(
            f"The results folder {name} was measured with other settings",
            received=_difference(settings, recorded),
            todo="Give another --out folder",
        )


def _difference(settings: Settings, recorded: Settings) -> str:
    """The settings that are not the same, in words; results can take on further regions."""
    now, held = asdict(settings), asdict(recorded)
    different = [key for key in now if now[key] != held[key] and key != "more_regions"]
    return "; ".join(f"{key} {now[key]} where it holds {held[key]}" for key in different)
