"""What the card of a checkpoint says of its training, data and machine."""

import os
import platform
from collections.abc import Sequence
from typing import Any

import torch

from afl_core.base import paths
from afl_core.base.storage import hash_files
from afl_core.base.versions import versions
from afl_core.data.labels import WHOLE
from afl_core.data.layouts import Cohort
from afl_core.training.config import TrainConfig
from afl_core.training.loop import TrainResult
from afl_core.training.ranks import Ranks
from afl_core.volume import Case


def settings_text(config: TrainConfig) -> str:
    """The settings of the loss in words."""
    settings = [f"{key} {value}" for key, value in config.loss_settings.items()]
    if config.loss == "adaptive_focal" and config.factors_from == "case":
        settings.append("alpha and gamma of the whole case")
    return ", ".join(settings) or "default settings"


def region_text(cohort: Cohort) -> str:
    """The region that the checkpoint segments, where that is not the whole tumour."""
    return "" if cohort.region.name == WHOLE else f", trained on {cohort.scheme.title_of(cohort.region.name)}"


def outcome(result: TrainResult, ranks: Ranks) -> dict[str, Any]:
    """What came of a training, for its card."""
    return {
        "processes": ranks.size,
        "parameters": sum(p.numel() for p in result.network.parameters()),
        "best_step": result.best_step,
        "best_validation_dsc": round(result.best_validation_dsc, 4),
        "initial_weights_sha256": result.initial_weights_sha256,
    }


def data_facts(cohort: Cohort, training: Sequence[Case], config: TrainConfig) -> dict[str, Any]:
    """What a checkpoint is trained on, with a hash of the files of its training cases."""
    files = [
        path
        for case in training
        for path in (*(case.sequences[name] for name in config.sequences), case.reference)
        if path is not None
    ]
    return {
        "name": paths.DEMO_NAME if cohort.root.resolve() == paths.DEMO.resolve() else cohort.root.name,
        "layout": cohort.layout.name,
        "labels": cohort.scheme.name,
        "region": cohort.region.name,
        "training_files_sha256": hash_files(files),
    }


def environment() -> dict[str, Any]:
    """Versions and machine."""
    packages = ("torch", "monai", "numpy", "nibabel", "scipy", "safetensors")
    return {"versions": versions(packages), "machine": machine(), "platform": platform.platform()} | {
        "cores": os.cpu_count()
    }


def machine() -> str:
    """What the bits of a training depend on beside the versions: system, vector instructions, and the GPU if any."""
    parts = [platform.system(), platform.machine(), torch.backends.cpu.get_cpu_capability()]
    return " ".join([*parts, torch.cuda.get_device_name()] if torch.cuda.is_available() else parts)
