"""Data: what a folder holds, what is wrong with it, its split, and opening it for a comparison."""

from afl_core.ui.data import choose, offer, predictions, results_panel, split, tables
from afl_core.ui.data import report as data_report
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/data.py", needed=False)

choose.show_title()
if (chosen := choose.choose(workspace)) is not None:
    cohort, options = chosen
    report = choose.read(cohort)
    data_report.show_numbers(report)
    data_report.show_findings(report)
    predictions.show_predictions(cohort)
    data_report.show_distributions(report)
    data_report.show_tables(report)
    split.show_split(cohort, report)
    offer.offer(workspace, cohort, options)
tables.show_tables()
if workspace is not None:
    results_panel.show_results(workspace)
