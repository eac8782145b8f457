"""UCSF-PDGM as The Cancer Imaging Archive gives it."""

from types import MappingProxyType

from afl_core.data.labels import SCHEMES
from afl_core.data.layouts.brats import SEQUENCES
from afl_core.data.layouts.layout import ASIDE, BY_NAME, REFERENCE, SUFFIX, Layout

_UCSF = r"(?:[^/]+/)?(?P<case>UCSF-PDGM-\d+(?:_FU\d+[a-z]?)?)_nifti/(?P=case)_"

UCSF_PDGM = Layout(
    name="ucsf_pdgm",
    label="UCSF-PDGM",
    example="UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_{T1,T1c,T2,FLAIR,tumor_segmentation}.nii.gz",
    files=(
        (BY_NAME, rf"{_UCSF}(?P<sequence>(?i:t1|t1c|t1gad|t2|flair)){SUFFIX}"),
        (REFERENCE, rf"{_UCSF}tumor_segmentation{SUFFIX}"),
        (ASIDE, rf"{_UCSF}[^/]+{SUFFIX}"),
    ),
    scheme=SCHEMES["brats"],
    sequences=SEQUENCES,
    aliases=MappingProxyType({"t1c": "t1ce", "t1gad": "t1ce"}),
)
"""Source: the data set's page at The Cancer Imaging Archive; its labels are those of BraTS, 1, 2 and 4."""
