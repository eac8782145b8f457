"""Follow-up: a patient's tumour volumes over time, and what reference and sources make of the change."""

from afl_core.ui.follow_up import panels
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/follow_up.py")

if workspace is not None and (selection := panels.choose(workspace)) is not None:
    panels.show_patient(selection)
    panels.show_cohort(selection)
