"""Loss X-ray: what A-FL takes from each case of a data set, and what that does to the loss."""

from afl_core.ui import xray, xray_gradient
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/loss_xray.py")

if workspace is not None and (asked := xray.choose(workspace)) is not None:
    xray.show_cohort(asked)
    xray_gradient.run_checkpoint(asked)
    xray_gradient.show_losses(asked)
    xray.show_findings(asked)
