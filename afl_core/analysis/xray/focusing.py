"""The formulas of the focal losses without PyTorch, for what is drawn and counted rather than trained.

They are those of `afl_core.loss` (`Terms`, `focal`), which loads PyTorch; that both agree is tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Alpha = Literal["released", "scalar", "balanced", "none"]
Smoothness = Literal["released", "surface", "scale_free", "none"]
Floats = NDArray[np.float64]

P_RANGE = (0.01, 0.99)
"""Range of p_t over which two losses are compared."""


@dataclass(frozen=True)
class Setting:
    """A focal loss; each field means what it means in `afl_core.loss.Terms`.

    FL has only an offset, gamma; cross-entropy has nothing.
    """

    alpha: Alpha = "none"
    gamma_volume: bool = False
    gamma_smoothness: Smoothness = "none"
    gamma_scale: float = 1.0
    gamma_offset: float = 0.0
    gamma_volume_scale: float = 1.0

    def loss_settings(self) -> dict[str, Any]:
        """The settings as `build_loss("adaptive_focal", ...)` takes them."""
        return {
            "alpha": self.alpha,
            "gamma_volume": self.gamma_volume,
            "gamma_smoothness": self.gamma_smoothness,
            "gamma_scale": self.gamma_scale,
            "gamma_volume_scale": self.gamma_volume_scale,
            "gamma_offset": self.gamma_offset,
        }


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "FL": Setting(gamma_offset=2.0),
        "CE by class": Setting(alpha="balanced"),
        "A-FL released": Setting("released", True, "released"),
        "A-FL paper": Setting("scalar", True, "surface"),
        "A-FL scale-free": Setting("scalar", True, "scale_free"),
    }
)
"""The losses that are compared: the focal loss with gamma 2, cross-entropy with balanced classes, and A-FL as released,
as printed, and with a smoothness that does not grow with the tumour (the presets and one arm of `afl study`)."""

SIZE_FIRST = Setting("scalar", True, "scale_free", 5.0, 1.0, -16.0)
"""A gamma that falls with the tumour's size and rises with its roughness, as the paper's text promises: the setting
for whole cases that the validation cases of `afl study` chose out of three."""


def gammas(setting: Setting, cases: pd.DataFrame) -> Floats:
    """Focusing exponent of each case: `unclipped`, cut off at 0."""
    return np.maximum(unclipped(setting, cases), 0.0)


def case_gamma(setting: Setting, row: "Mapping[str, Any] | pd.Series[Any]") -> float:
    """Focusing exponent of one case, from its row."""
    return float(gammas(setting, pd.DataFrame([dict(row)]))[0])


def unclipped(setting: Setting, cases: pd.DataFrame) -> Floats:
    """What the settings make of each case, before it is cut off at 0.

    Args:
        setting: The settings of the loss.
        cases: Table with columns `gamma_va`, `released`, `surface` and `scale_free` (gamma_mSa under each reading).
    """
    adaptive = np.zeros(len(cases))
    if setting.gamma_volume:
        adaptive += setting.gamma_volume_scale * cases["gamma_va"].to_numpy(np.float64)
    if setting.gamma_smoothness != "none":
        adaptive += cases[setting.gamma_smoothness].to_numpy(np.float64)
    return setting.gamma_offset + setting.gamma_scale * adaptive


def weights(alpha: Alpha, gamma_va: float) -> Floats:
    """Weight of a background and of a tumour voxel (columns) in the background and in the tumour channel (rows).

    >>> weights("released", 0.25).tolist(), weights("balanced", 0.25).tolist()
    ([[0.75, 0.75], [0.25, 0.25]], [[0.25, 0.75], [0.25, 0.75]])
    """
    alpha_va = 1 - gamma_va
    table: dict[Alpha, list[list[float]]] = {
        "released": [[alpha_va] * 2, [gamma_va] * 2],
        "balanced": [[gamma_va, alpha_va]] * 2,
        "scalar": [[alpha_va] * 2] * 2,
        "none": [[1.0, 1.0]] * 2,
    }
    return np.array(table[alpha])


def focal_loss(p_t: ArrayLike, gamma: float) -> Floats:
    """-(1 - p_t)^gamma log(p_t), without a weight."""
    p = np.asarray(p_t, dtype=np.float64)
    return np.asarray(-((1 - p) ** gamma) * np.log(p))


def focal_slope(signed_logit: ArrayLike, gamma: float) -> Floats:
    """Size of the loss's derivative by the logit: (1 - p_t)^gamma (1 - p_t - gamma p_t log(p_t)).

    Args:
        signed_logit: The z of p_t = sigmoid(z): the logit in what it should find, minus the logit elsewhere.
        gamma: Focusing exponent.
    """
    z = np.asarray(signed_logit, dtype=np.float64)
    log_p = -np.logaddexp(0, -z)
    log_q = log_p - z
    return np.asarray(np.exp(gamma * log_q) * (np.exp(log_q) - gamma * np.exp(log_p) * log_p))


def distance_from_ce(gamma: ArrayLike) -> Floats:
    """How far the loss is from cross-entropy with the same weights: largest relative difference for p_t in P_RANGE.

    It is 1 - (1 - p_t)^gamma, which is largest where p_t is.

    >>> distance_from_ce([0.0, 0.002, 2.0]).round(4).tolist()
    [0.0, 0.0092, 0.9999]
    """
    return np.asarray(1 - (1 - P_RANGE[1]) ** np.asarray(gamma, dtype=np.float64))


def kept_at(p_t: float, gamma: ArrayLike) -> Floats:
    """Share of the cross-entropy that the loss keeps of a voxel predicted that well: (1 - p_t)^gamma.

    >>> kept_at(0.9, [0.0, 2.0]).round(3).tolist()
    [1.0, 0.01]
    """
    return np.asarray((1 - p_t) ** np.asarray(gamma, dtype=np.float64))
