"""A training as it is typed on a form: numbers, seeds, a length in steps, epochs or minutes, and its command."""

import json
import math
import re
import shlex
from collections.abc import Mapping
from typing import Any

from afl_core.base import paths
from afl_core.errors import UsageError
from afl_core.training.config import PRESETS, TrainConfig
from afl_core.training.launcher import Proposal
from afl_core.training.request import TrainingRequest
from afl_core.training.run_records import RunSpec

UNITS = ("steps", "epochs", "minutes")

VALIDATIONS = 4
"""A run shorter than the preset's validates so often, so that there is a curve to see."""


def length_settings(preset: str, unit: str, amount: int, *, settings: Mapping[str, Any], cases: int) -> dict[str, Any]:
    """The settings of a length in steps or epochs; {} for minutes, which become steps once a step was timed.

    Args:
        preset: Key of the preset in `PRESETS`.
        unit: Unit of the length, one of UNITS.
        amount: Number of those units.
        settings: Other settings that differ from the preset.
        cases: Number of cases of the training split, over which an epoch passes.
    """
    if unit == "steps":
        return {"steps": amount, "validate_every": validation_steps(preset_value(preset, "validate_every"), amount)}
    if unit == "epochs":
        batch = settings.get("batch_size", preset_value(preset, "batch_size"))
        return {"epochs": amount, "validate_every": math.ceil(cases / batch)}
    return {}


def fit_length(request: TrainingRequest, minutes: float | None, proposal: Proposal) -> dict[str, RunSpec]:
    """The runs of a proposal, with minutes turned into steps: as many for all as the slowest does in that time.

    Args:
        request: The request of the proposal.
        minutes: Length of each run in minutes; None where steps or epochs were given.
        proposal: The runs, and the seconds of a step of each.
    """
    if minutes is None:
        return dict(proposal.runs)
    steps = max(1, int(minutes * 60 / max(proposal.step_seconds.values())))
    preset = preset_value(request.preset, "validate_every")
    length = {"steps": steps, "epochs": None, "validate_every": validation_steps(preset, steps)}
    given = request.settings | {key: value for key, value in length.items() if value is not None}
    command = command_of(request.model_copy(update={"settings": given}))
    return {
        name: spec.model_copy(update={"config": spec.config.model_copy(update=length), "command": command})
        for name, spec in proposal.runs.items()
    }


def validation_steps(preset: int | None, steps: int) -> int | None:
    """Steps between validations: the preset's, or fewer in a short run; None is a pass over the training cases.

    >>> validation_steps(500, 2000), validation_steps(500, 60), validation_steps(None, 60)
    (500, 15, None)
    """
    return preset and min(preset, math.ceil(steps / VALIDATIONS))


def preset_value(preset: str, key: str) -> Any:
    """What a preset sets, or else the default."""
    return PRESETS[preset].get(key, TrainConfig.model_fields[key].get_default(call_default_factory=True))


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of a training; raises `UsageError` where there is none, or one twice."""
    seeds = parse_numbers(text)
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError("Give one or more seeds, each once, such as 0, 1, 2", received=text or None)
    return seeds


def parse_numbers(text: str) -> tuple[int, ...]:
    """Whole numbers, however they are separated.

    Raises:
        UsageError: If there is anything else.

    >>> parse_numbers("0, 1 2"), parse_numbers("64 × 64 x 32")
    ((0, 1, 2), (64, 64, 32))
    """
    if re.search(r"[^\d\s,;x×]|\d{16}", text):  # Python takes no number of thousands of digits
        raise UsageError("Whole numbers are expected", received=text, todo="Such as 0, 1, 2")
    return tuple(int(number) for number in re.findall(r"\d+", text))


def command_of(request: TrainingRequest) -> str:
    """The command that trains what a request asks for."""
    words = ["afl", "train", "--preset", request.preset]
    words += [word for loss in request.losses for word in ("--loss", loss)]
    words += [word for seed in request.seeds for word in ("--seed", str(seed))]
    words += [] if request.data == paths.DEMO.resolve() else ["--data", str(request.data)]
    words += request.data_options.arguments() + (["--random-split"] if request.random_split else [])
    words += [
        word
        for key, value in request.settings.items()
        for word in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        if value is not None
    ]
    return shlex.join(words)
