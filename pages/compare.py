"""Compare: the cases at the left; at the right one case in slices, surfaces and numbers."""

from afl_core.ui.compare import (
    case_views,
    cases,
    figure_export,
    imported,
    label_errors,
    layout,
    panels,
    probabilities,
    reading,
    sources,
    upload,
)
from afl_core.ui.shared import job_panel
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/compare.py")

if workspace is not None and workspace.manifest.imported:
    imported.show_imported(workspace)
elif workspace is not None and reading.is_reading():
    reading.show_reading(workspace)
elif workspace is not None:
    layout.set_style(folded=cases.is_folded())
    rail, stage = layout.columns()
    with rail:
        own = upload.chooses_upload()
        whole, workspace = workspace, sources.choose_sources(workspace)
        chosen = None if own else cases.choose_case(workspace)
        if chosen is not None:
            cases.show_cases(workspace, chosen, pictures=whole)
    if own:
        with stage:
            upload.show_upload(workspace)
    elif chosen is not None:
        masks = case_views.find_masks(workspace, chosen.case_id)
        with stage:
            with layout.facts():
                cases.offer_steps(chosen)
                panels.show_header(workspace, chosen.case_id)
                case_views.show_files(workspace, chosen.case_id, masks)
                probabilities.offer_probabilities(workspace)
            job_panel.show_job(workspace, chosen.case_id)
            case_views.show_slices(workspace, chosen.case_id, masks)
            surfaces = case_views.place_surfaces()
        panels.show_metrics(workspace, chosen.case_id)
        label_errors.show_label_errors(workspace, chosen.case_id)
        case_views.show_surfaces(workspace, chosen.case_id, masks, surfaces)
        panels.show_table(workspace, chosen.table, chosen.metric)
        figure_export.show_figure_export(workspace)
