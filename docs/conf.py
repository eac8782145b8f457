"""Settings of the documentation site; `make docs` builds it offline, and every warning is an error."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import reference  # noqa: E402 - found by the line above

import afl_core  # noqa: E402 - as above

project = "A-FL workbench"
author = "The A-FL workbench's authors"
release = afl_core.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["study"]
myst_heading_anchors = 4
smartquotes = False  # two hyphens begin an option
default_role = "code"  # single backticks in docstrings
html_theme = "furo"
html_title = project
html_show_copyright = False
html_show_sourcelink = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
nitpick_ignore_regex = [("py:.*", ".*")]  # types of other libraries have no page here

reference.write(HERE / "reference")
