"""The BraTS challenges by year: their file names, and 0/1/2/4 until 2021, 0/1/2/3 from 2023 on."""

from types import MappingProxyType

from afl_core.data.labels import SCHEMES
from afl_core.data.layouts.layout import BY_NAME, REFERENCE, SUFFIX, Layout

SEQUENCES = ("flair", "t1", "t1ce", "t2")

_2018 = r"(?:(?P<group>[HL]GG)/)?(?P<case>(?!BraTS2021_)[^/]+)/(?P=case)_"
_2021 = r"(?:[^/]+/)?(?P<case>BraTS2021_\d{5})/(?P=case)_"
_NOT_PEDIATRIC = r"(?:[^/]+/)?(?P<case>BraTS-(?P<group>(?!PED)[A-Za-z]+)-\d{5}-\d{3})/(?P=case)-"
_PEDIATRIC = r"(?:[^/]+/)?(?P<case>BraTS-(?P<group>PED)-\d{5}-\d{3})/(?P=case)-"
_OLD_NAMES = r"(?P<sequence>(?i:t1|t1ce|t2|flair))"
_NEW_NAMES = r"(?P<sequence>(?i:t1n|t1c|t2w|t2f))"
_ALIASES = MappingProxyType({"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"})

BRATS2018 = Layout(
    name="brats2018",
    label="BraTS 2018 (also 2017, 2019 and 2020)",
    example="HGG/CASE/CASE_{t1,t1ce,t2,flair,seg}.nii.gz (HGG/ or LGG/ may be left out)",
    files=((BY_NAME, f"{_2018}{_OLD_NAMES}{SUFFIX}"), (REFERENCE, f"{_2018}(?i:seg){SUFFIX}")),
    scheme=SCHEMES["brats"],
    sequences=SEQUENCES,
)

BRATS2021 = Layout(
    name="brats2021",
    label="BraTS 2021",
    example="BraTS2021_00000/BraTS2021_00000_{t1,t1ce,t2,flair,seg}.nii.gz",
    files=((BY_NAME, f"{_2021}{_OLD_NAMES}{SUFFIX}"), (REFERENCE, f"{_2021}(?i:seg){SUFFIX}")),
    scheme=SCHEMES["brats"],
    sequences=SEQUENCES,
)

BRATS_MIXED = Layout(
    name="brats",
    label="BraTS 2017 to 2021, several years",
    example=BRATS2018.example,
    files=(*BRATS2018.files, *BRATS2021.files),
    scheme=SCHEMES["brats"],
    sequences=SEQUENCES,
)
"""Both in one folder: their names differ, their sequences and labels do not."""

BRATS2023 = Layout(
    name="brats2023",
    label="BraTS 2023 and later (GLI, MEN, MET, SSA)",
    example="BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t1n,t1c,t2w,t2f,seg}.nii.gz",
    files=((BY_NAME, f"{_NOT_PEDIATRIC}{_NEW_NAMES}{SUFFIX}"), (REFERENCE, f"{_NOT_PEDIATRIC}(?i:seg){SUFFIX}")),
    scheme=SCHEMES["brats2023"],  # label 4, a cavity, must be named: --labels brats2024
    sequences=SEQUENCES,
    aliases=_ALIASES,
)

BRATS_PED = Layout(
    name="brats_ped",
    label="BraTS 2023 and later, pediatric (PED)",
    example="BraTS-PED-00000-000/BraTS-PED-00000-000-{t1n,t1c,t2w,t2f,seg}.nii.gz",
    files=((BY_NAME, f"{_PEDIATRIC}{_NEW_NAMES}{SUFFIX}"), (REFERENCE, f"{_PEDIATRIC}(?i:seg){SUFFIX}")),
    sequences=SEQUENCES,  # its labels changed between years, so any scheme must be named
    aliases=_ALIASES,
)
