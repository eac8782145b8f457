"""MATCHERS: the rules by which predicted components are matched to reference lesions, and the matching itself."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy.ndimage import binary_dilation, generate_binary_structure

from afl_core.base.catalogue import find_key
from afl_core.errors import UsageError
from afl_core.metrics.components import Flat, Integers, Labels, label_components
from afl_core.metrics.surface import surface_voxels
from afl_core.regions import BoolArray, label_lesions
from afl_core.volume import Spacing

LEAST_LESION_VOXELS = 10
"""Least size of a lesion in results that choose none. References hold specks that no reader drew on purpose: in BraTS
2021 the whole tumours of 4 cases are 37 components, 14 of them from 10 voxels on, with 99.99 % of their volume. Of
1,134 lesions of multiple sclerosis 736 stay (99.2 %); docs/protocols.md has the curves, and where to choose fewer."""


@dataclass(frozen=True)
class Matcher:
    """One row of MATCHERS. The defaults of the parameters are the rule "any shared voxel".

    Attributes:
        name: Key in MATCHERS.
        title: Name to show.
        definition: The rule in words.
        source: Paper, or the code whose rule is followed.
        min_iou: If above 0, lesions and components pair one to one, greatest IoU first, down to this IoU (included).
        dilation_voxels: Steps by which the reference grows, face and edge neighbours each, before lesions are told
            apart and components matched: lesions whose grown shapes touch become one. The lesion itself does not grow.
        ignored_up_to_voxels: Lesions up to this size (included) have a row of kind "ignored" and enter no score.
        spares_specks: Whether false positives up to that size enter no score either, and have no row.
        penalty_mm: HD95 and ASSD of a missed lesion and of a false positive; None for the diagonal of the grid.
        false_positives_score_zero: Whether each false positive enters the mean lesion Dice as a 0.
        task: The BraTS task whose constants these are, in lower case; "" for a rule of no task.
    """

    name: str
    title: str
    definition: str
    source: str
    min_iou: float = 0.0
    dilation_voxels: int = 0
    ignored_up_to_voxels: int = 0
    spares_specks: bool = False
    penalty_mm: float | None = None
    false_positives_score_zero: bool = False
    task: str = ""

    def least_voxels(self, chosen: int | None = None) -> int:
        """The least size that is chosen, or the default: `LEAST_LESION_VOXELS`, and 0 where the rule has its own."""
        if chosen is not None:
            return chosen
        return 0 if self.ignored_up_to_voxels else LEAST_LESION_VOXELS

    def from_size(self, voxels: int) -> "Matcher":
        """The rule for lesions and false positives of at least so many voxels; 0 leaves it as it is."""
        return replace(self, ignored_up_to_voxels=voxels - 1, spares_specks=True) if voxels else self


_BRATS2023 = MappingProxyType(
    {
        "gli": ("glioma", 3, 50),
        "ssa": ("Sub-Saharan Africa", 3, 50),
        "ped": ("paediatric", 3, 50),
        "men": ("meningioma", 1, 50),
        "met": ("metastases", 1, 2),
    }
)
"""Task of BraTS 2023 as case names have it: in words, steps of the dilation, and up to how many voxels are ignored."""


def _brats2023(task: str, title: str, steps: int, voxels: int) -> Matcher:
    """The lesion-wise rule of BraTS 2023 with the constants of one task."""
    times = "once" if steps == 1 else f"{steps} times"
    return Matcher(
        name=f"brats2023_{task}",
        title=f"BraTS 2023 lesion-wise ({title})",
        definition=f"The reference is dilated {times} with the 18-neighbourhood; lesions whose dilations touch "
        "(26-connected) are one. Every predicted component with a voxel in a lesion's dilation belongs to that lesion, "
        f"whole, and Dice is taken against the undilated lesion. Lesions up to {voxels} voxels are ignored, found or "
        "missed. A missed lesion and a false positive, of any size, have Dice 0 and HD95 374 mm; both enter the means. "
        "Differs from the challenge in HD95, here by voxel where theirs is weighted by area.",
        source=f"rachitsaluja/BraTS-2023-Metrics, BraTS-{task.upper()} settings; Synapse syn51156910, thread 10357",
        dilation_voxels=steps,
        ignored_up_to_voxels=voxels,
        penalty_mm=374.0,
        false_positives_score_zero=True,
        task=task,
    )


_ROWS = (
    Matcher(
        name="overlap",
        title="Any overlap",
        definition="A lesion is found when any predicted component shares a voxel with it; all that do belong to it, "
        "each whole, and one component may belong to several lesions.",
        source="Maier-Hein et al., Metrics reloaded, Nature Methods 21 (2024), localisation by any overlap",
    ),
    Matcher(
        name="iou",
        title="IoU of at least 0.5, one to one",
        definition="A lesion is found when one predicted component has an IoU of 0.5 or more with it. Pairs are made "
        "one to one, greatest IoU first (then larger lesion, then larger component); every other component is a false "
        "positive, even where it shares voxels with a lesion.",
        source="Maier-Hein et al., Metrics reloaded, Nature Methods 21 (2024), mask IoU with greedy assignment",
        min_iou=0.5,
    ),
    *(_brats2023(name, *constants) for name, constants in _BRATS2023.items()),
)

MATCHERS: Mapping[str, Matcher] = MappingProxyType({matcher.name: matcher for matcher in _ROWS})
"""Every matcher by its name; the first is the default."""

_TASK = re.compile(r"(?i)brats[-_ ]?(?:\d\d|\d{4})?[-_ ]?(?P<task>gli|ssa|ped|men|met)(?![a-z])")


def find_matcher(name: str) -> Matcher:
    """The matcher of that name.

    Raises:
        UsageError: If there is none; `brats2023` alone, which gave every task the settings of glioma, is told apart.
    """
    if name == "brats2023":
        variants = ", ".join(matcher.name for matcher in _ROWS if matcher.task)
        todo = f"Give one of {variants}. Results under the old name used glioma's: evaluate again with another --out"
        raise UsageError("The matcher brats2023 does not say which task it is of", received=name, todo=todo)
    return MATCHERS[find_key(MATCHERS, name, kind="lesion matcher")]


def tasks_of(case_ids: Iterable[str]) -> Counter[str]:
    """BraTS tasks that the names of cases say, such as met, to how many say it."""
    return Counter(match["task"].lower() for case_id in case_ids if (match := _TASK.match(case_id)))


def task_warning(matcher: str, case_ids: Iterable[str]) -> str:
    """That the names of cases say another BraTS task than the matcher; "" where they do not."""
    matcher_task = MATCHERS[matcher].task if matcher in MATCHERS else ""
    others = {task: n for task, n in tasks_of(case_ids).items() if task != matcher_task}
    if not matcher_task or not others:
        return ""
    listed = ", ".join(f"{n} of {task.upper()} (brats2023_{task})" for task, n in sorted(others.items()))
    return f"The matcher {matcher} has the constants of another task than the names of the cases say: {listed}."


@dataclass(frozen=True, eq=False)
class Matching:
    """Which predicted components belong to which reference lesions.

    Attributes:
        prediction: The predicted mask, shape (X, Y, Z).
        reference: The reference mask.
        spacing_mm: Voxel edge lengths.
        matcher: The rule.
        lesions: Lesion number of each reference voxel: 1, 2, ... from the largest to the smallest, 0 outside.
        lesion_voxels: Size of each lesion.
        parts: The 26-connected components of the reference that make up each lesion, numbered by volume themselves.
        components: Component number of each predicted voxel, numbered likewise.
        component_voxels: Size of each component.
        pairs: Shape (pairs, 2): numbers of a lesion and a component that are matched, in this order.
        shared: Shape (overlaps, 3): numbers of a lesion and a component that share voxels, matched or not; how many.
        inside: Voxels of the prediction and of the reference, as places in memory (C), in ascending order.
    """

    prediction: BoolArray
    reference: BoolArray
    spacing_mm: Spacing
    matcher: Matcher
    lesions: Labels
    lesion_voxels: Integers
    parts: tuple[tuple[int, ...], ...]
    components: Labels
    component_voxels: Integers
    pairs: Integers
    shared: Integers
    inside: tuple[Flat, Flat]

    @cached_property
    def surfaces(self) -> tuple[Flat, Flat]:
        """Surface voxels of the prediction and of the reference, as `inside`."""
        predicted, reference = surface_voxels(self.prediction), surface_voxels(self.reference)
        return np.flatnonzero(predicted), np.flatnonzero(reference)


def match_masks(prediction: BoolArray, reference: BoolArray, *, spacing_mm: Spacing, matcher: Matcher) -> Matching:
    """Tell lesions and components apart and match them.

    Args:
        prediction: Shape (X, Y, Z), possibly a crop that holds every True voxel of both masks.
        reference: Same shape.
        spacing_mm: Voxel edge lengths.
        matcher: The rule.
    """
    inside = np.flatnonzero(prediction), np.flatnonzero(reference)
    components, component_sizes = label_components(inside[0], prediction.shape)
    lesions, sizes = label_components(inside[1], reference.shape)
    parts: tuple[tuple[int, ...], ...] = tuple((k,) for k in range(1, len(sizes) + 1))
    near = lesions
    if matcher.dilation_voxels and reference.any():
        lesions, sizes, parts, near = _merge(lesions, sizes, reference, steps=matcher.dilation_voxels)
    shared = _overlaps(lesions, components, prediction & reference)
    pairs = shared[:, :2]
    if matcher.dilation_voxels:
        pairs = _overlaps(near, components, prediction & (near > 0))[:, :2]
    if matcher.min_iou:
        pairs = _one_to_one(shared, sizes, component_sizes, min_iou=matcher.min_iou)
    return Matching(
        prediction=prediction,
        reference=reference,
        spacing_mm=spacing_mm,
        matcher=matcher,
        lesions=lesions,
        lesion_voxels=sizes,
        parts=parts,
        components=components,
        component_voxels=component_sizes,
        pairs=pairs,
        shared=shared,
        inside=inside,
    )


def _overlaps(lesions: Labels, components: Labels, both: BoolArray) -> Integers:
    """Lesion number, component number and number of shared voxels of each pair that shares any, in this order."""
    where = np.flatnonzero(both)
    lesion, component = lesions.ravel()[where].astype(np.int64), components.ravel()[where]
    width = int(component.max(initial=0)) + 1
    pairs, voxels = np.unique(lesion * width + component, return_counts=True)
    return np.column_stack([pairs // width, pairs % width, voxels])


def _merge(
    lesions: Labels, sizes: Integers, reference: BoolArray, *, steps: int
) -> tuple[Labels, Integers, tuple[tuple[int, ...], ...], Labels]:
    """Make one lesion of those whose dilations touch: their labels, sizes, parts, and the labels of the dilations.

    Dilating inside a crop that holds all lesions loses nothing: the shape with which they grow is convex and mirror
    symmetric, so two that touch outside the box around both touch inside it too.
    """
    grown = binary_dilation(reference, generate_binary_structure(3, 2), iterations=steps)
    groups, group_sizes = label_lesions(grown)
    group_of = np.zeros(len(sizes) + 1, dtype=np.int64)
    group_of[lesions[reference]] = groups[reference]
    merged = np.bincount(group_of[1:], weights=sizes, minlength=len(group_sizes) + 1)[1:].astype(np.int64)
    first = np.unique(group_of[1:], return_index=True)[1]
    order = np.lexsort((first, -merged))  # equal volumes: in the order of their first parts
    rank = np.zeros(len(merged) + 1, dtype=np.uint32)
    rank[order + 1] = np.arange(1, len(merged) + 1)
    number = rank[group_of]
    parts = tuple(tuple(np.flatnonzero(number == k).tolist()) for k in range(1, len(merged) + 1))
    return number[lesions], merged[order], parts, rank[groups]


def _one_to_one(shared: Integers, sizes: Integers, component_sizes: Integers, *, min_iou: float) -> Integers:
    """Pairs of an IoU of at least `min_iou`, greatest first, each lesion and each component once."""
    lesion, component, voxels = shared.T
    iou = voxels / (sizes[lesion - 1] + component_sizes[component - 1] - voxels)
    used: tuple[set[int], set[int]] = set(), set()
    pairs = []
    for row in np.argsort(-iou, kind="stable"):  # equal IoU: by lesion, then by component, both largest first
        k, c = int(lesion[row]), int(component[row])
        if iou[row] >= min_iou and k not in used[0] and c not in used[1]:
            pairs.append((k, c))
            used[0].add(k)
            used[1].add(c)
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
