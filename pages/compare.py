"""Compare: the case table, and one case in slices, surfaces and numbers."""

from afl_core.ui import case_views, compare, figure_export, upload
from afl_core.ui.shared import job_panel
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/compare.py")

if workspace is not None and upload.chooses_own():
    upload.show_upload(workspace)
elif workspace is not None and (case_id := compare.select_case(workspace)) is not None:
    compare.show_header(workspace, case_id)
    job_panel.show_job(workspace, case_id)
    case_views.show_slices(workspace, case_id)
    surfaces = case_views.place_surfaces()
    compare.show_metrics(workspace, case_id)
    case_views.show_surfaces(workspace, case_id, surfaces)
    figure_export.show_figure_export(workspace)
