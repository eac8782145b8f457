"""The colours of every figure: Okabe & Ito's colour-blind safe set, each hue with one meaning everywhere.

The errors take hues that no mask has, and no pair that must be told apart is red against green.
"""

from collections.abc import Mapping
from types import MappingProxyType

REFERENCE_COLOUR = "#009E73"
"""The reference segmentation: bluish green."""

SOURCE_COLOURS = ("#E69F00", "#CC79A7", "#0072B2")
"""One colour per source (checkpoint or folder of masks) in the order the reader chose them: orange, purple, blue."""

ERROR_COLOURS: Mapping[str, str] = MappingProxyType({"TP": "#56B4E9", "FP": "#D55E00", "FN": "#F0E442"})
"""Right, too much, missed: sky blue, vermillion, yellow. Figures also hatch FP and FN, never colour alone."""
