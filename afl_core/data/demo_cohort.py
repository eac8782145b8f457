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
from afl_core.data.demo.case import GROUP, LesionRow, is_drawn, load_case_rows, write_demo_case
from afl_core.data.demo.design import SPLITS, DemoSpec, Scan
from afl_core.data.patient_names import patient_id
from afl_core.data.patient_table import PARTICIPANTS
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
    due = [scan for split in splits for scan in spec.scans(split)]
    if root.exists() and not root.is_dir():
        raise DataError("The folder for the demo is a file", received=root, todo="Choose another folder")
    root.mkdir(parents=True, exist_ok=True)
    _write_cases(root, spec, due, executor=executor, report=progress or (lambda done, total: None))
    return describe_demo(root, spec)


def describe_demo(root: Path, spec: DemoSpec) -> DemoCohort:
    """Write the tables and the splits of the complete cases of a folder, and give them.

    Raises:
        DataError: If a case was made with another seed or spacing.
    """
    cohort = load_demo(root, spec)
    _write_table(root / "lesions.csv", cohort.lesions)
    _write_participants(root / PARTICIPANTS, cohort.lesions)
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
    due: Sequence[Scan],
    *,
    executor: Executor | None,
    report: Callable[[int, int], None],
) -> None:
    """Write the cases that are not there yet, here or in the executor; the first failure cancels those not begun."""
    missing = [scan for scan in due if not is_drawn(root / GROUP / scan.case_id, spec)]
    kept = len(due) - len(missing)
    report(kept, len(due))
    write = partial(_write_case, root, spec)
    tasks = finished(write, missing, of=lambda scan: f"making {scan.case_id}", executor=executor)
    for done, (_, outcome) in enumerate(tasks, start=kept + 1):
        if isinstance(outcome, AflError):
            raise outcome
        report(done, len(due))


def _write_case(root: Path, spec: DemoSpec, scan: Scan) -> None:
    write_demo_case(root, spec, scan)


def _write_participants(path: Path, rows: Sequence[LesionRow]) -> None:
    """Write BIDS's table of who was scanned where: its column is a covariate of the results."""
    scanners = {patient_id(row.case_id): row.scanner for row in rows}
    lines = ["participant_id\tscanner", *(f"{patient}\t{scanner}" for patient, scanner in scanners.items())]
    write_atomically(path, ("\n".join(lines) + "\n").encode())


def _write_table(path: Path, rows: Sequence[LesionRow]) -> None:
    columns = [f.name for f in fields(LesionRow) if f.name != "centre_mm"]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([*columns, "x_mm", "y_mm", "z_mm"])
    writer.writerows([*(getattr(row, c) for c in columns), *row.centre_mm] for row in rows)
    write_atomically(path, text.getvalue().encode())
