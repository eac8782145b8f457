"""Labels that are named in a command: `et=1,ncr=2,ed=3`."""

import re
from types import MappingProxyType

from afl_core.base.catalogue import pick
from afl_core.data.formats.values import LARGEST_LABEL
from afl_core.data.labels import CORE, ENHANCING, SCHEMES, SYNONYMS, WHOLE, Scheme, region_title
from afl_core.errors import UsageError

TODO = "Write NAME=NUMBER, parted by commas, such as --labels et=1,ncr=2,ed=3"

CODE = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]{0,29})\s*=\s*([0-9]{1,5})\s*")

CORES = frozenset({"ncr", "net", "netc", "cc", "ncr_net", "ncr-net", "necrosis", "core", "nec"})
"""Names of what is of the tumour core besides the enhancing tumour."""

_CAVITY = re.compile(r"(?:rc|(?:(?:resection|surgical|post ?op\w*) )?cavity)(?: \(.*\))?")


def is_cavity(name: str) -> bool:
    """Whether a label is a resection cavity, which is no tumour.

    >>> is_cavity("RC"), is_cavity("resection_cavity"), is_cavity("oral cavity")
    (True, True, False)
    """
    return bool(_CAVITY.fullmatch(re.sub("[-_ ]+", " ", name.strip().lower())))


def find_scheme(text: str) -> Scheme:
    """The scheme of that name, or the one that a text of codes describes.

    The whole is every label but a cavity; each name is a region; `tc` is `et` with the names in `CORES`.

    Raises:
        UsageError: If there is no scheme of that name, or the codes are written otherwise or contradict each other.

    >>> find_scheme("ED=3, et=1, ncr=2").name, find_scheme("et=1,ncr=2,ed=3").regions["tc"]
    ('et=1,ncr=2,ed=3', (1, 2))
    """
    if "=" not in text:
        return pick(SCHEMES, text, kind="label scheme")
    codes = _codes(text)
    regions: dict[str, tuple[int, ...]] = {name: (label,) for label, name in codes.items()}
    whole = tuple(label for label, name in codes.items() if not is_cavity(name))
    core = tuple(label for label, name in codes.items() if name in {ENHANCING, *CORES})
    if ENHANCING in regions and len(core) > 1:
        regions[CORE] = core
    canonical = ",".join(f"{name}={label}" for label, name in codes.items())
    values = {label: region_title(name) for label, name in codes.items()}
    regions = {WHOLE: whole} | regions
    return Scheme(canonical, f"of your own ({canonical})", MappingProxyType(values), MappingProxyType(regions))


def _codes(text: str) -> dict[int, str]:
    """Label to name in lower case, by label."""
    matches = [CODE.fullmatch(part) for part in text.split(",")]
    pairs = [(int(match[2]), match[1].lower()) for match in matches if match]
    if len(pairs) < len(matches):
        raise UsageError("These labels are not written as they must be", received=text, todo=TODO)
    codes = dict(sorted(pairs))
    if len(codes) < len(pairs) or len(set(codes.values())) < len(pairs):
        raise UsageError("Two labels have one name or one number", received=text, todo=TODO)
    if reserved := {WHOLE, CORE, *SYNONYMS} & set(codes.values()):
        todo = "Name each label by what it is alone, such as et, ncr, ed: whole and tc are made of them"
        raise UsageError(f"{sorted(reserved)[0]} is no name of one label", received=text, todo=todo)
    if 0 in codes or max(codes) > LARGEST_LABEL:
        raise UsageError(f"A label is a number from 1 to {LARGEST_LABEL}: 0 is background", received=text, todo=TODO)
    if all(map(is_cavity, codes.values())):
        raise UsageError("None of these labels is tumour", received=text, todo=TODO)
    return codes
