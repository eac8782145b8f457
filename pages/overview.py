"""Overview: what is loaded, and the headline comparison."""

from afl_core.ui import overview
from afl_core.ui.shared import job_panel
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/overview.py")

if workspace is not None:
    overview.show_title(workspace)
    job_panel.show_every(workspace)
    overview.show_headline(workspace)
    overview.show_differences(workspace)
    overview.show_contents(workspace)
