"""The arms of the study, what is chosen about them on validation cases alone, and the comparisons that are tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class Arm:
    """One loss of the study.

    Attributes:
        loss: Key of the loss in `LOSSES`.
        candidates: Settings that differ from the catalogue's; of several, the validation cases choose one.
        factors_from: Where A-FL takes alpha and gamma from, as in `TrainConfig`.
        seeds: Number of training runs: 5 for an arm that a headline is about, 3 for another.
    """

    loss: str
    candidates: tuple[Mapping[str, Any], ...]
    factors_from: Literal["patch", "case"] = "patch"
    seeds: int = 3


_PAPER = {"preset": "paper_equation", "normalise": True}
_NO_GAMMA = {"preset": "released_code", "gamma_volume": False, "gamma_smoothness": "none"}


def _size_first(*, offset: float, roughness: float, volume: float) -> dict[str, Any]:
    """Settings of gamma = offset + roughness * the roughness of the tumour - volume * its share of the voxels."""
    return {
        **_PAPER,
        "gamma_smoothness": "scale_free",
        "gamma_scale": roughness,
        "gamma_volume_scale": -volume / roughness,
        "gamma_offset": offset,
    }


ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        "FL": Arm("focal", ({"gamma": 2.0},), seeds=5),
        "A-FL released": Arm("adaptive_focal", ({"preset": "released_code"},), seeds=5),
        "A-FL gamma 0": Arm("adaptive_focal", (_NO_GAMMA,), seeds=5),
        "A-FL paper": Arm("adaptive_focal", (_PAPER,)),
        "A-FL scale-free": Arm("adaptive_focal", ({**_PAPER, "gamma_smoothness": "scale_free"},)),
        "A-FL size-first": Arm(
            "adaptive_focal",
            (
                _size_first(offset=2.0, roughness=5.0, volume=35.0),
                _size_first(offset=2.0, roughness=10.0, volume=70.0),
                _size_first(offset=1.0, roughness=5.0, volume=35.0),
            ),
            seeds=5,
        ),
        "A-FL size-first case": Arm(
            "adaptive_focal",
            (
                _size_first(offset=2.0, roughness=5.0, volume=80.0),
                _size_first(offset=2.0, roughness=10.0, volume=160.0),
                _size_first(offset=1.0, roughness=5.0, volume=80.0),
            ),
            factors_from="case",
        ),
        "IV-FL": Arm("inverse_volume_focal", ({"gamma": 2.0},)),
        "Blob": Arm("blob", ({},)),
        "DiceFocal": Arm("dice_focal", ({"gamma": 2.0},)),
        "DiceCE": Arm("dice_ce", ({},)),
    }
)
"""FL, A-FL as released and its control without any gamma, A-FL by the paper's equation (weights normalised, so that one
learning rate serves all), with a smoothness that does not grow with the tumour, and with a gamma that falls with the
tumour's size and rises with its roughness, as the paper's text promises; two losses that weigh lesions alike; and two
of the paper's baselines. A case has more voxels than a patch: its share of tumour is smaller, its factor larger."""

RATES = (1.0, 0.3, 3.0)
"""Learning rates that are tried, as factors of the preset's, which is the common one."""

SEEDS_AT_OWN_RATE = 3
"""Training runs of any arm at its own learning rate: the headlines are at the common one."""

LEAST_PATIENTS = 10
"""Patients of a further data set below which its cases are listed and nothing is compared."""

CONTRASTS = (*(("FL", arm) for arm in ARMS if arm != "FL"), ("A-FL gamma 0", "A-FL released"))
"""The comparisons that are tested, first and second; Holm's correction counts all of one decision rule."""

BY_CHANNEL = ("FL", "A-FL released", "A-FL gamma 0")
"""Arms that are also compared as the released code decides, by the tumour channel alone: what it does to them."""
