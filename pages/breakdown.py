"""Breakdown: the comparison by tumour size and smoothness, with its statistics."""

from afl_core.ui import breakdown, breakdown_controls, breakdown_views
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/breakdown.py")

if workspace is not None and (asked := breakdown_controls.choose(workspace)) is not None:
    breakdown.show_bins(asked)
    breakdown.show_statistics(asked)
    breakdown_views.show_views(asked)
