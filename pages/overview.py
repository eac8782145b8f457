"""Overview: what is loaded, and the headline comparison."""

from afl_core.ui.overview import panels
from afl_core.ui.shared import job_panel
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/overview.py")

if workspace is not None:
    panels.show_title(workspace)
    job_panel.show_every(workspace)
    panels.show_headline(workspace)
    panels.show_differences(workspace)
    panels.show_contents(workspace)
