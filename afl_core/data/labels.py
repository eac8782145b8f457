"""What the labels of a reference mean, and which of them make a region.

Conventions disagree: 3 is the enhancing tumour in BraTS 2023 and in the Medical Segmentation Decathlon, 1 and 2 are
swapped between these two, 4 is the enhancing tumour in BraTS 2018 and a resection cavity in BraTS 2024. So a scheme is
never guessed: it belongs to a layout, is declared by the data set, or is named by the user.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from afl_core.base.catalogue import nearest_key
from afl_core.errors import DataError, UsageError
from afl_core.volume import Region

WHOLE, CORE, ENHANCING = "whole", "tc", "et"
DECLARED = "declared"
"""Name of the scheme of a data set that says itself what its labels are."""

SYNONYMS = MappingProxyType({"wt": WHOLE, "cspca": WHOLE, "all": WHOLE})
"""Names under which the whole tumour may be asked for."""

_MADE = re.compile(r"([a-z][a-z0-9_-]{0,29})=([0-9]{1,5}(?:[+,][0-9]{1,5})*)")

TITLES = MappingProxyType(
    {
        WHOLE: "whole tumour (WT)",
        CORE: "tumour core (TC)",
        ENHANCING: "enhancing tumour (ET)",
        "ncr": "necrotic core (NCR)",
        "net": "non-enhancing tumour (NET)",
        "netc": "non-enhancing tumour core (NETC)",
        "cc": "cystic component (CC)",
        "ed": "edema (ED)",
        "snfh": "edema (SNFH)",
        "rc": "resection cavity (no tumour)",
    }
)
"""Regions, and labels that are regions by themselves, for people."""

EXAMPLE_CODES = "--labels et=1,ncr=2,ed=3"
"""Example of codes that are given in a command."""


def region_title(name: str) -> str:
    """A region for people, without its labels."""
    return TITLES.get(name, name)


@dataclass(frozen=True)
class Scheme:
    """The labels of a data set.

    Attributes:
        name: Key in `SCHEMES`, `declared` where the data set says it itself, or the text of own codes, such as
            `et=1,ncr=2,ed=3`.
        title: Title for people.
        values: Label to what it is, without 0; empty where any label may occur.
        regions: Region to its labels; `whole` is always there, () in a scheme without values.
        whole: Title of the whole.
        unclear: Names in lower case that mean a region, of which the data set has one label: they are refused.
    """

    name: str
    title: str
    values: Mapping[int, str]
    regions: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({WHOLE: ()}))
    whole: str = TITLES[WHOLE]
    unclear: frozenset[str] = frozenset()

    def region(self, name: str) -> Region:
        """The region of that name (`wt`, `cspca` and `all` are the whole), or one that its text makes: `core=1+3`.

        Raises:
            UsageError: If the scheme has no such region, or not the labels that make it.

        >>> SCHEMES["brats"].region("Ring=2,4")
        Region(name='ring=2+4', inside=(2, 4), known=(1, 2, 4))
        """
        if name.lower() in self.unclear - {WHOLE}:
            todo = f"Say what each label is alone, such as {EXAMPLE_CODES}, or take of these: {', '.join(self.regions)}"
            raise UsageError(f"{name.lower()} is no name of one label", received=self.title, todo=todo)
        key = SYNONYMS.get(name.lower(), name.lower())
        if "=" in name and key not in self.regions:
            return self._made(name)
        if key not in self.regions:
            hint = f"Did you mean {near}? " if (near := nearest_key(self.regions | SYNONYMS, key)) else ""
            raise UsageError(
                f"The labels {self.title} have no region of that name",
                received=name,
                todo=f"{hint}There are: {', '.join(self.regions)}. Own codes are named so: {EXAMPLE_CODES}",
            )
        return Region(key, self.regions[key], tuple(self.values))

    def _made(self, text: str) -> Region:
        """The region of a text; its name says its labels, so that results can be opened by it."""
        match = _MADE.fullmatch(text.strip().lower())
        labels = sorted({int(label) for label in re.split("[+,]", match[2])}) if match else []
        unknown = [label for label in labels if self.values and label not in self.values]
        if not match or 0 in labels or unknown or match[1] in {*self.regions, *SYNONYMS}:
            known = ", ".join(f"{label} {what}" for label, what in sorted(self.values.items()))
            raise UsageError(
                "A region of your own is a new name and labels of the data set",
                received=text,
                todo="Write NAME=LABEL+LABEL, such as ring=2+4" + (f". The labels are: {known}" if known else ""),
            )
        return Region(f"{match[1]}={'+'.join(map(str, labels))}", tuple(labels), tuple(self.values))

    def title_of(self, region: str) -> str:
        """A region for people, with its labels.

        >>> SCHEMES["brats"].title_of("tc")
        'tumour core (TC): 1+4'
        """
        title = self.whole if region == WHOLE else region_title(region)
        labels = "+".join(map(str, self.region(region).inside))
        return f"{title}: {labels}" if labels and region in self.regions else title

    def mapping(self, region: str) -> str:
        """A region and every label, for people.

        >>> SCHEMES["picai"].mapping("whole").partition(",")[0]
        'csPCa: 2+3+4+5'
        """
        if not self.values:
            return self.title_of(region)
        meanings = ", ".join(f"{label} {what}" for label, what in sorted(self.values.items()))
        return f"{self.title_of(region)}, by the labels {self.name} ({meanings})"


def _brain(name: str, title: str, values: dict[int, str], regions: tuple[tuple[int, ...], ...]) -> Scheme:
    named = MappingProxyType(dict(zip((WHOLE, CORE, ENHANCING), regions, strict=True)))
    return Scheme(name, title, MappingProxyType(values), named)


_NCR, _ED, _ET = "necrotic or non-enhancing core (NCR/NET)", "edema (ED)", "enhancing tumour (ET)"

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        "any": Scheme("any", "any (every label above 0 is tumour)", MappingProxyType({}), whole="every label above 0"),
        "binary": Scheme(
            "binary",
            "binary (1)",
            MappingProxyType({1: "lesion"}),
            MappingProxyType({WHOLE: (1,)}),
            whole="lesion",
        ),
        "brats": _brain("brats", "BraTS 2017 to 2021 (1, 2, 4)", {1: _NCR, 2: _ED, 4: _ET}, ((1, 2, 4), (1, 4), (4,))),
        "brats2013": _brain(
            "brats2013",
            "BraTS 2012 to 2016 (1, 2, 3, 4)",
            {1: "necrosis", 2: _ED, 3: "non-enhancing tumour", 4: _ET},
            ((1, 2, 3, 4), (1, 3, 4), (4,)),
        ),
        "brats2023": _brain(
            "brats2023", "BraTS 2023 (1, 2, 3)", {1: _NCR, 2: "edema (SNFH)", 3: _ET}, ((1, 2, 3), (1, 3), (3,))
        ),
        "brats2024": _brain(
            "brats2024",
            "BraTS 2024 with cavity (1, 2, 3, 4)",
            {1: _NCR, 2: "edema (SNFH)", 3: _ET, 4: "resection cavity (no tumour)"},
            ((1, 2, 3), (1, 3), (3,)),
        ),
        "msd": _brain(
            "msd",
            "Decathlon and nnU-Net's BraTS (1, 2, 3)",
            {1: _ED, 2: "non-enhancing core", 3: _ET},
            ((1, 2, 3), (2, 3), (3,)),
        ),
        "picai": Scheme(
            "picai",
            "PI-CAI experts (2 to 5)",
            MappingProxyType({grade: f"csPCa, ISUP {grade}" for grade in (2, 3, 4, 5)}),
            MappingProxyType({WHOLE: (2, 3, 4, 5)}),
            whole="csPCa",
        ),
    }
)
"""Sources: the data sets' own pages. BraTS's regions are those of its evaluation: WT without a cavity, TC, ET."""


def fitting_schemes(values: Collection[int], region: str = WHOLE) -> tuple[Scheme, ...]:
    """Schemes with a meaning for every one of these labels, and with the region."""
    key = SYNONYMS.get(region.lower(), region.lower())
    present = set(values) - {0}
    return tuple(s for s in SCHEMES.values() if s.values and present <= set(s.values) and key in s.regions)


def scheme_for(values: Collection[int], region: str) -> Scheme:
    """The one scheme that these labels can be of, or the first of several that mean the same by the region.

    Raises:
        UsageError: If there are several that differ, or none; says how to name one.
    """
    present, fitting = set(values) - {0}, fitting_schemes(values, region)
    label_list = ", ".join(map(str, sorted(present))) or "none but 0"
    todo = f"Take the whole, or say what each label is, such as {EXAMPLE_CODES}. Known are {_listed(SCHEMES.values())}"
    if not fitting:
        what = f"No known labels fit this data set and have the region {region}"
        raise UsageError(what, received=f"labels {label_list}", todo=todo)
    meant = {frozenset(present & set(scheme.region(region).inside)) for scheme in fitting}
    if len(meant) > 1:
        raise UsageError(
            f"The labels fit several schemes, by which the region {region} is not the same",
            received=f"labels {label_list}",
            todo=f"Name the right one, for example --labels {fitting[0].name}, or your own, such as {EXAMPLE_CODES}. "
            f"They fit {_listed(fitting)}",
        )
    if len(present) < 2 and SYNONYMS.get(region.lower(), region.lower()) != WHOLE:
        what = f"The references are masks of one label at most, in which the region {region} cannot be told"
        raise UsageError(what, received=f"labels {label_list}", todo=todo)
    return fitting[0]


def check_labels(values: Collection[int], region: Region, *, file: str) -> None:
    """Raise unless every label of a file is known.

    Raises:
        DataError: Names the file, the labels that are not, and the schemes that know them all.
    """
    unknown = sorted(set(values) - {0} - set(region.known)) if region.known else []
    if not unknown:
        return
    fitting = _listed(fitting_schemes(values))
    raise DataError(
        f"{file} holds labels that its data set does not have",
        received=f"{', '.join(map(str, unknown))} where {', '.join(map(str, sorted(region.known)))} are known",
        todo=f"Check which convention the file follows, and give own codes if it is none, such as {EXAMPLE_CODES}"
        + (f"; all its labels are known to {fitting} (--labels)" if fitting else ""),
    )


def _listed(schemes: Collection[Scheme]) -> str:
    return "; ".join(f"{scheme.name}: {scheme.title}" for scheme in schemes if scheme.values)
