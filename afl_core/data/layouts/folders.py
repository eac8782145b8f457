"""Plain folders of images and references, deepmedic's example, and masks alone."""

from types import MappingProxyType

from afl_core.data.labels import SCHEMES
from afl_core.data.layouts.layout import ASIDE, BY_NAME, REFERENCE, SUFFIX, Layout

PLAIN = Layout(
    name="plain",
    label="Plain images and references",
    example="images/CASE_SEQUENCE.nii.gz with references/CASE.nii.gz",
    files=(
        (BY_NAME, rf"images/(?P<case>[^/]+)_(?P<sequence>[^/_]+?){SUFFIX}"),
        (REFERENCE, rf"references/(?P<case>[^/]+?){SUFFIX}"),
    ),
    aliases=MappingProxyType({"t1c": "t1ce", "t1gd": "t1ce"}),
)

DEEPMEDIC = Layout(
    name="deepmedic",
    label="deepmedic's example (z-scored BraTS 2013)",
    example="CASE/{Flair,T1c}_subtrMeanDivStd.nii.gz with CASE/OTMultiClass.nii.gz",
    files=(
        (BY_NAME, rf"(?P<case>[^/]+)/(?P<sequence>[^/]+_subtrMeanDivStd){SUFFIX}"),
        (REFERENCE, rf"(?P<case>[^/]+)/OTMultiClass{SUFFIX}"),
        (ASIDE, rf"(?P<case>[^/]+)/brainmask{SUFFIX}"),
    ),
    scheme=SCHEMES["brats2013"],
    sequences=("flair", "t1ce"),
    aliases=MappingProxyType({"flair_subtrmeandivstd": "flair", "t1c_subtrmeandivstd": "t1ce"}),
)

MASKS_ALONE = Layout(
    name="masks",
    label="Masks alone",
    example="CASE.nii.gz",
    files=((REFERENCE, rf"(?P<case>[^/]+?){SUFFIX}"),),
    masks_alone=True,
)
"""A folder of reference masks without images; never detected, only asked for."""
