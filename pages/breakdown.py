"""Breakdown: the comparison by tumour size and smoothness, with its statistics."""

from afl_core.ui.breakdown import controls, panels, regions, views
from afl_core.ui.shared.workspace import current_workspace

views.follow_link()
workspace = current_workspace("pages/breakdown.py")

if workspace is not None and (selection := controls.choose(workspace)) is not None:
    if selection.regions:
        regions.show_regions(selection)
    else:
        panels.show_bins(selection)
        panels.show_statistics(selection)
    views.show_views(selection)
