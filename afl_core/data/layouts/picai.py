"""PI-CAI: fold folders of studies, beside the public labels; ADC and HBV have grids of their own."""

from afl_core.data.labels import SCHEMES
from afl_core.data.layouts.layout import ASIDE, BY_NAME, REFERENCE, SUFFIX, Layout

_STUDY = r"(?:[^/]*?(?P<group>fold\d)/|[^/]+/){0,2}(?P<patient>[^/_]+)/(?P<case>(?P=patient)_[^/_]+)_"
_LABELS = r"(?:[^/]+/){0,2}?"
_MASK = rf"(?P<case>[^/_]+_[^/_]+?){SUFFIX}"

PICAI = Layout(
    name="picai",
    label="PI-CAI",
    example="PATIENT/PATIENT_STUDY_{t2w,adc,hbv}.mha, in folders by fold or not, with "
    "human_expert/resampled/PATIENT_STUDY.nii.gz",
    files=(
        (BY_NAME, rf"{_STUDY}(?P<sequence>(?i:t2w|adc|hbv)){SUFFIX}"),
        (ASIDE, rf"{_STUDY}(?i:sag|cor){SUFFIX}"),
        (REFERENCE, rf"{_LABELS}human_expert/resampled/{_MASK}"),
        (ASIDE, rf"{_LABELS}(?:human_expert/(?!resampled/)[^/]+|AI/[^/]+)/{_MASK}"),
        (ASIDE, rf"{_LABELS}anatomical_delineations/.+"),
    ),
    scheme=SCHEMES["picai"],
    sequences=("t2w", "adc", "hbv"),
    grid="t2w",
    masks_alone=True,
    patient="{patient}_*",
)
