"""Overview: what the results show in one sentence, one figure and one gallery, then the numbers and what is loaded."""

from afl_core.ui.overview import panels
from afl_core.ui.overview.gallery import show_gallery
from afl_core.ui.overview.label_errors import show_label_errors
from afl_core.ui.overview.picture import show_picture, show_sources
from afl_core.ui.overview.protocols import show_protocols
from afl_core.ui.overview.regions import show_regions
from afl_core.ui.overview.summary import summarize
from afl_core.ui.overview.table import show_table
from afl_core.ui.shared import job_panel
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/overview.py")

if workspace is not None:
    summary = summarize(workspace)
    pair = panels.show_sentence(workspace, summary)
    panels.show_warnings(workspace)
    job_panel.show_every(workspace)
    if summary is not None:
        show_picture(workspace, summary, pair)
        show_sources(workspace, summary, pair)
        show_regions(workspace, pair)
        show_protocols(workspace)
        show_label_errors(workspace)
        show_gallery(workspace, summary, pair)
        show_table(workspace, summary, pair)
        panels.show_method(workspace, summary)
    panels.show_contents(workspace)
