"""The colours of every figure: Okabe & Ito's colour-blind safe set, each hue with one meaning everywhere.

The errors take hues that no mask has, and no pair that must be told apart is red against green. Where more sources are
compared than the set has hues for, tints follow, and a symbol of its own tells each source apart without any colour.
"""

from collections.abc import Mapping
from types import MappingProxyType

from plotly.colors import unlabel_rgb

REFERENCE_COLOUR = "#009E73"
"""The reference segmentation: bluish green."""

SOURCE_COLOURS = ("#E69F00", "#CC79A7", "#0072B2")
"""One colour per source (checkpoint or folder of masks) in the order the reader chose them: orange, purple, blue."""

FURTHER_COLOURS = ("#8A5A00", "#86A3DE", "#A03070", "#C9B08A", "#76808C")
"""Colours from the fourth source on: brown, pale blue, wine, tan, slate. Each has a lightness of its own too."""

SOURCE_SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "triangle-down", "hexagon", "x")
"""Plotly's marker of each source; diamonds are left to seeds."""

ERROR_COLOURS: Mapping[str, str] = MappingProxyType({"TP": "#56B4E9", "FP": "#D55E00", "FN": "#F0E442"})
"""Right, too much, missed: sky blue, vermillion, yellow. Figures also hatch FP and FN, never colour alone."""

AGREEMENT_COLOURS: Mapping[str, str] = MappingProxyType({"both": "#56B4E9", "neither": "#D55E00"})
"""Colours where two sources are compared: both are right, or neither is. Where one alone is right, its colour is shown.
Line styles differ too."""

WORSE_COLOUR, EQUAL_COLOUR, BETTER_COLOUR = "#BF812D", "#8C8C8C", "#35978F"
"""Colours of a difference between two sources: ochre, grey, teal, from ColorBrewer's colour-blind safe BrBG."""

WORSE_TO_BETTER = ("#8C510A", "#D8B365", "#F6E8C3", "#F5F5F5", "#C7EAE5", "#5AB4AC", "#01665E")
"""The colours of a difference as a scale: BrBG with 7 steps."""


def source_style(index: int) -> tuple[str, str]:
    """Colour and Plotly marker symbol of a source by its place in the order; both start again after the eighth.

    >>> source_style(0), source_style(1), source_style(8) == source_style(0)
    (('#E69F00', 'circle'), ('#CC79A7', 'square'), True)
    """
    colours = SOURCE_COLOURS + FURTHER_COLOURS
    return colours[index % len(colours)], SOURCE_SYMBOLS[index % len(SOURCE_SYMBOLS)]


TOO_FEW = "#D5D5D5"
"""A cell that holds too few to say anything: light grey."""


def ink(colour: str) -> str:
    """Black or white, whichever reads on a cell."""
    red, green, blue = (
        unlabel_rgb(colour) if colour.startswith("rgb") else (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    )
    return "#1F1F1F" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#FFFFFF"
