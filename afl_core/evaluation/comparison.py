"""An opened results folder: its rows as far as they are of the data set that it names, for page, command and report."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from afl_core.data.layouts import Cohort
from afl_core.errors import AflError, DataError, UsageError
from afl_core.evaluation.manifest import MANIFEST, Manifest, counted, damaged, whole_cohort
from afl_core.evaluation.pipeline import mask_path
from afl_core.evaluation.results import Results, is_measured_mask
from afl_core.evaluation.tables import CASES, LESIONS, check_complete


@dataclass(frozen=True, eq=False)
class Comparison:
    """A results folder as everything that reads results sees it.

    Attributes:
        results: The folder.
        manifest: Its manifest, with a data set and sources.
        rows: Case rows, one per (case, source), of the cases that count.
        lesions: Lesion rows of the same.
        whole: The data set, or None where it cannot be opened.
        cohort: The same, narrowed to the cases that count.
        problem: Why there is no cohort, or "".
        left_out: Cases that have rows which do not count: they are no longer in the data set, or not of its test split.
    """

    results: Results
    manifest: Manifest
    rows: pd.DataFrame
    lesions: pd.DataFrame
    whole: Cohort | None
    cohort: Cohort | None
    problem: str
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the results folder."""
        return self.results.folder.resolve().name

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, in the order in which they were given."""
        return tuple(self.manifest.sources)

    @property
    def left_out_said(self) -> tuple[str, ...]:
        """What is said of the cases that are left out; () where there are none."""
        if not self.left_out:
            return ()
        some = ", ".join(self.left_out[:3]) + (" ..." if len(self.left_out) > 3 else "")
        are = "case is" if len(self.left_out) == 1 else "cases are"
        return (
            f"{len(self.left_out)} measured {are} in no number here: not, or no longer, among the cases of this data "
            f"set that count ({some}).",
        )

    def mask(self, case_id: str, source: str) -> Path:
        """The stored mask that the row of a case and source was measured on.

        Raises:
            DataError: If there is no such row, or the file is gone or another one.
        """
        rows = self.rows
        own = rows[(rows["case_id"] == case_id) & (rows["source"] == source)] if not rows.empty else rows
        if own.empty:
            raise DataError(f"{source} has no result on {case_id}", todo="Evaluate the case")
        path = mask_path(self.results.folder, source, case_id)
        row, todo = own.iloc[0].to_dict(), "Evaluate again: it is made anew"
        if not path.is_file():
            raise DataError(f"The stored mask of {source} on {case_id} is gone", received=path, todo=todo)
        if row.get("mask_sha256") and not is_measured_mask(self.results.folder, row):
            what = f"The stored mask of {source} on {case_id} is not the one that was measured"
            raise DataError(what, received=path, todo=todo)
        return path


def open_comparison(folder: Path, *, load: Callable[[Manifest], Cohort] = whole_cohort) -> Comparison:
    """Open a results folder.

    Args:
        folder: The folder.
        load: Opens the data set that a manifest names; a page keeps what it opened.

    Raises:
        UsageError: If it is no results folder.
        DataError: If it is damaged, or nothing was described in it yet.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            "This is not a results folder", received=folder, todo=f"It has no {MANIFEST}; run afl evaluate"
        )
    results = Results(folder)
    return build_comparison(results, (results.manifest(), results.cases(), results.lesions()), load=load)


def build_comparison(
    results: Results,
    stored: tuple[Manifest, pd.DataFrame, pd.DataFrame],
    *,
    load: Callable[[Manifest], Cohort] = whole_cohort,
) -> Comparison:
    """The comparison of what a folder stores, its manifest, case rows and lesion rows.

    Rows count if their case is in the data set, with a reference, and in the split that matters, and if their source is
    named. Arguments and errors as `open_comparison`.
    """
    manifest, rows, lesions = stored
    if not manifest.described:
        raise damaged(results.folder, MANIFEST, "no data or sources")
    check_complete(results.folder, CASES, rows)
    check_complete(results.folder, LESIONS, lesions)
    measured = set(rows.get("case_id", ()))
    whole, cohort, problem = None, None, ""
    try:
        whole = load(manifest)
        cohort = counted(whole, manifest)
        wanted = {case.case_id for case in cohort.cases if case.reference}
    except AflError as error:
        problem, wanted = str(error), set(manifest.data.cases) or measured
    left_out = tuple(sorted(measured - wanted))
    rows, lesions = (_rows_of(table, wanted, tuple(manifest.sources)) for table in (rows, lesions))
    return Comparison(results, manifest, rows, lesions, whole, cohort, problem, left_out)


def _rows_of(table: pd.DataFrame, cases: set[str], sources: tuple[str, ...]) -> pd.DataFrame:
    if table.empty:
        return table
    own = table[table["case_id"].isin(cases) & table["source"].isin(sources)]
    return own.reset_index(drop=True) if len(own) < len(table) else table
