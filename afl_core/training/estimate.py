"""How long a step takes, measured on two; `python -m afl_core.training.estimate` reads a configuration as JSON."""

import json
import sys
import time

import torch

from afl_core.errors import AflError
from afl_core.training.cases import BatchSampler, TrainingCase
from afl_core.training.config import TrainConfig
from afl_core.training.state import RunState


def step_seconds(config: TrainConfig) -> float:
    """Seconds of one step on made-up cases, drawing the batch included: the second of two, the first warms up.

    Raises:
        UsageError: If the network, patch or device is not possible.
    """
    run = RunState(config.model_copy(update={"epochs": None}), ())
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((len(config.sequences), *config.patch_size), generator=generator).half()
    label = (torch.rand((1, *config.patch_size), generator=generator) < 0.02).byte()
    flat = label.flatten()
    case = TrainingCase("made up", image, label, flat.nonzero()[:, 0], (flat == 0).nonzero()[:, 0])
    draw, seconds = BatchSampler([case], config), 0.0
    for step in (1, 2):
        begin = time.perf_counter()
        run.advance(*draw(step))
        seconds = time.perf_counter() - begin
    return seconds


if __name__ == "__main__":
    try:
        print(json.dumps({"seconds": step_seconds(TrainConfig.model_validate_json(sys.stdin.read()))}))  # noqa: T201
    except AflError as error:
        sys.exit(str(error))
