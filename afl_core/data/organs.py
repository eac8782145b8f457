"""Organs that are labelled beside the lesions in them: the whole of such labels counts both as tumour."""

import re
import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from afl_core.base.remote import bring
from afl_core.data.formats.dicom_seg import DICOM_SUFFIXES, read_seg_names
from afl_core.data.formats.files import NRRD_SUFFIXES
from afl_core.data.formats.nrrd import read_segments
from afl_core.data.labels import CORE, SYNONYMS, WHOLE, Scheme
from afl_core.errors import AflError
from afl_core.volume import Region

_NO_LESION = re.compile(r"(?i)(?:non|no|without|healthy|normal)[-_ ]*(?:tumou?r|lesion|cancer)[a-z]*")
_LESION = re.compile(
    r"(?i)tumou?r|lesion|cancer|carcino|metasta|malignan|neoplas|gliom|blastom|sarcom|lymphom|melanom|adenom|nodul|cyst"
    r"|polyp|enhanc|necro|o?edema|infarct|stroke|h(?:a)?emorrhag|(?<![a-z])(?:gtv|ncr|net|snfh|cspca|pca|hcc|pdac|rcc)"
)
_ORGANS = (
    *("liver", "kidney", "pancreas", "prostate", "spleen", "lung", "brain", "brainstem", "cerebrum", "cerebellum"),
    *("bladder", "gallbladder", "colon", "rectum", "bowel", "intestine", "duodenum", "stomach", "o?esophagus", "heart"),
    *("aorta", "vessel", "vein", "artery", "airway", "trachea", "bronchus", "breast", "nipple", "thyroid", "parotid"),
    *("adrenal", "uterus", "cervix", "ovary", "testis", "gland", "peripheral zone", "transition(?:al)? zone"),
    *("central zone", "pz", "tz", "seminal vesicle", "urethra", "parenchyma", "lobe", "bone", "skull", "spine"),
    *("vertebra", "spinal cord", "muscle", "skin", "fat", "body", "organ", "tissue", "ventricle", "csf", "hippocampus"),
    *("white matter", "gr[ae]y matter", "cortex", "eye", "optic nerve", "larynx", "pharynx", "tongue", "mandible"),
)
_ORGAN = re.compile(rf"(?i)(?<![a-z])(?:{'|'.join(_ORGANS).replace(' ', '[-_ ]*')})(?:e?s)?(?![a-z])")


def is_lesion(name: str) -> bool:
    """Whether the name of a label says a tumour or another lesion, or a part of one.

    >>> is_lesion("liver tumour"), is_lesion("edema"), is_lesion("liver"), is_lesion("non-tumour liver")
    (True, True, False, False)
    """
    return bool(_LESION.search(_NO_LESION.sub("", name)))


def is_organ(name: str) -> bool:
    """Whether the name of a label says an organ or a part of one, and no lesion in it.

    >>> is_organ("left_kidney"), is_organ("Peripheral Zone"), is_organ("kidney tumour"), is_organ("cavity")
    (True, True, False, False)
    """
    return bool(_ORGAN.search(name)) and not is_lesion(name)


def doubt_whole(scheme: Scheme, region: Region) -> str:
    """A warning where the whole of a data set's labels is of organs and lesions; "" where it is not.

    Args:
        scheme: Scheme that gives the labels their meaning.
        region: Region that is measured; one other than the whole is not doubted.
    """
    inside = {label: name for label, name in scheme.values.items() if label in scheme.regions[WHOLE]}
    ways = [f"--region {shlex.quote(name)}" for name in lesion_regions(scheme)] or _by_codes(inside)
    return _doubt(inside, region, ways=ways, of="The labels")


def lesion_regions(scheme: Scheme) -> tuple[str, ...]:
    """The regions of lesions alone, by the names of their labels, besides the whole."""
    lesions = {label for label, name in scheme.values.items() if is_lesion(name)}
    return tuple(name for name, of in scheme.regions.items() if of and set(of) <= lesions and name != WHOLE)


def doubt_segments(paths: Iterable[Path], region: Region, *, of: str, is_source: bool = False) -> str:
    """`doubt_whole` of the segments that 3D Slicer's and DICOM files name.

    Args:
        paths: Paths of the files.
        region: Region that is measured.
        of: Subject of the sentence: whose files they are.
        is_source: Whether they are predictions; codes that are named hold for the references too, so none are advised.
    """
    names: dict[int, set[str]] = defaultdict(set)
    for path in paths if region.name == WHOLE else ():
        for label, name in _segments(path).items():
            names[label].add(name)
    one_each = all(len({name.casefold() for name in spellings}) == 1 for spellings in names.values())
    segments = {label: " / ".join(sorted(spellings)) for label, spellings in sorted(names.items())}
    if one_each and not is_source:
        return _doubt(segments, region, ways=_by_codes(segments), of=of)
    every = dict(enumerate(sorted(set().union(*names.values())), start=1))
    return _doubt(every, region, ways=["save the lesions as masks of their own"], of=of)


def _segments(path: Path) -> Mapping[int, str]:
    try:
        bring(path)
        if path.name.lower().endswith(DICOM_SUFFIXES):
            return read_seg_names(path)
        return read_segments(path) if path.name.lower().endswith(NRRD_SUFFIXES) else {}
    except (OSError, AflError):
        return {}  # its case reports it


def _doubt(names: Mapping[int, str], region: Region, *, ways: Sequence[str], of: str) -> str:
    organs = [name for name in names.values() if is_organ(name)]
    lesions = [name for name in names.values() if is_lesion(name)]
    if region.name != WHOLE or not organs or not lesions:
        return ""
    return (
        f"{of} name {_listed(organs)} beside {_listed(lesions)}, and the whole counts all of it as tumour. "
        f"To count a lesion alone: {', or '.join(ways)}."
    )


def _by_codes(names: Mapping[int, str]) -> list[str]:
    """The options that name every label, and take a lesion."""
    codes: dict[int, str] = {}
    for label, name in sorted(names.items()):
        code = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:30].rstrip("_")
        plain = re.match("[a-z]", code) and code not in {WHOLE, CORE, *SYNONYMS, *codes.values()}
        codes[label] = code if plain else f"label_{label}"
    text = ",".join(f"{code}={label}" for label, code in codes.items())
    return [f"--labels {text} --region {codes[label]}" for label, name in names.items() if is_lesion(name)]


def _listed(names: Collection[str]) -> str:
    return " and ".join(dict.fromkeys(names))
