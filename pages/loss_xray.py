"""Loss X-ray: what A-FL takes from each case of a data set, and what that does to the loss."""

from afl_core.ui.loss_xray import gradient, panels
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/loss_xray.py")

if workspace is not None and (selection := panels.choose(workspace)) is not None:
    panels.show_cohort(selection)
    gradient.run_checkpoint(selection)
    gradient.show_losses(selection)
    panels.show_findings(selection)
