"""The plan of a training: every loss with every seed, checked before anything is read."""

import hashlib
import json
import time
from typing import Any

import torch

from afl_core.base.catalogue import find_key
from afl_core.errors import UsageError
from afl_core.loss import LOSSES, build_loss
from afl_core.training.config import PRESETS, TrainConfig, build_config
from afl_core.training.request import TrainingRequest
from afl_core.training.run_records import RunSpec
from afl_core.training.state import build_network, choose_device


def plan_runs(request: TrainingRequest) -> dict[str, RunSpec]:
    """The runs of every loss with every seed; those of one seed start from the same weights and see the same batches.

    Args:
        request: The runs that are wanted.

    Returns:
        Name of the run to its specification, in order.

    Raises:
        UsageError: If a setting, loss, network, patch or device is not possible.
    """
    losses, settings = request.losses, request.settings
    if not losses:
        raise UsageError("Training needs a loss", todo=f"Give --loss, one of {', '.join(LOSSES)}")
    preset = find_key(PRESETS, request.preset, kind="preset")
    given = settings.get("loss_settings", {})
    if not isinstance(given, dict):
        raise UsageError("loss_settings must be JSON", received=given, todo='Such as loss_settings={"gamma":1}')
    plans: dict[str, RunSpec] = {}
    pair = f"{time.time():.0f}" if len(losses) * len(request.seeds or (None,)) > 1 else ""
    for seed in request.seeds or (None,):
        for text in losses:
            loss, variant, loss_settings = _parse_loss(text)
            loss = find_key(LOSSES, loss, kind="loss")
            entry = LOSSES[loss]
            loss_settings = {**given, **loss_settings}
            build_loss(loss, **loss_settings)
            chosen = {"loss": loss, "loss_settings": {**entry.settings, **loss_settings}} | (
                {} if seed is None else {"seed": seed}
            )
            config = build_config(preset, **{**settings, **chosen})
            check_config(config)
            label = f"{preset}-{loss}{f'-{variant}' if variant else ''}-seed{config.seed}"
            if label in plans:
                raise UsageError("Give each loss and each seed once", received=f"{text}, seed {config.seed}")
            plans[label] = RunSpec(
                config=config,
                data=request.data.resolve(),
                data_options=request.data_options,
                random_split=request.random_split,
                pair=pair,
                command=request.command,
                created=time.time() + len(plans) / 1000,
            )
    return plans


def _parse_loss(text: str) -> tuple[str, str, dict[str, Any]]:
    """Key in `LOSSES`, a word for the name of the run, and settings, of LOSS, LOSS:PRESET or LOSS:{JSON}.

    >>> _parse_loss("adaptive_focal:released_code")
    ('adaptive_focal', 'released_code', {'preset': 'released_code'})
    """
    loss, _, variant = text.partition(":")
    if not variant.startswith("{"):
        return loss, variant, {"preset": variant} if variant else {}
    try:
        settings: dict[str, Any] = json.loads(variant)
    except ValueError as error:
        todo = 'Such as adaptive_focal:{"gamma_scale":4}'
        raise UsageError("The settings of the loss are no JSON", received=text, todo=todo) from error
    return loss, f"custom-{hashlib.sha256(variant.encode()).hexdigest()[:6]}", settings


def check_config(config: TrainConfig) -> None:
    """Refuse a network, patch or device that is not possible, in a second and before any data are read.

    Raises:
        UsageError: If it is not; names the setting.
    """
    choose_device(config)
    with torch.device("meta"):  # shapes without numbers
        build_network(config.model_copy(update={"encoder_weights": None}))
