"""The colours of every figure: Okabe & Ito's colour-blind safe hues, each with one meaning everywhere.

Every colour of a mark has a contrast of at least 3 to a white page and to the dark one, so orange is darker than
theirs; a colour that lies on an image has it to black. The errors take hues that no mask has, and no pair that must be
told apart is red against green. Where more sources are compared than the set has hues for, tints follow, and a symbol
of its own tells each source apart without any colour.
"""

from collections.abc import Mapping
from types import MappingProxyType

from plotly.colors import unlabel_rgb

REFERENCE_COLOUR = "#009E73"
"""The reference segmentation: bluish green."""

SOURCE_COLOURS = ("#C08800", "#CC79A7", "#0072B2")
"""One colour per source (checkpoint or folder of masks) in the order the reader chose them: orange, purple, blue."""

FURTHER_COLOURS = ("#8A5A00", "#7492D4", "#AA3A7C", "#A18C68", "#76808C")
"""Colours from the fourth source on: brown, pale blue, wine, tan, slate."""

SOURCE_SYMBOLS = ("circle", "square", "triangle-up", "cross", "star", "triangle-down", "hexagon", "x")
"""Plotly's marker of each source; diamonds are left to seeds."""

ERROR_COLOURS: Mapping[str, str] = MappingProxyType({"TP": "#56B4E9", "FP": "#D55E00", "FN": "#F0E442"})
"""Right, too much, missed: sky blue, vermillion, yellow. Figures also hatch FP and FN, never colour alone."""

AGREEMENT_COLOURS: Mapping[str, str] = MappingProxyType({"both": "#56B4E9", "neither": "#D55E00"})
"""Colours where two sources are compared: both are right, or neither is. Where one alone is right, its colour is shown.
Line styles differ too."""

WRONG_LABEL_COLOUR = "#EE3377"
"""In the right region and of another label than the reference: magenta, of Tol's vibrant scheme, and hatched."""

LABEL_COLOURS = ("#EE6677", "#66CCEE", "#CCBB44", "#4477AA", "#AA3377", "#228833", "#BBBBBB")
"""The labels of a data set in their order, on an image: Paul Tol's bright scheme, safe for colour-blind readers."""

WORSE_COLOUR, EQUAL_COLOUR, BETTER_COLOUR = "#A6611A", "#8C8C8C", "#35978F"
"""Colours of a difference between two sources: brown, grey, teal, from ColorBrewer's colour-blind safe BrBG."""

ROUGHNESS_SCALE = ("#3A69C4", "#7D7F88", "#A89000")
"""From smooth to rough: Cividis, blue to yellow for any colour vision, where it can be seen on white and on black."""

OUTCOME_COLOURS: Mapping[int, str] = MappingProxyType({1: BETTER_COLOUR, -1: WORSE_COLOUR, 0: EQUAL_COLOUR})
"""Colour of a difference by what it shows: 1 better, -1 worse, 0 neither."""

WORSE_TO_BETTER = ("#8C510A", "#D8B365", "#F6E8C3", "#F5F5F5", "#C7EAE5", "#5AB4AC", "#01665E")
"""The colours of a difference as a scale: BrBG with 7 steps."""


def source_style(index: int) -> tuple[str, str]:
    """Colour and Plotly marker symbol of a source by its place in the order.

    After the eighth the colours start again, each with another symbol: no two of 64 sources have both in common.

    >>> source_style(0), source_style(1), source_style(8)
    (('#C08800', 'circle'), ('#CC79A7', 'square'), ('#C08800', 'square'))
    """
    colours = SOURCE_COLOURS + FURTHER_COLOURS
    round_, place = divmod(index, len(colours))
    return colours[place], SOURCE_SYMBOLS[(place + round_) % len(SOURCE_SYMBOLS)]


TOO_FEW = "#D5D5D5"
"""A cell that holds too few to say anything: light grey."""


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, from 0 to 255, of a colour that is written in either way of CSS.

    >>> rgb("#CC79A7"), rgb("rgb(204, 121, 167)")
    ((204, 121, 167), (204, 121, 167))
    """
    if colour.startswith("rgb"):
        red, green, blue = unlabel_rgb(colour)
        return round(red), round(green), round(blue)
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def contrast(first: str, second: str) -> float:
    """Contrast of two colours, from 1 (none) to 21 (black and white), as WCAG 2.2 defines it.

    >>> contrast("#000000", "#FFFFFF"), round(contrast("#777777", "#FFFFFF"), 2)
    (21.0, 4.48)
    """
    dark, light = sorted(map(_luminance, (first, second)))
    return (light + 0.05) / (dark + 0.05)


def ink(colour: str) -> str:
    """Black or white, whichever reads better on a cell."""
    return max("#1F1F1F", "#FFFFFF", key=lambda letters: contrast(letters, colour))


def _luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, 0 to 1."""
    red, green, blue = (
        v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
