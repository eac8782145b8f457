"""Training: start runs, watch them, and open finished ones in Compare."""

from afl_core.ui.shared.workspace import current_workspace
from afl_core.ui.training import heading, runs

workspace = current_workspace("pages/training.py", needed=False)

heading.show_title()
heading.show_new(workspace)
runs.show_runs()
