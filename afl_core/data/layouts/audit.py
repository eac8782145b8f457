"""AUDIT's folders: images and references of a set in one, the predictions of models in another beside it."""

from types import MappingProxyType

from afl_core.data.layouts.layout import ASIDE, BY_NAME, REFERENCE, SUFFIX, Layout

_CASE = r"(?P<group>[^/]+)_images/(?P<case>(?!BraTS2021_\d{5}/)[^/]+)/(?P=case)_"  # those are brats2021's
_PREDICTED = rf"[^/]+_seg/[^/]+/(?P<case>[^/]+)/(?P=case)_(?i:pred){SUFFIX}"

AUDIT = Layout(
    name="audit",
    label="AUDIT",
    example="SET_images/CASE/CASE_{flair,t1,t1ce,t2,seg}.nii.gz with SET_seg/MODEL/CASE/CASE_pred.nii.gz",
    files=(
        (REFERENCE, rf"{_CASE}(?i:seg){SUFFIX}"),
        (BY_NAME, rf"{_CASE}(?P<sequence>(?!(?i:pred))[A-Za-z0-9]+){SUFFIX}"),
        (ASIDE, _PREDICTED),
    ),
    aliases=MappingProxyType({"t1c": "t1ce", "t1gd": "t1ce"}),
    masks_alone=True,
    beside=_PREDICTED,
)
"""Source: documentation of auditapp 0.2.0. Its labels stand in a configuration elsewhere, so they must be named."""
