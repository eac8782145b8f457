"""PROTOCOLS: how challenges measure, as named sets of regions, matcher, size rules and values of what is unmatched.

Each follows one published code, named in `source`; docs/protocols.md says where they differ from it and from METRICS.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from afl_core.base.catalogue import find_key
from afl_core.metrics.matchers import MATCHERS, Matcher

Regions = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Protocol:
    """One row of PROTOCOLS. Sizes are mm3, which are voxels on the 1 mm grid of all BraTS data.

    Attributes:
        name: Key in PROTOCOLS.
        title: Name to show.
        source: Address of the code that is followed, with its version.
        definition: The rule in words.
        regions: Region to its labels; () is every label above 0.
        labels: Labels that a file may hold, without 0; () is any.
        matcher: Which components belong to which lesion, and `penalty_mm`, the HD95 of what is unmatched; None where
            the code has no distances.
        assignment: "sum" pairs lesions and components one to one with the largest sum of Dice; "number" with the
            most pairs of an IoU of at least `matcher.min_iou`, then the largest sum of IoU. "" leaves the matcher's.
        hd95: The HD95 of the code: "area", the larger of the two directed percentiles weighted by area; "pooled",
            the percentile of both directions together; "" for none.
        mean_over: What the lesion-wise means are over: "all" lesions and false positives; "matched" lesions alone;
            "large", as all, of lesions from `large_from_mm3` on; "" where the code has no such means.
        ignored_up_to_mm3: Lesions up to this size (included) enter neither counts nor means.
        large_from_mm3: From this size on a lesion is large; 0 where the code does not part them.
        detected_from_dsc: Dice from which a large or a small lesion counts as detected.
        nothing: Lesion-wise Dice and HD95 where there is nothing to average.
        both_empty: Dice and HD95 of the whole region where both masks are empty.
        apart_is_missed: Whether the region's HD95 is the penalty where the masks share no voxel; else measured.
    """

    name: str
    title: str
    source: str
    definition: str
    regions: Regions
    labels: tuple[int, ...]
    matcher: Matcher
    assignment: Literal["", "sum", "number"] = ""
    hd95: Literal["", "area", "pooled"] = ""
    mean_over: Literal["", "all", "matched", "large"] = ""
    ignored_up_to_mm3: float = 0
    large_from_mm3: float = 0
    detected_from_dsc: float = 0
    nothing: tuple[float, float] = (math.nan, math.nan)
    both_empty: tuple[float, float] = (math.nan, math.nan)
    apart_is_missed: bool = False


def _regions(**labels: tuple[int, ...]) -> Regions:
    return MappingProxyType(labels)


WT, TC, ET = (1, 2, 3), (1, 3), (3,)
_BRAIN = _regions(wt=WT, tc=TC, et=ET)


def _brats2023(task: str) -> Protocol:
    """The lesion-wise measurement of BraTS 2023 with the constants of one task, which its matcher has."""
    matcher = MATCHERS[f"brats2023_{task}"]
    size, steps = matcher.ignored_up_to_voxels, matcher.dilation_voxels
    times = "once" if steps == 1 else f"{steps} times"
    return Protocol(
        name=matcher.name,
        title=matcher.title,
        source="https://github.com/rachitsaluja/BraTS-2023-Metrics (commit 0c603fc)",
        definition=f"The reference is dilated {times} with the 18-neighbourhood; lesions whose dilations touch are "
        f"one; every predicted component in a dilation belongs to its lesion. Lesions up to {size} mm3 are ignored. "
        "Lesion-wise means are over the lesions and the false positives: Dice 0 and HD95 374 mm for what is unmatched; "
        "1 and 0 where nothing is left. HD95 is the larger of two directed percentiles, weighted by area.",
        regions=_BRAIN,
        labels=WT,
        matcher=matcher,
        hd95="area",
        mean_over="all",
        ignored_up_to_mm3=size,
        nothing=(1.0, 0.0),
        both_empty=(1.0, 0.0),
    )


_BIPARTITE = Matcher(
    name="brats2025",
    title="Largest sum of Dice, one to one",
    definition="Lesions and predicted components are paired one to one with the largest sum of Dice above 0.000001.",
    source="panoptica 2.1.7, MaxBipartiteMatching",
    penalty_mm=373.0,
)
_PAIRED = (
    "Lesions are 26-connected components of each region, paired one to one with the predicted ones by the largest sum "
    "of Dice. "
)
_POOLED = "HD95 is the percentile of both directions together, and 373 mm where the masks of a region share no voxel."

_SEGMENTED = Protocol(
    name="brats2025_gli",
    title="BraTS 2025 glioma",
    source="https://pypi.org/project/brats-evaluation/0.0.10/ (parser seg) with panoptica 2.1.7",
    definition=f"{_PAIRED}Lesion-wise means are over the matched lesions alone: a missed lesion and a false positive "
    f"show in the counts; only where nothing is matched are they 0 and 373 mm. {_POOLED}",
    regions=_regions(snfh=(2,), et=ET, netc=(1,), rc=(4,), tc=TC, wt=WT),
    labels=(1, 2, 3, 4),
    matcher=_BIPARTITE,
    assignment="sum",
    hd95="pooled",
    mean_over="matched",
    apart_is_missed=True,
)

_ROWS = (
    *(_brats2023(task) for task in ("gli", "met", "men", "ped", "ssa")),
    _SEGMENTED,
    replace(
        _SEGMENTED,
        name="brats2025_met",
        title="BraTS 2025 metastases",
        source="https://pypi.org/project/brats-evaluation/0.0.10/ (parser mets, 20 and 0.1) with panoptica 2.1.7",
        definition=f"{_PAIRED}Lesion-wise means are over lesions of at least 20 mm3 and all false positives, Dice 0 "
        "and 373 mm for what is unmatched; undefined without such a lesion. Large and small lesions count as detected "
        f"from Dice 0.1 on. {_POOLED}",
        regions=_regions(et=ET, rc=(4,), tc=TC, wt=WT),
        mean_over="large",
        large_from_mm3=20,
        detected_from_dsc=0.1,
    ),
    replace(
        _SEGMENTED,
        name="brats2025_ped",
        title="BraTS 2025 paediatric",
        regions=_regions(et=(1,), netc=(2,), cc=(3,), ed=(4,), tc=(1, 2, 3), wt=(1, 2, 3, 4)),
    ),
    replace(_SEGMENTED, name="brats2025_goat", title="BraTS 2025 GoAT", regions=_BRAIN, labels=WT),
    replace(
        _SEGMENTED, name="brats2025_men_pre", title="BraTS 2025 meningioma, pre-operative", regions=_BRAIN, labels=WT
    ),
    replace(
        _SEGMENTED,
        name="brats2025_men_rt",
        title="BraTS 2025 meningioma, radiotherapy",
        regions=_regions(gtv=(1,)),
        labels=(1,),
    ),
    Protocol(
        name="picai",
        title="PI-CAI lesion detection",
        source="https://pypi.org/project/picai-eval/1.4.13/",
        definition="Lesions and predicted components (26-connected) are paired one to one: as many pairs of an IoU of "
        "at least 0.1 as there can be, then the largest sum of IoU. A further component with such an IoU is no false "
        "positive. AP, AUROC and their mean, the score, are of maps of confidences; masks have none.",
        regions=_regions(cspca=()),
        labels=(),
        matcher=Matcher(
            name="picai",
            title="IoU of at least 0.1, most pairs",
            definition="As many pairs of an IoU of at least 0.1 as there can be, then the largest sum of IoU.",
            source="picai_eval 1.4.13, evaluate_case",
            min_iou=0.1,
        ),
        assignment="number",
        both_empty=(1.0, math.nan),
    ),
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({protocol.name: protocol for protocol in _ROWS})
"""Every protocol by its name."""


def find_protocol(name: str) -> Protocol:
    """The protocol of that name, in capitals or not; raises `UsageError` where there is none, with the nearest."""
    return PROTOCOLS[find_key(PROTOCOLS, name, kind="protocol")]
