"""Compare: the case table, and one case in slices, surfaces and numbers."""

from afl_core.ui.compare import case_views, figure_export, panels, upload
from afl_core.ui.shared import job_panel
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/compare.py")

if workspace is not None and upload.chooses_upload():
    upload.show_upload(workspace)
elif workspace is not None and (case_id := panels.select_case(workspace)) is not None:
    panels.show_header(workspace, case_id)
    job_panel.show_job(workspace, case_id)
    case_views.show_slices(workspace, case_id)
    surfaces = case_views.place_surfaces()
    panels.show_metrics(workspace, case_id)
    case_views.show_surfaces(workspace, case_id, surfaces)
    figure_export.show_figure_export(workspace)
