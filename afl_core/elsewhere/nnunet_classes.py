"""What nnU-Net is to tell apart in a data set: its dataset.json's labels, and the number that each label gets there.

nnU-Net takes labels that count 1, 2, 3 without a gap, and an ignore label that comes last. Regions it predicts each by
itself, and writes one after the other, in `regions_class_order`, into one label a voxel. Source: nnunetv2 2.8.1,
`utilities/label_handling/label_handling.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

from afl_core.data.labels import CORE, ENHANCING, WHOLE, Scheme, region_title
from afl_core.data.layouts.assembly import place_of
from afl_core.errors import UsageError
from afl_core.volume import Region

IGNORE = "ignore"
"""Name of the label whose voxels take no part in nnU-Net's loss."""


@dataclass(frozen=True)
class Classes:
    """Labels as nnU-Net has them.

    Attributes:
        numbers: Label of the data set, without 0, to the label that is written; 0 where it is background.
        labels: `labels` of dataset.json, without the background: name to label, or to the labels of a region.
        order: `regions_class_order` of dataset.json; () where the classes are labels.
        regions: Region of this project to its labels as written; `whole` is always there.
    """

    numbers: Mapping[int, int]
    labels: Mapping[str, int | list[int]]
    order: tuple[int, ...]
    regions: Mapping[str, list[int]]

    def told(self) -> str:
        """The classes, and what became of labels that have another number now, for people."""
        names = ", ".join(
            f"{'+'.join(map(str, n)) if isinstance(n, list) else n} {name}" for name, n in self.labels.items()
        )
        moved = ", ".join(f"{value} is {number}" for value, number in self.numbers.items() if value != number)
        return f"{names}{f' (of the labels as they were, {moved})' if moved else ''}"


def _labels(scheme: Scheme, _region: Region, values: Sequence[int]) -> Classes:
    """Every label is a class."""
    numbers = _numbered(scheme, values)
    names: dict[str, int | list[int]] = {_name(scheme, value): number for value, number in numbers.items()}
    return Classes(numbers, names, (), _regions(scheme, numbers))


def _nested(scheme: Scheme, _region: Region, values: Sequence[int]) -> Classes:
    """Regions are classes: whole, core and enhancing tumour first, each as long as all have a label of their own."""
    numbers = _numbered(scheme, values)
    regions = _regions(scheme, numbers)
    ignored = {number for value, number in numbers.items() if _name(scheme, value) == IGNORE}
    titled = {region_title(name): frozenset(labels) for name, labels in regions.items()}
    covered = frozenset[int]().union(*titled.values()) | ignored
    titled |= {_name(scheme, value): frozenset({n}) for value, n in numbers.items() if n not in covered}
    known = [region_title(name) for name in (WHOLE, CORE, ENHANCING)]
    chosen = dict[frozenset[int], str]()
    for name in sorted(titled, key=lambda name: (place_of(known, name), -len(titled[name]), -min(titled[name]))):
        if all(_own(labels, [*chosen, titled[name]]) for labels in (*chosen, titled[name])):
            chosen.setdefault(titled[name], name)
    _check_nested(chosen)
    if all(len(labels) == 1 for labels in chosen):
        what = "The labels of this data set make no region of several labels"
        raise UsageError(what, received=scheme.title, todo="Export the labels: --classes labels")
    ordered = sorted(chosen, key=lambda labels: (-len(labels), min(labels)))
    named: dict[str, int | list[int]] = {
        chosen[labels]: sorted(labels) if len(labels) > 1 else min(labels) for labels in ordered
    }
    named |= dict.fromkeys([IGNORE] if ignored else [], max(numbers.values()))
    return Classes(numbers, named, tuple(min(_own(labels, ordered)) for labels in ordered), regions)


def _own(labels: frozenset[int], regions: Sequence[frozenset[int]]) -> frozenset[int]:
    """The labels of a region that are in none of the smaller regions: one of them stands for it."""
    return labels - frozenset[int]().union(*(other for other in regions if other < labels))


def _check_nested(regions: Mapping[frozenset[int], str]) -> None:
    """Raise `UsageError` where two regions overlap and neither holds the other."""
    for first, second in combinations(regions, 2):
        if first & second and not (first <= second or second <= first):
            raise UsageError(
                "These regions overlap and neither holds the other: nnU-Net writes one label a voxel",
                received=f"{regions[first]} and {regions[second]}",
                todo="Export the labels (--classes labels), or one region (--classes tumour)",
            )


def _tumour(scheme: Scheme, region: Region, values: Sequence[int]) -> Classes:
    """The region that counts as tumour is the one class, 1."""
    inside = region.inside or tuple(values)
    numbers = {value: int(value in inside) for value in scheme.values or values}
    ignored = {value: 2 for value in numbers if _name(scheme, value) == IGNORE}
    title = scheme.whole if region.name == WHOLE else region_title(region.name)
    labels: dict[str, int | list[int]] = {title: 1}
    labels |= {IGNORE: 2} if ignored else {}
    return Classes(MappingProxyType(numbers | ignored), labels, (), {WHOLE: [1], region.name: [1]})


CLASSES: Mapping[str, Callable[[Scheme, Region, Sequence[int]], Classes]] = MappingProxyType(
    {"labels": _labels, "regions": _nested, "tumour": _tumour}
)
"""What the classes are made of: each label, the regions, or the region that counts as tumour alone."""

EXPLAINED = (
    "labels: each label is a class; regions: each region is one, and they may overlap; tumour: the region of --region "
    "against all else"
)
"""The catalogue, for people."""


def _numbered(scheme: Scheme, values: Sequence[int]) -> Mapping[int, int]:
    """The labels counted from 1, in their order, the ignore label last."""
    known = sorted(scheme.values or values, key=lambda value: (_name(scheme, value) == IGNORE, value))
    return MappingProxyType({value: number for number, value in enumerate(known, start=1)})


def _regions(scheme: Scheme, numbers: Mapping[int, int]) -> dict[str, list[int]]:
    regions = {name: sorted(numbers[value] for value in labels) for name, labels in scheme.regions.items() if labels}
    return regions or {WHOLE: sorted(numbers.values())}


def _name(scheme: Scheme, value: int) -> str:
    name = scheme.values.get(value, f"label {value}")
    return IGNORE if name.lower() == IGNORE else name
