"""Help: where to begin, the keys of the viewers, the metrics and every word of the pages."""

from afl_core.ui.help import panels
from afl_core.ui.shared.workspace import current_workspace

current_workspace("pages/help.py", needed=False)

panels.show_start()
panels.show_keys()
panels.show_metrics()
panels.show_words()
