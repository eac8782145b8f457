"""The demo cohort: synthetic tumours in real anatomy, a designed experiment on lesion size and boundary roughness.

The design is in `design`, the shapes in `lesion_shapes`, the images in `phantom`, the files of a case in `case`. The
same seed gives the same bytes: case k of a split depends on the seed, the split and k alone, never on counts or on the
order of processes.
"""

import csv
import io
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from afl_core.base.paths import DEMO_CASE
from afl_core.base.storage import write_atomically
from afl_core.base.workers import finished
from afl_core.data.demo.case import GROUP, LesionRow, load_case_rows, write_demo_case
from afl_core.data.demo.design import SPLITS, DemoSpec
from afl_core.data.splits import SPLITS_FILE, save_splits
from afl_core.errors import AflError, DataError


@dataclass(frozen=True)
class DemoCohort:
    """A demo cohort on disk.

    Attributes:
        root: Folder in the BraTS 2018 layout.
        splits: Split to case ids, of the cases that are there.
        lesions: Every lesion of those cases.
    """

    root: Path
    splits: dict[str, tuple[str, ...]]
    lesions: tuple[LesionRow, ...]


def write_demo(
    root: Path,
    spec: DemoSpec | None = None,
    *,
    splits: Sequence[str] = ("test",),
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DemoCohort:
    """Write the demo cohort: cases in the BraTS 2018 layout, `lesions.csv` and `splits.json`.

    Cases that are there and complete are kept, so a build that was interrupted goes on where it stopped.

    Args:
        root: Folder of the cohort; made if missing.
        spec: Counts, seed and spacing; the default cohort if None.
        splits: Names of the splits to write.
        executor: Executor that draws the cases; this process does if None.
        progress: Called with the cases done and the cases due, from 0 on.

    Returns:
        The cohort on disk, with all splits that are there.

    Raises:
        DataError: If the folder holds a demo with another seed or spacing, or the template is missing.
        UsageError: If a split does not exist.
    """
    spec = spec or DemoSpec()
    due = [(split, index) for split in splits for index in range(len(spec.case_ids(split)))]
    if root.exists() and not root.is_dir():
        raise DataError("The folder for the demo is a file", received=root, todo="Choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    _write_cases(root, spec, due, executor=executor, report=progress or (lambda done, total: None))
    cohort = load_demo(root, spec)
    _write_table(root / "lesions.csv", cohort.lesions)
    save_splits(root / SPLITS_FILE, cohort.splits)
    return cohort


def load_demo(root: Path, spec: DemoSpec) -> DemoCohort:
    """The complete demo cases of a folder, by split, with their lesions.

    Raises:
        DataError: If a case was made with another seed or spacing.
    """
    splits: dict[str, tuple[str, ...]] = {}
    rows: list[LesionRow] = []
    for split in SPLITS:
        cases = {p.name: load_case_rows(p, spec) for p in sorted((root / GROUP).glob(f"{DEMO_CASE}{split}_*"))}
        complete = {name: kept for name, kept in cases.items() if kept is not None}
        if complete:
            splits[split] = tuple(complete)
        rows += [row for kept in complete.values() for row in kept]
    return DemoCohort(root, splits, tuple(rows))


def _write_cases(
    root: Path,
    spec: DemoSpec,
    due: Sequence[tuple[str, int]],
    *,
    executor: Executor | None,
    report: Callable[[int, int], None],
) -> None:
    """Write the cases that are not there yet, here or in the executor; the first failure cancels those not begun."""
    missing = [
        (split, index)
        for split, index in due
        if load_case_rows(root / GROUP / spec.case_ids(split)[index], spec) is None
    ]
    kept = len(due) - len(missing)
    report(kept, len(due))
    write = partial(_write_case, root, spec)
    tasks = finished(write, missing, of=lambda which: f"making case {which[1]} of {which[0]}", executor=executor)
    for done, (_, outcome) in enumerate(tasks, start=kept + 1):
        if isinstance(outcome, AflError):
            raise outcome
        report(done, len(due))


def _write_case(root: Path, spec: DemoSpec, which: tuple[str, int]) -> None:
    write_demo_case(root, spec, *which)


def _write_table(path: Path, rows: Sequence[LesionRow]) -> None:
    columns = [f.name for f in fields(LesionRow) if f.name != "centre_mm"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*columns, "x_mm", "y_mm", "z_mm"])
    writer.writerows([*(getattr(row, c) for c in columns), *row.centre_mm] for row in rows)
    write_atomically(path, text.getvalue().encode())
