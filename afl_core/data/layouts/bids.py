"""BIDS data sets, with lesion masks among their derivatives."""

from types import MappingProxyType

from afl_core.data.layouts.layout import ASIDE, BY_NAME, REFERENCE, SUFFIX, Layout

_FOLDER = r"(?P<sub>sub-[A-Za-z0-9]+)/(?:(?P<ses>ses-[A-Za-z0-9]+)/)?anat/"
_CASE = r"(?P<case>(?P=sub)(?(ses)_(?P=ses)))"
_ENTITIES = r"(?:_(?!ses-|ce-)[a-z]+-[A-Za-z0-9]+)*"  # such as _acq-3d_run-1
_LESION = r"(?=[^/]*(?i:lesion|tumou?r|gtv|wmh|infarct))"
_MASK = r"(?:dseg|mask|roi|seg)"

BIDS = Layout(
    name="bids",
    label="BIDS",
    example="sub-01/ses-1/anat/sub-01_ses-1_{T1w,ce-gd_T1w,T2w,FLAIR}.nii.gz, masks in "
    "derivatives/NAME/sub-01/ses-1/anat/sub-01_ses-1_label-lesion_mask.nii.gz",
    files=(
        (REFERENCE, rf"(?:derivatives/[^/]+/)?{_FOLDER}{_LESION}{_CASE}(?:_[^/]+)?_{_MASK}{SUFFIX}"),
        ("t1ce", rf"{_FOLDER}{_CASE}{_ENTITIES}_ce-[A-Za-z0-9]+{_ENTITIES}_T1w{SUFFIX}"),
        (BY_NAME, rf"{_FOLDER}{_CASE}{_ENTITIES}_(?P<sequence>(?!defacemask|{_MASK})[A-Za-z0-9]+){SUFFIX}"),
        (ASIDE, rf"derivatives/[^/]+/{_FOLDER}{_CASE}_[^/]+{SUFFIX}"),
    ),
    aliases=MappingProxyType({"t1w": "t1", "t2w": "t2", "pdw": "pd"}),
    masks_alone=True,
)
"""Source: BIDS 1.9. A mask counts as the reference where its name says lesion, tumor, GTV, WMH or infarct; all other
derivatives, such as brain masks and atlases, are left aside."""
