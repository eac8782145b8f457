"""How the rows of a results folder are written: into the plain files while these are small, else as parts."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from afl_core.base.storage import write_table
from afl_core.evaluation.merging import empty_counts, merged, of_region, redone, with_source_renamed
from afl_core.evaluation.part_rows import KEYS, SETTLED
from afl_core.evaluation.parts import append_part, drop_from_parts, is_plain, load_parts, rename_in_parts
from afl_core.evaluation.pipeline import CaseResult
from afl_core.evaluation.tables import CASES, CONFIDENCE, CURVES, LESIONS, OPTIONAL, TABLES, load_table, plain_tables


def store_rows(folder: Path, results: Sequence[CaseResult], regions: Sequence[str]) -> dict[str, dict[str, int]]:
    """Store the rows of finished cases; they replace those of the same case, source and region.

    Args:
        folder: The results folder.
        results: The finished cases.
        regions: Every region that is measured, the first one first.

    Returns:
        `empty_counts` of the first region; {} where there are parts, of which not all rows are read for it.
    """
    usual = {"region": regions[0]}
    rows = {
        CASES: [usual | row for of in results for row in of.rows],
        LESIONS: [usual | row for of in results for row in of.lesions],
        CURVES: [usual | row for of in results for row in of.curves],
        CONFIDENCE: [usual | row for of in results for row in of.confidence],
    }
    done = redone(results, regions)
    if is_plain(folder, TABLES):
        for name in TABLES:
            table = merged(load_table(folder, name, regions[0]), rows[name], done)
            if name not in OPTIONAL or not table.empty or (folder / name).is_file():
                write_table(folder / name, table)
        return empty_counts(of_region(table, regions[0]))  # cases are the last
    if not load_parts(folder):
        _give_regions(folder, regions[0])
    gone = sorted(done - {(row["case_id"], row["source"], row["region"]) for row in rows[CASES]})
    tables = {name: merged(pd.DataFrame(), rows[name], set()) for name in TABLES}
    append_part(folder, {SETTLED: pd.DataFrame(gone, columns=list(KEYS)), **tables})
    return {}


def forget_rows(folder: Path, source: str) -> None:
    """Drop the rows of a source; errors as `plain_tables`, before anything is changed."""
    for name, table in plain_tables(folder).items():
        write_table(folder / name, table[table["source"] != source])
    drop_from_parts(folder, source)


def rename_rows(folder: Path, source: str, to: str) -> None:
    """Give a source another name in all rows; errors likewise."""
    tables = plain_tables(folder)
    rename_in_parts(folder, source, to)
    for name, table in tables.items():
        write_table(folder / name, with_source_renamed(table, source, to))


def _give_regions(folder: Path, first: str) -> None:
    """Write the region into the rows of an earlier version, once: parts are matched by it."""
    for name in TABLES:
        if not (table := load_table(folder, name, first)).empty:
            write_table(folder / name, table)
