"""Cases measured by a challenge's protocol in this process's pool, and the means, for every command that has them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.table import Table
from rich.text import Text

from afl_core.analysis.protocol_means import (
    BASIS,
    TITLES,
    defined_columns,
    detection_sentences,
    protocol_means,
    rule_text,
)
from afl_core.base.workers import Workers, worker_pool
from afl_core.cli.terminal import print_line, print_problems, print_result, print_warnings, progress_bar
from afl_core.data.layouts import Cohort
from afl_core.evaluation.protocol_doubts import different_cases, doubts
from afl_core.evaluation.protocol_labels import label_notes
from afl_core.evaluation.protocol_results import ByProtocol, measure_protocol
from afl_core.evaluation.protocol_rows import protocol_file
from afl_core.evaluation.sources import MaskSource
from afl_core.metrics.protocols import Protocol


def measure_by(
    rule: Protocol,
    cohort: Cohort,
    sources: Sequence[MaskSource],
    *,
    folder: Path | None = None,
    workers: Workers = None,
) -> ByProtocol:
    """Measure a data set by a protocol, with a progress bar; doubts, problems and means are printed."""
    cases = cohort.cases
    with progress_bar("Measuring") as advance, worker_pool(tasks=len(cases), workers=workers) as executor:
        found = measure_protocol(cases, sources, rule, folder=folder, executor=executor, report=advance)
    print_warnings([f"{found.damaged}: what was damaged is measured again." if found.damaged else ""])
    print_warnings(doubts(found.table, rule, cohort) if len(found.table) else [])
    print_problems(dict(found.problems))
    if not found.table.empty:
        _print_means(found.table, rule)
        print_warnings([different_cases(found.table, [source.name for source in sources])])
        if folder:
            print_line(f"The rows are in {protocol_file(folder, rule.name)}")
    return found


def _print_means(table: pd.DataFrame, rule: Protocol) -> None:
    columns = defined_columns(table, tuple(TITLES))
    shown = Table("source", "region", "cases", *(TITLES[key] for key in columns), box=None, padding=(0, 1, 0, 0))
    for of in protocol_means(table):
        shown.add_row(Text(of.source), Text(of.region), str(of.cases), *(of.cell(key) for key in columns))
    print_line(f"{rule.title}: {rule_text(rule)}")
    for sentence in label_notes(rule):
        print_line(sentence)
    print_result(shown)
    print_line(BASIS)
    for sentence in detection_sentences(table):
        print_result(sentence)
