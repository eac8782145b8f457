"""The trainers for nnU-Net: their names, and what each trains with. Needs neither torch nor nnU-Net."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

FOLDER = Path(__file__).parent / "trainers"
"""The folder in which nnU-Net finds the trainers, by the environment variable `nnUNet_extTrainer`."""

VARIABLE = "nnUNet_extTrainer"

FactorsFrom = Literal["patch", "case"]

_PAPER: Mapping[str, Any] = MappingProxyType({"preset": "paper_equation", "activation": "softmax"})


@dataclass(frozen=True)
class TrainerSpec:
    """What a trainer trains with; all else is nnU-Net's own.

    Attributes:
        line: Sentence that says what it is.
        loss: Key of the loss in `LOSSES`.
        settings: Settings of the loss that differ from the catalogue's.
        factors_from: Where A-FL takes alpha and gamma from: the patch, or the whole case that it is a part of.
        own_levels: Whether every level of deep supervision has factors of its own target, and not those of the full
            resolution.
        epochs: Number of epochs; None is nnU-Net's.
        iterations: Number of training steps an epoch; None is nnU-Net's.
    """

    line: str
    loss: str
    settings: Mapping[str, Any]
    factors_from: FactorsFrom = "patch"
    own_levels: bool = False
    epochs: int | None = None
    iterations: int | None = None


TRAINERS: Mapping[str, TrainerSpec] = MappingProxyType(
    {
        "nnUNetTrainerFL": TrainerSpec(
            "Focal loss (FL), gamma 2, without alpha.", "focal", {"gamma": 2.0, "activation": "softmax"}
        ),
        "nnUNetTrainerAFL_released": TrainerSpec(
            "A-FL as its authors' code computes it, a sigmoid for each class.",
            "adaptive_focal",
            {"preset": "released_code", "activation": "sigmoid"},
        ),
        "nnUNetTrainerAFL_paper": TrainerSpec("A-FL as the paper prints it.", "adaptive_focal", _PAPER),
        "nnUNetTrainerAFL_scale_free": TrainerSpec(
            "A-FL as the paper prints it, with a smoothness that does not grow with the tumour.",
            "adaptive_focal",
            {**_PAPER, "gamma_smoothness": "scale_free"},
        ),
        "nnUNetTrainerAFL_gamma0": TrainerSpec(
            "AFL_released without gamma: the control that tells its weights from its focusing.",
            "adaptive_focal",
            {"preset": "released_code", "gamma_volume": False, "gamma_smoothness": "none", "activation": "sigmoid"},
        ),
        "nnUNetTrainerDiceFocal": TrainerSpec("Dice loss and focal loss, gamma 2.", "dice_focal", {"gamma": 2.0}),
        "nnUNetTrainerBlob": TrainerSpec(
            "Blob loss: Dice loss and cross-entropy of the whole and of each lesion.", "blob", {}
        ),
    }
)
"""Name of the trainer, as `nnUNetv2_train -tr` takes it, to what it trains with."""

ENDINGS: Mapping[str, str] = MappingProxyType(
    {
        "_case": "alpha and gamma are those of the whole case, not of the patch (A-FL alone)",
        "_levels": "alpha and gamma of each level of deep supervision are those of its own target (A-FL alone)",
        "_Nepochs": "N epochs in place of nnU-Net's 1000",
        "_Niterations": "N training steps an epoch in place of nnU-Net's 250, and a fifth of it in validation",
    }
)
"""What can be added to the name of a trainer, in this order and one of the first two; so the folder of its results says
how it was trained."""

_NAME = re.compile(
    rf"({'|'.join(TRAINERS)})(_case|_levels)?(?:_([1-9]\d{{0,5}})epochs)?(?:_([1-9]\d{{0,5}})iterations)?"
)


def find_trainer(name: str) -> TrainerSpec | None:
    """What the trainer of that name trains with; None if the name is none of ours.

    >>> find_trainer("nnUNetTrainerAFL_paper_case_2epochs").factors_from
    'case'
    >>> find_trainer("nnUNetTrainerFL_case") is None  # FL takes nothing from a reference
    True
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    base, factors, epochs, iterations = match.groups()
    if factors and "AFL" not in base:
        return None
    return replace(
        TRAINERS[base],
        factors_from="case" if factors == "_case" else "patch",
        own_levels=factors == "_levels",
        epochs=int(epochs) if epochs else None,
        iterations=int(iterations) if iterations else None,
    )
