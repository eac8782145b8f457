"""How long a step takes, measured on two."""

import time

import torch

from afl_core.training.cases import BatchSampler, TrainingCase
from afl_core.training.config import TrainConfig
from afl_core.training.state import RunState


def step_seconds(config: TrainConfig) -> float:
    """Seconds of one step on made-up cases, drawing the batch included: the second of two, the first warms up.

    Raises:
        UsageError: If the network, patch or device is not possible.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((len(config.sequences), *config.patch_size), generator=generator).half()
    label = (torch.rand((1, *config.patch_size), generator=generator) < 0.02).byte()
    flat = label.flatten()
    case = TrainingCase("made up", image, label, flat.nonzero()[:, 0], (flat == 0).nonzero()[:, 0])
    run = RunState(config.model_copy(update={"epochs": None}), [case])
    draw, seconds = BatchSampler([case], config), 0.0
    for step in (1, 2):
        begin = time.perf_counter()
        run.advance(*draw(step))
        seconds = time.perf_counter() - begin
    return seconds
