"""From a folder to cases: which layouts of image data sets are known, and one scanner for all of them."""

from afl_core.data.layouts.catalogue import LAYOUTS
from afl_core.data.layouts.cohort import (
    AS_RECOGNISED,
    Cohort,
    DataOptions,
    load_cohort,
    references_cohort,
)
from afl_core.data.layouts.detect import NOTHING, detect_layout
from afl_core.data.layouts.folders import MASKS_ALONE
from afl_core.data.layouts.generic import LAYOUT_FILE
from afl_core.data.layouts.layout import Layout
from afl_core.data.layouts.masks import load_references
from afl_core.data.loading import LoadedCase, behind, load_background, load_case, load_reference, load_sequence

__all__ = [
    "AS_RECOGNISED",
    "LAYOUTS",
    "LAYOUT_FILE",
    "MASKS_ALONE",
    "NOTHING",
    "Cohort",
    "DataOptions",
    "Layout",
    "LoadedCase",
    "behind",
    "detect_layout",
    "load_background",
    "load_case",
    "load_cohort",
    "load_reference",
    "load_references",
    "load_sequence",
    "references_cohort",
]
