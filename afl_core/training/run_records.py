"""The records in the files of a run: its specification, its status and its reports. Needs no torch."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass as checked

from afl_core.data.layouts import AS_RECOGNISED, DataOptions
from afl_core.training.config import TrainConfig

State = Literal["waiting", "running", "stopped", "failed", "finished", "interrupted"]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

UNDER_WAY = ("waiting", "running")
"""States of a run that has a process."""

ENDED = ("finished", "failed")
"""States of a run that ended by itself."""

STARTING = "Starting"
"""Message of a run from its start until it writes one itself."""

TRAINING, VALIDATING, TESTING = "Training", "Validating", "Scoring the test split"
"""Messages of a run that takes steps, measures on the validation cases, and on the test cases."""


class RunSpec(BaseModel):
    """The specification of a run: what it is to do.

    Attributes:
        config: Configuration of the training.
        data: Folder of the data set, absolute.
        data_options: Options by which the data set is read: layout, labels, and which of them are the tumour.
        random_split: True if a split is drawn at random though the data set has one of its own.
        out: Folder into which the checkpoint also goes; None leaves it in the run alone.
        pair: Name that runs share which were started together, and differ in loss or seed; "" for one alone.
        command: Command that repeats the run, for the card.
        created: Time at which the run was created, in seconds since 1970; runs wait for those created before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrainConfig
    data: Path
    data_options: DataOptions = AS_RECOGNISED
    random_split: bool = False
    out: Path | None = None
    pair: str = ""
    command: str
    created: Finite


@checked(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class RunStatus:
    """The status of a run; `interrupted` is a run whose process is gone without having written why.

    Attributes:
        state: State of the run.
        message: Sentence that says what the run does, or why it failed.
        step: Number of steps done.
        steps: Number of steps due; 0 where that is not known yet.
        seconds: Time spent in training, over all resumptions.
        pid: Number of the run's process; 0 where there is none.
        updated: Time of this status in seconds since 1970, for people: a clock may be wrong, so nothing depends on it.
    """

    state: State
    message: str
    step: Count = 0
    steps: Count = 0
    seconds: Finite = 0.0
    pid: Count = 0
    updated: Finite = 0.0


@checked(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Spread:
    """A factor of A-FL over the samples since the last validation."""

    mean: Finite
    low: Finite
    middle: Finite
    high: Finite


@checked(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Report:
    """A line of the metrics: `Progress` after a step, and the seconds until then."""

    step: Count
    loss: Finite
    validation_dsc: Finite | None
    learning_rate: Finite
    seconds: Finite
    factors: dict[str, Spread] = Field(default_factory=dict)
