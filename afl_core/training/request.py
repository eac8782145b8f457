"""A request for training, in the one shape that form and command line fill in and `plan_runs` takes. Needs no torch."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from afl_core.data.layouts import AS_RECOGNISED, DataOptions


class TrainingRequest(BaseModel):
    """Which runs are wanted: every loss with every seed, on one data set.

    Attributes:
        preset: Key of the preset in `PRESETS`.
        losses: Keys of losses in `LOSSES`, one or more; a preset of A-FL is written `adaptive_focal:PRESET`, and any
            loss with settings of its own `LOSS:{JSON}`.
        seeds: Seeds, one or more; none is the preset's.
        settings: Other settings of `TrainConfig`; `loss_settings` among them apply to every loss.
        data: Folder of the data set.
        data_options: Options by which the data set is read.
        random_split: True if a split is drawn at random though the data set has one of its own.
        command: Command that repeats the runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str
    losses: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: dict[str, Any]
    data: Path
    data_options: DataOptions = AS_RECOGNISED
    random_split: bool = False
    command: str
