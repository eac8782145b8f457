"""Data: what a folder holds, what is wrong with it, its split, and opening it for a comparison."""

from afl_core.ui import data, data_report, data_split
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/data.py", needed=False)

data.show_title()
if (chosen := data.choose(workspace)) is not None:
    cohort, options = chosen
    report = data.read(cohort)
    data_report.show_numbers(report)
    data_report.show_findings(report)
    data_report.show_distributions(report)
    data_report.show_tables(report)
    data_split.show_split(cohort, report)
    data.offer(workspace, cohort, options)
