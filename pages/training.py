"""Training: start runs, watch them, and open finished ones in Compare."""

from afl_core.ui import training, training_runs
from afl_core.ui.shared.workspace import current_workspace

workspace = current_workspace("pages/training.py", needed=False)

training.show_title()
training.show_new(workspace)
training_runs.show_runs()
