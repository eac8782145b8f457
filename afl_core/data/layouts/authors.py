"""The folders that the A-FL paper's released code reads: prostate by sequence, brain in 4-D."""

from afl_core.data.labels import SCHEMES
from afl_core.data.layouts.decathlon import VOLUMES
from afl_core.data.layouts.layout import BY_NAME, REFERENCE, SUFFIX, Layout

AUTHORS_PICAI = Layout(
    name="authors_picai",
    label="The A-FL authors' prostate folders",
    example="{Train,Valid}Volumes/{t2w,adc,hbv}/CASE.nii.gz with Binary_{Train,Valid}Segmentation/CASE.nii.gz",
    files=(
        (
            BY_NAME,
            r"(?P<group>Train|Valid)Volumes/(?P<sequence>(?i:t2w|adc|hbv))/"
            rf"(?P<case>[^/]+?)(?:_(?:(?i:(?P=sequence))|\d{{4}}))?{SUFFIX}",
        ),
        (REFERENCE, rf"Binary_(?P<group>Train|Valid)Segmentation/(?P<case>[^/]+?)(?:_(?i:seg|mask|label))?{SUFFIX}"),
    ),
    scheme=SCHEMES["binary"],
    sequences=("t2w", "adc", "hbv"),
    grid="t2w",
)

AUTHORS_BRATS = Layout(
    name="authors_brats",
    label="The A-FL authors' brain folders (4-D images)",
    example="image_{Tr,Ts}/CASE.nii.gz with label_{Tr,Ts}/CASE.nii.gz",
    files=(
        (BY_NAME, rf"image_(?P<group>T[rs])/(?P<case>[^/]+?){SUFFIX}"),
        (REFERENCE, rf"label_(?P<group>T[rs])/(?P<case>[^/]+?){SUFFIX}"),
    ),
    sequences=VOLUMES,  # labels binary or of any convention: a scheme must be named
    volumes=VOLUMES,
)
